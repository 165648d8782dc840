//! A change: one resource of a host, before and after, as plans, diffs and results show it.

use crate::value::Value;
use serde::{Deserialize, Serialize};

/// One resource that differs, or differed, from what a task declares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happens to it.
    pub action: Action,
    /// The kind of resource: `file`, `directory`, `link`, `unit`, `package`, `user`, `group`, `mount`, `port`, `command`, …
    pub kind: String,
    /// Which one: a path, a unit's name, a package's name, a command line.
    pub name: String,
    /// The attributes that differ. File content is the field `content`, as text when it is text.
    pub fields: Vec<Field>,
}

/// What a change does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// It exists and differs.
    Update,
    /// It goes away.
    Delete,
    /// Something runs whose effect cannot be predicted.
    Run,
}

/// One attribute, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The attribute's name: `content`, `mode`, `owner`, `enabled`, `state`, `version`, …
    pub name: String,
    /// The value on the host; null where there was none.
    pub before: Value,
    /// The value declared; may be unknown until apply.
    pub after: Value,
}

impl Change {
    /// A change without fields yet.
    pub fn new(action: Action, kind: &str, name: impl Into<String>) -> Change {
        Change { action, kind: kind.to_string(), name: name.into(), fields: Vec::new() }
    }
    /// Adds an attribute that differs.
    #[must_use]
    pub fn field(mut self, name: &str, before: impl Into<Value>, after: impl Into<Value>) -> Change {
        self.fields.push(Field { name: name.to_string(), before: before.into(), after: after.into() });
        self
    }
}
