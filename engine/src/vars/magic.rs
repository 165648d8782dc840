//! Variables that the program itself provides; playbooks cannot set most of them.

use super::scope::AllHosts;
use super::{HostScope, read};
use crate::template::{Binding, Scope};
use modules::value::{Map, Value};
use std::sync::Arc;

/// Their names, for messages.
pub(super) const NAMES: &[&str] = &[
    "inventory_hostname",
    "inventory_hostname_short",
    "groups",
    "group_names",
    "hostvars",
    "vars",
    "playbook_dir",
    "inventory_dir",
    "inventory_file",
    "play_hosts",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_batch",
    "ansible_play_name",
    "ansible_check_mode",
    "ansible_diff_mode",
    "ansible_forks",
    "ansible_verbosity",
    "ansible_version",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_limit",
    "ansible_facts",
    "role_name",
    "role_path",
    "ansible_role_name",
    "ansible_parent_role_names",
    "ansible_parent_role_paths",
    "ansible_role_names",
    "ansible_play_role_names",
    "ansible_dependent_role_names",
    "role_names",
    "ansible_inventory_sources",
    "ansible_search_path",
];

fn texts(items: impl IntoIterator<Item = impl AsRef<str>>) -> Option<Binding> {
    Some(Binding::Value(Value::list(items.into_iter().map(Value::str))))
}

fn value(v: impl Into<Value>) -> Option<Binding> {
    Some(Binding::Value(v.into()))
}

/// Names that cannot be set otherwise.
pub(super) fn lookup(scope: &HostScope, name: &str) -> Option<Binding> {
    let fleet = &scope.fleet;
    match name {
        "hostvars" => return Some(Binding::Scopes(Arc::new(AllHosts(fleet.clone())))),
        "vars" => return Some(Binding::Scope(scope.shared())),
        "groups" => return Some(Binding::Value(groups(scope))),
        "ansible_check_mode" => return value(fleet.options.check),
        "ansible_diff_mode" => return value(fleet.options.diff),
        "ansible_forks" => return value(fleet.options.forks),
        "ansible_verbosity" => return value(i64::from(fleet.options.verbosity)),
        "ansible_run_tags" => {
            let tags = &fleet.options.tags;
            return if tags.is_empty() { texts(["all"]) } else { texts(tags) };
        }
        "ansible_skip_tags" => return texts(&fleet.options.skip_tags),
        "ansible_limit" => return fleet.options.limit.as_ref().and_then(|l| value(l.as_str())),
        "ansible_version" => return Some(Binding::Value(version())),
        "ansible_inventory_sources" => {
            return texts(read(&fleet.inventory).sources.iter().map(|p| p.display().to_string()));
        }
        _ => {}
    }
    of_host(scope, name).or_else(|| of_play(scope, name)).or_else(|| of_role(scope, name))
}

fn of_host(scope: &HostScope, name: &str) -> Option<Binding> {
    let host = scope.host.as_ref()?;
    match name {
        "inventory_hostname" => value(host.as_str()),
        "inventory_hostname_short" => value(host.split('.').next().unwrap_or(host)),
        "group_names" => {
            let names = read(&scope.fleet.inventory).groups_of(host);
            texts(if names.is_empty() { vec!["ungrouped".to_string()] } else { names })
        }
        "ansible_facts" => Some(Binding::Value(Value::from(read(&scope.fleet.memory(host).facts).clone()))),
        "inventory_dir" | "inventory_file" => {
            let inventory = read(&scope.fleet.inventory);
            let path = inventory.sources.first()?;
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let shown = match name {
                "inventory_dir" if path.is_file() => path.parent()?.to_path_buf(),
                _ => path,
            };
            value(shown.display().to_string())
        }
        _ => None,
    }
}

fn of_play(scope: &HostScope, name: &str) -> Option<Binding> {
    let play = scope.play.as_ref()?;
    match name {
        "playbook_dir" => {
            // A playbook named without a folder lies in the current one.
            let dir = if play.dir.as_os_str().is_empty() { std::path::Path::new(".") } else { &play.dir };
            value(std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()).display().to_string())
        }
        "ansible_play_hosts_all" => texts(&play.all_hosts),
        "ansible_play_batch" => texts(play.active()),
        "ansible_play_hosts" | "play_hosts" => {
            let gone = read(&play.gone);
            texts(play.all_hosts.iter().filter(|h| !gone.contains(*h)))
        }
        "ansible_play_name" => value(play.name.as_str()),
        "role_names" | "ansible_play_role_names" | "ansible_role_names" => texts(read(&play.roles).iter().map(|r| r.name.clone())),
        "ansible_dependent_role_names" => texts(read(&play.roles).iter().filter(|r| r.parent.is_some()).map(|r| r.name.clone())),
        "ansible_search_path" => texts(scope.search_path("").iter().map(|p| p.display().to_string())),
        _ => None,
    }
}

fn of_role(scope: &HostScope, name: &str) -> Option<Binding> {
    let role = scope.context.as_ref()?.role.as_ref()?;
    let parents = || std::iter::successors(role.parent.clone(), |r| r.parent.clone());
    match name {
        "role_name" | "ansible_role_name" => value(role.name.as_str()),
        "role_path" => value(std::path::absolute(&role.role.path).unwrap_or_else(|_| role.role.path.clone()).display().to_string()),
        "ansible_parent_role_names" => texts(parents().map(|r| r.name.clone())),
        "ansible_parent_role_paths" => texts(parents().map(|r| r.role.path.display().to_string())),
        _ => None,
    }
}

fn groups(scope: &HostScope) -> Value {
    let inventory = read(&scope.fleet.inventory);
    Value::map(inventory.groups.keys().map(|name| (name, Value::list(inventory.hosts_of(name).iter().map(Value::str)))))
}

/// The version of Ansible whose language this program follows; playbooks test it.
fn version() -> Value {
    let mut map = Map::new();
    for (name, v) in [("full", Value::str("2.19.4")), ("major", 2.into()), ("minor", 19.into()), ("revision", 4.into())] {
        map.insert(Value::str(name), v);
    }
    map.insert(Value::str("string"), Value::str("2.19.4"));
    map.into()
}
