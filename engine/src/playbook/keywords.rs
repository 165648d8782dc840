//! The keywords of plays, roles, blocks and tasks: which there are, what they take, and how shared ones are read.
//!
//! The list is that of ansible-core 2.19's page "Playbook Keywords".

use super::actions::is_module;
use super::reader::Reader;
use super::{Keywords, Vars};
use crate::error::Diagnostic;
use crate::yaml::{Data, Node};

/// What a keyword stands on; one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Play = 1,
    Role = 2,
    Block = 4,
    Task = 8,
    Import = 16,
    Handler = 32,
}

impl Owner {
    /// Its name in messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Owner::Play => "a play",
            Owner::Role => "a role",
            Owner::Block => "a block",
            Owner::Task => "a task",
            Owner::Import => "`import_playbook`",
            Owner::Handler => "a handler",
        }
    }
}

/// What a keyword's value looks like. A template may stand wherever text may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    Text,
    Flag,
    Number,
    Table,
    /// A dictionary or a list of dictionaries.
    Tables,
    List,
    /// A text or a list.
    Texts,
}

/// Functions and values that every template has.
const GLOBALS: &[&str] = &["range", "dict", "lipsum", "cycler", "joiner", "namespace", "now", "undef", "omit", "lookup", "q", "query"];

/// Whether a variable of this name would hide a keyword or a function from those who read the playbook.
pub(super) fn is_reserved(name: &str) -> bool {
    // Nobody reads these two as keywords where variables stand.
    let keyword = || KEYWORDS.iter().any(|(k, _, owners)| *k == name && *owners != Owner::Import as u8);
    GLOBALS.contains(&name) || (!matches!(name, "vars" | "user") && keyword())
}

const EVERYWHERE: u8 = 63;
const TASKS: u8 = 8 + 32;
const BLOCKS: u8 = 4 + TASKS;
const ROLES: u8 = 2 + BLOCKS;

/// Every keyword: its name, shape, and the owners that take it (bits of [`Owner`]).
const KEYWORDS: &[(&str, Shape, u8)] = &[
    ("any_errors_fatal", Shape::Flag, EVERYWHERE),
    ("become", Shape::Flag, EVERYWHERE),
    ("become_exe", Shape::Text, EVERYWHERE),
    ("become_flags", Shape::Text, EVERYWHERE),
    ("become_method", Shape::Text, EVERYWHERE),
    ("become_user", Shape::Text, EVERYWHERE),
    ("check_mode", Shape::Flag, EVERYWHERE),
    ("collections", Shape::Texts, EVERYWHERE),
    ("connection", Shape::Text, EVERYWHERE),
    ("debugger", Shape::Text, EVERYWHERE),
    ("diff", Shape::Flag, EVERYWHERE),
    ("environment", Shape::Tables, EVERYWHERE),
    ("ignore_errors", Shape::Flag, EVERYWHERE),
    ("ignore_unreachable", Shape::Flag, EVERYWHERE),
    ("module_defaults", Shape::Tables, EVERYWHERE),
    ("no_log", Shape::Flag, EVERYWHERE),
    ("port", Shape::Number, EVERYWHERE),
    ("remote_user", Shape::Text, EVERYWHERE),
    ("run_once", Shape::Flag, EVERYWHERE),
    ("throttle", Shape::Number, EVERYWHERE),
    ("timeout", Shape::Number, EVERYWHERE),
    ("delegate_facts", Shape::Flag, ROLES),
    ("delegate_to", Shape::Text, ROLES),
    // The shared keywords end here: see `SHARED`.
    ("name", Shape::Text, EVERYWHERE),
    ("tags", Shape::Texts, EVERYWHERE),
    ("vars", Shape::Table, EVERYWHERE),
    ("when", Shape::Any, ROLES + 16),
    ("role", Shape::Text, Owner::Role as u8),
    ("import_playbook", Shape::Text, Owner::Import as u8),
    ("ansible.builtin.import_playbook", Shape::Text, Owner::Import as u8),
    ("fact_path", Shape::Text, Owner::Play as u8),
    ("force_handlers", Shape::Flag, Owner::Play as u8),
    ("gather_facts", Shape::Flag, Owner::Play as u8),
    ("gather_subset", Shape::Texts, Owner::Play as u8),
    ("gather_timeout", Shape::Number, Owner::Play as u8),
    ("handlers", Shape::List, Owner::Play as u8),
    ("hosts", Shape::Any, Owner::Play as u8),
    ("max_fail_percentage", Shape::Number, Owner::Play as u8),
    ("order", Shape::Text, Owner::Play as u8),
    ("post_tasks", Shape::List, Owner::Play as u8),
    ("pre_tasks", Shape::List, Owner::Play as u8),
    ("roles", Shape::List, Owner::Play as u8),
    ("serial", Shape::Any, Owner::Play as u8),
    ("strategy", Shape::Text, Owner::Play as u8),
    ("tasks", Shape::List, Owner::Play as u8),
    ("user", Shape::Text, Owner::Play as u8),
    ("vars_files", Shape::Texts, Owner::Play as u8),
    ("vars_prompt", Shape::List, Owner::Play as u8),
    ("block", Shape::List, Owner::Block as u8),
    ("rescue", Shape::List, Owner::Block as u8),
    ("always", Shape::List, Owner::Block as u8),
    ("notify", Shape::Texts, BLOCKS),
    ("action", Shape::Any, TASKS),
    ("local_action", Shape::Any, TASKS),
    ("args", Shape::Any, TASKS),
    ("async", Shape::Number, TASKS),
    ("poll", Shape::Number, TASKS),
    ("changed_when", Shape::Any, TASKS),
    ("failed_when", Shape::Any, TASKS),
    ("delay", Shape::Number, TASKS),
    ("retries", Shape::Number, TASKS),
    ("until", Shape::Any, TASKS),
    ("register", Shape::Text, TASKS),
    ("loop", Shape::Any, TASKS),
    ("loop_control", Shape::Table, TASKS),
    ("listen", Shape::Texts, Owner::Handler as u8),
];

