//! Executable inventories: a program that prints groups and hosts as JSON when called with `--list`.

use super::draft::Draft;
use super::{Var, names};
use crate::error::{Diagnostic, Result};
use crate::source::Place;
use modules::value::{Map, Value};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script and reads what it prints.
///
/// # Errors
/// The script cannot be run, fails, or prints something else; its standard error is in the message.
pub(super) fn read(path: &Path, draft: &mut Draft) -> Result<()> {
    let output = run(path, &["--list"])?;
    let place = Place::nowhere(&path.display().to_string());
    let Some(groups) = output.as_map() else {
        return Err(Box::new(Diagnostic::input("an inventory script must print a JSON dictionary").at(&place)));
    };
    for (name, body) in groups {
        let name = name.to_string();
        if name != "_meta" {
            group(&name, body, &place, draft)?;
        }
    }
    match output.get("_meta").and_then(|m| m.get("hostvars")) {
        Some(hostvars) => {
            for (host, vars) in hostvars.as_map().into_iter().flatten() {
                // Variables of a host that no group lists are of no use to anyone.
                variables(&host.to_string(), vars, draft);
            }
        }
        None => {
            let source = &draft.source;
            let hosts: Vec<String> =
                draft.inventory.hosts.iter().filter(|(_, h)| h.source == *source).map(|(name, _)| name.clone()).collect();
            for host in hosts {
                variables(&host, &run(path, &["--host", &host])?, draft);
            }
        }
    }
    Ok(())
}

fn variables(host: &str, vars: &Value, draft: &mut Draft) {
    for (key, value) in vars.as_map().into_iter().flatten() {
        draft.host_var(host, &key.to_string(), Var::Data(value.clone()));
    }
}

fn group(name: &str, body: &Value, place: &Place, draft: &mut Draft) -> Result<()> {
    draft.group(name);
    let malformed = |what: &str| Box::new(Diagnostic::input(format!("{what} of group `{name}` in the script's output")).at(place));
    if let Some(hosts) = body.as_list() {
        return hosts.iter().try_for_each(|host| add_host(host, name, place, draft));
    }
    let map = body.as_map().ok_or_else(|| malformed("neither a list of hosts nor a dictionary is the value"))?;
    let sections = ["hosts", "vars", "children"];
    if !map.is_empty() && !sections.iter().any(|s| map.contains_key(*s)) {
        // The oldest form: a single host with its variables.
        add_host(&Value::str(name), name, place, draft)?;
        variables(name, body, draft);
        return Ok(());
    }
    for host in list(map, "hosts").ok_or_else(|| malformed("`hosts` is not a list"))? {
        add_host(host, name, place, draft)?;
    }
    for child in list(map, "children").ok_or_else(|| malformed("`children` is not a list"))? {
        draft.child(name, &child.to_string(), place);
    }
    for (key, value) in map.get("vars").and_then(Value::as_map).into_iter().flatten() {
        draft.group_var(name, &key.to_string(), Var::Data(value.clone()));
    }
    Ok(())
}

/// A list that may be missing; none if something else stands there.
fn list<'a>(map: &'a Map, key: &str) -> Option<&'a [Value]> {
    match map.get(key) {
        None | Some(Value::Null) => Some(&[]),
        Some(value) => value.as_list(),
    }
}

fn add_host(host: &Value, group: &str, place: &Place, draft: &mut Draft) -> Result<()> {
    let name = host.to_string();
    if let Some(why) = names::refusal(&name) {
        return Err(Box::new(Diagnostic::input(format!("`{}` is not a host", name.escape_debug())).at(place).label(why)));
    }
    draft.host(&name, group);
    Ok(())
}

fn run(path: &Path, args: &[&str]) -> Result<Value> {
    let call = format!("{} {}", path.display(), args.join(" "));
    let failed = |summary: String| Diagnostic::input(summary).at(&Place::nowhere(&path.display().to_string()));
    // Without a folder in it a path would be searched in PATH.
    let program = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().map_err(|e| {
        Box::new(failed("the inventory script cannot be run".into()).note(e.to_string()).hint("check the interpreter in its first line"))
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let with_words = |error: Diagnostic| if said.trim().is_empty() { error } else { error.note(format!("it said: {}", last_lines(&said))) };
    if !output.status.success() {
        return Err(Box::new(with_words(failed(format!("the inventory script failed: `{call}`")).note(output.status.to_string()))));
    }
    match serde_json::from_slice::<serde_json::Value>(&output.stdout) {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(e) => {
            let start: String = String::from_utf8_lossy(&output.stdout).chars().take(200).collect();
            let error = failed(format!("the inventory script printed no JSON: `{call}`")).note(e.to_string());
            Err(Box::new(with_words(error.note(format!("its output starts with: {start:?}")))))
        }
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
