//! YAML as Ansible reads it: text to values, each with its place.

mod complaint;
mod compose;
mod resolve;
mod tags;

use crate::error::Result;
use crate::source::{Place, Source};
use modules::value::Value;
use std::sync::Arc;

/// A value with its place. Cloning is cheap; anchors and aliases share.
#[derive(Debug, Clone)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    data: Data,
}

/// What a node holds. Strings may hold templates, except those marked [`Data::Unsafe`].
#[derive(Debug, Clone)]
pub enum Data {
    /// `null`, `~`, nothing.
    Null,
    /// `true`, `yes`, `on`, …
    Bool(bool),
    /// A whole number; `0644` is octal.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// `!vault`: text still encrypted.
    Vault(Arc<str>),
    /// `!unsafe`: never rendered.
    Unsafe(Node),
    /// A list.
    List(Vec<Node>),
    /// A dictionary in order; of duplicate keys the last is kept.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// A node made by the program or by a parser.
    pub fn new(place: Place, data: Data) -> Node {
        Node(Arc::new(Inner { place, data }))
    }
    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.0.place
    }
    /// What it holds.
    pub fn data(&self) -> &Data {
        &self.0.data
    }
    /// The text, if it is plain text.
    pub fn as_str(&self) -> Option<&str> {
        match self.data() {
            Data::Str(s) => Some(s),
            _ => None,
        }
    }
    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match self.data() {
            Data::List(l) => Some(l),
            _ => None,
        }
    }
    /// The pairs, if it is a dictionary.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match self.data() {
            Data::Map(m) => Some(m),
            _ => None,
        }
    }
    /// The value under a text key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }
    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.data(), Data::Null)
    }
    /// The value as written: templates stay text, encrypted text stays encrypted.
    pub fn raw(&self) -> Value {
        match self.data() {
            Data::Null => Value::Null,
            Data::Bool(b) => Value::Bool(*b),
            Data::Int(i) => Value::Int(*i),
            Data::Float(f) => Value::Float(*f),
            Data::Str(s) | Data::Vault(s) => Value::Str(s.clone()),
            Data::Unsafe(inner) => inner.raw(),
            Data::List(items) => Value::list(items.iter().map(Node::raw)),
            Data::Map(pairs) => Value::Map(Arc::new(pairs.iter().map(|(k, v)| (k.raw(), v.raw())).collect())),
        }
    }
    /// The name of its type in messages.
    pub fn type_name(&self) -> &'static str {
        match self.data() {
            Data::Null => "null",
            Data::Bool(_) => "boolean",
            Data::Int(_) => "integer",
            Data::Float(_) => "number",
            Data::Str(_) | Data::Vault(_) => "string",
            Data::Unsafe(n) => n.type_name(),
            Data::List(_) => "list",
            Data::Map(_) => "dictionary",
        }
    }
}

/// The documents of a file, and warnings (duplicate keys) with their places.
#[derive(Debug, Clone)]
pub struct Documents {
    /// One node a document; an empty file has none.
    pub nodes: Vec<Node>,
    /// Warnings.
    pub warnings: Vec<crate::error::Diagnostic>,
}

/// Reads a text. An empty one has no documents.
///
/// # Errors
/// YAML that cannot be read, with the line and what to do about it.
pub fn parse(source: &Source) -> Result<Documents> {
    compose::compose(source).map_err(|mut error| {
        if source.is_secret() {
            // They quote the line.
            (error.label, error.hints) = (None, Vec::new());
        }
        error
    })
}

#[cfg(test)]
mod tests;
