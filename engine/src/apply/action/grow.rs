//! `add_host` and `group_by`: hosts and groups that exist for the rest of the run.

use super::super::Grown;
use super::super::task::At;
use super::Performed;
use crate::error::{Diagnostic, Result};
use crate::event::Changed;
use crate::inventory::Var;
use modules::args::FromValue;
use modules::value::{Map, Value};

/// `add_host`: a new host, in groups, with variables.
pub(super) fn add_host(at: &At<'_>, mut args: Map) -> Result<Performed> {
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("adds a host that depends on {what}")));
    }
    let name = ["name", "hostname", "host"].iter().find_map(|n| args.shift_remove(*n));
    let Some(name) = name.map(|n| n.reveal().to_string()).filter(|n| !n.is_empty()) else {
        return Err(Box::new(Diagnostic::input("`add_host` needs the argument `name`").at(&at.task.action.place)));
    };
    crate::transport::refuse_option_like(&name).map_err(|e| e.at(&at.task.action.place))?;
    let groups = ["groups", "groupname", "group"].iter().find_map(|n| args.shift_remove(*n));
    let groups = groups.map(|g| Vec::<String>::from_value(&g)).transpose();
    let groups = groups.map_err(|why| Diagnostic::input(format!("`groups` of `add_host` {why}")).at(&at.task.action.place))?;
    let groups = groups.unwrap_or_default();
    let (name, port) = split_port(&name);
    if let Some(port) = port {
        args.entry("ansible_ssh_port".into()).or_insert(Value::Int(port.into()));
    }
    let vars = args.iter().map(|(k, v)| (k.to_string(), Var::Data(v.clone()))).collect();
    let new = at.run.grow(Grown::Host(name.clone(), groups.clone(), vars));
    let mut added = Map::new();
    added.insert("host_name".into(), name.as_str().into());
    added.insert("groups".into(), groups.into());
    added.insert("host_vars".into(), args.into());
    let mut returns = Map::new();
    returns.insert("add_host".into(), added.into());
    Ok(Performed { changed: if new { Changed::Yes } else { Changed::No }, ..Performed::ok(returns) })
}

/// A name without the port behind it: `host:22`, `[::1]:22`; the addresses of IPv6 are no ports.
fn split_port(written: &str) -> (String, Option<u16>) {
    let split = written.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
    match split {
        Some((name, port)) if !name.contains(':') => (name.to_string(), Some(port)),
        Some((name, port)) => match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            Some(address) => (address.to_string(), Some(port)),
            None => (written.to_string(), None),
        },
        None => (written.to_string(), None),
    }
}

/// `group_by`: puts the task's host into a group.
pub(super) fn group_by(at: &At<'_>, args: &Map) -> Result<Performed> {
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("groups by what depends on {what}")));
    }
    let Some(key) = args.get("key") else {
        return Err(Box::new(Diagnostic::input("`group_by` needs the argument `key`").at(&at.task.action.place)));
    };
    let safe = |name: String| name.replace(' ', "-");
    let group = safe(key.reveal().to_string());
    let parents = args.get("parents").map(|p| Vec::<String>::from_value(p).unwrap_or_default()).unwrap_or_else(|| vec!["all".into()]);
    let parents: Vec<String> = parents.into_iter().map(safe).collect();
    let new = at.run.grow(Grown::Group(at.host.to_string(), group.clone(), parents.clone()));
    let mut returns = Map::new();
    returns.insert("add_group".into(), group.into());
    returns.insert("parent_groups".into(), parents.into());
    Ok(Performed { changed: if new { Changed::Yes } else { Changed::No }, ..Performed::ok(returns) })
}
