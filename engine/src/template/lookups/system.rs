//! Lookups of variables, of the environment, and of commands on the controller.

use super::{Lookup, Request};
use crate::template::convert::data;
use crate::template::errors::refuse;
use minijinja::{Error, ErrorKind};
use modules::value::Value;
use std::process::Command;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("vars", vars),
    ("varnames", varnames),
    ("env", |r| {
        let other = r.option("default")?.unwrap_or_else(|| Value::str(""));
        Ok(r.texts().map(|name| std::env::var(name).map_or_else(|_| other.clone(), Value::from)).collect())
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
    let other = request.option("default")?;
    let find = |name: String| match (request.frame.lookup(&name), &other) {
        (Some(found), _) => data(&found),
        (None, Some(other)) => Ok(other.clone()),
        (None, None) => Err(Error::new(ErrorKind::UndefinedError, format!("`{name}` is undefined"))),
    };
    request.texts().map(find).collect()
}

fn varnames(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut names = request.frame.names();
    names.sort();
    let mut out = Vec::new();
    for term in request.texts() {
        let pattern = crate::template::filters::pattern(&term, false, false)?;
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
        return Err(refuse(format!("`{command}` failed with {}: {}", output.status, words.trim_end())));
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
            None if name == "*" => all.clone(),
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

/// The settings of Ansible that playbooks ask for, at their defaults or from the environment.
fn config(request: &Request<'_>) -> Result<Vec<Value>, Error> {
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
        let given = request.option("on_missing")?.map(|m| m.to_string());
        match from.map(Value::from).or_else(other) {
            Some(value) => Ok(Some(value)),
            None if matches!(given.as_deref(), Some("skip" | "warn")) => Ok(None),
            None => Err(refuse(format!("there is no setting `{name}`"))),
        }
    };
    let found: Result<Vec<Option<Value>>, Error> = request.texts().map(setting).collect();
    Ok(found?.into_iter().flatten().collect())
}
