//! Rewrites a template so that the engine gives it Jinja's meaning: text is inserted at the places of expressions, lines never move.

mod literal;
mod repair;

use minijinja::machinery::ast::{self, Expr, Stmt};
use minijinja::machinery::{Token, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};
use std::borrow::Cow;
use std::ops::Range;

pub(super) use literal::literal;

/// Wraps an expression so that its list or dictionary can be changed.
pub(super) const FRESH: &str = "_fresh";
/// Stands for `%`.
pub(super) const MODULO: &str = "_modulo";
/// Stands for `~`.
pub(super) const CONCATENATE: &str = "_concatenate";
/// Makes an undefined value answer every attribute with itself.
pub(super) const CHAIN: &str = "_chain";
/// Ends such a chain.
pub(super) const UNCHAIN: &str = "_unchain";
/// Starts a look at whether something is defined.
pub(super) const LOOK: &str = "_look";
/// Ends the look that its first argument started.
pub(super) const LOOKED: &str = "_looked";
/// Lets encrypted texts be taken as they are.
pub(super) const SEAL: &str = "_seal";
/// Ends what its first argument started.
pub(super) const SEALED: &str = "_sealed";
/// Keeps the value of a template that is one expression.
pub(super) const ALONE: &str = "_alone";
/// Stands for `-`.
pub(super) const SUBTRACT: &str = "_subtract";
/// Stands for `+`.
pub(super) const ADD: &str = "_add";
/// Stands for `*`.
pub(super) const MULTIPLY: &str = "_multiply";
/// Stands for `/`.
pub(super) const DIVIDE: &str = "_divide";
/// Stands for `//`.
pub(super) const DIVIDE_FLOORED: &str = "_divide_floored";
/// Stands for `**`.
pub(super) const POWER: &str = "_power";
/// What an inline `if` without `else` gives.
pub(super) const NOTHING: &str = "_nothing";
/// Makes a text a list of its characters, for loops.
pub(super) const ITEMS: &str = "_items";
/// Makes a macro take more arguments than it names.
pub(super) const GATHERING: &str = "_gathering";

const OWN: [&str; 19] = [
    FRESH,
    MODULO,
    CONCATENATE,
    CHAIN,
    UNCHAIN,
    LOOK,
    LOOKED,
    SEAL,
    SEALED,
    ALONE,
    SUBTRACT,
    ADD,
    MULTIPLY,
    DIVIDE,
    DIVIDE_FLOORED,
    POWER,
    NOTHING,
    ITEMS,
    GATHERING,
];

/// Whether a name stands in rewritten templates only.
pub(super) fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

/// One change of the source: `start..end` becomes `text`. Of edits at one offset, closing ones (`rank` 0) come first.
struct Edit {
    start: usize,
    end: usize,
    rank: u8,
    order: i64,
    text: String,
}

/// A block to add: at an offset, between delimiters as they stand at two ranges.
struct Block {
    at: usize,
    open: Range<usize>,
    close: Range<usize>,
    text: String,
}

#[derive(Default)]
struct Rewriter<'s> {
    tokens: Vec<(Token<'s>, usize, usize)>,
    edits: Vec<Edit>,
    /// Between these offsets stands an operator that becomes a comma.
    operators: Vec<(usize, usize)>,
    /// Blocks to add.
    blocks: Vec<Block>,
}

/// The rewritten source of a template; `keeps` says that the value of a lone expression is kept.
///
/// # Errors
/// Syntax errors.
pub(super) fn rewrite(source: &str, syntax: &SyntaxConfig, keeps: bool) -> Result<String, Error> {
    if repair::is_too_deep(source, syntax) {
        return Err(Error::new(ErrorKind::SyntaxError, format!("an expression has more than {} operators", repair::DEEPEST)));
    }
    let source = &*parsable(source, syntax)?;
    let parsed = parse(source, "template", syntax.clone())?;
    let mut rewriter = Rewriter { tokens: repair::spots(source, syntax), ..Rewriter::default() };
    if keeps && is_alone(&parsed) {
        rewriter.keep();
    }
    rewriter.stmt(&parsed);
    let rewritten = rewriter.finish(source);
    match parse(&rewritten, "template", syntax.clone()) {
        Ok(_) => Ok(rewritten),
        Err(_) => Ok(source.to_owned()),
    }
}

/// The source as the engine's parser takes it: itself, or with what only Jinja's parser takes written otherwise.
///
/// # Errors
/// Syntax errors.
pub(super) fn parsable<'s>(source: &'s str, syntax: &SyntaxConfig) -> Result<Cow<'s, str>, Error> {
    let Err(error) = parse(source, "template", syntax.clone()) else { return Ok(Cow::Borrowed(source)) };
    match repair::repaired(source, syntax) {
        Some(repaired) if parse(&repaired, "template", syntax.clone()).is_ok() => Ok(Cow::Owned(repaired)),
        _ => Err(error),
    }
}

