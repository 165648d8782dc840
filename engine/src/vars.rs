//! Variables of a run: what each host knows, and which of the 22 levels answers for a name.

mod cache;
mod magic;
pub(crate) mod merge;
mod scope;

use crate::error::{Diagnostic, Result};
use crate::inventory::{Inventory, PlaybookVars, Var};
use crate::playbook::{self, Play, Role};
use crate::template::Binding;
use crate::vault::Vault;
use crate::yaml::Node;
pub use cache::FactCache;
use indexmap::IndexMap;
pub(crate) use magic::NAMES as MAGIC;
use modules::value::{Map, Value};
pub use scope::HostScope;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

/// Everything that variables come from, shared by the whole run.
pub struct Fleet {
    /// Hosts and groups; grows by `add_host` and `group_by`.
    pub inventory: RwLock<Inventory>,
    /// `group_vars/` and `host_vars/` beside the playbook that runs.
    pub playbook_vars: RwLock<Arc<PlaybookVars>>,
    /// `-e`.
    pub extra: IndexMap<String, Binding>,
    /// What magic variables say of the program's options.
    pub options: Options,
    memories: RwLock<HashMap<String, Arc<Memory>>>,
    layers: Mutex<HashMap<String, Layers>>,
}

/// The inventory's variables of a host, weakest first.
type Layers = Arc<Vec<Arc<crate::inventory::Vars>>>;

/// Options of the run that playbooks can see.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `ansible_check_mode`: whether this is a plan.
    pub check: bool,
    /// `ansible_diff_mode`.
    pub diff: bool,
    /// `ansible_forks`.
    pub forks: usize,
    /// `ansible_verbosity`.
    pub verbosity: u8,
    /// `ansible_run_tags`.
    pub tags: Vec<String>,
    /// `ansible_skip_tags`.
    pub skip_tags: Vec<String>,
    /// `ansible_limit`.
    pub limit: Option<String>,
    /// `hash_behaviour = merge`: dictionaries of several levels are one.
    pub merge: bool,
    /// `gathering`: which plays gather facts.
    pub gathering: Gathering,
    /// `inject_facts_as_vars = False`: facts are in `ansible_facts` only.
    pub hides_facts: bool,
    /// Where facts outlive the run.
    pub cache: Option<FactCache>,
}

/// Which plays gather facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gathering {
    /// All that do not say otherwise.
    #[default]
    Implicit,
    /// Those that say so.
    Explicit,
    /// As implicit, but not for hosts whose facts are known.
    Smart,
}

/// What a run has learnt of one host.
#[derive(Default)]
pub struct Memory {
    /// Facts by their names without `ansible_`.
    pub facts: RwLock<Map>,
    /// Which of these are known by that name, not with `ansible_` before it.
    pub plain: RwLock<BTreeSet<String>>,
    /// `set_fact` and registered results.
    pub set: RwLock<Map>,
    /// `include_vars`, as written.
    pub included: RwLock<IndexMap<String, Node>>,
}

