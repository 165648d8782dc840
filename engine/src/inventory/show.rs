//! Inventories as output: the JSON of `ansible-inventory --list`, the tree of `--graph`.

use super::{Inventory, PlaybookVars, Var};
use crate::yaml::{Data, Node};
use modules::value::Value;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

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
        let mut hostvars = Map::new();
        let mut hosts: Vec<&String> = self.hosts.keys().collect();
        hosts.sort();
        for host in hosts {
            let variables = self.raw_variables(host, None);
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
            if !group.hosts.is_empty() && name != "all" {
                body.insert("hosts".into(), json!(group.hosts));
            }
            if !body.is_empty() {
                out.insert(name.clone(), Json::Object(body));
            }
        }
        Json::Object(out)
    }

    /// All variables of a host merged and sorted by name, templates as written.
    pub fn raw_variables(&self, host: &str, playbook_dir: Option<&PlaybookVars>) -> Value {
        let mut merged: BTreeMap<String, Value> = BTreeMap::new();
        for layer in self.variables(host, playbook_dir) {
            merged.extend(layer.into_iter().map(|(name, var)| (name, shown(&var))));
        }
        Value::map(merged)
    }

    /// A group, the groups in it and their hosts as a tree; empty if there is no such group.
    pub fn to_graph(&self, group: &str) -> String {
        let mut out = String::new();
        if self.groups.contains_key(group) {
            self.draw(group, 0, &mut out);
        }
        out
    }

    fn draw(&self, name: &str, depth: usize, out: &mut String) {
        let branch = |depth: usize| if depth == 0 { String::new() } else { format!("{}  |--", "  |".repeat(depth - 1)) };
        out.push_str(&format!("{}@{name}:\n", branch(depth)));
        let Some(group) = self.groups.get(name) else { return };
        for child in &group.children {
            self.draw(child, depth + 1, out);
        }
        for host in group.hosts.iter().filter(|_| name != "all") {
            out.push_str(&format!("{}{host}\n", branch(depth + 1)));
        }
    }
}