/// Whether a template is one expression and nothing else.
fn is_alone(template: &Stmt<'_>) -> bool {
    match template {
        Stmt::Template(t) => matches!(t.children.as_slice(), [Stmt::EmitExpr(_)]),
        _ => false,
    }
}

/// Where an expression starts. The parser lets second and later postfix operators start at their token.
fn start(e: &Expr<'_>) -> usize {
    let own = e.span().start_offset as usize;
    match e {
        Expr::GetAttr(g) => own.min(start(&g.expr)),
        Expr::GetItem(g) => own.min(start(&g.expr)),
        Expr::Slice(g) => own.min(start(&g.expr)),
        Expr::Call(c) => own.min(start(&c.expr)),
        Expr::Filter(f) => f.expr.as_ref().map_or(own, |x| own.min(start(x))),
        Expr::Test(t) => own.min(start(&t.expr)),
        Expr::BinOp(b) => own.min(start(&b.left)),
        Expr::Compare(c) => own.min(start(&c.expr)),
        Expr::IfExpr(i) => own.min(start(&i.true_expr)),
        _ => own,
    }
}

fn end(e: &Expr<'_>) -> usize {
    e.span().end_offset as usize
}

/// The last part of a name.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn is_operator(token: &Token<'_>) -> bool {
    use Token::{Div, FloorDiv, Minus, Mod, Mul, Plus, Pow, Tilde};
    matches!(token, Plus | Minus | Mul | Div | FloorDiv | Mod | Pow | Tilde)
}

