//! Which variables a template reads without setting them itself, and which of these it first asks for.

use super::rewrite;
use crate::error::Result;
use minijinja::Error;
use minijinja::machinery::ast::{CallArg, Expr, Stmt};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;
use std::collections::BTreeSet;

/// The variables of one template.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Each name that is read, with the line and column where, from 1.
    pub read: Vec<(String, u32, u32)>,
    /// Those that may be undefined: `x is defined`, `x | default(…)`.
    pub optional: BTreeSet<String>,
}

#[derive(Default)]
struct Walk {
    names: Names,
    bound: BTreeSet<String>,
}

/// The variables of a template.
///
/// # Errors
/// Syntax errors.
pub(super) fn names(source: &str, syntax: &SyntaxConfig) -> Result<Names, Error> {
    let source = rewrite::parsable(source, syntax)?;
    let template = parse(&source, "template", syntax.clone())?;
    let mut walk = Walk::default();
    walk.stmt(&template);
    let Walk { mut names, bound } = walk;
    names.read.retain(|(name, ..)| !bound.contains(name));
    Ok(names)
}

/// The variable that a chain of attributes starts from.
fn root<'a>(e: &'a Expr<'_>) -> Option<&'a str> {
    match e {
        Expr::Var(v) => Some(v.id),
        Expr::GetAttr(g) => root(&g.expr),
        Expr::GetItem(g) => root(&g.expr),
        Expr::Filter(f) => f.expr.as_ref().and_then(root),
        Expr::Slice(s) => root(&s.expr),
        _ => None,
    }
}