impl Memory {
    fn learn(&self, facts: &Map) {
        let (mut known, mut plain) = (write(&self.facts), write(&self.plain));
        for (name, value) in facts {
            let text = name.to_string();
            match text.strip_prefix("ansible_") {
                Some(bare) => {
                    plain.remove(bare);
                    known.insert(Value::str(bare), value.clone());
                }
                None => {
                    plain.insert(text);
                    known.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// Facts by the names that they were learnt with.
    fn by_name(&self) -> Map {
        let plain = read(&self.plain);
        let name = |bare: &Value| match plain.contains(&bare.to_string()) {
            true => bare.clone(),
            false => Value::from(format!("ansible_{bare}")),
        };
        read(&self.facts).iter().map(|(bare, value)| (name(bare), value.clone())).collect()
    }

    /// The fact that a variable of this name stands for.
    fn fact(&self, name: &str) -> Option<Value> {
        let plain = read(&self.plain);
        if let Some(bare) = name.strip_prefix("ansible_").filter(|bare| !plain.contains(*bare)) {
            return read(&self.facts).get(bare).cloned();
        }
        plain.contains(name).then(|| read(&self.facts).get(name).cloned()).flatten()
    }
}

/// A role in use: its variables as this use sees them, and the role that uses it.
#[derive(Debug)]
pub struct RoleInstance {
    /// The role's files.
    pub role: Arc<Role>,
    /// Name as the play wrote it.
    pub name: String,
    /// `defaults`, with `defaults_from`.
    pub defaults: playbook::Vars,
    /// `vars`, with `vars_from`.
    pub vars: playbook::Vars,
    /// Parameters.
    pub params: playbook::Vars,
    /// The role that depends on it or includes it.
    pub parent: Option<Arc<RoleInstance>>,
    /// Whether it runs because another role depends on it.
    pub dependency: bool,
    /// The first use in the play that asks for just the same: hosts on which that one ran leave this one out.
    pub first: Option<Arc<RoleInstance>>,
    /// The roles that it depends on, also by way of others, the strongest last.
    pub dependencies: RwLock<Vec<Arc<Role>>>,
}

impl RoleInstance {
    /// Notes a role that this one depends on; so do those that depend on this one.
    pub fn depends_on(&self, role: &Arc<Role>) {
        write(&self.dependencies).push(role.clone());
        if let Some(parent) = self.parent.as_ref().filter(|_| self.dependency) {
            parent.depends_on(role);
        }
    }
}

/// One use of a role in a play.
pub struct RoleRun {
    /// The role as it is used.
    pub instance: Arc<RoleInstance>,
    /// The keywords that stand beside it under `roles` or `dependencies`; none for imports and includes.
    pub keywords: Option<Arc<playbook::Keywords>>,
}

impl RoleRun {
    /// Whether another use, with these keywords, asks for just what this one does.
    pub fn is_repeated_by(&self, other: &RoleInstance, keywords: &playbook::Keywords) -> bool {
        let raw = |nodes: &[Node]| nodes.iter().map(Node::raw).collect::<Vec<Value>>();
        let Some(own) = &self.keywords else { return false };
        self.instance.role.path == other.role.path
            && same(&self.instance.params, &other.params)
            && same(&own.vars, &keywords.vars)
            && same(&own.others, &keywords.others)
            && raw(&own.when) == raw(&keywords.when)
            && raw(&own.tags) == raw(&keywords.tags)
    }

    /// The first of the uses that ask for the same.
    pub fn root(&self) -> Arc<RoleInstance> {
        self.instance.first.clone().unwrap_or_else(|| self.instance.clone())
    }
}

fn same(a: &playbook::Vars, b: &playbook::Vars) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.0 == y.0 && x.1.raw() == y.1.raw())
}

/// A play in use, for one batch of hosts.
pub struct PlayInstance {
    /// The play as written.
    pub play: Arc<Play>,
    /// Rendered name.
    pub name: String,
    /// Vars of `import_playbook` and of the play, weakest first.
    pub vars: playbook::Vars,
    /// `vars_files` by host; those without templates are the same for all.
    pub files: RwLock<HashMap<String, playbook::Vars>>,
    /// Answers of `vars_prompt`.
    pub prompted: Map,
    /// Roles whose variables the whole play sees, in order.
    pub roles: RwLock<Vec<Arc<RoleInstance>>>,
    /// Every use of a role so far, in order.
    pub used: RwLock<Vec<RoleRun>>,
    /// All hosts that the play selects.
    pub all_hosts: Vec<String>,
    /// Hosts of this batch.
    pub batch: Vec<String>,
    /// Hosts that failed or ended.
    pub gone: RwLock<BTreeSet<String>>,
    /// Folder of the playbook.
    pub dir: PathBuf,
}

impl PlayInstance {
    /// Hosts of the batch that still take part.
    pub fn active(&self) -> Vec<String> {
        let gone = read(&self.gone);
        self.batch.iter().filter(|h| !gone.contains(*h)).cloned().collect()
    }
}

/// Locks are only held for moments and never across a panic; a poisoned one still holds good data.
pub(crate) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// See [`read`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// See [`read`].
pub(crate) fn lock<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Fleet {
    /// A fleet that knows nothing of its hosts yet.
    pub fn new(inventory: Inventory, extra: IndexMap<String, Binding>, options: Options) -> Fleet {
        Fleet {
            inventory: RwLock::new(inventory),
            playbook_vars: RwLock::default(),
            extra,
            options,
            memories: RwLock::default(),
            layers: Mutex::default(),
        }
    }

    /// What the run knows of a host.
    pub fn memory(&self, host: &str) -> Arc<Memory> {
        if let Some(memory) = read(&self.memories).get(host) {
            return memory.clone();
        }
        let memory = Memory::default();
        if let Some(facts) = self.options.cache.as_ref().and_then(|cache| cache.load(host)) {
            memory.learn(&facts);
        }
        write(&self.memories).entry(host.to_string()).or_insert_with(|| Arc::new(memory)).clone()
    }

    /// The inventory's variables of a host, weakest layer first.
    pub fn layers(&self, host: &str) -> Layers {
        if let Some(found) = lock(&self.layers).get(host) {
            return found.clone();
        }
        let beside = read(&self.playbook_vars).clone();
        let layers = Arc::new(read(&self.inventory).variables(host, Some(&beside)));
        lock(&self.layers).insert(host.to_string(), layers.clone());
        layers
    }

    /// Takes the `group_vars/` and `host_vars/` beside another playbook.
    pub fn enter_playbook(&self, beside: PlaybookVars) {
        *write(&self.playbook_vars) = Arc::new(beside);
        lock(&self.layers).clear();
    }

    /// Changes the inventory; what was computed from it is forgotten.
    pub fn change_inventory<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        let out = change(&mut write(&self.inventory));
        lock(&self.layers).clear();
        out
    }

    /// Remembers facts as a module returned them (with or without `ansible_`).
    pub fn learn(&self, host: &str, facts: &Map) {
        let memory = self.memory(host);
        memory.learn(facts);
        self.keep_facts(host, &memory);
    }

    /// Forgets the facts of a host, also those that outlive the run.
    pub fn forget(&self, host: &str) {
        let memory = self.memory(host);
        write(&memory.facts).clear();
        write(&memory.plain).clear();
        self.keep_facts(host, &memory);
    }

    fn keep_facts(&self, host: &str, memory: &Memory) {
        // A plan changes nothing, no cache either.
        if let Some(cache) = self.options.cache.as_ref().filter(|_| !self.options.check) {
            cache.store(host, &memory.by_name());
        }
    }

    /// Remembers a `set_fact` or a registered result.
    pub fn remember(&self, host: &str, name: &str, value: Value) {
        write(&self.memory(host).set).insert(Value::str(name), value);
    }
}

/// A binding from an inventory variable.
pub(crate) fn binding(var: &Var) -> Binding {
    match var {
        Var::Source(node) => Binding::Source(node.clone()),
        Var::Data(value) => Binding::Value(value.clone()),
    }
}

/// The last value written under a name.
pub(crate) fn last<'a>(vars: &'a playbook::Vars, name: &str) -> Option<&'a Node> {
    vars.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v)
}

