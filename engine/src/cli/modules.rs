//! `engine modules`: the list of modules and the reference of each, generated from their declarations.

use super::{Done, print};
use crate::error::{Diagnostic, EXIT_DONE};
use ::modules::module::Module;
use ::modules::registry::{MODULES, find};
use std::fmt::Write;

/// List the modules, or show one's reference.
#[derive(Debug, clap::Args)]
pub(super) struct Modules {
    /// The module
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
                let Some(module) = find(name) else {
                    let error = Diagnostic::input(format!("there is no module `{name}`"));
                    return Err(vec![error.nearest(name, MODULES.iter().map(|m| m.name)).hint("`engine modules` lists them")]);
                };
                print(&if self.json { json(module) } else { reference(module) });
            }
        }
        Ok(EXIT_DONE)
    }
}

fn list() -> String {
    let mut modules: Vec<&Module> = MODULES.iter().collect();
    modules.sort_by_key(|m| m.name);
    let width = modules.iter().map(|m| m.name.len()).max().unwrap_or(0);
    modules.iter().fold(String::new(), |mut out, m| {
        let _ = writeln!(out, "{:width$}  {}", m.name, first_sentence(m.doc));
        out
    })
}

fn first_sentence(doc: &str) -> String {
    let line = doc.trim().lines().next().unwrap_or_default();
    line.split_inclusive(". ").next().unwrap_or(line).trim().to_string()
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
