//! `assert`, `fail` and `debug`: actions that only look.

use super::super::task::At;
use super::Performed;
use crate::error::{Diagnostic, Result};
use crate::playbook::Vars;
use crate::template::{Binding, Condition, Scope};
use crate::vars::HostScope;
use crate::yaml::Node;
use modules::value::{Map, Value};

/// The argument of a task as written.
fn written<'a>(args: &'a Vars, name: &str) -> Option<&'a Node> {
    args.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v)
}

/// `assert`: all of `that` must hold.
pub(super) fn assert(at: &At<'_>, scope: &HostScope) -> Result<Performed> {
    let args = &at.task.action.args;
    for (name, node) in args {
        if !["that", "fail_msg", "msg", "success_msg", "quiet"].contains(&name.as_str()) {
            let error = Diagnostic::input(format!("`assert` has no argument `{name}`")).at(node.place());
            return Err(Box::new(error.nearest(name, ["that", "fail_msg", "success_msg", "quiet"])));
        }
    }
    let Some(that) = written(args, "that") else {
        return Err(Box::new(Diagnostic::input("`assert` needs the argument `that`").at(&at.task.action.place)));
    };
    let shared = scope.shared();
    let text = |names: &[&str]| -> Result<Option<String>> {
        let node = names.iter().find_map(|n| written(args, n));
        node.map(|n| at.run.templates.value(n, &shared).map(|v| v.redacted().to_string())).transpose()
    };
    let conditions: Vec<Node> = that.as_list().map_or_else(|| vec![that.clone()], <[Node]>::to_vec);
    for condition in &conditions {
        match at.run.templates.condition(condition, &shared)? {
            Condition::True => {}
            Condition::Unknown(what) => return Ok(Performed::unknown(format!("asserts what depends on {what}"))),
            Condition::False => {
                let message = text(&["fail_msg", "msg"])?.unwrap_or_else(|| "Assertion failed".into());
                let mut returns = Map::new();
                returns.insert("assertion".into(), condition.raw());
                returns.insert("evaluated_to".into(), Value::Bool(false));
                returns.insert("msg".into(), message.as_str().into());
                let shown = format!("{message}: `{}` does not hold", condition.raw());
                return Ok(Performed { returns, ..Performed::failed(shown) });
            }
        }
    }
    let mut returns = Map::new();
    returns.insert("msg".into(), text(&["success_msg"])?.unwrap_or_else(|| "All assertions passed".into()).into());
    Ok(Performed::ok(returns))
}

/// `fail`.
pub(super) fn fail(args: &Map) -> Result<Performed> {
    let message = args.get("msg").map_or_else(|| "Failed as requested from task".into(), |m| m.redacted().to_string());
    Ok(Performed::failed(message))
}

/// `debug`: shows a message or a variable.
pub(super) fn debug(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    let verbosity = args.get("verbosity").and_then(Value::as_int).unwrap_or(0);
    if verbosity > i64::from(at.run.fleet.options.verbosity) {
        let mut returns = Map::new();
        returns.insert("skipped_reason".into(), "Verbosity threshold not met.".into());
        return Ok(Performed { status: crate::event::Status::Skipped, ..Performed::ok(returns) });
    }
    let mut returns = Map::new();
    match args.get("var") {
        Some(var) => {
            let name = var.reveal().to_string();
            returns.insert(Value::str(&name), variable(at, scope, &name)?);
        }
        None => {
            let message = args.get("msg").cloned().unwrap_or_else(|| "Hello world!".into());
            returns.insert("msg".into(), message);
        }
    }
    Ok(Performed::ok(returns))
}

/// What an expression says, or that it is not defined.
fn variable(at: &At<'_>, scope: &HostScope, expression: &str) -> Result<Value> {
    let shown = match scope.lookup(expression) {
        Some(Binding::Value(value)) => return Ok(value),
        Some(Binding::Source(node)) => at.run.templates.value(&node, &scope.shared()),
        _ => evaluated(at, scope, expression),
    };
    match shown {
        Err(error) if error.kind == crate::error::Kind::Undefined => Ok(format!("<< error 1 - {} >>", error.words()).into()),
        Err(error) => Err(Box::new(error.said_while("Error while resolving `var` expression"))),
        shown => shown,
    }
}

fn evaluated(at: &At<'_>, scope: &HostScope, expression: &str) -> Result<Value> {
    let place = written(&at.task.action.args, "var").map_or(&at.task.action.place, Node::place).clone();
    let node = Node::new(place, crate::yaml::Data::Str(format!("{{{{ {expression} }}}}").into()));
    at.run.templates.value(&node, &scope.shared())
}
