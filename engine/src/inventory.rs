//! Inventories: hosts, groups, their variables, and the patterns that select among them.

use crate::error::{Diagnostic, Result};
use crate::yaml::Node;
use indexmap::{IndexMap, IndexSet};
use modules::value::Value;
use std::path::{Path, PathBuf};

/// A variable of a host or group.
#[derive(Debug, Clone)]
pub enum Var {
    /// From a file that the user wrote; its templates are rendered when it is used.
    Source(Node),
    /// From a script's output, `add_host` or the program: data.
    Data(Value),
}

/// Named variables; the last one set wins.
pub type Vars = IndexMap<String, Var>;

/// Hosts and groups. Groups `all` and `ungrouped` always exist.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Hosts in the order of their first mention.
    pub hosts: IndexMap<String, Host>,
    /// Groups in the order of their first mention, `all` and `ungrouped` first.
    pub groups: IndexMap<String, Group>,
    /// The inventory files and folders it was read from.
    pub sources: Vec<PathBuf>,
    /// Warnings met while reading.
    pub warnings: Vec<Diagnostic>,
}

/// One host.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Variables from the inventory itself.
    pub vars: Vars,
    /// Variables from `host_vars/` beside the inventory.
    pub files: Vars,
    /// Groups that list it themselves, in order; without `all`.
    pub groups: IndexSet<String>,
}

/// One group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Hosts that it lists itself.
    pub hosts: IndexSet<String>,
    /// Groups that it contains.
    pub children: IndexSet<String>,
    /// Variables from the inventory itself.
    pub vars: Vars,
    /// Variables from `group_vars/` beside the inventory.
    pub files: Vars,
    /// `ansible_group_priority`, 1 unless set.
    pub priority: i64,
}

impl Inventory {
    /// Reads inventories (`-i`): files in YAML or INI, folders, executable scripts, comma lists (`a,b,`). Merged in order.
    /// Without any: only the implicit `localhost`.
    pub fn read(sources: &[String]) -> Result<Inventory, Vec<Diagnostic>> {
        let _ = sources;
        Err(vec![Diagnostic::input("not there yet")])
    }

    /// Hosts that a pattern selects (`web:&prod:!db[0]`, `~regex`, `all`, comma or colon lists), in inventory order.
    /// The implicit `localhost` answers to its names when no host has them.
    ///
    /// # Errors
    /// A malformed pattern. A pattern that matches nothing gives an empty list; see [`Inventory::warnings_for`].
    pub fn select(&self, pattern: &str) -> Result<Vec<String>> {
        let _ = pattern;
        Err(Box::new(Diagnostic::input("not there yet")))
    }

    /// For each part of a pattern that names no host or group: a warning with the nearest name.
    pub fn warnings_for(&self, pattern: &str) -> Vec<Diagnostic> {
        let _ = pattern;
        Vec::new()
    }

    /// All groups of a host, parents included, without `all`; sorted by name as in `group_names`.
    pub fn groups_of(&self, host: &str) -> Vec<String> {
        let _ = host;
        Vec::new()
    }

    /// Hosts of a group and of the groups in it, in inventory order.
    pub fn hosts_of(&self, group: &str) -> Vec<String> {
        let _ = group;
        Vec::new()
    }

    /// Layers of variables of a host in Ansible's order, weakest first: `all` inline, groups inline (by depth, priority,
    /// name), `all` files, groups' files, host inline, host files; `playbook_dir`'s group_vars and host_vars, where given,
    /// come after those beside the inventory on each level.
    pub fn variables(&self, host: &str, playbook_dir: Option<&PlaybookVars>) -> Vec<Vars> {
        let _ = (host, playbook_dir);
        Vec::new()
    }

    /// Adds a host as `add_host` does (creating groups); true when anything was new.
    pub fn add_host(&mut self, name: &str, groups: &[String], vars: Vars) -> bool {
        let _ = (name, groups, vars);
        false
    }

    /// Puts a host into a group as `group_by` does; true when it was not in it.
    pub fn add_to_group(&mut self, host: &str, group: &str, parents: &[String]) -> bool {
        let _ = (host, group, parents);
        false
    }
}

/// `group_vars/` and `host_vars/` beside a playbook.
#[derive(Debug, Clone, Default)]
pub struct PlaybookVars {
    /// By group.
    pub groups: IndexMap<String, Vars>,
    /// By host.
    pub hosts: IndexMap<String, Vars>,
}

impl PlaybookVars {
    /// Reads what stands beside a playbook.
    pub fn read(playbook_dir: &Path) -> Result<PlaybookVars> {
        let _ = playbook_dir;
        Ok(PlaybookVars::default())
    }
}
