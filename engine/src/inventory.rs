//! Inventories: hosts, groups, their variables, and the patterns that select among them.

mod computed;
mod draft;
mod files;
mod ini;
mod literal;
mod names;
mod pattern;
mod script;
mod show;
mod sources;
mod yaml;

use crate::error::{Diagnostic, Result};
use crate::source::Place;
use crate::vault::Vault;
use crate::yaml::{Data, Node};
use files::Folders;
use indexmap::{IndexMap, IndexSet};
use modules::value::Value;
pub(crate) use pattern::is_like;
pub use show::View;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Names of the machine that `engine` runs on; one of them answers even if the inventory lists none.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A variable of a host or group.
#[derive(Debug, Clone)]
pub enum Var {
    /// From a file that the user wrote; its templates are rendered when it is used.
    Source(Node),
    /// From a script's output, `add_host` or the program: data.
    Data(Value),
}

impl Var {
    /// The value as written, templates unrendered.
    pub fn raw(&self) -> Value {
        match self {
            Var::Source(node) => node.raw(),
            Var::Data(value) => value.clone(),
        }
    }
}

/// Named variables; the last one set wins.
pub type Vars = IndexMap<String, Var>;

/// Hosts and groups. Groups `all` and `ungrouped` always exist.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Hosts in the order of their first mention.
    pub hosts: IndexMap<String, Host>,
    /// Groups in the order of their first mention, `all` and `ungrouped` first.
    pub groups: IndexMap<String, Group>,
    /// The inventory files and folders it was read from.
    pub sources: Vec<PathBuf>,
    /// Warnings met while reading.
    pub warnings: Vec<Diagnostic>,
    /// How it was read.
    pub reading: Reading,
    /// `group_vars/` and `host_vars/` beside the sources, for groups and hosts that tasks add later.
    folders: Vec<Folders>,
    /// What follows from `groups`; emptied whenever they change.
    index: OnceLock<Index>,
}

/// How inventories are read, as options and `ansible.cfg` say.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Opens encrypted files.
    pub vault: Arc<Vault>,
    /// `hash_behaviour = merge`: dictionaries that several sources give are one.
    pub merge: bool,
    /// Extra variables, for inventories that are computed with them.
    pub extra: Arc<modules::value::Map>,
    /// Whether a source that cannot be read is left out with a warning, as Ansible does it.
    pub lenient: bool,
    /// `any_unparsed_is_failed`: no source may be left out.
    pub needs_all: bool,
    /// `unparsed_is_failed`: at least one source must be read.
    pub needs_one: bool,
}

/// One host.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Variables from the inventory itself.
    pub vars: Arc<Vars>,
    /// Variables from `host_vars/` beside the inventory.
    pub files: Arc<Vars>,
    /// Groups that list it themselves, in order; without `all`.
    pub groups: IndexSet<String>,
    /// The inventory source that mentioned it first; none for hosts that tasks add.
    pub source: Option<PathBuf>,
}

/// One group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Hosts that it lists itself.
    pub hosts: IndexSet<String>,
    /// Groups that it contains.
    pub children: IndexSet<String>,
    /// Variables from the inventory itself.
    pub vars: Arc<Vars>,
    /// Variables from `group_vars/` beside the inventory.
    pub files: Arc<Vars>,
    /// `ansible_group_priority`, 1 unless set.
    pub priority: i64,
}

impl Default for Group {
    fn default() -> Group {
        Group { hosts: IndexSet::new(), children: IndexSet::new(), vars: Arc::default(), files: Arc::default(), priority: 1 }
    }
}

impl Default for Inventory {
    /// Without hosts; with the groups `all` and `ungrouped`.
    fn default() -> Inventory {
        let all = Group { children: IndexSet::from(["ungrouped".to_owned()]), ..Group::default() };
        Inventory {
            hosts: IndexMap::new(),
            groups: IndexMap::from([("all".to_owned(), all), ("ungrouped".to_owned(), Group::default())]),
            sources: Vec::new(),
            warnings: Vec::new(),
            reading: Reading::default(),
            folders: Vec::new(),
            index: OnceLock::new(),
        }
    }
}

/// The groups around each group.
#[derive(Debug, Clone, Default)]
struct Index {
    parents: HashMap<String, Vec<String>>,
    /// The longest way from `all`.
    depth: HashMap<String, usize>,
}

impl Index {
    fn of(groups: &IndexMap<String, Group>) -> Index {
        let mut index = Index::default();
        let mut waiting: HashMap<&str, usize> = HashMap::new();
        for (name, group) in groups {
            for child in &group.children {
                index.parents.entry(child.clone()).or_default().push(name.clone());
                *waiting.entry(child).or_default() += 1;
            }
        }
        // Groups are taken once all of their parents are, so that each depth is final when it is passed on.
        let mut ready: Vec<&str> = groups.keys().map(String::as_str).filter(|g| !waiting.contains_key(g)).collect();
        while let Some(name) = ready.pop() {
            let depth = *index.depth.entry(name.to_owned()).or_default();
            for child in groups.get(name).into_iter().flat_map(|g| &g.children) {
                let below = index.depth.entry(child.clone()).or_default();
                *below = (*below).max(depth + 1);
                if let Some(left) = waiting.get_mut(child.as_str()) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(child);
                    }
                }
            }
        }
        index
    }
}

