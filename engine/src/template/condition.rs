//! Bare expressions: `when`, `that`, `until`, `changed_when`, `failed_when`.

use super::Condition;
use super::render::{Engines, evaluate_expression, is_template, read, settled};
use super::scope::Frame;
use crate::error::{Diagnostic, Kind, Result};
use crate::source::Place;
use crate::yaml::{Data, Node};
use modules::value::Value;
use std::sync::{Arc, LazyLock};

/// What a condition says in a scope.
pub(super) fn condition(node: &Node, frame: &Arc<Frame>) -> Result<Condition> {
    match node.data() {
        Data::Bool(b) => Ok(said(*b)),
        Data::Str(text) => expression(text, node, frame),
        Data::Null => Ok(Condition::True),
        _ => Err(Box::new(no_condition(node))),
    }
}

/// The error for a condition that is written as something else than text.
fn no_condition(node: &Node) -> Diagnostic {
    let error = not_boolean(&super::render::plain(node)).at(node.place());
    match node.data() {
        Data::Map(_) | Data::List(_) => Diagnostic { hints: vec!["write it as text, e.g. `when: size > 1`".to_owned()], ..error },
        _ => error,
    }
}

fn said(truth: bool) -> Condition {
    if truth { Condition::True } else { Condition::False }
}

/// Whether a condition can be read.
pub(super) fn readable(node: &Node, engines: &Engines) -> Result<()> {
    match node.data() {
        Data::Str(text) => template(text).map_or(Ok(()), |template| read(&template, node.place(), engines)),
        Data::Map(_) | Data::List(_) => Err(Box::new(no_condition(node))),
        _ => Ok(()),
    }
}

/// The variables that a condition reads.
pub(super) fn names(text: &str, place: &Place) -> Result<super::Names> {
    template(text).map_or_else(|| Ok(super::Names::default()), |template| super::render::names(&template, place))
}

/// An expression as a template; an empty one has none.
fn template(text: &str) -> Option<String> {
    let bare = if is_template(text) { unwrapped(text) } else { text.to_owned() };
    (!bare.trim().is_empty()).then(|| format!("{{{{ {} }}}}", bare.trim_end()))
}

/// How deep conditions may name conditions.
const DEPTH: usize = 10;

fn expression(text: &str, node: &Node, frame: &Arc<Frame>) -> Result<Condition> {
    let Some(template) = template(text) else {
        return if allows_broken() { Ok(Condition::True) } else { Err(Box::new(empty(node))) };
    };
    if let Some(name) = lone(text)
        && let Some(written) = written(name, frame, DEPTH)
    {
        return condition(&Node::new(node.place().clone(), Data::Str(written)), frame);
    }
    let value =
        settled(node.place(), frame, || evaluate_expression(&template, node.place(), frame)).map_err(|e| Box::new(unanswered(*e)))?;
    if let Some(what) = value.first_unknown() {
        return Ok(Condition::Unknown(what.to_owned()));
    }
    match value.reveal() {
        Value::Bool(b) => Ok(said(*b)),
        Value::Str(text) if lone(node.as_str().unwrap_or_default()).is_some() => Err(Box::new(untrusted(text, node))),
        other if allows_broken() => Ok(said(other.truthy())),
        other => Err(Box::new(not_boolean(other).at(node.place()))),
    }
}

/// What stands in a condition that is one template.
fn lone(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim_matches('-').trim())
}

/// The condition that a variable holds as the user wrote it. What came from a host is never one.
fn written(name: &str, frame: &Arc<Frame>, depth: usize) -> Option<Arc<str>> {
    if depth == 0 || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let text = frame.written(name)?;
    match lone(&text) {
        Some(other) => written(other, frame, depth - 1),
        None if is_template(&text) => None,
        None => Some(text),
    }
}

