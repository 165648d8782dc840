//! Which variables are defined anywhere, and which are used.

use crate::inventory::Inventory;
use crate::playbook::Role;
use crate::source::Place;
use crate::template::Templates;
use crate::vars::MAGIC;
use crate::yaml::{Data, Node};
use std::collections::{BTreeMap, BTreeSet};

/// Names that every template has, or that its surroundings give it.
const GIVEN: &[&str] = &[
    "caller",
    "cycler",
    "dict",
    "environment",
    "false",
    "item",
    "joiner",
    "kwargs",
    "lipsum",
    "lookup",
    "loop",
    "namespace",
    "none",
    "None",
    "False",
    "True",
    "now",
    "omit",
    "q",
    "query",
    "range",
    "self",
    "super",
    "template_destpath",
    "template_fullpath",
    "template_host",
    "template_mtime",
    "template_path",
    "template_run_date",
    "template_uid",
    "true",
    "undef",
    "varargs",
];

/// One use of a variable.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) name: String,
    pub(super) place: Place,
    /// Whether a condition decides if it is used at all.
    pub(super) conditional: bool,
}

/// Variables by where they come from and where they go.
#[derive(Default)]
pub(super) struct Names {
    defined: BTreeSet<String>,
    optional: BTreeSet<String>,
    declared: BTreeSet<String>,
    used: Vec<Use>,
    required: Vec<(String, String, Place)>,
    /// Something defines variables that cannot be known before it runs.
    pub(super) open: bool,
    /// A condition stands around what is being read.
    pub(super) conditional: bool,
}

impl Names {
    /// Something defines this variable.
    pub(super) fn define(&mut self, name: &str) {
        self.defined.insert(name.to_owned());
    }

    /// A role declares that it takes this variable.
    pub(super) fn declare(&mut self, name: &str) {
        self.declared.insert(name.to_owned());
    }

    /// The keys of a dictionary are variables.
    pub(super) fn define_keys(&mut self, node: &Node) {
        let keys: Vec<&str> = node.as_map().into_iter().flatten().filter_map(|(key, _)| key.as_str()).collect();
        keys.into_iter().for_each(|key| self.define(key));
    }

    /// All variables of hosts and groups.
    pub(super) fn of_inventory(&mut self, inventory: &Inventory) {
        let hosts = inventory.hosts.values().flat_map(|host| host.vars.keys().chain(host.files.keys()));
        let groups = inventory.groups.values().flat_map(|group| group.vars.keys().chain(group.files.keys()));
        self.defined.extend(hosts.chain(groups).cloned());
    }

    /// A role must be given this variable; not being defined is told where the role is used.
    pub(super) fn require(&mut self, name: &str, role: &Role, place: &Place) {
        self.required.push((name.to_owned(), role.name.clone(), place.clone()));
    }

    /// What roles must be given and nothing defines: the variable, the role, where it is used.
    pub(super) fn missing(&self) -> impl Iterator<Item = &(String, String, Place)> {
        self.required.iter().filter(|(name, ..)| !self.defined.contains(name))
    }

    /// What is known to be defined, for messages.
    pub(super) fn defined(&self) -> impl Iterator<Item = &str> {
        self.defined.iter().map(String::as_str)
    }

    /// A template, or a bare expression, reads variables. What cannot be read is told elsewhere.
    pub(super) fn read(&mut self, text: &str, place: &Place, condition: bool, templates: &Templates) {
        let Ok(names) = templates.names(text, place, condition) else { return };
        self.optional.extend(names.optional);
        let conditional = self.conditional;
        self.used.extend(names.read.into_iter().map(|(name, ..)| Use { name, place: place.clone(), conditional }));
    }

    /// A template's file reads variables, each at its line.
    pub(super) fn read_file(&mut self, text: &str, start: &Place, templates: &Templates) {
        let Ok(names) = templates.names(text, start, false) else { return };
        self.optional.extend(names.optional);
        for (name, line, column) in names.read {
            let length = u32::try_from(name.chars().count()).unwrap_or(0);
            let place = Place { line, column, length, ..start.clone() };
            self.used.push(Use { name, place, conditional: self.conditional });
        }
    }

    /// Every template in a value reads variables.
    pub(super) fn read_node(&mut self, node: &Node, templates: &Templates) {
        match node.data() {
            Data::Str(text) if text.contains("{{") || text.contains("{%") => self.read(text, node.place(), false, templates),
            Data::List(items) => items.iter().for_each(|item| self.read_node(item, templates)),
            Data::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                self.read_node(key, templates);
                self.read_node(value, templates);
            }),
            _ => {}
        }
    }

    /// A bare expression, or a list of them, reads variables.
    pub(super) fn read_condition(&mut self, node: &Node, templates: &Templates) {
        match node.data() {
            Data::Str(text) => self.read(text, node.place(), true, templates),
            Data::List(items) => items.iter().for_each(|item| self.read_condition(item, templates)),
            _ => {}
        }
    }

    /// What is used without being defined or asked for anywhere: each name once, where it is sure to be used if anywhere.
    pub(super) fn undefined(&self) -> Vec<Use> {
        let known = |name: &str| {
            self.defined.contains(name)
                || self.optional.contains(name)
                || self.declared.contains(name)
                || MAGIC.contains(&name)
                || GIVEN.contains(&name)
                // Facts, and what connections are given.
                || name.starts_with("ansible_")
        };
        let mut first: BTreeMap<&str, &Use> = BTreeMap::new();
        for used in self.used.iter().filter(|used| !known(&used.name)) {
            let kept = first.entry(&used.name).or_insert(used);
            if kept.conditional && !used.conditional {
                *kept = used;
            }
        }
        first.into_values().cloned().collect()
    }
}