impl Inventory {
    /// Reads inventories (`-i`): files in YAML or INI, folders, executable scripts, comma lists (`a,b,`). Merged in order.
    /// Without any: only the implicit `localhost`.
    pub fn read(sources: &[String]) -> Result<Inventory, Vec<Diagnostic>> {
        Inventory::read_with(sources, &Reading::default())
    }

    /// The same, with settings and passwords.
    ///
    /// # Errors
    /// As for [`Inventory::read`].
    pub fn read_with(sources: &[String], reading: &Reading) -> Result<Inventory, Vec<Diagnostic>> {
        sources::read(sources, reading)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.groups))
    }

    /// All groups of a host, parents included, without `all`; sorted by name as in `group_names`.
    pub fn groups_of(&self, host: &str) -> Vec<String> {
        let Some(host) = self.hosts.get(host) else { return Vec::new() };
        let mut found: IndexSet<&str> = host.groups.iter().map(String::as_str).collect();
        let mut next = 0;
        while let Some(name) = found.get_index(next).copied() {
            found.extend(self.index().parents.get(name).into_iter().flatten().map(String::as_str));
            next += 1;
        }
        let mut names: Vec<String> = found.into_iter().filter(|g| *g != "all").map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Hosts of a group and of the groups in it: its own first, then those of its children, then of theirs.
    pub fn hosts_of(&self, group: &str) -> Vec<String> {
        let Some((group, _)) = self.groups.get_key_value(group) else { return Vec::new() };
        let mut groups: IndexSet<&str> = IndexSet::from([group.as_str()]);
        let mut hosts: IndexSet<&str> = IndexSet::new();
        let mut next = 0;
        while let Some(name) = groups.get_index(next).copied() {
            if let Some(group) = self.groups.get(name) {
                groups.extend(group.children.iter().map(String::as_str));
                hosts.extend(group.hosts.iter().map(String::as_str));
            }
            next += 1;
        }
        hosts.into_iter().map(str::to_owned).collect()
    }

    /// Layers of variables of a host in Ansible's order, weakest first: `all` inline, groups inline (by depth, priority,
    /// name), `all` files, groups' files, host inline, host files; `playbook_dir`'s group_vars and host_vars, where given,
    /// come after those beside the inventory on each level.
    pub fn variables(&self, host: &str, playbook_dir: Option<&PlaybookVars>) -> Vec<Arc<Vars>> {
        let depth = |name: &String| self.index().depth.get(name).copied().unwrap_or_default();
        let mut groups: Vec<(&String, &Group)> = self.groups_of(host).iter().filter_map(|g| self.groups.get_key_value(g)).collect();
        groups.sort_by_cached_key(|(name, group)| (depth(name), group.priority, (*name).clone()));
        let all = self.groups.get_key_value("all");
        let beside =
            |vars: fn(&PlaybookVars) -> &IndexMap<String, Arc<Vars>>, name: &str| playbook_dir.and_then(|p| vars(p).get(name)).cloned();

        let mut layers: Vec<Arc<Vars>> = all.iter().chain(&groups).map(|(_, g)| g.vars.clone()).collect();
        for part in [all.as_slice(), groups.as_slice()] {
            layers.extend(part.iter().map(|(_, g)| g.files.clone()));
            layers.extend(part.iter().filter_map(|(name, _)| beside(|p| &p.groups, name)));
        }
        match self.hosts.get(host) {
            Some(host) => layers.extend([host.vars.clone(), host.files.clone()]),
            None if LOCAL_NAMES.contains(&host) => layers.extend(self.implicit_local(host)),
            None => {}
        }
        layers.extend(beside(|p| &p.hosts, host));
        layers.retain(|layer| !layer.is_empty());
        layers
    }

    fn implicit_local(&self, name: &str) -> Vec<Arc<Vars>> {
        let mut own = Vars::from([("ansible_connection".to_owned(), Var::Data(Value::str("local")))]);
        own.extend(python().map(|path| ("ansible_python_interpreter".to_owned(), Var::Data(Value::from(path)))));
        let mut layers = vec![Arc::new(own)];
        // Their errors were met when the inventory was read, if they matter to it.
        layers.extend(self.folders.iter().filter_map(|f| f.host(name, &mut Vec::new()).ok()).map(Arc::new));
        layers
    }

    /// Adds a host as `add_host` does (creating groups); true when anything was new.
    pub fn add_host(&mut self, name: &str, groups: &[String], vars: Vars) -> bool {
        let mut new = !self.hosts.contains_key(name);
        if new {
            let files = self.read_later(|folders, warnings| folders.host(name, warnings));
            self.hosts.insert(name.to_owned(), Host { files: Arc::new(files), ..Host::default() });
        }
        for group in groups {
            new |= self.add_to_group(name, group, &[]);
        }
        if self.hosts.get(name).is_some_and(|h| h.groups.is_empty()) {
            new |= self.add_to_group(name, "ungrouped", &[]);
        }
        if let Some(host) = self.hosts.get_mut(name) {
            for (key, var) in vars {
                new |= host.vars.get(&key).is_none_or(|old| old.raw() != var.raw());
                Arc::make_mut(&mut host.vars).insert(key, var);
            }
        }
        new
    }

    /// Puts a host into a group as `group_by` does; true when it was not in it.
    pub fn add_to_group(&mut self, host: &str, group: &str, parents: &[String]) -> bool {
        self.ensure_group(group);
        for parent in parents {
            self.ensure_group(parent);
            // A parent within its own child would be a cycle; such a request changes nothing.
            if !self.contains_group(group, parent) {
                self.link(parent, group);
            }
        }
        if group != "all" && !self.contains_group("all", group) {
            self.link("all", group);
        }
        let Some(entry) = self.hosts.get_mut(host) else { return false };
        if group != "all" {
            entry.groups.insert(group.to_owned());
        }
        if group != "all"
            && group != "ungrouped"
            && entry.groups.shift_remove("ungrouped")
            && let Some(ungrouped) = self.groups.get_mut("ungrouped")
        {
            ungrouped.hosts.shift_remove(host);
        }
        self.groups.get_mut(group).is_some_and(|g| g.hosts.insert(host.to_owned()))
    }

    fn ensure_group(&mut self, name: &str) {
        if !self.groups.contains_key(name) {
            let files = self.read_later(|folders, warnings| folders.group(name, warnings));
            self.groups.insert(name.to_owned(), Group { files: Arc::new(files), ..Group::default() });
            self.index.take();
        }
    }

    fn link(&mut self, parent: &str, child: &str) {
        if let Some(group) = self.groups.get_mut(parent)
            && group.children.insert(child.to_owned())
        {
            self.index.take();
        }
    }

    /// Whether `inner` is `outer` or stands somewhere within it.
    fn contains_group(&self, outer: &str, inner: &str) -> bool {
        let mut found: IndexSet<&str> = IndexSet::from([outer]);
        let mut next = 0;
        while let Some(name) = found.get_index(next).copied() {
            if name == inner {
                return true;
            }
            found.extend(self.groups.get(name).into_iter().flat_map(|g| &g.children).map(String::as_str));
            next += 1;
        }
        false
    }

    /// Variables of what a task adds; a file that cannot be read becomes a warning, for the run is under way.
    fn read_later(&mut self, read: impl Fn(&Folders, &mut Vec<Diagnostic>) -> Result<Vars>) -> Vars {
        let mut vars = Vars::new();
        for folders in &self.folders {
            match read(folders, &mut self.warnings) {
                Ok(more) => vars.extend(more),
                Err(error) => self.warnings.push(*error),
            }
        }
        vars
    }
}