impl Walk {
    fn bind(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(v) => drop(self.bound.insert(v.id.to_owned())),
            Expr::Tuple(t) => t.items.iter().for_each(|item| self.bind(item)),
            Expr::List(l) => l.items.iter().for_each(|item| self.bind(item)),
            // `{% set namespace.x = … %}` reads the namespace.
            other => self.expr(other),
        }
    }

    fn stmts(&mut self, stmts: &[Stmt<'_>]) {
        stmts.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) {
        match stmt {
            Stmt::Template(t) => self.stmts(&t.children),
            Stmt::EmitExpr(e) => self.expr(&e.expr),
            Stmt::ForLoop(f) => {
                self.bind(&f.target);
                self.expr(&f.iter);
                f.filter_expr.iter().for_each(|filter| self.expr(filter));
                self.stmts(&f.body);
                self.stmts(&f.else_body);
            }
            Stmt::IfCond(c) => {
                self.expr(&c.expr);
                self.stmts(&c.true_body);
                self.stmts(&c.false_body);
            }
            Stmt::WithBlock(w) => {
                for (target, value) in &w.assignments {
                    self.bind(target);
                    self.expr(value);
                }
                self.stmts(&w.body);
            }
            Stmt::Set(s) => {
                self.bind(&s.target);
                self.expr(&s.expr);
            }
            Stmt::SetBlock(s) => {
                self.bind(&s.target);
                s.filter.iter().for_each(|filter| self.expr(filter));
                self.stmts(&s.body);
            }
            Stmt::AutoEscape(a) => {
                self.expr(&a.enabled);
                self.stmts(&a.body);
            }
            Stmt::FilterBlock(f) => {
                self.expr(&f.filter);
                self.stmts(&f.body);
            }
            Stmt::Block(b) => self.stmts(&b.body),
            Stmt::Import(i) => {
                self.expr(&i.expr);
                self.bind(&i.name);
            }
            Stmt::FromImport(i) => {
                self.expr(&i.expr);
                i.names.iter().for_each(|(name, alias)| self.bind(alias.as_ref().unwrap_or(name)));
            }
            Stmt::Extends(x) => self.expr(&x.name),
            Stmt::Include(i) => self.expr(&i.name),
            Stmt::Macro(m) => {
                self.bound.insert(m.name.to_owned());
                m.args.iter().for_each(|arg| self.bind(arg));
                m.defaults.iter().for_each(|d| self.expr(d));
                self.stmts(&m.body);
            }
            Stmt::CallBlock(c) => {
                self.expr(&c.call.expr);
                self.args(&c.call.args);
                c.macro_decl.args.iter().for_each(|arg| self.bind(arg));
                c.macro_decl.defaults.iter().for_each(|d| self.expr(d));
                self.stmts(&c.macro_decl.body);
            }
            Stmt::Do(d) => {
                self.expr(&d.call.expr);
                self.args(&d.call.args);
            }
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        }
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            let (CallArg::Pos(e) | CallArg::Kwarg(_, e) | CallArg::PosSplat(e) | CallArg::KwargSplat(e)) = arg;
            self.expr(e);
        }
    }

    fn may_be_undefined(&mut self, e: &Expr<'_>) {
        self.names.optional.extend(root(e).map(str::to_owned));
    }

    fn expr(&mut self, e: &Expr<'_>) {
        match e {
            Expr::Var(v) => {
                let span = v.span();
                self.names.read.push((v.id.to_owned(), u32::from(span.start_line), u32::from(span.start_col) + 1));
            }
            Expr::Const(_) => {}
            Expr::Slice(s) => {
                self.expr(&s.expr);
                [&s.start, &s.stop, &s.step].into_iter().flatten().for_each(|x| self.expr(x));
            }
            Expr::UnaryOp(u) => self.expr(&u.expr),
            Expr::BinOp(b) => {
                self.expr(&b.left);
                self.expr(&b.right);
            }
            Expr::Compare(c) => {
                self.expr(&c.expr);
                c.ops.iter().for_each(|o| self.expr(&o.expr));
            }
            Expr::IfExpr(i) => {
                self.expr(&i.test_expr);
                self.expr(&i.true_expr);
                i.false_expr.iter().for_each(|other| self.expr(other));
            }
            Expr::Filter(f) => {
                if let Some(inner) = &f.expr {
                    if matches!(f.name.rsplit('.').next(), Some("default" | "d" | "mandatory")) {
                        self.may_be_undefined(inner);
                    }
                    self.expr(inner);
                }
                self.args(&f.args);
            }
            Expr::Test(t) => {
                if matches!(t.name.rsplit('.').next(), Some("defined" | "undefined")) {
                    self.may_be_undefined(&t.expr);
                }
                self.expr(&t.expr);
                self.args(&t.args);
            }
            Expr::GetAttr(g) => self.expr(&g.expr),
            Expr::GetItem(g) => {
                self.expr(&g.expr);
                self.expr(&g.subscript_expr);
            }
            Expr::Call(c) => {
                self.expr(&c.expr);
                self.args(&c.args);
            }
            Expr::List(l) => l.items.iter().for_each(|x| self.expr(x)),
            Expr::Tuple(t) => t.items.iter().for_each(|x| self.expr(x)),
            Expr::Map(m) => m.keys.iter().chain(&m.values).for_each(|x| self.expr(x)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> (Vec<String>, Vec<String>) {
        let names = names(source, &SyntaxConfig::default()).unwrap();
        (names.read.into_iter().map(|(name, ..)| name).collect(), names.optional.into_iter().collect())
    }

    #[test]
    fn what_a_template_sets_itself_is_not_read() {
        let text =
            "{% set a = b %}{% for x, y in c if d %}{{ x.z }}{{ a }}{{ loop.index }}{% endfor %}{% macro m(p, q=r) %}{{ p }}{% endmacro %}";
        assert_eq!(read(text).0, ["b", "c", "d", "loop", "r"]);
    }

    #[test]
    fn what_it_asks_for_first_may_be_undefined() {
        let (read, optional) = read("{{ a.b['c'] | default(d) }}{% if e is defined and f is not undefined %}{{ e ~ g }}{% endif %}");
        assert_eq!(read, ["a", "d", "e", "f", "e", "g"]);
        assert_eq!(optional, ["a", "e", "f"]);
    }

    #[test]
    fn places_count_from_one() {
        assert_eq!(names("a\n {{ b }}", &SyntaxConfig::default()).unwrap().read, [("b".to_owned(), 2, 5)]);
    }
}
