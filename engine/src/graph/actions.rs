//! The actions that are no modules: what the controller carries out itself, with their arguments.

/// Stands for text after the action's name.
pub(crate) const FREE: &str = "_raw_params";

/// An action.
pub(crate) struct Action {
    /// Its name, of `ansible.builtin`.
    pub(crate) name: &'static str,
    /// What it does, in a sentence.
    pub(crate) doc: &'static str,
    /// Its arguments; none listed: any.
    pub(crate) arguments: &'static [&'static str],
    /// The arguments it needs, each with others that serve as well.
    pub(crate) needed: &'static [&'static [&'static str]],
}

/// The action of this name.
pub(crate) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// Arguments of tasks that import or include a role.
pub(crate) const ROLE: &[&str] = &[
    "name",
    "role",
    "tasks_from",
    "handlers_from",
    "vars_from",
    "defaults_from",
    "public",
    "apply",
    "allow_duplicates",
    "rolespec_validate",
];

/// All of them, by name.
pub(crate) const ACTIONS: &[Action] = &[
    Action {
        name: "add_host",
        doc: "Adds a host to the inventory, for the rest of the run. Further arguments are its variables.",
        arguments: &[],
        needed: &[&["name", "hostname", "host"]],
    },
    Action {
        name: "assert",
        doc: "Fails unless all conditions in `that` hold.",
        arguments: &["that", "fail_msg", "msg", "success_msg", "quiet"],
        needed: &[&["that"]],
    },
    Action { name: "debug", doc: "Shows a text or the value of a variable.", arguments: &["msg", "var", "verbosity"], needed: &[] },
    Action { name: "fail", doc: "Fails with a message.", arguments: &["msg"], needed: &[] },
    Action {
        name: "fetch",
        doc: "Copies a file from the host into a folder of the controller.",
        arguments: &["src", "dest", "flat", "fail_on_missing", "validate_checksum"],
        needed: &[&["src"], &["dest"]],
    },
    Action {
        name: "group_by",
        doc: "Puts the host into a group named by a template, for the rest of the run.",
        arguments: &["key", "parents"],
        needed: &[&["key"]],
    },
    Action {
        name: "import_role",
        doc: "Puts a role's tasks in its place, before anything runs.",
        arguments: ROLE,
        needed: &[&["name", "role"]],
    },
    Action {
        name: "import_tasks",
        doc: "Puts a file's tasks in its place, before anything runs.",
        arguments: &["file"],
        needed: &[&["file", FREE]],
    },
    Action { name: "include_role", doc: "Runs a role where it is reached.", arguments: ROLE, needed: &[&["name", "role"]] },
    Action {
        name: "include_tasks",
        doc: "Runs the tasks of a file where it is reached.",
        arguments: &["file", "apply"],
        needed: &[&["file", FREE]],
    },
    Action {
        name: "include_vars",
        doc: "Reads variables from a file or a folder.",
        arguments: &[
            "file",
            "dir",
            "name",
            "depth",
            "files_matching",
            "ignore_files",
            "extensions",
            "ignore_unknown_extensions",
            "hash_behaviour",
        ],
        needed: &[&["file", "dir", FREE]],
    },
    Action {
        name: "meta",
        doc: "Tells the run itself what to do: `flush_handlers`, `end_host`, `end_play`, `reset_connection` and others.",
        arguments: &[],
        needed: &[&[FREE]],
    },
    Action {
        name: "pause",
        doc: "Waits for a time, or until Enter is pressed.",
        arguments: &["minutes", "seconds", "prompt", "echo"],
        needed: &[],
    },
    Action {
        name: "raw",
        doc: "Sends a line to the shell of the host; needs nothing else there.",
        arguments: &["executable"],
        needed: &[&[FREE]],
    },
    Action {
        name: "reboot",
        doc: "Reboots the host and waits until it answers again.",
        arguments: &[
            "boot_time_command",
            "connect_timeout",
            "connect_timeout_sec",
            "msg",
            "post_reboot_delay",
            "post_reboot_delay_sec",
            "pre_reboot_delay",
            "pre_reboot_delay_sec",
            "reboot_command",
            "reboot_timeout",
            "reboot_timeout_sec",
            "search_paths",
            "test_command",
        ],
        needed: &[],
    },
    Action { name: "set_fact", doc: "Sets variables of the host, each argument one.", arguments: &[], needed: &[] },
    Action {
        name: "set_stats",
        doc: "Adds numbers and texts to what the run shows at its end (`show_custom_stats`).",
        arguments: &["data", "per_host", "aggregate"],
        needed: &[&["data"]],
    },
    Action {
        name: "template",
        doc: "Renders a template of the controller into a file on the host.",
        arguments: &[
            "src",
            "dest",
            "owner",
            "group",
            "mode",
            "backup",
            "force",
            "follow",
            "validate",
            "trim_blocks",
            "lstrip_blocks",
            "newline_sequence",
            "output_encoding",
            "block_start_string",
            "block_end_string",
            "variable_start_string",
            "variable_end_string",
            "comment_start_string",
            "comment_end_string",
            "attributes",
            "attr",
            "selevel",
            "serole",
            "setype",
            "seuser",
            "unsafe_writes",
        ],
        needed: &[&["src"], &["dest"]],
    },
    Action {
        name: "wait_for_connection",
        doc: "Waits until the host can be reached.",
        arguments: &["timeout", "delay", "sleep", "connect_timeout"],
        needed: &[],
    },
];
