//! Lists and dictionaries that templates can change, filled on first use; and the marks for undefined and unknown.

use super::convert::{self, text_of};
use super::errors::{Known, Owner, carry, missed_entry, refuse};
use super::scope::Frame;
use super::{render, taint};
use crate::error::{Diagnostic, Kind};
use crate::yaml::{Data, Node};
use indexmap::IndexMap;
use minijinja::value::{DynObject, Enumerator, Kwargs, Object, ObjectRepr, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value as Live};
use modules::value::Value;
use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One entry of a container or scope.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// Data as it came.
    Data(Value),
    /// As the user wrote it, to be rendered in a scope.
    Source(Node, Arc<Frame>),
    /// Ready for templates.
    Live(Live),
    /// Ready, and secret.
    Secret(Box<Slot>),
    /// An encrypted text, and what it says.
    Sealed(Arc<str>, Box<Slot>),
    /// Its own template is undefined; an error once it is used.
    Undefined(Arc<Diagnostic>),
    /// Its own template is wrong.
    Failed(Arc<Diagnostic>),
}

impl Slot {
    /// Whether it needs no more work before it can be handed out.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Slot::Data(v) => !matches!(v, Value::List(_) | Value::Map(_) | Value::Secret(_)),
            Slot::Source(..) => false,
            _ => true,
        }
    }

    /// Renders and converts; `name` is what messages call it.
    pub(super) fn settle(&self, name: Option<&str>) -> Slot {
        match self {
            Slot::Data(Value::List(l)) => Slot::Live(Live::from_object(List::new(l.iter().cloned().map(Slot::Data).collect()))),
            Slot::Data(Value::Map(m)) => {
                let entries = m.iter().map(|(k, v)| (convert::live(k.clone()), Slot::Data(v.clone()))).collect();
                Slot::Live(Live::from_object(Dict { entries: Mutex::new(entries), name: name.map(Arc::from) }))
            }
            Slot::Data(Value::Secret(v)) => Slot::Secret(Box::new(Slot::Data(v.as_ref().clone()).settle(name))),
            Slot::Source(node, frame) => source(node, frame, name),
            other => other.clone(),
        }
    }

    /// The value for a template. Unknown and secret values leave their mark.
    pub(super) fn give(&self) -> Live {
        match self {
            Slot::Data(Value::Unknown(what)) => taint::unknown_value(what),
            Slot::Data(v) => convert::live(v.clone()),
            Slot::Live(v) => v.clone(),
            Slot::Secret(inner) => {
                taint::secret();
                inner.give()
            }
            Slot::Sealed(text, _) if taint::keeps_sealed() => Live::from(text.as_ref()),
            Slot::Sealed(_, inner) => inner.give(),
            Slot::Source(..) => self.settle(None).give(),
            Slot::Undefined(cause) | Slot::Failed(cause) => Live::from(carry(cause.as_ref().clone())),
        }
    }

    /// The value as data, without leaving marks: what is unknown or secret stays so in place.
    pub(super) fn data(&self) -> Result<Value, Error> {
        match self {
            Slot::Data(v) => Ok(v.clone()),
            Slot::Live(v) => convert::data(v),
            Slot::Secret(inner) => Ok(inner.data()?.into_secret()),
            Slot::Sealed(_, inner) => inner.data(),
            Slot::Source(..) => self.settle(None).data(),
            Slot::Undefined(cause) | Slot::Failed(cause) => Err(carry(cause.as_ref().clone())),
        }
    }
}

fn source(node: &Node, frame: &Arc<Frame>, name: Option<&str>) -> Slot {
    match node.data() {
        Data::Str(text) if render::is_template(text) => match rendered(text, node, frame) {
            slot @ (Slot::Live(_) | Slot::Data(_)) if node.place().source.is_secret() => Slot::Secret(Box::new(slot)),
            slot => slot,
        },
        Data::List(items) => {
            let slots = items.iter().map(|n| super::scope::pending(n, frame)).collect();
            Slot::Live(Live::from_object(List::new(slots)))
        }
        Data::Map(pairs) => match keyed(pairs, frame) {
            Ok(entries) => Slot::Live(Live::from_object(Dict { entries: Mutex::new(entries), name: name.map(Arc::from) })),
            Err(unknown_or_failed) => unknown_or_failed,
        },
        Data::Unsafe(inner) => Slot::Data(render::hidden(render::plain(inner), node, frame)).settle(name),
        Data::Vault(text) => {
            let opened = match render::opened(text, node, frame) {
                Ok(value) => Slot::Data(value).settle(name),
                Err(error) => Slot::Failed(Arc::from(error)),
            };
            Slot::Sealed(text.clone(), Box::new(opened))
        }
        _ => Slot::Data(render::hidden(render::plain(node), node, frame)).settle(name),
    }
}