/// `group_vars/` and `host_vars/` beside a playbook.
#[derive(Debug, Clone, Default)]
pub struct PlaybookVars {
    /// By group.
    pub groups: IndexMap<String, Arc<Vars>>,
    /// By host.
    pub hosts: IndexMap<String, Arc<Vars>>,
    /// Warnings met while reading.
    pub warnings: Vec<Diagnostic>,
}

impl PlaybookVars {
    /// Reads what stands beside a playbook.
    pub fn read(playbook_dir: &Path, vault: &Arc<Vault>) -> Result<PlaybookVars> {
        Folders::beside(playbook_dir, vault)?.all()
    }
}

/// Where a variable stands, if the user wrote it.
fn place_of(var: &Var) -> Option<&Place> {
    match var {
        Var::Source(node) => Some(node.place()),
        Var::Data(_) => None,
    }
}

/// A whole number, also one in quotes.
fn whole(var: &Var) -> Option<i64> {
    match var {
        Var::Source(node) => match node.data() {
            Data::Int(i) => Some(*i),
            Data::Str(text) => text.trim().parse().ok(),
            _ => None,
        },
        Var::Data(value) => value.as_int().or_else(|| value.as_str()?.trim().parse().ok()),
    }
}

/// The Python of this machine, for the commands that playbooks start with it; this program has no need of one.
pub(crate) fn python() -> Option<String> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders).map(|folder| folder.join("python3")).find(|path| path.is_file())?;
    Some(found.display().to_string())
}

#[cfg(test)]
mod tests;
