//! Variables as templates see them: looked up, rendered and converted on first use.

use super::errors::{Known, Owner, carry, missed_entry, missed_variable};
use super::objects::Slot;
use super::render::Engines;
use super::{Binding, Scope, Scopes};
use crate::error::{Diagnostic, Kind};
use crate::yaml::Node;
use indexmap::IndexMap;
use minijinja::Value as Live;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How deep variables may refer to variables. A cycle reaches it at once; no real playbook does.
const DEPTH: usize = 40;

/// One scope during one rendering, with what has been looked up in it.
pub(super) struct Frame {
    scope: Arc<dyn Scope>,
    engines: Arc<Engines>,
    cache: Mutex<IndexMap<String, Slot>>,
    /// What messages call it; nothing for the scope a template runs in.
    label: Option<Arc<str>>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scope")
    }
}

thread_local! {
    /// The scopes of the running templates, innermost last.
    static RUNNING: RefCell<Vec<Arc<Frame>>> = const { RefCell::new(Vec::new()) };
    /// The variables that are being rendered, innermost last.
    static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Frame {
    pub(super) fn new(scope: Arc<dyn Scope>, engines: Arc<Engines>) -> Arc<Frame> {
        Arc::new(Frame { scope, engines, cache: Mutex::default(), label: None })
    }

    /// A scope that templates reach by a path, e.g. `hostvars['a']`.
    fn labelled(label: impl Into<Arc<str>>, scope: Arc<dyn Scope>, engines: Arc<Engines>) -> Arc<Frame> {
        Arc::new(Frame { scope, engines, cache: Mutex::default(), label: Some(label.into()) })
    }

    fn is_host(&self) -> bool {
        self.label.as_ref().is_some_and(|label| label.starts_with("hostvars["))
    }

    fn missed(&self, name: &str) {
        match &self.label {
            _ if super::rewrite::is_own(name) => {}
            Some(label) => {
                missed_entry(name, Owner { name: Some(label.clone()), has: "variable", known: Known::Scope(self.scope.clone()) }, None)
            }
            None => missed_variable(name, None),
        }
    }

    /// What renders the templates of this scope.
    pub(super) fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The scope whose template runs now.
    pub(super) fn running() -> Option<Arc<Frame>> {
        RUNNING.with_borrow(|r| r.last().cloned())
    }

    /// Runs `f` as a template of this scope.
    pub(super) fn run<T>(self: &Arc<Self>, f: impl FnOnce() -> T) -> T {
        RUNNING.with_borrow_mut(|r| r.push(self.clone()));
        let result = f();
        RUNNING.with_borrow_mut(Vec::pop);
        result
    }

    /// The same scope to be held on to, with nothing looked up in it yet.
    pub(super) fn shared(&self) -> Option<Arc<Frame>> {
        Some(Frame::new(self.scope.clone(), self.engines.clone()))
    }

    /// The text of a variable as the user wrote it, if that is where it comes from.
    pub(super) fn written(&self, name: &str) -> Option<Arc<str>> {
        match self.scope.lookup(name)? {
            Binding::Source(node) => match node.data() {
                crate::yaml::Data::Str(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Every name.
    pub(super) fn names(&self) -> Vec<String> {
        self.scope.names()
    }

    /// Where files are looked for.
    pub(super) fn search_path(&self, kind: &str) -> Vec<std::path::PathBuf> {
        self.scope.search_path(kind)
    }

    /// The same scope with more names over it.
    pub(super) fn with(self: &Arc<Self>, names: IndexMap<String, modules::value::Value>) -> Arc<Frame> {
        Frame::new(Arc::new(Over { below: self.scope.clone(), names }), self.engines.clone())
    }

    /// What a name means, ready for a template; nothing when it is undefined.
    pub(super) fn lookup(self: &Arc<Self>, name: &str) -> Option<Live> {
        let slot = match self.cached(name) {
            Some(slot) => slot,
            None => {
                let Some(binding) = self.scope.lookup(name) else {
                    self.missed(name);
                    return None;
                };
                self.bind(name, binding)
            }
        };
        if !slot.is_settled() {
            let settled = match entered(name, || slot.settle(Some(name))) {
                Ok(settled) => settled,
                Err(looping) => return Some(Live::from(carry(*looping))),
            };
            self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), settled.clone());
            return give(&settled, name);
        }
        give(&slot, name)
    }

    fn cached(&self, name: &str) -> Option<Slot> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn bind(self: &Arc<Self>, name: &str, binding: Binding) -> Slot {
        let slot = match binding {
            Binding::Value(v) => Slot::Data(v),
            Binding::Source(node) => Slot::Source(node, self.clone()),
            Binding::Scopes(scopes) => {
                Slot::Live(Live::from_object(Frames { scopes, engines: self.engines.clone(), frames: Mutex::default() }))
            }
            Binding::Scope(scope) => Slot::Live(Live::from_object(Names(Frame::labelled(name, scope, self.engines.clone())))),
        };
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), slot.clone());
        slot
    }
}

fn give(slot: &Slot, name: &str) -> Option<Live> {
    if let Slot::Undefined(cause) = slot {
        missed_variable(name, Some(cause.as_ref().clone()));
        return None;
    }
    Some(slot.give())
}

/// Runs `f` while `name` is being rendered.
///
/// # Errors
/// Variables that need each other.
fn entered<T>(name: &str, f: impl FnOnce() -> T) -> Result<T, Box<Diagnostic>> {
    let depth = NAMES.with_borrow_mut(|n| {
        n.push(name.to_owned());
        n.len()
    });
    let result = if depth > DEPTH { Err(Box::new(looping(name))) } else { Ok(f()) };
    NAMES.with_borrow_mut(Vec::pop);
    result
}

fn looping(name: &str) -> Diagnostic {
    let names = NAMES.with_borrow(Clone::clone);
    let last = names.len() - 1;
    let before = names[..last].iter().rposition(|n| n == name).unwrap_or(0);
    Diagnostic::new(Kind::Template, format!("recursive loop in the variable `{name}`"))
        .note(format!("it needs itself: {}", names[before..].join(" -> ")))
}

/// The names of a scope as a dictionary: `vars`, `hostvars[h]`, and every template's context.
#[derive(Debug)]
pub(super) struct Names(pub(super) Arc<Frame>);

impl Object for Names {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        self.0.lookup(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Live> {
        self.0.lookup(key)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // What holds itself is reached by name alone.
        let inside = self.0.label.is_some();
        let own = |name: &String| !(inside && (name == "vars" || self.0.is_host() && name == "hostvars"));
        Enumerator::Values(self.0.names().into_iter().filter(own).map(Live::from).collect())
    }
}

/// Scopes by name as a dictionary: `hostvars`.
struct Frames {
    scopes: Arc<dyn Scopes>,
    engines: Arc<Engines>,
    frames: Mutex<IndexMap<String, Live>>,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scopes")
    }
}

impl Object for Frames {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        let name = key.as_str()?;
        if let Some(known) = self.frames.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(known.clone());
        }
        let Some(scope) = self.scopes.scope(name) else {
            missed_entry(name, Owner { name: Some(Arc::from("hostvars")), has: "host", known: Known::Scopes(self.scopes.clone()) }, None);
            return None;
        };
        let made = Live::from_object(Names(Frame::labelled(format!("hostvars['{name}']"), scope, self.engines.clone())));
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), made.clone());
        Some(made)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.scopes.names().into_iter().map(Live::from).collect())
    }
}

/// The name that Ansible has for the type of `hostvars` and of what it holds.
pub(super) fn python_type(value: &Live) -> Option<&'static str> {
    let hosts = value.downcast_object_ref::<Frames>().map(|_| "HostVars");
    hosts.or_else(|| value.downcast_object_ref::<Names>().filter(|n| n.0.is_host()).map(|_| "HostVarsVars"))
}

/// Names over a scope, e.g. `template_vars` of the template lookup.
struct Over {
    below: Arc<dyn Scope>,
    names: IndexMap<String, modules::value::Value>,
}

impl Scope for Over {
    fn lookup(&self, name: &str) -> Option<Binding> {
        self.names.get(name).cloned().map(Binding::Value).or_else(|| self.below.lookup(name))
    }
    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().chain(self.below.names()).collect()
    }
    fn search_path(&self, kind: &str) -> Vec<std::path::PathBuf> {
        self.below.search_path(kind)
    }
}

/// A node's value in a scope, not rendered yet.
pub(super) fn pending(node: &Node, frame: &Arc<Frame>) -> Slot {
    Slot::Source(node.clone(), frame.clone())
}
