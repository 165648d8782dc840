//! Lookups of variables, of the environment, and of commands on the controller.

use super::{Lookup, Request};
use crate::error::{Diagnostic, Kind};
use crate::template::convert::{data, python_name};
use crate::template::errors::{carry, refuse};
use minijinja::Error;
use modules::value::Value;
use std::process::Command;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("vars", vars),
    ("varnames", varnames),
    ("env", |r| {
        let other = || Ok::<_, Error>(r.option("default")?.unwrap_or_else(|| Value::str("")));
        r.texts().map(|name| std::env::var(name).map_or_else(|_| other(), |found| Ok(Value::from(found)))).collect()
    }),
    ("pipe", |r| r.texts().map(|c| piped(r, &c).map(|t| Value::str(t.trim_end()))).collect()),
    ("lines", |r| {
        let mut out = Vec::new();
        for command in r.texts() {
            out.extend(piped(r, &command)?.lines().map(Value::str));
        }
        Ok(out)
    }),
    ("inventory_hostnames", hostnames),
    ("config", config),
];

fn vars(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let find = |term: &Value| {
        let Some(name) = term.as_str() else {
            return Err(refuse(format!("Variable name must be 'str' not '{}'", python_name(term))));
        };
        match (request.frame.lookup(name), request.options.by_name("default")) {
            (Some(found), _) => data(&found),
            (None, Some(_)) => Ok(request.option("default")?.unwrap_or_default()),
            (None, None) => {
                let error = Diagnostic::new(Kind::Undefined, format!("`{name}` is undefined"));
                let names = request.frame.names();
                let known = names.iter().map(String::as_str).filter(|n| *n != name);
                Err(carry(error.said(format!("No variable named '{name}' was found.")).nearest(name, known)))
            }
        }
    };
    request.terms.iter().map(find).collect()
}

fn varnames(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut names = request.frame.names();
    names.sort();
    let mut out = Vec::new();
    for term in &request.terms {
        let Some(term) = term.as_str() else {
            return Err(refuse(format!("Invalid setting identifier, \"{term}\" is not a string, its a {}", python_name(term))));
        };
        let unusable = |e: Error| refuse(format!("Unable to use \"{term}\" as a search parameter: {}", e.detail().unwrap_or_default()));
        let pattern = crate::template::filters::pattern(term, false, false).map_err(unusable)?;
        out.extend(names.iter().filter(|n| pattern.is_match(n).unwrap_or(false)).map(Value::str));
    }
    Ok(out)
}

/// What a shell command on the controller prints.
fn piped(request: &Request<'_>, command: &str) -> Result<String, Error> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    // The last folder searched is the playbook's; an empty path is where the program runs already.
    if let Some(folder) = request.frame.search_path("files").pop().filter(|f| f.is_dir()) {
        shell.current_dir(folder);
    }
    let output = shell.output().map_err(|e| refuse(format!("cannot run `{command}`: {e}")))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(refuse(format!(
            "lookup_plugin.pipe({command}) returned {}: {}",
            output.status.code().map_or_else(|| output.status.to_string(), |c| c.to_string()),
            words.trim_end()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Hosts by names of groups and hosts, with `:!` and `:&`, from the variable `groups`.
fn hostnames(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let groups = request.frame.lookup("groups").map(|g| data(&g)).transpose()?.unwrap_or_default();
    let all: Vec<Value> = groups.get("all").and_then(Value::as_list).unwrap_or_default().to_vec();
    let members = |name: &str| -> Vec<Value> {
        match groups.get(name).and_then(Value::as_list) {
            Some(members) => members.to_vec(),
            None if name.contains(['*', '?', '[']) => matching(name, &groups, &all),
            None => all.iter().filter(|h| h.as_str() == Some(name)).cloned().collect(),
        }
    };
    let mut out: Vec<Value> = Vec::new();
    for term in request.texts().flat_map(|t| t.split([':', ',']).map(|p| p.trim().to_owned()).collect::<Vec<_>>()) {
        if let Some(name) = term.strip_prefix('!') {
            let without = members(name);
            out.retain(|h| !without.contains(h));
        } else if let Some(name) = term.strip_prefix('&') {
            let only = members(name);
            out.retain(|h| only.contains(h));
        } else {
            let more: Vec<Value> = members(&term).into_iter().filter(|h| !out.contains(h)).collect();
            out.extend(more);
        }
    }
    Ok(out)
}

/// The hosts whose names match a pattern of shells, and those of groups that do.
fn matching(pattern: &str, groups: &Value, all: &[Value]) -> Vec<Value> {
    let Some(regex) = crate::template::filters::glob_regex(pattern) else { return Vec::new() };
    let fits = |name: &Value| regex.is_match(&name.to_string()).unwrap_or(false);
    let of_groups = groups.as_map().into_iter().flatten().filter(|(name, _)| fits(name));
    let members: Vec<Value> = of_groups.flat_map(|(_, m)| m.as_list().unwrap_or_default().to_vec()).collect();
    all.iter().filter(|h| fits(h) || members.contains(h)).cloned().collect()
}

/// The settings of Ansible that playbooks ask for, at their defaults or from the environment.
fn config(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let missing = request.text("on_missing")?.unwrap_or_else(|| "error".into());
    if !matches!(missing.as_str(), "error" | "skip" | "warn") {
        return Err(refuse(format!("Invalid value '{missing}' for config 'on_missing' for 'config' lookup plugin.")));
    }
    if request.option("plugin_type")?.is_some() != request.option("plugin_name")?.is_some() {
        return Err(refuse("Both plugin_type and plugin_name are required, cannot use one without the other."));
    }
    if let Some(term) = request.terms.iter().find(|term| term.as_str().is_none()) {
        let kind = python_name(term);
        return Err(refuse(format!("Invalid setting identifier, {term} is not a <class 'str'>, its a <class '{kind}'>.")));
    }
    let setting = |name: String| {
        let from = std::env::var(format!("ANSIBLE_{}", name.trim_start_matches("DEFAULT_"))).ok();
        let other = || match name.as_str() {
            "DEFAULT_BECOME_USER" => Some(Value::str("root")),
            "DEFAULT_BECOME_METHOD" => Some(Value::str("sudo")),
            "DEFAULT_FORKS" => Some(Value::Int(5)),
            "DEFAULT_TIMEOUT" => Some(Value::Int(10)),
            "DEFAULT_HASH_BEHAVIOUR" => Some(Value::str("replace")),
            "DEFAULT_ROLES_PATH" => {
                Some(Value::list(["~/.ansible/roles", "/usr/share/ansible/roles", "/etc/ansible/roles"].map(Value::str)))
            }
            "DEFAULT_REMOTE_USER" => Some(Value::Null),
            _ => None,
        };
        match from.map(Value::from).or_else(other) {
            Some(value) => Ok(Some(value)),
            None if missing != "error" => Ok(None),
            None => Err(refuse(format!("No config definition exists for '{name}'."))),
        }
    };
    let found: Result<Vec<Option<Value>>, Error> = request.texts().map(setting).collect();
    Ok(found?.into_iter().flatten().collect())
}
