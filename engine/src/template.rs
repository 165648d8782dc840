//! Rendering of Ansible's templates and expressions: to values that are known, unknown until apply, or secret.

mod call;
mod condition;
mod convert;
mod errors;
mod filters;
mod globals;
mod lookups;
mod macros;
mod methods;
mod names;
mod objects;
mod operators;
mod predicates;
mod render;
mod rewrite;
mod scope;
mod taint;

#[cfg(test)]
mod checks;

pub use names::Names;

use crate::error::Result;
use crate::source::Place;
use crate::vault::Vault;
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
#[derive(Default)]
pub struct Templates {
    engines: Arc<render::Engines>,
}

impl Templates {
    /// With Ansible's filters, tests, lookups and globals.
    pub fn new() -> Templates {
        Templates::default()
    }

    /// The same, and encrypted values are opened by these passwords.
    pub fn decrypting(vault: Arc<Vault>) -> Templates {
        Templates { engines: Arc::new(render::Engines::new(vault)) }
    }

    /// What opens encrypted values.
    pub fn vault(&self) -> &Arc<Vault> {
        self.engines.vault()
    }

    fn frame(&self, scope: &Arc<dyn Scope>) -> Arc<scope::Frame> {
        errors::forget_misses();
        scope::Frame::new(scope.clone(), self.engines.clone())
    }

    /// Renders every template in `node`, recursively; dictionary entries and list items that are `omit` are left out.
    /// A lone `{{ expression }}` keeps its type. What depends on an unknown value is unknown, as deep down as possible.
    ///
    /// # Errors
    /// Undefined names (kind `Undefined`, with the nearest defined name) and template errors, at their place in `node`.
    pub fn value(&self, node: &Node, scope: &Arc<dyn Scope>) -> Result<Value> {
        render::node_value(node, &self.frame(scope))
    }

    /// Evaluates a bare expression (`when`, `that`, `until`, `changed_when`): booleans, or text with an expression.
    ///
    /// # Errors
    /// As for [`Templates::value`], and results that are neither true nor false.
    pub fn condition(&self, node: &Node, scope: &Arc<dyn Scope>) -> Result<Condition> {
        condition::condition(node, &self.frame(scope))
    }

    /// Whether every template in a value can be read; nothing is rendered.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn readable(&self, node: &Node) -> Result<()> {
        render::readable(node, &self.engines)
    }

    /// Whether a bare expression can be read, and may be one at all.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn readable_condition(&self, node: &Node) -> Result<()> {
        condition::readable(node, &self.engines)
    }

    /// The variables that a template reads (`condition`: a bare expression).
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn names(&self, text: &str, place: &Place, condition: bool) -> Result<Names> {
        match condition {
            true => condition::names(text, place),
            false => render::names(text, place),
        }
    }

    /// Renders a template file's text; the result is text, unknown, or secret text.
    ///
    /// # Errors
    /// As for [`Templates::value`], at the place in the file; `place` is the file's start.
    pub fn text(&self, text: &str, place: &Place, scope: &Arc<dyn Scope>) -> Result<Value> {
        render::file(text, &[], place, &self.frame(scope))
    }

    /// The same, read with Jinja's options (`trim_blocks`, `block_start_string`, …) where the file's header has none.
    ///
    /// # Errors
    /// As for [`Templates::text`].
    pub fn file(&self, text: &str, options: &[(&str, String)], place: &Place, scope: &Arc<dyn Scope>) -> Result<Value> {
        render::file(text, options, place, &self.frame(scope))
    }

    /// Runs a lookup as `with_NAME:` does on a task of this module; the answer is a list.
    ///
    /// # Errors
    /// Those of rendering `terms`, and what the lookup cannot find.
    pub fn lookup(&self, name: &str, terms: &Node, module: &str, scope: &Arc<dyn Scope>) -> Result<Value> {
        lookups::with(name, terms, module, &self.frame(scope))
    }
}

/// The bytes of a text in an encoding; without a name in UTF-8.
///
/// # Errors
/// Unknown encodings, and characters that one does not have.
pub fn encoded(text: &str, encoding: &str) -> Result<Vec<u8>> {
    let wrong = |e: minijinja::Error| Box::new(crate::error::Diagnostic::input(e.detail().unwrap_or("unknown encoding")));
    filters::charset::encoded(text, encoding).map_err(wrong)
}

/// A value in YAML, as Ansible's programs print it: block style, keys sorted.
pub fn to_yaml(value: &Value) -> String {
    filters::yaml::Layout { indent: 2, width: 80, sorted: true, block: Some(true), style: None, start: false, end: false }.text(value)
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
