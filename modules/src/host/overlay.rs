//! What a plan has written in memory, so that its later tasks see it.

use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The memory of one host's plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Overlay {
    /// Files, directories and links by absolute path; `None` is one that was removed.
    pub(crate) nodes: BTreeMap<PathBuf, Option<Node>>,
    /// State of other resources, as the kinds predict it: `unit` + name, `package` + name, …
    pub(crate) states: BTreeMap<(String, String), Value>,
    /// The first thing that ran whose effect is not known; from then on what is missing is unknown.
    pub(crate) unpredicted: Option<String>,
}

/// One path in the overlay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits with suid, sgid and sticky.
    pub mode: u32,
    /// Owner's id.
    pub uid: u32,
    /// Group's id.
    pub gid: u32,
}

/// What a path in the overlay is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum NodeKind {
    /// A file with this content.
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Link(PathBuf),
}

impl Overlay {
    /// The state a kind predicted for a resource.
    pub(crate) fn state(&self, kind: &str, name: &str) -> Option<&Value> {
        self.states.get(&(kind.to_string(), name.to_string()))
    }
    /// Remembers the state a kind predicts for a resource.
    pub(crate) fn set_state(&mut self, kind: &str, name: &str, state: Value) {
        self.states.insert((kind.to_string(), name.to_string()), state);
    }
}
