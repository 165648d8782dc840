//! The Plan: what a run would do (or did), by play, task and host; a value that reports render.

use crate::event::{Changed, Event, Observer, Status, TaskName, TaskResult};
use crate::vars::lock;
use indexmap::IndexMap;
use modules::change::{Action, Change};
use std::sync::{Arc, Mutex};

/// What a run found to do.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Plays in order; a batch of `serial` is one of its own.
    pub plays: Vec<PlannedPlay>,
    /// Warnings, each once.
    pub warnings: Vec<String>,
}

/// One play of a plan.
#[derive(Debug, Clone)]
pub struct PlannedPlay {
    /// Its name.
    pub name: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Its tasks in the order in which they began, by the step's number.
    pub tasks: IndexMap<u32, PlannedTask>,
}

/// One task of a plan.
#[derive(Debug, Clone)]
pub struct PlannedTask {
    /// How it is named and found.
    pub name: Arc<TaskName>,
    /// What comes of it, by host.
    pub hosts: IndexMap<String, Arc<TaskResult>>,
}

/// How much a plan would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Resources that come into being.
    pub create: usize,
    /// Resources that change.
    pub update: usize,
    /// Resources that go away.
    pub delete: usize,
    /// Things that run, whose effect is not predicted.
    pub run: usize,
    /// Tasks that depend on what is known only after apply.
    pub unknown: usize,
    /// Tasks that failed while planning.
    pub failed: usize,
}

impl Totals {
    /// Whether anything is to be done.
    pub fn any(&self) -> bool {
        self.create + self.update + self.delete + self.run + self.unknown > 0
    }
}

impl Plan {
    /// Every host that takes part, in order.
    pub fn hosts(&self) -> Vec<&str> {
        let hosts: indexmap::IndexSet<&str> = self.plays.iter().flat_map(|p| &p.hosts).map(String::as_str).collect();
        hosts.into_iter().collect()
    }

    /// What comes of every task on one host, in order.
    pub fn of_host<'a>(&'a self, host: &'a str) -> impl Iterator<Item = (&'a PlannedPlay, &'a PlannedTask, &'a TaskResult)> {
        self.plays.iter().flat_map(move |play| {
            play.tasks.values().filter_map(move |task| task.hosts.get(host).map(|result| (play, task, result.as_ref())))
        })
    }

    /// How much it would do in all.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for result in self.plays.iter().flat_map(|p| p.tasks.values()).flat_map(|t| t.hosts.values()) {
            if result.is_failure() {
                totals.failed += 1;
            }
            if is_unknown(result) {
                totals.unknown += 1;
                continue;
            }
            for change in shown(result) {
                match change.action {
                    Action::Create => totals.create += 1,
                    Action::Update => totals.update += 1,
                    Action::Delete => totals.delete += 1,
                    Action::Run => totals.run += 1,
                }
            }
        }
        totals
    }
}

/// Whether a result belongs into a plan as "known after apply": what only reads does not.
pub fn is_unknown(result: &TaskResult) -> bool {
    result.status == Status::Unknown && result.changed != Changed::No
}

/// The changes that a plan shows for a result: none where `changed_when` says that nothing changes.
pub fn shown(result: &TaskResult) -> &[Change] {
    if result.changed == Changed::No && result.changes.iter().all(|c| c.action == Action::Run) { &[] } else { &result.changes }
}

/// Makes a plan of the events of a run.
#[derive(Default)]
pub struct Recorder(Mutex<Plan>);

impl Recorder {
    /// What has been recorded.
    pub fn plan(&self) -> Plan {
        lock(&self.0).clone()
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event) {
        let mut plan = lock(&self.0);
        match event {
            Event::PlayStarted { play, hosts } => {
                plan.plays.push(PlannedPlay { name: play.clone(), hosts: hosts.clone(), tasks: IndexMap::new() });
            }
            Event::TaskStarted { task, .. } => {
                if let Some(play) = plan.plays.last_mut() {
                    let fresh = || PlannedTask { name: task.clone(), hosts: IndexMap::new() };
                    play.tasks.entry(task.id).or_insert_with(fresh);
                }
            }
            Event::TaskDone { task, host, result } => {
                if let Some(task) = plan.plays.last_mut().and_then(|p| p.tasks.get_mut(&task.id)) {
                    task.hosts.insert(host.clone(), result.clone());
                }
            }
            Event::Warning { text, .. } if !plan.warnings.contains(text) => plan.warnings.push(text.clone()),
            _ => {}
        }
    }
}