/// How many of [`KEYWORDS`], from the first, stand in [`Keywords::others`].
const SHARED: usize = 23;

/// The keyword of this name that `owner` takes.
pub(super) fn find(name: &str, owner: Owner) -> Option<Shape> {
    KEYWORDS.iter().find(|(n, _, owners)| *n == name && owners & owner as u8 != 0).map(|(_, shape, _)| *shape)
}

/// The keywords that `owner` takes, with what their values look like.
pub(super) fn shapes(owner: Owner) -> impl Iterator<Item = (&'static str, Shape)> {
    KEYWORDS.iter().filter(move |(_, _, owners)| owners & owner as u8 != 0).map(|(name, shape, _)| (*name, *shape))
}

/// The keywords that `owner` takes.
pub(super) fn names(owner: Owner) -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().filter(move |(_, _, owners)| owners & owner as u8 != 0).map(|(name, _, _)| *name)
}

/// Whether a keyword's value is text where a truth value is wanted: such a task fails when it runs.
pub(super) fn is_late(name: &str, value: &Node) -> bool {
    find(name, Owner::Task) == Some(Shape::Flag) && value.as_str().is_some()
}

/// Whether text stands where a keyword of tasks takes a truth value, and is none.
pub(crate) fn is_no_flag(name: &str, text: &str) -> bool {
    find(name, Owner::Task) == Some(Shape::Flag) && !is_template(text) && !is_flag(text)
}

/// Whether text holds a template.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Whether a text can name a variable.
pub(super) fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What `node` must be, if it does not fit; templates fit everything but containers of tasks.
fn mismatch(shape: Shape, node: &Node) -> Option<&'static str> {
    let data = match node.data() {
        Data::Unsafe(inner) => inner.data(),
        data => data,
    };
    let fits = match (shape, data) {
        (_, Data::Null) | (Shape::Any, _) | (Shape::Flag | Shape::Number, Data::Vault(_)) => true,
        (Shape::Text | Shape::Texts, Data::List(_)) => shape == Shape::Texts,
        (Shape::Text | Shape::Texts, data) => !matches!(data, Data::Map(_)),
        (Shape::Flag, Data::Str(s)) => is_template(s) || is_flag(s),
        (Shape::Flag, data) => matches!(data, Data::Bool(_) | Data::Int(0 | 1)),
        (Shape::Number, Data::Str(s)) => is_template(s) || s.trim().trim_end_matches('%').parse::<f64>().is_ok(),
        (Shape::Number, data) => matches!(data, Data::Int(_) | Data::Float(_)),
        (Shape::Tables, Data::Str(s)) => is_template(s),
        (Shape::Tables, data) => matches!(data, Data::Map(_) | Data::List(_)),
        (Shape::Table, data) => matches!(data, Data::Map(_)),
        (Shape::List, data) => matches!(data, Data::List(_)),
    };
    let wanted = match shape {
        Shape::Any => "set",
        Shape::Text => "text",
        Shape::Flag => "a boolean",
        Shape::Number => "a number",
        Shape::Table | Shape::Tables => "a dictionary",
        Shape::List => "a list",
        Shape::Texts => "text or a list",
    };
    (!fits).then_some(wanted)
}

fn is_flag(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    ["y", "yes", "on", "1", "true", "t", "1.0", "n", "no", "off", "0", "false", "f", "0.0"].contains(&text.as_str())
}

/// The type of a value with its article, for messages.
pub(super) fn kind(node: &Node) -> String {
    let name = node.type_name();
    let article = if name.starts_with('i') { "an" } else { "a" };
    format!("{article} {name}")
}

