//! The scope of one task on one host: which level answers for a name.

use super::{Fleet, PlayInstance, RoleInstance, binding, last, magic, read};
use crate::graph::Context;
use crate::template::{Binding, Scope, Scopes};
use modules::value::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// The names that a task on a host can use. Cloning is cheap.
#[derive(Clone)]
pub struct HostScope {
    /// The whole run.
    pub fleet: Arc<Fleet>,
    /// The host; none for what is decided once for a play.
    pub host: Option<String>,
    /// The play, if any: `hostvars` of other hosts are seen without it.
    pub play: Option<Arc<PlayInstance>>,
    /// What the task inherits, if it is a task's scope.
    pub context: Option<Arc<Context>>,
    /// The loop's variables and the like; they hide everything but extra variables.
    pub locals: Arc<Map>,
}

impl HostScope {
    /// The scope that `hostvars[host]` shows.
    pub fn of_host(fleet: &Arc<Fleet>, host: &str) -> HostScope {
        HostScope { fleet: fleet.clone(), host: Some(host.to_string()), play: None, context: None, locals: Arc::default() }
    }

    /// The same with more local names.
    #[must_use]
    pub fn with_locals(&self, locals: Map) -> HostScope {
        let mut all = (*self.locals).clone();
        all.extend(locals);
        HostScope { locals: Arc::new(all), ..self.clone() }
    }

    /// As the templates take it.
    pub fn shared(&self) -> Arc<dyn Scope> {
        Arc::new(self.clone())
    }

    fn roles(&self) -> impl Iterator<Item = Arc<RoleInstance>> {
        std::iter::successors(self.context.as_ref().and_then(|c| c.role.clone()), |role| role.parent.clone())
    }

    fn play_roles(&self) -> Vec<Arc<RoleInstance>> {
        self.play.as_ref().map(|p| read(&p.roles).clone()).unwrap_or_default()
    }

    /// Levels 15 to 22: what tasks, roles and options set.
    fn set_by_task(&self, name: &str) -> Option<Binding> {
        let source = |vars: &crate::playbook::Vars| last(vars, name).cloned().map(Binding::Source);
        if let Some(found) = self.fleet.extra.get(name) {
            return Some(found.clone());
        }
        if let Some(value) = self.locals.get(name) {
            return Some(Binding::Value(value.clone()));
        }
        if let Some(context) = &self.context {
            if let Some(value) = context.locals.get(name) {
                return Some(Binding::Value(value.clone()));
            }
            if let Some(found) = context.params.iter().rev().find_map(|v| source(v)) {
                return Some(found);
            }
        }
        if let Some(found) = self.roles().find_map(|r| source(&r.params)) {
            return Some(found);
        }
        if let Some(host) = &self.host {
            let memory = self.fleet.memory(host);
            if let Some(value) = read(&memory.set).get(name) {
                return Some(Binding::Value(value.clone()));
            }
            if let Some(node) = read(&memory.included).get(name) {
                return Some(Binding::Source(node.clone()));
            }
        }
        if let Some(found) = self.context.as_ref().and_then(|c| c.vars.iter().rev().find_map(|v| source(v))) {
            return Some(found);
        }
        self.roles().find_map(|r| source(&r.vars)).or_else(|| self.play_roles().iter().rev().find_map(|r| source(&r.vars)))
    }

    /// Levels 12 to 14: what the play sets.
    fn set_by_play(&self, name: &str) -> Option<Binding> {
        let play = self.play.as_ref()?;
        let files = read(&play.files);
        let own = self.host.as_ref().and_then(|h| files.get(h)).and_then(|v| last(v, name));
        if let Some(node) = own.or_else(|| files.get("").and_then(|v| last(v, name))) {
            return Some(Binding::Source(node.clone()));
        }
        if let Some(value) = play.prompted.get(name) {
            return Some(Binding::Value(value.clone()));
        }
        last(&play.vars, name).cloned().map(Binding::Source)
    }

    /// Levels 2 to 11: facts, inventory, role defaults.
    fn known_of_host(&self, name: &str) -> Option<Binding> {
        if let Some(host) = &self.host {
            if let Some(bare) = name.strip_prefix("ansible_")
                && let Some(value) = read(&self.fleet.memory(host).facts).get(bare)
            {
                return Some(Binding::Value(value.clone()));
            }
            let memory = self.fleet.memory(host);
            if read(&memory.plain).contains(name)
                && let Some(value) = read(&memory.facts).get(name)
            {
                return Some(Binding::Value(value.clone()));
            }
            if let Some(var) = self.fleet.layers(host).iter().rev().find_map(|layer| layer.get(name)) {
                return Some(binding(var));
            }
        }
        let source = |vars: &crate::playbook::Vars| last(vars, name).cloned().map(Binding::Source);
        self.roles().find_map(|r| source(&r.defaults)).or_else(|| self.play_roles().iter().rev().find_map(|r| source(&r.defaults)))
    }
}

impl Scope for HostScope {
    fn lookup(&self, name: &str) -> Option<Binding> {
        magic::lookup(self, name).or_else(|| self.set_by_task(name)).or_else(|| self.set_by_play(name)).or_else(|| self.known_of_host(name))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = magic::NAMES.iter().map(|n| n.to_string()).collect();
        names.extend(self.fleet.extra.keys().cloned());
        names.extend(self.locals.keys().map(Value::to_string));
        let mut vars = |vars: &crate::playbook::Vars| names.extend(vars.iter().map(|(k, _)| k.clone()));
        if let Some(context) = &self.context {
            context.params.iter().chain(&context.vars).for_each(|v| vars(v));
        }
        for role in self.roles().chain(self.play_roles()) {
            [&role.params, &role.vars, &role.defaults].into_iter().for_each(&mut vars);
        }
        if let Some(play) = &self.play {
            vars(&play.vars);
            read(&play.files).values().for_each(vars);
            names.extend(play.prompted.keys().map(Value::to_string));
        }
        if let Some(host) = &self.host {
            let memory = self.fleet.memory(host);
            names.extend(read(&memory.set).keys().map(Value::to_string));
            names.extend(read(&memory.included).keys().cloned());
            names.extend(read(&memory.facts).keys().map(|k| format!("ansible_{k}")));
            names.extend(read(&memory.plain).iter().cloned());
            names.extend(self.fleet.layers(host).iter().flat_map(|l| l.keys().cloned()));
        }
        names.sort();
        names.dedup();
        names
    }

    fn search_path(&self, kind: &str) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let mut add = |path: PathBuf| {
            if !paths.contains(&path) {
                paths.push(path);
            }
        };
        for role in self.roles() {
            add(role.role.path.join(kind));
            add(role.role.path.clone());
        }
        for dir in self.context.iter().flat_map(|c| c.dirs.iter().rev()) {
            add(dir.join(kind));
            add(dir.clone());
        }
        if let Some(play) = &self.play {
            add(play.dir.join(kind));
            add(play.dir.clone());
        }
        paths
    }
}

/// `hostvars`.
pub(super) struct AllHosts(pub(super) Arc<Fleet>);

impl Scopes for AllHosts {
    fn scope(&self, name: &str) -> Option<Arc<dyn Scope>> {
        let known = read(&self.0.inventory).hosts.contains_key(name) || matches!(name, "localhost" | "127.0.0.1" | "::1");
        known.then(|| HostScope::of_host(&self.0, name).shared())
    }
    fn names(&self) -> Vec<String> {
        read(&self.0.inventory).hosts.keys().cloned().collect()
    }
}