/// Reads one `-e` option: `k=v …`, inline YAML or JSON, or `@file`.
pub fn extra_vars(option: &str, vault: &Vault) -> Result<IndexMap<String, Binding>> {
    let source = match option.strip_prefix('@') {
        Some(path) => {
            let source = crate::source::Source::read(path);
            let source = source.map_err(|e| e.note(format!("its variables are asked for by `-e {option}`")))?;
            vault.plain(source)?
        }
        None => crate::source::Source::new("--extra-vars", option),
    };
    let mut vars = IndexMap::new();
    let trimmed = option.trim_start();
    if !option.starts_with('@') && !trimmed.starts_with('{') && !trimmed.starts_with('[') && option.contains('=') {
        for (name, node) in playbook::key_values(option, &source)? {
            vars.insert(name, Binding::Source(node));
        }
        return Ok(vars);
    }
    for node in crate::yaml::parse(&source)?.nodes {
        let Some(pairs) = node.as_map() else {
            return Err(Box::new(
                Diagnostic::input(format!("extra variables must be a dictionary, not {}", crate::error::with_article(node.type_name())))
                    .at(node.place())
                    .hint("write `-e name=value`, `-e '{\"name\": value}'` or `-e @file.yaml`"),
            ));
        };
        for (key, value) in pairs {
            let name = key.as_str().ok_or_else(|| Diagnostic::input("a variable's name must be text").at(key.place()))?;
            vars.insert(name.to_string(), Binding::Source(value.clone()));
        }
    }
    Ok(vars)
}
