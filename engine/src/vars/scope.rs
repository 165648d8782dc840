//! The scope of one task on one host: which level answers for a name.

use super::{Fleet, PlayInstance, RoleInstance, binding, last, magic, merge, read};
use crate::graph::Context;
use crate::template::{Binding, Scope, Scopes};
use modules::value::{Map, Value};
use std::ops::ControlFlow;
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

    /// Every level that has the name, strongest first, until `take` has enough.
    fn levels(&self, name: &str, take: &mut Take<'_>) -> ControlFlow<()> {
        self.set_by_task(name, take)?;
        self.set_by_play(name, take)?;
        self.known_of_host(name, take)
    }

    /// Levels 15 to 22: what tasks, roles and options set.
    fn set_by_task(&self, name: &str, take: &mut Take<'_>) -> ControlFlow<()> {
        if let Some(found) = self.fleet.extra.get(name) {
            take(found.clone())?;
        }
        if let Some(value) = self.locals.get(name) {
            take(Binding::Value(value.clone()))?;
        }
        if let Some(context) = &self.context {
            if let Some(value) = context.locals.get(name) {
                take(Binding::Value(value.clone()))?;
            }
            each(context.params.iter().rev().map(AsRef::as_ref), name, take)?;
        }
        for role in self.roles() {
            each([&role.params], name, take)?;
        }
        if let Some(host) = &self.host {
            let memory = self.fleet.memory(host);
            if let Some(value) = read(&memory.set).get(name) {
                take(Binding::Value(value.clone()))?;
            }
            if let Some(node) = read(&memory.included).get(name) {
                take(Binding::Source(node.clone()))?;
            }
        }
        if let Some(context) = &self.context {
            each(context.vars.iter().rev().map(AsRef::as_ref), name, take)?;
        }
        let mut own = true;
        for role in self.roles().chain(self.play_roles().into_iter().rev()) {
            each([&role.vars], name, take)?;
            if std::mem::take(&mut own) {
                each(read(&role.dependencies).iter().rev().map(|r| &r.vars), name, take)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Levels 12 to 14: what the play sets.
    fn set_by_play(&self, name: &str, take: &mut Take<'_>) -> ControlFlow<()> {
        let Some(play) = &self.play else { return ControlFlow::Continue(()) };
        let files = read(&play.files);
        let own = self.host.as_ref().and_then(|h| files.get(h));
        each(own.into_iter().chain(files.get("")), name, take)?;
        if let Some(value) = play.prompted.get(name) {
            take(Binding::Value(value.clone()))?;
        }
        each([&play.vars], name, take)
    }

    /// Levels 2 to 11: facts, inventory, role defaults.
    fn known_of_host(&self, name: &str, take: &mut Take<'_>) -> ControlFlow<()> {
        if let Some(host) = &self.host {
            if !self.fleet.options.hides_facts
                && let Some(value) = self.fleet.memory(host).fact(name)
            {
                take(Binding::Value(value))?;
            }
            for var in self.fleet.layers(host).iter().rev().filter_map(|layer| layer.get(name)) {
                take(binding(var))?;
            }
        }
        for role in self.roles().chain(self.play_roles().into_iter().rev()) {
            each([&role.defaults], name, take)?;
        }
        ControlFlow::Continue(())
    }

    /// What the levels say of a name: the strongest, or all dictionaries down to it as one.
    fn leveled(&self, name: &str) -> Option<Binding> {
        let merging = self.fleet.options.merge;
        let mut found: Vec<Binding> = Vec::new();
        let _ = self.levels(name, &mut |binding| {
            let last = !merging || merge::ends(&binding);
            if !last || found.is_empty() {
                found.push(binding);
            }
            if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let mut strongest_last = found.into_iter().rev();
        let weakest = strongest_last.next()?;
        Some(strongest_last.fold(weakest, |weak, strong| merge::bindings(&weak, strong)))
    }
}

/// Takes what a level says of a name; a break ends the search.
type Take<'a> = dyn FnMut(Binding) -> ControlFlow<()> + 'a;

/// What each of these says of a name.
fn each<'a>(vars: impl IntoIterator<Item = &'a crate::playbook::Vars>, name: &str, take: &mut Take<'_>) -> ControlFlow<()> {
    vars.into_iter().filter_map(|v| last(v, name)).try_for_each(|node| take(Binding::Source(node.clone())))
}

impl Scope for HostScope {
    fn lookup(&self, name: &str) -> Option<Binding> {
        magic::lookup(self, name).or_else(|| self.leveled(name)).or_else(|| magic::address(self, name))
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
            if !self.fleet.options.hides_facts {
                names.extend(memory.by_name().keys().map(Value::to_string));
            }
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
