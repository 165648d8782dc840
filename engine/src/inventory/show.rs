//! Inventories as output: what `ansible-inventory` prints for `--list`, `--host` and `--graph`.

use super::{Inventory, PlaybookVars, Var, Vars};
use crate::yaml::{Data, Node};
use modules::value::Value;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, HashSet};

/// What of an inventory is shown, and where its variables stand.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Only these hosts.
    pub hosts: Option<HashSet<String>>,
    /// Variables stand where they were given, not merged for each host.
    pub export: bool,
}

impl View {
    fn shows(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.contains(host))
    }
}

/// A variable as written; encrypted ones as Ansible writes them in JSON, those out of encrypted files hidden.
fn shown(var: &Var) -> Value {
    match var {
        Var::Source(node) => written(node),
        Var::Data(value) => value.clone(),
    }
}

fn written(node: &Node) -> Value {
    match node.data() {
        Data::Vault(text) => Value::map([("__ansible_vault", Value::Str(text.clone()))]),
        Data::Unsafe(inner) => match inner.data() {
            Data::Str(text) => Value::map([("__ansible_unsafe", Value::Str(text.clone()))]),
            _ => written(inner),
        },
        Data::List(items) => Value::list(items.iter().map(written)),
        Data::Map(pairs) => pairs.iter().map(|(key, value)| (key.raw(), written(value))).collect::<modules::value::Map>().into(),
        Data::Null | Data::Bool(_) => node.raw(),
        _ if node.place().source.is_secret() => node.raw().into_secret(),
        _ => node.raw(),
    }
}

impl Inventory {
    /// Hosts, groups and variables in the shape that inventory scripts print with `--list`; templates as written.
    pub fn to_json_list(&self) -> Json {
        self.to_json_view(&View::default())
    }

    /// The same, of a part, or with variables where they were given.
    pub fn to_json_view(&self, view: &View) -> Json {
        let mut hostvars = Map::new();
        let mut hosts: Vec<&String> = self.hosts.keys().filter(|h| view.shows(h)).collect();
        hosts.sort();
        for host in hosts {
            let variables = self.shown_of_host(host, view);
            if variables.truthy() {
                hostvars.insert(host.clone(), variables.to_json());
            }
        }
        let mut out = Map::from_iter([("_meta".to_owned(), json!({ "hostvars": hostvars }))]);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(name, _)| *name);
        for (name, group) in groups {
            let mut body = Map::new();
            if !group.children.is_empty() {
                body.insert("children".into(), json!(group.children));
            }
            let hosts: Vec<&String> = group.hosts.iter().filter(|h| view.shows(h)).collect();
            if !hosts.is_empty() && name != "all" {
                body.insert("hosts".into(), json!(hosts));
            }
            let vars = merged([&*group.vars, &*group.files]);
            if view.export && vars.truthy() {
                body.insert("vars".into(), vars.to_json());
            }
            if !body.is_empty() {
                out.insert(name.clone(), Json::Object(body));
            }
        }
        Json::Object(out)
    }

    /// The same as groups within groups, which an inventory in YAML may hold. Variables stand at a host's first mention.
    pub fn to_nested_view(&self, view: &View) -> Value {
        Value::map([("all", self.nested("all", view, &mut HashSet::new()))])
    }

    fn nested(&self, name: &str, view: &View, seen: &mut HashSet<String>) -> Value {
        let Some(group) = self.groups.get(name) else { return Value::Null };
        let mut body = BTreeMap::new();
        let mut children = BTreeMap::new();
        for child in group.children.iter().collect::<std::collections::BTreeSet<_>>() {
            let inner = self.nested(child, view, seen);
            if inner.truthy() {
                children.insert(child.clone(), inner);
            }
        }
        if !children.is_empty() {
            body.insert("children", Value::map(children));
        }
        let mut hosts = BTreeMap::new();
        for host in group.hosts.iter().filter(|h| name != "all" && view.shows(h)).collect::<std::collections::BTreeSet<_>>() {
            let vars = if seen.insert(host.clone()) { self.shown_of_host(host, view) } else { modules::value::Map::new().into() };
            hosts.insert(host.clone(), vars);
        }
        if !hosts.is_empty() {
            body.insert("hosts", Value::map(hosts));
        }
        let vars = merged([&*group.vars, &*group.files]);
        if view.export && vars.truthy() {
            body.insert("vars", vars);
        }
        Value::map(body)
    }

    fn shown_of_host(&self, host: &str, view: &View) -> Value {
        match self.hosts.get(host) {
            Some(host) if view.export => merged([&*host.vars, &*host.files]),
            _ => self.raw_variables(host, None),
        }
    }

    /// All variables of a host merged and sorted by name, templates as written.
    pub fn raw_variables(&self, host: &str, playbook_dir: Option<&PlaybookVars>) -> Value {
        let layers = self.variables(host, playbook_dir);
        match self.reading.merge {
            true => {
                let mut all = Vars::new();
                for (name, var) in layers.iter().flat_map(|l| l.iter()) {
                    crate::vars::merge::insert(&mut all, name.clone(), var.clone());
                }
                merged([&all])
            }
            false => merged(layers.iter().map(AsRef::as_ref)),
        }
    }

    /// A group, the groups in it and their hosts as a tree, with their variables if wanted; empty if there is no such group.
    pub fn to_graph(&self, group: &str, vars: bool, view: &View) -> String {
        let mut out = String::new();
        if self.groups.contains_key(group) {
            self.draw(group, 0, vars, view, &mut out);
        }
        out
    }

    fn draw(&self, name: &str, depth: usize, vars: bool, view: &View, out: &mut String) {
        out.push_str(&format!("{}@{name}:\n", branch(depth)));
        let Some(group) = self.groups.get(name) else { return };
        for child in &group.children {
            self.draw(child, depth + 1, vars, view, out);
        }
        for host in group.hosts.iter().filter(|host| name != "all" && view.shows(host)) {
            out.push_str(&format!("{}{host}\n", branch(depth + 1)));
            if vars {
                draw_vars(&self.raw_variables(host, None), depth + 2, out);
            }
        }
        if vars {
            draw_vars(&merged([&*group.vars, &*group.files]), depth + 1, out);
        }
    }
}

fn branch(depth: usize) -> String {
    if depth == 0 { String::new() } else { format!("{}  |--", "  |".repeat(depth - 1)) }
}

fn draw_vars(vars: &Value, depth: usize, out: &mut String) {
    for (name, value) in vars.as_map().into_iter().flatten() {
        out.push_str(&format!("{}{{{name} = {value}}}\n", branch(depth)));
    }
}

/// Variables sorted by name, those of later layers stronger.
fn merged<'a>(layers: impl IntoIterator<Item = &'a Vars>) -> Value {
    // Only what is seen is turned into values.
    let mut names: BTreeMap<&str, &Var> = BTreeMap::new();
    for layer in layers {
        names.extend(layer.iter().map(|(name, var)| (name.as_str(), var)));
    }
    Value::map(names.into_iter().map(|(name, var)| (name, shown(var))))
}
