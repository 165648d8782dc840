//! Variables that the program itself provides; playbooks cannot set most of them.

use super::scope::AllHosts;
use super::{HostScope, PlayInstance, RoleInstance, read};
use crate::template::{Binding, Scope};
use indexmap::IndexSet;
use modules::value::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Their names, for messages.
pub(crate) const NAMES: &[&str] = &[
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
    "ansible_playbook_python",
    "ansible_config_file",
];

/// A path from the root on; the empty path is the current folder.
fn whole(path: &Path) -> String {
    let shown = match std::env::current_dir() {
        Ok(here) if path.as_os_str().is_empty() => here,
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
    };
    shown.display().to_string().trim_end_matches('/').to_string()
}

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
        // Inventories point `ansible_python_interpreter` at it.
        "ansible_playbook_python" => return value(crate::inventory::python().unwrap_or_else(|| "/usr/bin/python3".into())),
        "ansible_config_file" => return Some(Binding::Value(Value::Null)),
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
            let implicit = !read(&scope.fleet.inventory).hosts.contains_key(host);
            texts(if names.is_empty() && !implicit { vec!["ungrouped".to_string()] } else { names })
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

/// `ansible_host` of a host whose inventory gives no other address; tasks see it, `hostvars` does not.
pub(super) fn address(scope: &HostScope, name: &str) -> Option<Binding> {
    let host = scope.host.as_ref().filter(|_| name == "ansible_host" && scope.play.is_some())?;
    let implicit = host == "localhost" && !read(&scope.fleet.inventory).hosts.contains_key(host);
    value(if implicit { "127.0.0.1" } else { host.as_str() })
}

fn of_play(scope: &HostScope, name: &str) -> Option<Binding> {
    let play = scope.play.as_ref()?;
    match name {
        "playbook_dir" => value(whole(&play.dir)),
        "ansible_play_hosts_all" => texts(&play.all_hosts),
        "ansible_play_batch" => texts(play.active()),
        "ansible_play_hosts" | "play_hosts" => {
            let gone = read(&play.gone);
            texts(play.all_hosts.iter().filter(|h| !gone.contains(*h)))
        }
        "ansible_play_name" => value(play.name.as_str()),
        "role_names" | "ansible_play_role_names" => texts(roles(play, |r| !r.dependency)),
        "ansible_dependent_role_names" => texts(roles(play, |r| r.dependency).into_iter().collect::<IndexSet<String>>()),
        "ansible_role_names" => texts(roles(play, |_| true).into_iter().collect::<BTreeSet<String>>()),
        "ansible_search_path" => texts(scope.search_path("").iter().map(|p| whole(p)).collect::<IndexSet<String>>()),
        _ => None,
    }
}

/// Names of the play's roles as they are used.
fn roles(play: &PlayInstance, wanted: impl Fn(&RoleInstance) -> bool) -> Vec<String> {
    read(&play.used).iter().filter(|used| wanted(&used.instance)).map(|used| used.instance.name.clone()).collect()
}

fn of_role(scope: &HostScope, name: &str) -> Option<Binding> {
    let role = scope.context.as_ref()?.role.as_ref()?;
    // What a role depends on has no parent in this sense: only imports and includes make one.
    let parent = |r: &Arc<RoleInstance>| r.parent.clone().filter(|_| !r.dependency);
    let parents = || std::iter::successors(parent(role), parent).collect::<Vec<_>>();
    if parent(role).is_none() && name.starts_with("ansible_parent_role") {
        return None;
    }
    match name {
        "role_name" | "ansible_role_name" => value(role.name.as_str()),
        "role_path" => value(whole(&role.role.path)),
        "ansible_parent_role_names" => texts(parents().iter().map(|r| r.name.clone())),
        "ansible_parent_role_paths" => texts(parents().iter().map(|r| r.role.path.display().to_string())),
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
    for (name, v) in [("full", Value::str("2.19.14")), ("major", 2.into()), ("minor", 19.into()), ("revision", 14.into())] {
        map.insert(Value::str(name), v);
    }
    map.insert(Value::str("string"), Value::str("2.19.14"));
    map.into()
}