/// Whether conditions may be something else than true or false (`ALLOW_BROKEN_CONDITIONALS`).
fn allows_broken() -> bool {
    let set = std::env::var("ANSIBLE_ALLOW_BROKEN_CONDITIONALS").unwrap_or_default();
    matches!(set.to_lowercase().as_str(), "1" | "true" | "yes" | "on" | "t" | "y")
}

fn empty(node: &Node) -> Diagnostic {
    let error = Diagnostic::new(Kind::Template, "a condition is empty").said("Empty conditional expressions are not allowed.");
    error.at(node.place()).hint("leave it out, or write what must hold")
}

fn untrusted(text: &str, node: &Node) -> Diagnostic {
    match text.trim().is_empty() {
        true => empty(node),
        false => Diagnostic::new(Kind::Template, "a text that was computed is not taken as a condition")
            .said("Encountered untrusted template or expression.")
            .hint("write the condition without `{{ }}`, or add `| bool` to read the text as a truth value")
            .at(node.place()),
    }
}

/// The error for a condition that cannot be evaluated, in Ansible's words.
fn unanswered(error: Diagnostic) -> Diagnostic {
    match error.words().strip_prefix("Syntax error in template: ") {
        Some(rest) => {
            let words = format!("Syntax error in expression: {}", rest.replace("end of print statement", "end of template"));
            error.said(words)
        }
        None => error.said_while("Error while evaluating conditional"),
    }
}

fn not_boolean(value: &Value) -> Diagnostic {
    let kind = value.type_name();
    let truth = if value.truthy() { "True" } else { "False" };
    let python = super::convert::python_name(value);
    let words = format!("Conditional result ({truth}) was derived from value of type '{python}'. Conditionals must have a boolean result.");
    let error = Diagnostic::new(Kind::Template, format!("a condition must be true or false, this one is of type {kind}")).said(words);
    match value {
        Value::Str(_) => error.hint("add `| bool` to read the text as a truth value"),
        Value::List(_) | Value::Map(_) => error.hint("add `| length > 0` to ask whether it has entries"),
        Value::Int(_) | Value::Float(_) => error.hint("compare the number, e.g. `!= 0`, or add `| bool`"),
        Value::Null => error.hint("add `is not none`, or `| default(false)`"),
        _ => error,
    }
}

/// Templates inside a condition become parts of its expression: `"{{ x }}" == "y"` is `(x) == "y"`, and `"{{ x }}/z"` is `((x) ~ "/z")`.
fn unwrapped(text: &str) -> String {
    static PART: LazyLock<Option<fancy_regex::Regex>> =
        LazyLock::new(|| fancy_regex::Regex::new(r#"(?s)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\{\{(.*?)\}\}"#).ok());
    let Some(part) = PART.as_ref() else { return text.to_owned() };
    let replaced = |found: &fancy_regex::Captures<'_, str>| match (found.get(1), found.get(0)) {
        (Some(inner), _) => format!("({})", inner.as_str().trim_matches('-').trim()),
        (None, whole) => joined(whole.map_or("", |m| m.as_str())),
    };
    part.replace_all(text, replaced).into_owned()
}

/// A constant string whose templates are evaluated. One that is a template alone keeps its value's type.
fn joined(constant: &str) -> String {
    let (quote, mut rest) = (&constant[..1], &constant[1..constant.len() - 1]);
    let mut parts = Vec::new();
    while let Some((before, after)) = rest.split_once("{{")
        && let Some((inner, after)) = after.split_once("}}")
    {
        if !before.is_empty() {
            parts.push(format!("{quote}{before}{quote}"));
        }
        let inner = inner.trim_matches('-').trim().replace(&format!("\\{quote}"), quote);
        parts.push(format!("({inner})"));
        rest = after;
    }
    if parts.is_empty() {
        return constant.to_owned();
    }
    if !rest.is_empty() {
        parts.push(format!("{quote}{rest}{quote}"));
    }
    if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(" ~ ")) }
}
