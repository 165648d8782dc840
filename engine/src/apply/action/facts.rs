//! `set_fact` and `setup`: what hosts are known for.

use super::super::task::At;
use super::{Learner, Performed, performed, send, target};
use crate::error::{Diagnostic, Result};
use crate::vars::HostScope;
use crate::yaml::{Data, Node};
use modules::args::FromValue;
use modules::value::{Map, Value};

/// `set_fact`: every argument but `cacheable` becomes a variable of the host.
pub(super) fn set_fact(at: &At<'_>, scope: &HostScope, mut args: Map) -> Result<Performed> {
    let cacheable = args.shift_remove("cacheable").is_some_and(|v| bool::from_value(&v).unwrap_or(false));
    let (owner, learner) = match super::facts_go_to(at, scope)? {
        Some(other) => (other.clone(), Learner::Delegate(other)),
        None => (at.host.to_string(), Learner::Nobody),
    };
    if args.is_empty() {
        return Ok(Performed::failed("No key/value pairs provided, at least one is required for this action to succeed"));
    }
    let args = match named(at, scope, args)? {
        Ok(args) => args,
        Err(failed) => return Ok(*failed),
    };
    let mut set = Vec::new();
    for (name, value) in &args {
        let name = name.to_string();
        // At once, so that the next item of a loop builds on it.
        at.run.fleet.remember(&owner, &name, value.clone());
        set.push((name, value.clone()));
    }
    if cacheable {
        at.run.fleet.learn(&owner, &args);
    }
    let mut returns = Map::new();
    returns.insert("ansible_facts".into(), args.into());
    // What is registered names the facts; they live as variables of the host, not among its gathered facts.
    let mut performed = Performed::ok(returns);
    performed.set = set;
    performed.learner = learner;
    Ok(performed)
}

/// The variables by their names; templates may stand in those too.
fn named(at: &At<'_>, scope: &HostScope, args: Map) -> Result<std::result::Result<Map, Box<Performed>>> {
    let mut named = Map::new();
    for (name, value) in args {
        let written = name.to_string();
        let given = at.task.action.args.iter().find(|(k, _)| *k == written);
        let place = given.map_or(&at.task.action.place, |(_, n)| n.place());
        let name = match written.contains("{{") {
            true => at.run.templates.value(&Node::new(place.clone(), Data::Str(written.as_str().into())), &scope.shared())?,
            false => name,
        };
        let wrong = match name.reveal() {
            Value::Str(text) if is_name(text) => None,
            Value::Str(text) => Some(format!("Invalid variable name '{text}'.")),
            other => Some(format!("Invalid variable name '{other}' of type '{}'.", python_type(other))),
        };
        if let Some(message) = wrong {
            let error = Diagnostic::input(format!("`{name}` cannot be the name of a variable")).at(place);
            let error = error.hint("a name has letters, digits and underscores, and does not start with a digit");
            let mut returns = Map::new();
            returns.insert("msg".into(), message.into());
            return Ok(Err(Box::new(Performed { returns, broken: false, ..Performed::broken(&error) })));
        }
        at.run.compiler.loader.warn_if_reserved(&name.to_string(), place);
        named.insert(name, value);
    }
    Ok(Ok(named))
}

/// Whether a variable can have this name.
fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let literal = matches!(text, "true" | "false" | "none" | "True" | "False" | "None");
    starts && !literal && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        Value::Str(_) | Value::Unknown(_) | Value::Secret(_) => "str",
    }
}

/// `setup`: facts of the host, remembered; then the `vars_files` that depend on them can be read.
pub(super) async fn gather(at: &At<'_>, scope: &HostScope, args: Map) -> Result<Performed> {
    let target = target(at, scope)?;
    let module = modules::registry::find("setup").ok_or_else(|| Diagnostic::input("this build has no module `setup`"))?;
    (module.check)(&args).map_err(|e| super::misplaced(at, e))?;
    let response = send(at, scope, &target, "setup", args).await?;
    let mut done = performed(response, target.delegate.clone());
    let other = super::facts_go_to(at, scope)?;
    if let Some(facts) = done.returns.get("ansible_facts").and_then(Value::as_map) {
        // Now, because the files below may be named by them.
        at.run.fleet.learn(other.as_deref().unwrap_or(at.host), facts);
    }
    done.learner = other.map_or(Learner::Own, Learner::Delegate);
    super::super::play::vars_files(at.run, &at.batch.instance, Some(at.host))?;
    Ok(done)
}