fn keyed(pairs: &[(Node, Node)], frame: &Arc<Frame>) -> Result<IndexMap<Live, Slot>, Slot> {
    let mut entries = IndexMap::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = match key.data() {
            Data::Str(text) if render::is_template(text) => match rendered(text, key, frame) {
                Slot::Live(key) => key,
                other => return Err(other),
            },
            _ => convert::live(render::plain(key)),
        };
        entries.insert(key, super::scope::pending(value, frame));
    }
    Ok(entries)
}

fn rendered(text: &str, node: &Node, frame: &Arc<Frame>) -> Slot {
    let (result, touched) = taint::isolated(|| render::evaluate(text, node.place(), frame));
    if !touched.unknown.is_empty() {
        let unknown = Value::unknown(touched.names());
        return Slot::Data(if touched.secret { unknown.into_secret() } else { unknown });
    }
    match result {
        Ok(v) if touched.secret => Slot::Secret(Box::new(Slot::Live(v))),
        Ok(v) => Slot::Live(v),
        Err(d) if d.kind == Kind::Undefined => Slot::Undefined(Arc::from(d)),
        Err(d) => Slot::Failed(Arc::from(d)),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A list that templates can change.
#[derive(Debug, Default)]
pub(super) struct List(Mutex<Vec<Slot>>);

/// A dictionary that templates can change.
#[derive(Debug, Default)]
pub(super) struct Dict {
    entries: Mutex<IndexMap<Live, Slot>>,
    /// What messages call it.
    name: Option<Arc<str>>,
}

/// A list of values.
pub(super) fn list(values: impl IntoIterator<Item = Live>) -> Live {
    Live::from_object(List::new(values.into_iter().map(Slot::Live).collect()))
}

/// A dictionary of values.
pub(super) fn dict(pairs: impl IntoIterator<Item = (Live, Live)>) -> Live {
    Live::from_object(Dict { entries: Mutex::new(pairs.into_iter().map(|(k, v)| (k, Slot::Live(v))).collect()), name: None })
}

impl List {
    pub(super) fn new(slots: Vec<Slot>) -> List {
        List(Mutex::new(slots))
    }
    /// The entries as they are.
    pub(super) fn slots(&self) -> Vec<Slot> {
        locked(&self.0).clone()
    }
    /// The items, each rendered; what they touch is marked.
    pub(super) fn items(&self) -> Vec<Live> {
        let length = locked(&self.0).len();
        (0..length).filter_map(|i| self.item(i)).collect()
    }
    fn item(&self, index: usize) -> Option<Live> {
        let slot = locked(&self.0).get(index)?.clone();
        if slot.is_settled() {
            return Some(slot.give());
        }
        let settled = slot.settle(None);
        if let Some(place) = locked(&self.0).get_mut(index) {
            *place = settled.clone();
        }
        Some(settled.give())
    }
    fn position(&self, wanted: &Live) -> Option<usize> {
        self.items().iter().position(|x| x == wanted)
    }
    fn edit<T>(&self, f: impl FnOnce(&mut Vec<Slot>) -> T) -> T {
        f(&mut locked(&self.0))
    }
    fn index(&self, index: i64) -> Option<usize> {
        let length = locked(&self.0).len() as i64;
        usize::try_from(if index < 0 { index + length } else { index }).ok().filter(|i| (*i as i64) < length)
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        self.item(self.index(key.as_i64()?)?)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.0).len())
    }
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.items().cmp(&other.downcast_ref::<Self>()?.items()))
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(&Live::from_dyn_object(self.clone())).unwrap_or_else(|e| format!("<{e}>")))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Live]) -> Result<Live, Error> {
        let none = Live::from(());
        Ok(match method {
            "append" => {
                let (v,): (Live,) = from_args(args)?;
                self.edit(|l| l.push(Slot::Live(v)));
                none
            }
            "extend" => {
                let (v,): (Live,) = from_args(args)?;
                let more: Vec<Live> = v.try_iter()?.checked().collect::<Result<_, _>>()?;
                self.edit(|l| l.extend(more.into_iter().map(Slot::Live)));
                none
            }
            "insert" => {
                let (i, v): (i64, Live) = from_args(args)?;
                self.edit(|l| {
                    let n = l.len() as i64;
                    l.insert((if i < 0 { i + n } else { i }).clamp(0, n) as usize, Slot::Live(v));
                });
                none
            }
            "pop" => {
                let (i,): (Option<i64>,) = from_args(args)?;
                let i = self.index(i.unwrap_or(-1)).ok_or_else(|| refuse("pop index out of range"))?;
                let popped = self.item(i).unwrap_or_default();
                self.edit(|l| l.remove(i));
                popped
            }
            "remove" => {
                let (v,): (Live,) = from_args(args)?;
                let i = self.position(&v).ok_or_else(|| refuse("the list to remove from does not hold this value"))?;
                self.edit(|l| l.remove(i));
                none
            }
            "clear" => {
                self.edit(Vec::clear);
                none
            }
            "reverse" => {
                self.edit(|l| l.reverse());
                none
            }
            "sort" => {
                let (named,): (Kwargs,) = from_args(args)?;
                let mut items = self.items();
                items.sort();
                if named.get::<Option<bool>>("reverse")?.unwrap_or(false) {
                    items.reverse();
                }
                self.edit(|l| *l = items.into_iter().map(Slot::Live).collect());
                none
            }
            "copy" => Live::from_object(List::new(self.slots())),
            "index" => {
                let (v,): (Live,) = from_args(args)?;
                Live::from(self.position(&v).ok_or_else(|| refuse(format!("{v:?} is not in the list")))?)
            }
            "count" => {
                let (v,): (Live,) = from_args(args)?;
                Live::from(self.items().iter().filter(|x| **x == v).count())
            }
            "__len__" => Live::from(locked(&self.0).len()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

impl Dict {
    /// The entries as they are.
    pub(super) fn slots(&self) -> Vec<(Live, Slot)> {
        locked(&self.entries).iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
    /// The entries, each rendered; what they touch is marked.
    pub(super) fn items(&self) -> Vec<(Live, Live)> {
        self.keys().into_iter().filter_map(|k| self.item(&k).map(|v| (k, v))).collect()
    }
    fn keys(&self) -> Vec<Live> {
        locked(&self.entries).keys().cloned().collect()
    }
    fn item(&self, key: &Live) -> Option<Live> {
        let slot = locked(&self.entries).get(key)?.clone();
        if slot.is_settled() {
            return Some(slot.give());
        }
        let name = self.name.as_ref().map(|n| format!("{n}.{key}"));
        let settled = slot.settle(name.as_deref());
        if let Some(place) = locked(&self.entries).get_mut(key) {
            *place = settled.clone();
        }
        Some(settled.give())
    }
    fn undefined(&self, key: &Live) -> Option<Arc<Diagnostic>> {
        match locked(&self.entries).get(key)? {
            Slot::Undefined(cause) => Some(cause.clone()),
            _ => None,
        }
    }
    fn update(&self, args: &[Live]) -> Result<(), Error> {
        let (other, named): (Option<Live>, Kwargs) = from_args(args)?;
        let mut more: Vec<(Live, Live)> = match other {
            Some(other) => pairs(&other)?,
            None => Vec::new(),
        };
        for key in named.args() {
            more.push((Live::from(key), named.get(key)?));
        }
        locked(&self.entries).extend(more.into_iter().map(|(k, v)| (k, Slot::Live(v))));
        Ok(())
    }
}

/// The pairs of a dictionary, or of a list of pairs.
pub(super) fn pairs(value: &Live) -> Result<Vec<(Live, Live)>, Error> {
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        return Ok(dict.items());
    }
    let map = value.kind() == ValueKind::Map;
    value
        .try_iter()?
        .checked()
        .map(|x| {
            let x = x?;
            match map {
                true => value.get_item(&x).map(|v| (x, v)),
                false => Ok((x.get_item_by_index(0)?, x.get_item_by_index(1)?)),
            }
        })
        .collect()
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Live) -> Option<Live> {
        let found = self.item(key);
        let cause = found.as_ref().and_then(|_| self.undefined(key));
        if found.is_none() || cause.is_some() {
            let known = Known::Names(self.keys().iter().map(ToString::to_string).collect());
            let owner = Owner { name: self.name.clone(), has: "attribute", known };
            missed_entry(&key.to_string(), owner, cause.map(|c| c.as_ref().clone()));
            return None;
        }
        found
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys())
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.entries).len())
    }
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let sorted = |d: &Dict| {
            let mut items = d.items();
            items.sort();
            items
        };
        Some(sorted(self).cmp(&sorted(other)))
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(&Live::from_dyn_object(self.clone())).unwrap_or_else(|e| format!("<{e}>")))
    }
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Live]) -> Result<Live, Error> {
        let none = Live::from(());
        Ok(match method {
            "update" => {
                self.update(args)?;
                none
            }
            "get" => {
                let (key, other): (Live, Option<Live>) = from_args(args)?;
                self.item(&key).or(other).unwrap_or(none)
            }
            "setdefault" => {
                let (key, other): (Live, Option<Live>) = from_args(args)?;
                if let Some(found) = self.item(&key) {
                    return Ok(found);
                }
                let other = other.unwrap_or(none);
                locked(&self.entries).insert(key, Slot::Live(other.clone()));
                other
            }
            "__setitem__" => {
                let (key, value): (Live, Live) = from_args(args)?;
                locked(&self.entries).insert(key, Slot::Live(value));
                none
            }
            "pop" => {
                let (key, other): (Live, Option<Live>) = from_args(args)?;
                let found = self.item(&key).or(other).ok_or_else(|| refuse(format!("the dictionary has no key {key:?} to pop")))?;
                locked(&self.entries).shift_remove(&key);
                found
            }
            "popitem" => {
                let last = self.items().pop().ok_or_else(|| refuse("the dictionary to pop from is empty"))?;
                locked(&self.entries).pop();
                Live::from(Tuple::from([last.0, last.1]))
            }
            "clear" => {
                locked(&self.entries).clear();
                none
            }
            "copy" => Live::from_object(Dict { entries: Mutex::new(self.slots().into_iter().collect()), name: self.name.clone() }),
            "keys" => list(self.keys()),
            "values" => list(self.items().into_iter().map(|(_, v)| v)),
            "items" | "iteritems" => list(self.items().into_iter().map(|(k, v)| Live::from(Tuple::from([k, v])))),
            "has_key" => {
                let (key,): (Live,) = from_args(args)?;
                Live::from(locked(&self.entries).contains_key(&key))
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

/// Makes a list or dictionary that nothing else holds out of what an expression made; other values stay.
pub(super) fn fresh(value: Live) -> Result<Live, Error> {
    if value.is_tuple() || value.is_kwargs() {
        return Ok(value);
    }
    let Some(object) = value.as_object() else { return Ok(value) };
    if object.downcast_ref::<List>().is_some() || object.downcast_ref::<Dict>().is_some() {
        return Ok(value);
    }
    match object.repr() {
        ObjectRepr::Seq => Ok(list(value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?)),
        ObjectRepr::Iterable if object.enumerator_len().is_some() => Ok(list(value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?)),
        ObjectRepr::Map if object.downcast_ref::<IndexMap<Live, Live>>().is_some() => Ok(dict(pairs(&value)?)),
        _ => Ok(value),
    }
}

/// What a loop runs over: the characters of a text, other values as they are.
pub(super) fn items(value: Live) -> Live {
    match value.as_str() {
        Some(text) => list(text.chars().map(Live::from)),
        None => value,
    }
}

/// An undefined value whose attributes are undefined too.
#[derive(Debug)]
pub(super) struct Undefined;

impl Object for Undefined {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, _: &Live) -> Option<Live> {
        Some(Live::from_dyn_object(self.clone()))
    }
    fn is_true(self: &Arc<Self>) -> bool {
        false
    }
}

/// What an inline `if` without `else` gives: undefined, but it prints as nothing.
#[derive(Debug)]
pub(super) struct Nothing;

impl Object for Nothing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }
    fn is_true(self: &Arc<Self>) -> bool {
        false
    }
    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// An unknown value while it is only asked whether it is defined.
#[derive(Debug)]
pub(super) struct Mark(pub(super) String);

impl Object for Mark {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn get_value(self: &Arc<Self>, _: &Live) -> Option<Live> {
        Some(Live::from(taint::unknown(&self.0)))
    }
}
