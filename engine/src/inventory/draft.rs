//! An inventory while its sources are read: what the readers of all formats fill.

use super::{Group, Host, Inventory, Var, names, place_of, whole};
use crate::error::Diagnostic;
use crate::source::Place;
use crate::vault::Vault;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Variables that ssh gets as words of its command line.
const ADDRESSES: [&str; 4] = ["ansible_host", "ansible_ssh_host", "ansible_user", "ansible_ssh_user"];

/// What was read so far, and what was wrong with it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) inventory: Inventory,
    pub(super) errors: Vec<Diagnostic>,
    /// Opens encrypted files.
    pub(super) vault: Arc<Vault>,
    /// The source being read.
    pub(super) source: Option<PathBuf>,
}

impl Draft {
    pub(super) fn refuse(&mut self, place: &Place, summary: impl Into<String>) {
        self.errors.push(Diagnostic::input(summary).at(place));
    }

    pub(super) fn warn(&mut self, warning: Diagnostic) {
        self.inventory.warnings.push(warning);
    }

    pub(super) fn group(&mut self, name: &str) -> &mut Group {
        self.inventory.index.take();
        self.inventory.groups.entry(name.to_owned()).or_default()
    }

    /// Puts a group into another; a cycle is an error.
    pub(super) fn child(&mut self, parent: &str, child: &str, place: &Place) {
        self.group(child);
        self.group(parent);
        if self.inventory.contains_group(child, parent) {
            let error = Diagnostic::input(format!("group `{child}` would contain itself")).at(place);
            self.errors.push(error.label(format!("`{parent}` is already within `{child}`")));
            return;
        }
        self.inventory.link(parent, child);
    }

    /// Adds a host to a group. Its name must have been checked or come from [`names::expand`].
    pub(super) fn host(&mut self, name: &str, group: &str) {
        let source = &self.source;
        let host = self.inventory.hosts.entry(name.to_owned()).or_insert_with(|| Host { source: source.clone(), ..Host::default() });
        if group != "all" {
            host.groups.insert(group.to_owned());
        }
        self.group(group).hosts.insert(name.to_owned());
    }

    /// Adds the hosts that a written name stands for, with the port it gives; the names.
    pub(super) fn hosts(&mut self, written: &str, group: &str, place: &Place) -> Vec<String> {
        let (names, port) = match names::expand(written) {
            Ok(expanded) => expanded,
            Err(why) => {
                let error = Diagnostic::input(format!("`{}` is not a host", written.escape_debug())).at(place).label(why);
                self.errors.push(error);
                return Vec::new();
            }
        };
        for name in &names {
            self.host(name, group);
            if let Some(port) = port {
                let node = crate::yaml::Node::new(place.clone(), crate::yaml::Data::Int(port.into()));
                self.host_var(name, "ansible_port", Var::Source(node));
            }
        }
        names
    }

    pub(super) fn host_var(&mut self, host: &str, name: &str, var: Var) {
        self.check(name, &var);
        if let Some(host) = self.inventory.hosts.get_mut(host) {
            host.vars.insert(name.to_owned(), var);
        }
    }

    pub(super) fn group_var(&mut self, group: &str, name: &str, var: Var) {
        self.check(name, &var);
        if name != "ansible_group_priority" {
            self.group(group).vars.insert(name.to_owned(), var);
            return;
        }
        match whole(&var) {
            Some(priority) => self.group(group).priority = priority,
            None => {
                let error = Diagnostic::input("`ansible_group_priority` must be a whole number");
                self.errors.push(match place_of(&var) {
                    Some(place) => error.at(place),
                    None => error.note(format!("group `{group}`")),
                });
            }
        }
    }

    /// An address or user that begins like an option would be taken for one by ssh.
    fn check(&mut self, name: &str, var: &Var) {
        if !ADDRESSES.contains(&name) {
            return;
        }
        let value = var.raw();
        if let Some(text) = value.as_str().filter(|t| t.starts_with('-')) {
            let error =
                Diagnostic::input(format!("`{name}` cannot start with `-`")).label(format!("ssh would take `{text}` for an option"));
            self.errors.push(place_of(var).map_or(error.clone(), |place| error.at(place)));
        }
    }

    /// What holds once all sources are read: every group is within `all`, `ungrouped` holds the hosts of no other group.
    pub(super) fn settle(&mut self) {
        let within: std::collections::HashSet<String> = self.inventory.groups.values().flat_map(|g| g.children.iter().cloned()).collect();
        let roots: Vec<String> = self.inventory.groups.keys().filter(|g| *g != "all" && !within.contains(*g)).cloned().collect();
        for root in roots {
            self.inventory.link("all", &root);
        }
        let Inventory { hosts, groups, .. } = &mut self.inventory;
        if let Some(ungrouped) = groups.get_mut("ungrouped") {
            for (name, host) in hosts.iter_mut() {
                if host.groups.is_empty() {
                    host.groups.insert("ungrouped".to_owned());
                    ungrouped.hosts.insert(name.clone());
                } else if host.groups.len() > 1 {
                    host.groups.shift_remove("ungrouped");
                }
            }
            ungrouped.hosts.retain(|name| hosts.get(name).is_some_and(|h| h.groups.contains("ungrouped")));
        }
        let both: Vec<String> = self.inventory.groups.keys().filter(|g| self.inventory.hosts.contains_key(*g)).cloned().collect();
        for name in both {
            self.warn(
                Diagnostic::input(format!("`{name}` names both a host and a group")).hint("rename one; patterns take it for the group"),
            );
        }
    }

    /// Reads `group_vars/` and `host_vars/` in a folder.
    pub(super) fn folder(&mut self, folder: &Path) {
        let folders = match super::files::Folders::beside(folder, &self.vault) {
            Ok(folders) => folders,
            Err(error) => return self.errors.push(*error),
        };
        let Inventory { hosts, groups, warnings, .. } = &mut self.inventory;
        for (name, group) in groups.iter_mut() {
            match folders.group(name, warnings) {
                Ok(vars) => group.files.extend(vars),
                Err(error) => self.errors.push(*error),
            }
        }
        for (name, host) in hosts.iter_mut() {
            match folders.host(name, warnings) {
                Ok(vars) => host.files.extend(vars),
                Err(error) => self.errors.push(*error),
            }
        }
        self.inventory.folders.push(folders);
    }
}
