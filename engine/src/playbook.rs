//! Playbooks as written: plays, blocks, tasks, roles, handlers. Nothing is rendered, merged or imported here.

mod action;
pub mod actions;
mod files;
mod item;
mod keywords;
pub mod library;
mod loader;
mod play;
mod reader;
mod role;
pub mod schema;
#[cfg(test)]
mod tests;
mod words;

pub use action::{key_values, unknown_module};
pub use actions::{known_module, short_name};
pub use files::Duplicates;
pub(crate) use keywords::is_no_flag;
pub use loader::Loader;
pub use role::Role;

use crate::source::Place;
use crate::yaml::Node;
use std::path::PathBuf;
use std::sync::Arc;

/// Named values as written, in order.
pub type Vars = Vec<(String, Node)>;

/// A file of plays.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// The file.
    pub path: PathBuf,
    /// Its plays and imports, in order.
    pub plays: Vec<PlayItem>,
}

/// One entry of a playbook.
#[derive(Debug, Clone)]
pub enum PlayItem {
    /// A play.
    Play(Arc<Play>),
    /// `import_playbook`.
    Import(PlaybookImport),
}

/// `import_playbook: FILE`.
#[derive(Debug, Clone)]
pub struct PlaybookImport {
    /// Where it stands.
    pub place: Place,
    /// The file, possibly a template.
    pub file: Node,
    /// `when`, `tags`, `vars` for what is imported.
    pub keywords: Arc<Keywords>,
}

/// One play.
#[derive(Debug, Clone)]
pub struct Play {
    /// Where it starts.
    pub place: Place,
    /// The file it stands in.
    pub path: PathBuf,
    /// `name`.
    pub name: Option<Node>,
    /// `hosts`: a pattern or list of patterns.
    pub hosts: Node,
    /// Keywords that its tasks inherit.
    pub keywords: Arc<Keywords>,
    /// `vars_files`.
    pub vars_files: Vec<Node>,
    /// `vars_prompt` entries.
    pub vars_prompt: Vec<Node>,
    /// `gather_facts`.
    pub gather_facts: Option<Node>,
    /// `gather_subset`.
    pub gather_subset: Option<Node>,
    /// `gather_timeout`.
    pub gather_timeout: Option<Node>,
    /// `fact_path`.
    pub fact_path: Option<Node>,
    /// `serial`.
    pub serial: Option<Node>,
    /// `strategy`.
    pub strategy: Option<Node>,
    /// `order`.
    pub order: Option<Node>,
    /// `max_fail_percentage`.
    pub max_fail_percentage: Option<Node>,
    /// `force_handlers`.
    pub force_handlers: Option<Node>,
    /// `roles`.
    pub roles: Vec<RoleUse>,
    /// `pre_tasks`.
    pub pre_tasks: Vec<Item>,
    /// `tasks`.
    pub tasks: Vec<Item>,
    /// `post_tasks`.
    pub post_tasks: Vec<Item>,
    /// `handlers`.
    pub handlers: Vec<Item>,
}

/// A role listed under `roles` or `dependencies`.
#[derive(Debug, Clone)]
pub struct RoleUse {
    /// Where it stands.
    pub place: Place,
    /// Its name or path, possibly a template.
    pub name: Node,
    /// Its keywords (`when`, `tags`, `become`, …); every other key is a parameter and stands in `params`.
    pub keywords: Arc<Keywords>,
    /// Role parameters: keys that are not keywords.
    pub params: Vars,
}

/// A task or a block.
#[derive(Debug, Clone)]
pub enum Item {
    /// A task.
    Task(Arc<Task>),
    /// A block.
    Block(Arc<Block>),
}

/// `block`, `rescue`, `always`.
#[derive(Debug, Clone)]
pub struct Block {
    /// Where it starts.
    pub place: Place,
    /// `name`.
    pub name: Option<Node>,
    /// Keywords that its tasks inherit.
    pub keywords: Arc<Keywords>,
    /// `notify` of a block is inherited by its tasks.
    pub notify: Option<Node>,
    /// `block`.
    pub body: Vec<Item>,
    /// `rescue`.
    pub rescue: Vec<Item>,
    /// `always`.
    pub always: Vec<Item>,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Where it starts.
    pub place: Place,
    /// The file it stands in.
    pub path: PathBuf,
    /// `name`.
    pub name: Option<Node>,
    /// Keywords shared with blocks and plays.
    pub keywords: Arc<Keywords>,
    /// What it does.
    pub action: Action,
    /// `loop` or `with_…`.
    pub looped: Option<Loop>,
    /// `loop_control`.
    pub loop_control: Option<Node>,
    /// `register`.
    pub register: Option<String>,
    /// `until`.
    pub until: Option<Node>,
    /// `retries`.
    pub retries: Option<Node>,
    /// `delay` in seconds.
    pub delay: Option<Node>,
    /// `changed_when`.
    pub changed_when: Option<Node>,
    /// `failed_when`.
    pub failed_when: Option<Node>,
    /// `notify`: a handler or list of handlers.
    pub notify: Option<Node>,
    /// `listen` of a handler.
    pub listen: Option<Node>,
    /// `async` in seconds.
    pub background: Option<Node>,
    /// `poll` in seconds.
    pub poll: Option<Node>,
    /// Whether the program added it itself.
    pub own: bool,
}

/// A module call as written.
#[derive(Debug, Clone)]
pub struct Action {
    /// Where the module's name stands.
    pub place: Place,
    /// The module's name as written: `copy`, `ansible.builtin.copy`; a template where `action: "{{ x }} …"` has one.
    pub module: String,
    /// Named arguments, from a mapping, from `key=value` words, and from `args:`.
    pub args: Vars,
    /// The free-form part: a command line, the file of an include.
    pub free_form: Option<Node>,
    /// A whole-arguments template: `args: "{{ dict }}"` or `copy: "{{ dict }}"`. It is weaker than `args`.
    pub template: Option<Node>,
    /// Whether `local_action` asked for the controller.
    pub local: bool,
    /// Whether the free-form part is none that the module takes.
    pub stray: bool,
}

/// A loop as written.
#[derive(Debug, Clone)]
pub struct Loop {
    /// The lookup of `with_NAME`, or `None` for `loop`.
    pub lookup: Option<String>,
    /// The items, or the lookup's terms.
    pub items: Node,
}

/// Keywords that plays, roles, blocks and tasks share. `when`, `tags` and `vars` add up on the way down, the nearest
/// of the others wins.
#[derive(Debug, Clone, Default)]
pub struct Keywords {
    /// `when`, one node a condition; all must hold.
    pub when: Vec<Node>,
    /// `tags`, as written.
    pub tags: Vec<Node>,
    /// `vars`.
    pub vars: Vars,
    /// Every other shared keyword by its name: `become`, `become_user`, `become_method`, `become_flags`,
    /// `become_exe`, `environment`, `connection`, `remote_user`, `port`, `no_log`, `check_mode`, `diff`,
    /// `ignore_errors`, `ignore_unreachable`, `any_errors_fatal`, `delegate_to`, `delegate_facts`, `run_once`,
    /// `throttle`, `timeout`, `module_defaults`, `collections`, `debugger`.
    pub others: Vars,
}

impl Keywords {
    /// A keyword of `others`; the last one written wins.
    pub fn other(&self, name: &str) -> Option<&Node> {
        self.others.iter().rev().find(|(k, _)| k == name).map(|(_, v)| v)
    }
}
