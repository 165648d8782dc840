//! `assert`, `fail` and `debug`: actions that only look.

use super::super::task::At;
use super::Performed;
use crate::error::{Diagnostic, Kind, Result};
use crate::playbook::Vars;
use crate::template::{Binding, Condition, Scope};
use crate::vars::HostScope;
use crate::yaml::{Data, Node};
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
            let mut troubles = Vec::new();
            let shown = variable(at, scope, &name, &mut troubles)?;
            returns.insert(Value::str(&name), shown);
            if !troubles.is_empty() {
                let many = if troubles.len() == 1 { "" } else { "s" };
                let warning = format!("Encountered {} template error{many}.\n{}", troubles.len(), troubles.join("\n"));
                returns.insert("warnings".into(), Value::list([Value::str(&warning)]));
                return Ok(Performed { warnings: vec![warning], ..Performed::ok(returns) });
            }
        }
        None => {
            let message = args.get("msg").cloned().unwrap_or_else(|| "Hello world!".into());
            returns.insert("msg".into(), message);
        }
    }
    Ok(Performed::ok(returns))
}

/// What an expression says; where a part of it is not defined, the error stands in its place.
fn variable(at: &At<'_>, scope: &HostScope, expression: &str, troubles: &mut Vec<String>) -> Result<Value> {
    let node = match scope.lookup(expression) {
        Some(Binding::Value(value)) => return Ok(value),
        Some(Binding::Source(node)) => node,
        _ => {
            let place = written(&at.task.action.args, "var").map_or(&at.task.action.place, Node::place).clone();
            Node::new(place, Data::Str(format!("{{{{ {expression} }}}}").into()))
        }
    };
    forgiving(at, &node, scope, troubles).map_err(|error| Box::new(error.said_while("Error while resolving `var` expression")))
}

/// Renders part by part, so that what is wrong with one does not hide the others.
fn forgiving(at: &At<'_>, node: &Node, scope: &HostScope, troubles: &mut Vec<String>) -> Result<Value> {
    match node.data() {
        Data::List(items) => {
            let items = items.iter().map(|item| forgiving(at, item, scope, troubles));
            Ok(Value::list(items.collect::<Result<Vec<Value>>>()?))
        }
        Data::Map(pairs) => {
            let pair = |(key, value): &(Node, Node)| Ok((forgiving(at, key, scope, troubles)?, forgiving(at, value, scope, troubles)?));
            Ok(pairs.iter().map(pair).collect::<Result<Map>>()?.into())
        }
        _ => match at.run.templates.value(node, &scope.shared()) {
            Err(error) if error.kind == Kind::Undefined => {
                let trouble = format!("error {} - {}", troubles.len() + 1, error.words());
                let shown = Value::str(format!("<< {trouble} >>"));
                troubles.push(trouble);
                Ok(shown)
            }
            other => other,
        },
    }
}
