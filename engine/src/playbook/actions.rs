//! Names in tasks: the actions that the controller carries out itself, and which modules take free text.

use modules::registry;

/// Actions without a module on the host, or with a part of their work on the controller. Short names of `ansible.builtin`.
pub const CONTROLLER_ACTIONS: &[&str] = &[
    "add_host",
    "assert",
    "async_status",
    "debug",
    "fail",
    "fetch",
    "gather_facts",
    "group_by",
    "import_role",
    "import_tasks",
    "include",
    "include_role",
    "include_tasks",
    "include_vars",
    "meta",
    "pause",
    "raw",
    "reboot",
    "script",
    "set_fact",
    "set_stats",
    "setup",
    "template",
    "validate_argument_spec",
    "wait_for_connection",
];

/// Modules whose text is a command line: only these options of theirs are taken out of it.
const COMMANDS: &[&str] = &["command", "shell", "raw", "script", "expect"];

/// What `key=value` words of a command line mean; every other word belongs to the command.
const COMMAND_OPTIONS: &[&str] = &["creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"];

/// Modules that take free text beside `key=value` words.
const FREE_TEXT: &[&str] = &[
    "include",
    "include_vars",
    "include_tasks",
    "include_role",
    "import_tasks",
    "import_role",
    "add_host",
    "group_by",
    "set_fact",
    "meta",
];

/// A module's name without its collection: `copy` of `ansible.builtin.copy`.
pub fn short_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The action that the controller carries out under this name, short or of `ansible.builtin` or `ansible.legacy`.
pub fn controller_action(name: &str) -> Option<&'static str> {
    let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name);
    CONTROLLER_ACTIONS.iter().copied().find(|action| *action == short)
}

/// Whether a task can use this name.
pub fn known_module(name: &str) -> bool {
    controller_action(name).is_some() || registry::find(name).is_some()
}

/// Every name that [`known_module`] knows, for messages.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    let modules = registry::MODULES.iter().flat_map(|module| std::iter::once(&module.name).chain(module.aliases));
    CONTROLLER_ACTIONS.iter().chain(modules).copied()
}

/// Whether a key that is no keyword is meant as a module: known, or written with its collection.
pub(super) fn is_module(name: &str) -> bool {
    known_module(name) || name.split('.').count() > 2
}

/// Whether the text of this module is a command line.
pub(super) fn is_command(name: &str) -> bool {
    COMMANDS.contains(&short_name(name))
}

/// Whether a word's key is an option of the modules that run commands.
pub(super) fn is_command_option(key: &str) -> bool {
    COMMAND_OPTIONS.contains(&key)
}

/// Whether this module takes text that is no `key=value` word.
pub(super) fn takes_text(name: &str) -> bool {
    is_command(name) || FREE_TEXT.contains(&short_name(name))
}
