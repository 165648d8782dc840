//! Rendering of Ansible's templates and expressions: to values that are known, unknown until apply, or secret.

use crate::error::{Diagnostic, Result};
use crate::source::Place;
use crate::yaml::Node;
use modules::value::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// What a name means where a template is rendered.
#[derive(Clone)]
pub enum Binding {
    /// Data: never rendered again.
    Value(Value),
    /// As the user wrote it: its templates are rendered when it is used, in the scope that is asked.
    Source(Node),
    /// A dictionary of scopes, e.g. `hostvars`.
    Scopes(Arc<dyn Scopes>),
    /// A dictionary of everything a scope binds, e.g. `vars` or `hostvars[h]`.
    Scope(Arc<dyn Scope>),
}

/// The names that a template can use.
pub trait Scope: Send + Sync {
    /// What `name` means here.
    fn lookup(&self, name: &str) -> Option<Binding>;
    /// Every name, for messages and iteration.
    fn names(&self) -> Vec<String>;
    /// Folders that files named in `lookup('file', …)`, `include` and the like are searched in, in order; `kind` is
    /// `files`, `templates`, `vars` or `tasks`.
    fn search_path(&self, kind: &str) -> Vec<PathBuf>;
}

/// Scopes by name, e.g. by host.
pub trait Scopes: Send + Sync {
    /// The scope under a name.
    fn scope(&self, name: &str) -> Option<Arc<dyn Scope>>;
    /// Every name.
    fn names(&self) -> Vec<String>;
}

/// The text that stands for "leave this argument out". It cannot come from YAML.
pub const OMIT: &str = "\0omit";

/// Renders templates. One for the whole run; it caches what it has parsed.
pub struct Templates {}

impl Templates {
    /// With Ansible's filters, tests, lookups and globals.
    pub fn new() -> Templates {
        Templates {}
    }

    /// Renders every template in `node`, recursively; dictionary entries and list items that are `omit` are left out.
    /// A lone `{{ expression }}` keeps its type. What depends on an unknown value is unknown, as deep down as possible.
    ///
    /// # Errors
    /// Undefined names (kind `Undefined`, with the nearest defined name) and template errors, at their place in `node`.
    pub fn value(&self, node: &Node, scope: &Arc<dyn Scope>) -> Result<Value> {
        let _ = (node, scope);
        Err(Box::new(Diagnostic::input("not there yet")))
    }

    /// Evaluates a bare expression (`when`, `that`, `until`, `changed_when`): booleans, or text with an expression.
    pub fn condition(&self, node: &Node, scope: &Arc<dyn Scope>) -> Result<Condition> {
        let _ = (node, scope);
        Err(Box::new(Diagnostic::input("not there yet")))
    }

    /// Renders a template file's text; the result is text, unknown, or secret text.
    pub fn text(&self, text: &str, place: &Place, scope: &Arc<dyn Scope>) -> Result<Value> {
        let _ = (text, place, scope);
        Err(Box::new(Diagnostic::input("not there yet")))
    }

    /// Runs a lookup as `with_NAME:` does; the answer is a list.
    pub fn lookup(&self, name: &str, terms: &Node, scope: &Arc<dyn Scope>) -> Result<Value> {
        let _ = (name, terms, scope);
        Err(Box::new(Diagnostic::input("not there yet")))
    }
}

impl Default for Templates {
    fn default() -> Templates {
        Templates::new()
    }
}

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Known only after apply; the text names what it depends on.
    Unknown(String),
}
