//! An inventory while its sources are read: what the readers of all formats fill.

use super::{Group, Host, Inventory, Reading, Var, Vars, names, place_of, whole};
use crate::error::Diagnostic;
use crate::source::Place;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sets a variable, over or into what the name has already.
fn put(vars: &mut Vars, name: &str, var: Var, merge: bool) {
    match merge {
        true => crate::vars::merge::insert(vars, name.to_owned(), var),
        false => {
            vars.insert(name.to_owned(), var);
        }
    }
}

fn add(vars: &mut Arc<Vars>, more: Vars, merge: bool) {
    if !more.is_empty() {
        let vars = Arc::make_mut(vars);
        more.into_iter().for_each(|(name, var)| put(vars, &name, var, merge));
    }
}

/// Variables that ssh gets as words of its command line.
const ADDRESSES: [&str; 4] = ["ansible_host", "ansible_ssh_host", "ansible_user", "ansible_ssh_user"];

/// What was read so far, and what was wrong with it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) inventory: Inventory,
    pub(super) errors: Vec<Diagnostic>,
    /// Settings and passwords.
    pub(super) reading: Reading,
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
        let merge = self.reading.merge;
        if let Some(host) = self.inventory.hosts.get_mut(host) {
            put(Arc::make_mut(&mut host.vars), name, var, merge);
        }
    }

    pub(super) fn group_var(&mut self, group: &str, name: &str, var: Var) {
        self.check(name, &var);
        if name != "ansible_group_priority" {
            let merge = self.reading.merge;
            put(Arc::make_mut(&mut self.group(group).vars), name, var, merge);
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

    /// Reads the variables beside the sources so far.
    pub(super) fn read_folders(&mut self) {
        let folders: Vec<PathBuf> = self.inventory.sources.iter().map(|path| super::sources::folder_of(path)).collect();
        folders.iter().for_each(|folder| self.folder(folder));
        // They are read again when all groups are known.
        self.inventory.folders.clear();
    }

    /// Reads `group_vars/` and `host_vars/` in a folder.
    pub(super) fn folder(&mut self, folder: &Path) {
        let folders = match super::files::Folders::beside(folder, &self.reading.vault) {
            Ok(folders) => folders,
            Err(error) => return self.errors.push(*error),
        };
        let merge = self.reading.merge;
        let Inventory { hosts, groups, warnings, .. } = &mut self.inventory;
        for (name, group) in groups.iter_mut() {
            match folders.group(name, warnings) {
                Ok(vars) => add(&mut group.files, vars, merge),
                Err(error) => self.errors.push(*error),
            }
        }
        for (name, host) in hosts.iter_mut() {
            match folders.host(name, warnings) {
                Ok(vars) => add(&mut host.files, vars, merge),
                Err(error) => self.errors.push(*error),
            }
        }
        self.inventory.folders.push(folders);
    }
}
