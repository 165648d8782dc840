//! What happens in a run, as data: renderers only render it.

use crate::error::Diagnostic;
use crate::source::Place;
use modules::change::Change;
use modules::value::Value;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Version of the events as JSON lines.
pub const VERSION: u32 = 1;

/// One event.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A play begins.
    PlayStarted {
        /// Its name.
        play: String,
        /// The hosts it is for, this batch only.
        hosts: Vec<String>,
    },
    /// A play selects no host.
    PlayEmpty {
        /// Its name.
        play: String,
        /// The pattern.
        pattern: String,
    },
    /// A task begins on a host.
    TaskStarted {
        /// The task.
        task: Arc<TaskName>,
        /// The host.
        host: String,
    },
    /// One item of a loop is done.
    ItemDone {
        /// The task.
        task: Arc<TaskName>,
        /// The host.
        host: String,
        /// What came of it; its `item` is set.
        result: Arc<TaskResult>,
    },
    /// A try of `until` failed; another follows.
    Retry {
        /// The task.
        task: Arc<TaskName>,
        /// The host.
        host: String,
        /// How many tries are left.
        left: i64,
    },
    /// A task is done on a host.
    TaskDone {
        /// The task.
        task: Arc<TaskName>,
        /// The host.
        host: String,
        /// What came of it.
        result: Arc<TaskResult>,
    },
    /// A `meta` task did what it is for; nobody counts it.
    Meta {
        /// The task.
        task: Arc<TaskName>,
        /// The host.
        host: String,
        /// What came of it, in Ansible's words.
        text: String,
    },
    /// Something the user should know.
    Warning {
        /// What, in one line.
        text: String,
        /// The whole of it, where there is more to say.
        #[serde(skip)]
        problem: Option<Arc<Diagnostic>>,
    },
    /// `debug`, `pause` and the like speak to the user.
    Message {
        /// The host.
        host: String,
        /// What.
        text: String,
    },
}

/// How a task is named and found.
#[derive(Debug, Clone, Serialize)]
pub struct TaskName {
    /// The step's number.
    pub id: u32,
    /// Its rendered name, with the role before it: `role : name`.
    pub name: String,
    /// The module as written.
    pub module: String,
    /// `file:line`.
    pub place: String,
    /// The same place, for excerpts.
    #[serde(skip)]
    pub at: Option<Place>,
    /// Whether it is a handler.
    pub handler: bool,
}

/// What came of a task, or of one item of it, on one host.
#[derive(Debug, Clone, Serialize)]
pub struct TaskResult {
    /// How it ended.
    pub status: Status,
    /// Whether it changed something; unknown in plans that cannot tell.
    pub changed: Changed,
    /// Whether a failure was ignored.
    pub ignored: bool,
    /// Whether a `rescue` takes a failure up.
    pub rescued: bool,
    /// What changed, or would.
    pub changes: Vec<Change>,
    /// The registered result, redacted.
    pub value: Value,
    /// Why it failed, was skipped, or is unknown.
    pub message: Option<String>,
    /// What to do about a failure.
    pub hint: Option<String>,
    /// What a failure is about, with its place, where the message alone does not say it.
    #[serde(skip)]
    pub problem: Option<Arc<Diagnostic>>,
    /// Things the user should know.
    pub warnings: Vec<String>,
    /// The host that did it, where that is another.
    pub delegate: Option<String>,
    /// The label of a loop's item.
    pub item: Option<String>,
    /// How long it took.
    #[serde(serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Whether output is hidden (`no_log`).
    pub hidden: bool,
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(elapsed.as_secs_f64())
}

/// How a task ended on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Done.
    Ok,
    /// Its condition did not hold.
    Skipped,
    /// It failed.
    Failed,
    /// Its host could not be reached.
    Unreachable,
    /// A plan cannot tell what it will do.
    Unknown,
}

impl TaskResult {
    /// Whether it failed, and nothing forgives it.
    pub fn is_failure(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Unreachable) && !self.ignored && !self.rescued
    }
}

/// Whether a task changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// It did, or will.
    Yes,
    /// It did not.
    No,
    /// Known after apply.
    Unknown,
}

/// Takes events. Shared by all tasks of a run.
pub trait Observer: Send + Sync {
    /// Takes one.
    fn observe(&self, event: &Event);
}

/// Several observers as one.
pub struct Observers(pub Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn observe(&self, event: &Event) {
        self.0.iter().for_each(|o| o.observe(event));
    }
}
