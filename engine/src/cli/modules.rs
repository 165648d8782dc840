//! `engine modules`: the list of modules and the reference of each, generated from their declarations.

use super::{Done, print};
use crate::error::{Diagnostic, EXIT_DONE};
use crate::graph::actions::{self, ACTIONS, Action};
use ::modules::module::Module;
use ::modules::registry::{MODULES, find};
use std::fmt::Write;

/// List the modules, or show one's reference.
#[derive(Debug, clap::Args)]
pub(super) struct Modules {
    /// The module whose reference to show; without it, all are listed
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the arguments as JSON
    #[arg(long)]
    json: bool,
}

impl Modules {
    pub(super) fn run(&self) -> Done {
        match &self.name {
            None => print(&list()),
            Some(name) => {
                let short = crate::playbook::short_name(name);
                print(&match (actions::find(short), find(short)) {
                    (Some(action), _) if self.json => json_of_action(action),
                    (Some(action), _) => reference_of_action(action),
                    (None, Some(module)) if self.json => json(module),
                    (None, Some(module)) => reference(module),
                    (None, None) => return Err(vec![unknown(name)]),
                });
            }
        }
        Ok(EXIT_DONE)
    }
}

fn list() -> String {
    let modules = MODULES.iter().map(|m| (m.name, first_sentence(m.doc)));
    let mut all: Vec<(&str, String)> = modules.chain(ACTIONS.iter().map(|a| (a.name, first_sentence(a.doc)))).collect();
    all.sort();
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    all.iter().fold(String::new(), |mut out, (name, doc)| {
        let _ = writeln!(out, "{name:width$}  {doc}");
        out
    })
}

fn unknown(name: &str) -> Diagnostic {
    let known = MODULES.iter().map(|m| m.name).chain(ACTIONS.iter().map(|a| a.name));
    let error = Diagnostic::input(format!("there is no module `{name}`")).nearest(name, known);
    if error.hints.is_empty() { error.hint("`engine modules` lists all there are") } else { error }
}

fn needed(action: &Action, argument: &str) -> bool {
    action.needed.iter().any(|names| names.first() == Some(&argument))
}

fn reference_of_action(action: &Action) -> String {
    let mut out = format!("ansible.builtin.{}\n\n{}\n", action.name, action.doc);
    if !action.arguments.is_empty() {
        out.push_str("\nArguments:\n");
    }
    for argument in action.arguments {
        let _ = writeln!(out, "  {argument}{}", if needed(action, argument) { " (required)" } else { "" });
    }
    out
}

fn json_of_action(action: &Action) -> String {
    let argument = |name: &&str| serde_json::json!({"name": name, "required": needed(action, name)});
    let arguments: Vec<serde_json::Value> = action.arguments.iter().map(argument).collect();
    let all = serde_json::json!({
        "name": action.name, "collection": "ansible.builtin", "description": action.doc, "arguments": arguments,
    });
    format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default())
}

fn first_sentence(doc: &str) -> String {
    let line = doc.trim().lines().next().unwrap_or_default();
    // "e.g." ends no sentence.
    let starts = |at: &usize| line[at + 2..].starts_with(char::is_uppercase);
    let end = line.match_indices(". ").map(|(at, _)| at).find(starts);
    end.map_or(line, |at| &line[..=at]).to_string()
}

fn reference(module: &Module) -> String {
    let mut out = format!("{}.{}\n\n{}\n\nArguments:\n", module.collection, module.name, module.doc.trim());
    for argument in (module.arguments)().iter().filter(|a| !a.name.starts_with('_')) {
        let mut notes = vec![argument.kind.clone()];
        if argument.required {
            notes.push("required".into());
        }
        if let Some(default) = argument.default {
            notes.push(format!("default {default}"));
        }
        if !argument.choices.is_empty() {
            notes.push(format!("one of {}", argument.choices.join(", ")));
        }
        if !argument.aliases.is_empty() {
            notes.push(format!("also {}", argument.aliases.join(", ")));
        }
        let _ = writeln!(out, "  {} ({})", argument.name, notes.join("; "));
        for line in argument.doc.lines() {
            let _ = writeln!(out, "      {}", line.trim());
        }
    }
    if !module.examples.is_empty() {
        out.push_str("\nExamples:\n");
    }
    for example in module.examples {
        let arguments: serde_json::Value = serde_json::from_str(example).unwrap_or_default();
        let task = serde_json::json!([{ module.name: arguments }]);
        for line in serde_yaml::to_string(&task).unwrap_or_default().lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

fn json(module: &Module) -> String {
    let arguments: Vec<serde_json::Value> = (module.arguments)()
        .iter()
        .filter(|a| !a.name.starts_with('_'))
        .map(|a| {
            serde_json::json!({
                "name": a.name, "aliases": a.aliases, "type": a.kind, "required": a.required,
                "default": a.default, "choices": a.choices, "description": a.doc,
            })
        })
        .collect();
    let all = serde_json::json!({
        "name": module.name, "collection": module.collection, "aliases": module.aliases,
        "description": module.doc.trim(), "arguments": arguments,
    });
    format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default())
}
