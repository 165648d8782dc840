//! `vars_prompt`: what a play asks whoever starts it.

use super::super::{PlayUse, Run};
use crate::error::{Diagnostic, Result};
use crate::graph::Context;
use crate::playbook::Vars;
use crate::vars::{HostScope, lock};
use crate::yaml::{Data, Node};
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Reads one answer; the flag says whether it is hidden while it is typed.
pub type Ask = fn(&str, bool) -> Result<String>;

/// Who is asked, and what was answered so far: a play asks once, however often it is looked at.
#[derive(Clone)]
pub struct Prompts {
    /// None where nobody can be asked: then the defaults hold.
    pub ask: Option<Ask>,
    /// Whether to say that nobody is asked.
    pub warns: bool,
    /// Whether hidden answers stay hidden in results.
    pub covers: bool,
    answers: Arc<Mutex<HashMap<String, Value>>>,
}

impl Prompts {
    /// With nothing answered yet.
    pub fn new(ask: Option<Ask>) -> Prompts {
        Prompts { ask, warns: true, covers: true, answers: Arc::default() }
    }
}

impl std::fmt::Debug for Prompts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prompts({})", self.ask.is_some())
    }
}

/// The answers: as variables that are never rendered, and those that are.
pub(super) fn answers(run: &Run, used: &PlayUse, vars: &Vars) -> Result<(Map, Vars)> {
    let (mut data, mut sources) = (Map::new(), Vars::new());
    for prompt in &used.play.vars_prompt {
        let Some(name) = prompt.get("name").map(|n| n.raw().to_string()) else { continue };
        if run.fleet.extra.contains_key(&name) {
            continue;
        }
        let value = answer(run, prompt, &name, vars)?;
        let private = flag(prompt, "private", true) && run.settings.prompts.covers;
        let trusted = value.as_str().is_some_and(|text| text.contains("{{")) && !flag(prompt, "unsafe", false);
        match value {
            // As in Ansible, what was typed may be a template, unless it is said to be unsafe.
            Value::Str(text) if trusted && !private => sources.push((name, Node::new(prompt.place().clone(), Data::Str(text)))),
            value => {
                data.insert(Value::str(name), if private { value.into_secret() } else { value });
            }
        }
    }
    Ok((data, sources))
}

fn flag(prompt: &Node, key: &str, usual: bool) -> bool {
    prompt.get(key).map_or(usual, |v| bool::from_value(&v.raw()).unwrap_or(usual))
}

fn answer(run: &Run, prompt: &Node, name: &str, vars: &Vars) -> Result<Value> {
    let prompts = &run.settings.prompts;
    let key = format!("{} {name}", prompt.place());
    if let Some(known) = lock(&prompts.answers).get(&key) {
        return Ok(known.clone());
    }
    let context = Context { vars: vec![Arc::new(vars.clone())], ..Context::default() };
    let scope = HostScope { fleet: run.fleet.clone(), host: None, play: None, context: Some(Arc::new(context)), locals: Arc::default() };
    let rendered = |key: &str| {
        let node = prompt.get(key).filter(|n| !n.is_null());
        node.map(|node| run.templates.value(node, &scope.shared())).transpose()
    };
    let default = rendered("default")?;
    let value = match prompts.ask {
        Some(ask) => {
            let text = rendered("prompt")?.map_or_else(|| name.to_owned(), |t| t.reveal().to_string());
            let text = default.as_ref().map_or(text.clone(), |d| format!("{text} [{}]", d.reveal()));
            asked(ask, &text, flag(prompt, "private", true), flag(prompt, "confirm", false), default)?
        }
        None => {
            if prompts.warns && lock(&prompts.answers).is_empty() {
                run.warn(Diagnostic::input("Not prompting as we are not in interactive mode"));
            }
            default.unwrap_or_default()
        }
    };
    let value = match rendered("encrypt")? {
        Some(scheme) if !matches!(value, Value::Null) => {
            encrypted(run, prompt, &scope, value, scheme, rendered("salt")?, rendered("salt_size")?)?
        }
        _ => value,
    };
    lock(&prompts.answers).insert(key, value.clone());
    Ok(value)
}

fn asked(ask: Ask, text: &str, hidden: bool, confirmed: bool, default: Option<Value>) -> Result<Value> {
    loop {
        let answer = ask(&format!("{text}: "), hidden)?;
        if confirmed && ask(&format!("confirm {text}: "), hidden)? != answer {
            eprintln!("***** VALUES ENTERED DO NOT MATCH ****");
            continue;
        }
        return Ok(default.filter(|_| answer.is_empty()).unwrap_or_else(|| answer.into()));
    }
}

/// The hash of an answer, as the filter `password_hash` makes it.
fn encrypted(
    run: &Run,
    prompt: &Node,
    scope: &HostScope,
    value: Value,
    scheme: Value,
    salt: Option<Value>,
    size: Option<Value>,
) -> Result<Value> {
    let mut locals = Map::new();
    let salted = salt.is_some() || size.is_some();
    for (name, value) in [("answer", Some(value)), ("scheme", Some(scheme)), ("salt", salt.clone()), ("size", size)] {
        locals.insert(Value::str(name), value.unwrap_or_default());
    }
    let salt = match salt {
        Some(_) => "salt",
        None => "lookup('password', '/dev/null chars=ascii_letters,digits length=' ~ size)",
    };
    let salt = if salted { salt } else { "none" };
    let text = format!("{{{{ answer | password_hash(scheme, {salt}) }}}}");
    let node = Node::new(prompt.place().clone(), Data::Str(text.into()));
    run.templates.value(&node, &scope.with_locals(locals).shared())
}
