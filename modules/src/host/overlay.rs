//! What a plan has written in memory, so that its later tasks see it.

use crate::module::Halt;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The memory of one host's plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Overlay {
    /// Files, directories and links by absolute path without links on the way; `None` is one that was removed.
    pub(crate) nodes: BTreeMap<PathBuf, Option<Node>>,
    /// What was removed, or made as an empty directory, after the last program whose effect is not known: what the plan
    /// does not have at or below it is surely not there.
    pub(crate) certain: BTreeSet<PathBuf>,
    /// State of other resources, as the kinds predict it: `unit` + name, `package` + name, …
    pub(crate) states: BTreeMap<(String, String), Value>,
    /// The first thing that came whose effect is not known, as a noun; from then on what is missing is unknown.
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
    /// Access and modification time, seconds since 1970.
    pub times: (f64, f64),
}

/// What a path in the overlay is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum NodeKind {
    /// What the system has there, with other attributes; a directory's content is the system's.
    Kept,
    /// A file with this content.
    File(#[serde(with = "crate::wire::bytes")] Vec<u8>),
    /// A directory that the system does not have: nothing of the system shows below it.
    Directory,
    /// A symbolic link to this target.
    Link(PathBuf),
}

/// What the overlay says about a path.
pub(crate) enum Said<'a> {
    /// It is there.
    There(&'a Node),
    /// It is not there; `true` when nothing that ran can have made it.
    Missing(bool),
    /// Nothing: ask the system.
    Nothing,
}

impl Overlay {
    /// Reads what [`crate::host::Host::take_overlay`] wrote.
    pub fn parse(bytes: &[u8]) -> Result<Overlay, Halt> {
        rmp_serde::from_slice(bytes).map_err(|e| Halt::failed(format!("cannot read the plan's memory of this host: {e}")))
    }

    /// The state a kind predicted for a resource.
    pub(crate) fn state(&self, kind: &str, name: &str) -> Option<&Value> {
        self.states.get(&(kind.to_string(), name.to_string()))
    }
    /// Every resource of a kind that has a predicted state, by name.
    pub(crate) fn states_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.states.iter().filter(move |((k, _), _)| k == kind).map(|((_, name), state)| (name.as_str(), state))
    }
    /// Remembers the state a kind predicts for a resource.
    pub(crate) fn set_state(&mut self, kind: &str, name: &str, state: Value) {
        self.states.insert((kind.to_string(), name.to_string()), state);
    }

    /// Remembers that something came whose effect is not known, a noun for messages: what is missing may be made by it.
    pub(crate) fn run_unpredicted(&mut self, what: &str) {
        self.unpredicted.get_or_insert_with(|| what.to_string());
        self.certain.clear();
    }

    /// Whether the plan has changed nothing yet, so that this host is as later tasks will find it.
    pub(crate) fn is_pristine(&self) -> bool {
        self.nodes.is_empty() && self.states.is_empty() && self.unpredicted.is_none()
    }

    /// Whether a user whom the host lacks would be there by now: this plan makes it, or something unpredicted may have.
    pub fn may_have_user(&self, name: &str) -> bool {
        self.state("user", name).is_some_and(|state| !super::names::is_absent(state)) || self.unpredicted.is_some()
    }

    /// What is known about a path that has no link on the way to it.
    pub(crate) fn say(&self, path: &Path) -> Said<'_> {
        for (depth, at) in path.ancestors().enumerate() {
            if let Some(Some(node)) = self.nodes.get(at).filter(|_| depth == 0) {
                return Said::There(node);
            }
            match self.nodes.get(at) {
                None | Some(Some(Node { kind: NodeKind::Kept, .. })) => {}
                Some(_) => return Said::Missing(self.unpredicted.is_none() || self.certain.contains(at)),
            }
        }
        Said::Nothing
    }

    /// Puts something at a path.
    pub(crate) fn put(&mut self, path: PathBuf, node: Node) {
        if matches!(node.kind, NodeKind::Directory) {
            self.certain.insert(path.clone());
        }
        self.nodes.insert(path, Some(node));
    }

    /// Takes away what is at a path and below it.
    pub(crate) fn remove(&mut self, path: &Path) {
        let below: Vec<PathBuf> =
            self.nodes.range(path.to_path_buf()..).map(|(p, _)| p.clone()).take_while(|p| p.starts_with(path)).collect();
        for path in below {
            self.nodes.remove(&path);
        }
        self.nodes.insert(path.to_path_buf(), None);
        self.certain.insert(path.to_path_buf());
    }

    /// Names in a directory: those of the system, given, with what the plan added and removed.
    pub(crate) fn names_in(&self, directory: &Path, system: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = system.into_iter().collect();
        for (path, node) in self.nodes.range(directory.to_path_buf()..).take_while(|(p, _)| p.starts_with(directory)) {
            if path.parent() != Some(directory) {
                continue;
            }
            let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
            if node.is_some() {
                names.insert(name)
            } else {
                names.remove(&name)
            };
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: NodeKind) -> Node {
        Node { kind, mode: 0o644, uid: 0, gid: 0, times: (0.0, 0.0) }
    }

    #[test]
    fn what_was_removed_hides_what_is_below() {
        let mut overlay = Overlay::default();
        overlay.put("/a/b/c".into(), node(NodeKind::File(b"x".to_vec())));
        assert!(matches!(overlay.say(Path::new("/a/b")), Said::Nothing));
        overlay.remove(Path::new("/a"));
        assert!(matches!(overlay.say(Path::new("/a/b/c")), Said::Missing(true)));
        overlay.put("/a".into(), node(NodeKind::Directory));
        assert!(matches!(overlay.say(Path::new("/a")), Said::There(_)));
        assert!(matches!(overlay.say(Path::new("/a/b")), Said::Missing(true)));
        overlay.put("/k".into(), node(NodeKind::Kept));
        assert!(matches!(overlay.say(Path::new("/k/b")), Said::Nothing));
    }

    #[test]
    fn a_program_makes_absence_uncertain_until_removed_again() {
        let mut overlay = Overlay::default();
        overlay.remove(Path::new("/a"));
        overlay.run_unpredicted("make a");
        assert!(matches!(overlay.say(Path::new("/a")), Said::Missing(false)));
        overlay.remove(Path::new("/a"));
        assert!(matches!(overlay.say(Path::new("/a")), Said::Missing(true)));
        overlay.put("/a".into(), node(NodeKind::Directory));
        assert!(matches!(overlay.say(Path::new("/a/b")), Said::Missing(true)));
        overlay.run_unpredicted("fill a");
        assert!(matches!(overlay.say(Path::new("/a/b")), Said::Missing(false)));
    }

    #[test]
    fn users_may_come_from_the_plan_or_from_what_it_does_not_predict() {
        let mut overlay = Overlay::default();
        assert!(!overlay.may_have_user("app"));
        overlay.set_state("user", "app", Value::map([("home", Value::str("/srv/app"))]));
        assert!(overlay.may_have_user("app") && !overlay.may_have_user("db"));
        overlay.set_state("user", "app", Value::Null);
        assert!(!overlay.may_have_user("app"));
        overlay.run_unpredicted("the package db");
        assert!(overlay.may_have_user("db"));
    }

    #[test]
    fn lists_with_what_was_added_and_removed() {
        let mut overlay = Overlay::default();
        overlay.put("/d/new".into(), node(NodeKind::Directory));
        overlay.put("/d/new/deep".into(), node(NodeKind::Directory));
        overlay.remove(Path::new("/d/old"));
        let names = overlay.names_in(Path::new("/d"), ["old".to_string(), "kept".to_string()]);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["kept", "new"]);
    }
}
