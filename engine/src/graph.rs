//! A play as a graph: its steps, and (step, host) nodes with the edges that keep Ansible's order.

pub(crate) mod actions;
pub(crate) mod check;
pub mod compile;
pub mod dag;
pub mod draw;
pub mod tags;

use crate::playbook::{Task, Vars};
use crate::vars::RoleInstance;
use crate::yaml::Node;
use modules::value::Map;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What a task inherits from its play, roles, blocks and includes, with its own keywords merged in.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Conditions, outermost first; all must hold.
    pub when: Vec<Node>,
    /// Tags.
    pub tags: Vec<String>,
    /// `vars` of blocks and of the task, outermost first.
    pub vars: Vec<Arc<Vars>>,
    /// `vars` of includes, outermost first.
    pub params: Vec<Arc<Vars>>,
    /// Every other keyword, outermost first; the nearest wins, but `environment` and `module_defaults` add up.
    pub others: HashMap<String, Vec<Node>>,
    /// Handlers that blocks notify.
    pub notify: Vec<Node>,
    /// The role it belongs to.
    pub role: Option<Arc<RoleInstance>>,
    /// Folders of the task files that led here, outermost first.
    pub dirs: Vec<PathBuf>,
    /// Blocks around it, outermost first.
    pub sections: Vec<Section>,
    /// Values that a looped include binds for what it includes.
    pub locals: Map,
    /// Whether it is a handler, or included by one.
    pub handler: bool,
}

impl Context {
    /// The nearest value of a keyword.
    pub fn nearest(&self, name: &str) -> Option<&Node> {
        self.others.get(name)?.last()
    }
}

/// One part of a block that stands around a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The block's number, unique in the run.
    pub block: u32,
    /// Which part.
    pub part: Part,
    /// Whether the block has a `rescue`.
    pub rescues: bool,
    /// Whether the block has an `always`.
    pub always: bool,
}

/// The parts of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `block`.
    Body,
    /// `rescue`.
    Rescue,
    /// `always`.
    Always,
}

/// One step of a play, the same for all hosts.
#[derive(Debug, Clone)]
pub struct Step {
    /// Unique in the run; events refer to it.
    pub id: u32,
    /// What it is.
    pub kind: StepKind,
    /// Everything inherited, its own keywords included.
    pub context: Arc<Context>,
    /// What it inherits without its own keywords: what an include hands on.
    pub outer: Arc<Context>,
}

/// The kinds of step.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// A task.
    Task(Arc<Task>),
    /// A handler, by its number in the play; runs where it was notified.
    Handler(Arc<Task>, usize),
    /// All notified handlers run here; the task that asks for it, where one does.
    Flush(Option<Arc<Task>>),
    /// A block with `rescue` or `always` ends here: what it did not rescue fails the host.
    BlockEnd(Section),
}

impl Step {
    /// The task, if it has one.
    pub fn task(&self) -> Option<&Arc<Task>> {
        match &self.kind {
            StepKind::Task(task) | StepKind::Handler(task, _) => Some(task),
            StepKind::Flush(task) => task.as_ref(),
            StepKind::BlockEnd(_) => None,
        }
    }
    /// The module's short name, or nothing.
    pub fn module(&self) -> &str {
        self.task().map_or("", |t| crate::playbook::short_name(&t.action.module))
    }
    /// Whether it stands for other steps, known only when it is reached.
    pub fn is_include(&self) -> bool {
        matches!(self.module(), "include_tasks" | "include_role" | "include")
    }
}