/// The value under a key, unless it is null.
pub(super) fn given(map: &Node, key: &str) -> Option<Node> {
    map.get(key).filter(|node| !node.is_null()).cloned()
}

/// A list's items, or the value itself as the only one; none for null.
pub(super) fn listed(node: Option<Node>) -> Vec<Node> {
    match node {
        Some(node) => match node.as_list() {
            Some(items) => items.to_vec(),
            None => vec![node],
        },
        None => Vec::new(),
    }
}

impl Reader<'_> {
    /// Reports keys that `owner` does not take, keys that are no text, and values of the wrong type.
    pub(super) fn check_keywords(&mut self, map: &Node, owner: Owner) {
        for (key, value) in map.as_map().unwrap_or_default() {
            match key.as_str() {
                None => self.error(Diagnostic::input(format!("a key of {} must be text", owner.noun())).at(key.place())),
                Some(name) if find(name, owner).is_some() => self.check_shape(name, value, owner),
                Some(name) => self.unknown_keyword(name, key, owner),
            }
        }
    }

    /// Reports a keyword's value of the wrong type.
    pub(super) fn check_shape(&mut self, name: &str, value: &Node, owner: Owner) {
        let Some(wanted) = find(name, owner).and_then(|shape| mismatch(shape, value)) else { return };
        let found = match value.as_str() {
            Some(text) if text.len() <= 40 && wanted != "text" => format!("`{text}`"),
            _ => kind(value),
        };
        let error = Diagnostic::input(format!("`{name}` must be {wanted}, not {found}")).at(value.place());
        self.error(match (owner, name) {
            (Owner::Play, "roles") => error.said("A malformed role declaration was encountered."),
            (Owner::Play, "tasks" | "pre_tasks" | "post_tasks" | "handlers") => {
                let said = format!("A malformed block was encountered while loading {name}: {} should be a list or None", value.raw());
                error.said(format!("{said} but is {}", found.trim_start_matches("a ").trim_start_matches("an ")))
            }
            _ => error,
        });
    }

    fn unknown_keyword(&mut self, name: &str, key: &Node, owner: Owner) {
        let mut error = Diagnostic::input(format!("{} has no keyword `{name}`", owner.noun())).at(key.place());
        let elsewhere = [Owner::Play, Owner::Block, Owner::Task, Owner::Handler].into_iter().find(|o| find(name, *o).is_some());
        error = match elsewhere {
            _ if owner == Owner::Play && name == "include" => error.hint("write `import_playbook` instead"),
            Some(other) => error.hint(format!("`{name}` is a keyword of {}", other.noun())),
            None if name.starts_with("sudo") => error.hint(format!("write `{}` instead", name.replacen("sudo", "become", 1))),
            None if is_module(name) || name.starts_with("with_") => error.hint(format!("`{name}` belongs into a task, under `tasks`")),
            None => error.nearest(name, names(owner)),
        };
        let kind = match owner {
            Owner::Play => "Play",
            Owner::Role => "RoleInclude",
            Owner::Block => "Block",
            Owner::Task => "Task",
            Owner::Import => "PlaybookInclude",
            Owner::Handler => "Handler",
        };
        self.error(error.said(format!("'{name}' is not a valid attribute for a {kind}")));
    }

    /// Reads the keywords that tasks inherit.
    pub(super) fn keywords(&mut self, map: &Node) -> Keywords {
        let mut others = Vars::new();
        for (key, value) in map.as_map().unwrap_or_default().iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                Some("user") => others.push(("remote_user".to_string(), value.clone())),
                Some(name) if KEYWORDS[..SHARED].iter().any(|(n, _, _)| *n == name) => others.push((name.to_string(), value.clone())),
                _ => {}
            }
        }
        let vars = given(map, "vars").map(|node| self.named(&node)).unwrap_or_default();
        Keywords { when: listed(given(map, "when")), tags: tags(given(map, "tags")), vars, others }
    }

    /// The variables of a `vars` keyword.
    fn named(&mut self, node: &Node) -> Vars {
        let mut vars = Vars::new();
        for (key, value) in node.as_map().unwrap_or_default() {
            match key.as_str() {
                Some(name) if is_variable_name(name) => vars.push((name.to_string(), value.clone())),
                _ => {
                    let name = key.as_str().map(|s| format!(" `{s}`")).unwrap_or_default();
                    let error = Diagnostic::input(format!("invalid variable name{name}")).at(key.place());
                    self.error(error.hint("a name has letters, digits and underscores, and does not start with a digit"));
                }
            }
        }
        vars
    }
}

/// One node a tag; text splits at its commas.
fn tags(node: Option<Node>) -> Vec<Node> {
    let mut tags = Vec::new();
    for node in listed(node) {
        match node.as_str() {
            Some(text) if text.contains(',') && !is_template(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                tags.extend(parts.map(|part| Node::new(node.place().clone(), Data::Str(part.into()))));
            }
            _ => tags.push(node),
        }
    }
    tags
}