impl Rewriter<'_> {
    fn insert(&mut self, at: usize, rank: u8, order: i64, text: impl Into<String>) {
        self.edits.push(Edit { start: at, end: at, rank, order, text: text.into() });
    }

    fn wrap(&mut self, function: &str, start: usize, end: usize) {
        self.wrap_after(&format!("{function}("), start, end);
    }

    /// Where what ends at `end` starts, with the parentheses that open before `start` and close before `end`.
    fn balanced(&self, start: usize, end: usize) -> usize {
        let mut depth = 0i32;
        let mut missing = 0i32;
        let first = self.tokens.partition_point(|(_, s, _)| *s < start);
        for (token, ..) in self.tokens[first..].iter().take_while(|(_, _, e)| *e <= end) {
            match token {
                Token::ParenOpen => depth += 1,
                Token::ParenClose => depth -= 1,
                _ => {}
            }
            missing = missing.max(-depth);
        }
        let opened =
            self.tokens[..first].iter().rev().take(usize::try_from(missing).unwrap_or(0)).filter(|(t, ..)| matches!(t, Token::ParenOpen));
        opened.map(|(_, s, _)| *s).min().unwrap_or(start)
    }

    fn wrap_after(&mut self, opening: &str, start: usize, end: usize) {
        let start = self.balanced(start, end);
        self.insert(start, 1, -(end as i64), opening);
        self.insert(end, 0, -(start as i64), ")");
    }

    /// Wraps all that stands between the first `{{` and the last `}}`.
    fn keep(&mut self) {
        let from = self.tokens.iter().find(|(t, ..)| matches!(t, Token::VariableStart)).map(|(_, _, end)| *end);
        let to = self.tokens.iter().rfind(|(t, ..)| matches!(t, Token::VariableEnd)).map(|(_, start, _)| *start);
        if let (Some(from), Some(to)) = (from, to) {
            self.insert(from, 0, i64::MAX, format!("{ALONE}("));
            self.insert(to, 1, i64::MIN, ")");
        }
    }

    fn stmts(&mut self, stmts: &[Stmt<'_>]) {
        for s in stmts {
            self.stmt(s);
        }
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) {
        match stmt {
            Stmt::Template(t) => self.stmts(&t.children),
            Stmt::EmitExpr(e) => self.expr(&e.expr),
            Stmt::ForLoop(f) => {
                if !matches!(f.iter, Expr::List(_) | Expr::Tuple(_)) {
                    self.wrap(ITEMS, start(&f.iter), end(&f.iter));
                }
                self.expr(&f.iter);
                if let Some(filter) = &f.filter_expr {
                    self.expr(filter);
                }
                self.stmts(&f.body);
                self.stmts(&f.else_body);
            }
            Stmt::IfCond(c) => {
                self.expr(&c.expr);
                self.stmts(&c.true_body);
                self.stmts(&c.false_body);
            }
            Stmt::WithBlock(w) => {
                w.assignments.iter().for_each(|(_, e)| self.expr(e));
                self.stmts(&w.body);
            }
            Stmt::Set(s) => self.expr(&s.expr),
            Stmt::SetBlock(s) => {
                if let Some(filter) = &s.filter {
                    self.expr(filter);
                }
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
            Stmt::Import(i) => self.expr(&i.expr),
            Stmt::FromImport(i) => self.expr(&i.expr),
            Stmt::Extends(x) => self.expr(&x.name),
            Stmt::Include(i) => self.expr(&i.name),
            Stmt::Macro(m) => {
                self.gathering(m.name, m.span().start_offset as usize, m.span().end_offset as usize);
                m.defaults.iter().for_each(|d| self.expr(d));
                self.stmts(&m.body);
            }
            Stmt::CallBlock(c) => {
                self.call(&c.call);
                c.macro_decl.defaults.iter().for_each(|d| self.expr(d));
                self.stmts(&c.macro_decl.body);
            }
            Stmt::Do(d) => self.call(&d.call),
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        }
    }

    /// A macro that uses `varargs` or `kwargs` gets them as parameters, and is wrapped so that calls fill them.
    fn gathering(&mut self, name: &str, from: usize, to: usize) {
        let inside: Vec<_> = self.tokens.iter().filter(|(_, start, end)| *start >= from && *end <= to).collect();
        if !inside.iter().any(|(t, ..)| matches!(t, Token::Ident("varargs" | "kwargs"))) {
            return;
        }
        let header = inside.iter().position(|(t, ..)| matches!(t, Token::BlockEnd)).unwrap_or(0);
        let closing = self.tokens.iter().find(|(t, start, _)| matches!(t, Token::BlockEnd) && *start >= to);
        let opening = self.tokens.iter().rfind(|(t, start, _)| matches!(t, Token::BlockStart) && *start < to);
        let (Some((_, end, after)), Some((_, before, start)), 2..) = (closing, opening, header) else { return };
        let comma = if matches!(inside[header - 2].0, Token::ParenOpen | Token::Comma) { "" } else { ", " };
        let (parenthesis, after) = (inside[header - 1].1, *after);
        let text = format!(" set {name}={GATHERING}({name}) ");
        self.blocks.push(Block { at: after, open: *before..*start, close: *end..after, text });
        self.insert(parenthesis, 1, 0, format!("{comma}varargs=none, kwargs=none"));
    }

    fn call(&mut self, call: &ast::Call<'_>) {
        self.expr(&call.expr);
        self.args(&call.args);
    }

    fn args(&mut self, args: &[ast::CallArg<'_>]) {
        use ast::CallArg::{Kwarg, KwargSplat, Pos, PosSplat};
        for arg in args {
            match arg {
                Pos(e) | Kwarg(_, e) | PosSplat(e) | KwargSplat(e) => self.expr(e),
            }
        }
    }

    /// `a.b[c].d` becomes `_unchain(_chain(_chain(a).b)[c].d)`: undefined all along is undefined, not an error.
    fn chain(&mut self, e: &Expr<'_>) {
        if let Expr::Filter(f) = e {
            if let Some(inner) = &f.expr {
                self.chain(inner);
            }
            return;
        }
        // The engine looks for `loop.previtem` and its like in the source.
        let of_loop = matches!(e, Expr::GetAttr(g) if matches!(&g.expr, Expr::Var(v) if v.id == "loop"));
        if of_loop || !matches!(e, Expr::GetAttr(_) | Expr::GetItem(_)) {
            return;
        }
        self.wrap(UNCHAIN, start(e), end(e));
        let mut current = e;
        loop {
            let inner = match current {
                Expr::GetAttr(g) => &g.expr,
                Expr::GetItem(g) => &g.expr,
                _ => break,
            };
            if matches!(inner, Expr::GetAttr(_) | Expr::GetItem(_) | Expr::Var(_) | Expr::Filter(_)) {
                self.wrap(CHAIN, start(inner), end(inner));
            }
            current = inner;
        }
    }

    /// `ansible.builtin.to_json` is known by its last part.
    fn short_name(&mut self, name: &str, at: usize) {
        if let Some(dot) = name.rfind('.') {
            self.edits.push(Edit { start: at, end: at + dot + 1, rank: 2, order: 0, text: String::new() });
        }
    }

    fn expr(&mut self, e: &Expr<'_>) {
        match e {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(s) => {
                self.wrap(FRESH, start(e), end(e));
                self.expr(&s.expr);
                [&s.start, &s.stop, &s.step].into_iter().flatten().for_each(|x| self.expr(x));
            }
            Expr::UnaryOp(u) => self.expr(&u.expr),
            Expr::BinOp(b) => self.operator(b, start(e), end(e)),
            Expr::Compare(c) => {
                self.expr(&c.expr);
                c.ops.iter().for_each(|o| self.expr(&o.expr));
            }
            Expr::IfExpr(i) => {
                self.expr(&i.test_expr);
                self.expr(&i.true_expr);
                match &i.false_expr {
                    Some(other) => self.expr(other),
                    None => self.insert(end(e), 0, -(start(e) as i64), format!(" else {NOTHING}")),
                }
            }
            Expr::Filter(f) => {
                self.short_name(f.name, f.span().start_offset as usize);
                if let Some(x) = &f.expr {
                    if matches!(f.name, "default" | "d" | "ansible.builtin.default") {
                        self.chain(x);
                    }
                    if short(f.name) == "unvault" {
                        self.sealed(x);
                    }
                    self.expr(x);
                }
                self.args(&f.args);
            }
            Expr::Test(t) => {
                self.short_name(t.name, t.span().start_offset as usize);
                if short(t.name) == "vault_encrypted" {
                    self.sealed(&t.expr);
                }
                if matches!(t.name, "defined" | "undefined") {
                    let (from, to) = (start(&t.expr), end(&t.expr));
                    self.insert(from, 1, -(to as i64) - 1, format!("{LOOKED}({LOOK}(), "));
                    self.insert(to, 0, -(from as i64) + 1, ")");
                    self.chain(&t.expr);
                }
                self.expr(&t.expr);
                self.args(&t.args);
            }
            Expr::GetAttr(g) => self.expr(&g.expr),
            Expr::GetItem(g) => {
                self.expr(&g.expr);
                self.expr(&g.subscript_expr);
            }
            Expr::Call(c) => self.call(c),
            Expr::List(l) => {
                self.wrap(FRESH, start(e), end(e));
                l.items.iter().for_each(|x| self.expr(x));
            }
            Expr::Tuple(t) => t.items.iter().for_each(|x| self.expr(x)),
            Expr::Map(m) => {
                self.wrap(FRESH, start(e), end(e));
                m.keys.iter().chain(&m.values).for_each(|x| self.expr(x));
            }
        }
    }

    /// A variable whose encrypted text is wanted, not what it says.
    fn sealed(&mut self, e: &Expr<'_>) {
        if matches!(e, Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_)) {
            let (from, to) = (start(e), end(e));
            self.insert(from, 1, -(to as i64) - 1, format!("{SEALED}({SEAL}(), "));
            self.insert(to, 0, -(from as i64) + 1, ")");
        }
    }

    fn operator(&mut self, b: &ast::BinOp<'_>, from: usize, to: usize) {
        let function = match b.op {
            ast::BinOpKind::Add => Some(ADD),
            ast::BinOpKind::Sub => Some(SUBTRACT),
            ast::BinOpKind::Mul => Some(MULTIPLY),
            ast::BinOpKind::Div => Some(DIVIDE),
            ast::BinOpKind::FloorDiv => Some(DIVIDE_FLOORED),
            ast::BinOpKind::Pow => Some(POWER),
            ast::BinOpKind::Rem => Some(MODULO),
            ast::BinOpKind::Concat => Some(CONCATENATE),
            _ => None,
        };
        if let Some(function) = function {
            self.wrap(function, from, to);
            self.operators.push((end(&b.left), to));
        }
        self.expr(&b.left);
        self.expr(&b.right);
    }

    fn finish(mut self, source: &str) -> String {
        for (after, before) in std::mem::take(&mut self.operators) {
            let operator = self.tokens.iter().find(|(t, start, _)| is_operator(t) && *start >= after && *start < before);
            if let Some((_, start, end)) = operator {
                self.edits.push(Edit { start: *start, end: *end, rank: 2, order: 0, text: ",".into() });
            }
        }
        for Block { at, open, close, text } in std::mem::take(&mut self.blocks) {
            let open = source[open].trim_end_matches(['-', '+']);
            self.insert(at, 0, 0, format!("{open}{text}{}", &source[close]));
        }
        self.edits.sort_by_key(|e| (e.start, e.rank, e.order));
        let mut out = String::with_capacity(source.len() + self.edits.len() * 8);
        let mut at = 0;
        for edit in self.edits {
            out.push_str(&source[at.min(edit.start)..edit.start]);
            out.push_str(&edit.text);
            at = edit.end.max(at);
        }
        out.push_str(&source[at..]);
        out
    }
}
