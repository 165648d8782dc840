//! Lookups: `lookup`, `query` and `with_NAME`.

mod files;
mod inline;
mod lists;
mod password;
mod sequence;
mod system;
mod tables;
mod url;

use super::call::Call;
use super::convert::{argument, live};
use super::errors::{carry, diagnose, of_plugin, refuse};
use super::render::{node_value, settled};
use super::scope::Frame;
use crate::error::{Diagnostic, Kind, Result};
use crate::yaml::Node;
use minijinja::{Error, Value as Live};
use modules::value::Value;
use std::sync::Arc;

pub(super) use lists::subelements;

/// What a lookup works on.
struct Request<'a> {
    /// Where it was asked.
    frame: &'a Arc<Frame>,
    /// What it was asked for.
    terms: Vec<Value>,
    /// Its options, by name.
    options: &'a Call,
    /// The folder beside others that the task's own files stand in (`vars`, `templates`, `files`); none within an expression.
    folder: &'static str,
}

type Lookup = fn(&Request<'_>) -> std::result::Result<Vec<Value>, Error>;

const LOOKUPS: &[&[(&str, Lookup)]] =
    &[lists::LOOKUPS, sequence::LOOKUPS, files::LOOKUPS, tables::LOOKUPS, system::LOOKUPS, password::LOOKUPS, url::LOOKUPS];

impl Request<'_> {
    fn texts(&self) -> impl Iterator<Item = String> + '_ {
        self.terms.iter().map(ToString::to_string)
    }
    fn option(&self, name: &str) -> std::result::Result<Option<Value>, Error> {
        self.options.data(usize::MAX, name)
    }
    fn text(&self, name: &str) -> std::result::Result<Option<String>, Error> {
        self.options.text(usize::MAX, name)
    }
    fn flag(&self, name: &str, other: bool) -> std::result::Result<bool, Error> {
        Ok(self.options.flag_or_none(usize::MAX, name)?.unwrap_or(other))
    }
}

fn find(name: &str) -> std::result::Result<Lookup, Box<Diagnostic>> {
    let short = name.rsplit('.').next().unwrap_or(name);
    let all = || LOOKUPS.iter().flat_map(|t| t.iter());
    let found = all().find(|(n, _)| *n == short).map(|(_, l)| *l);
    let wrong = || {
        Diagnostic::new(Kind::Template, format!("there is no lookup `{name}`"))
            .said(format!("The lookup plugin '{name}' was not found."))
            .nearest(short, all().map(|(n, _)| *n))
    };
    found.ok_or_else(|| Box::new(wrong()))
}

fn failed(name: &str, error: Error) -> Error {
    of_plugin("lookup", name, error)
}

/// `lookup('name', …)`, or `query('name', …)` whose answer is always a list.
pub(super) fn function(mut call: Call, wants_list: bool) -> std::result::Result<Live, Error> {
    if call.positions.is_empty() {
        return Err(refuse("a lookup needs a name"));
    }
    let name = argument(&call.positions.remove(0))?.to_string();
    let frame = Frame::running().ok_or_else(|| refuse("a lookup needs variables around it"))?;
    let wants_list = call.flag_or_none(usize::MAX, "wantlist")?.unwrap_or(wants_list);
    let errors = call.text(usize::MAX, "errors")?;
    let found = find(&name).map_err(|d| carry(*d)).and_then(|lookup| {
        let terms = call.all()?;
        super::render::known_only("the lookup")?;
        lookup(&Request { frame: &frame, terms, options: &call, folder: "" }).map_err(|e| failed(&name, e))
    });
    let found = match (found, errors.as_deref()) {
        (Err(_), Some("ignore" | "warn")) if !super::taint::is_unknown() => {
            return Ok(live(if wants_list { Value::list([]) } else { Value::Null }));
        }
        (found, _) => found?,
    };
    if wants_list {
        return Ok(live(Value::list(found)));
    }
    Ok(live(match found.len() {
        1 => found.into_iter().next().unwrap_or_default(),
        0 => Value::list([]),
        _ if found.iter().all(|v| matches!(v, Value::Str(_))) => {
            Value::from(found.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        }
        _ => Value::list(found),
    }))
}

/// The folder that the files of a task stand in, by its module.
fn folder_of(module: &str) -> &'static str {
    match module.rsplit('.').next().unwrap_or(module) {
        "template" => "templates",
        "include_vars" => "vars",
        _ => "files",
    }
}

/// `with_NAME: terms`, on a task of this module.
pub(super) fn with(name: &str, terms: &Node, module: &str, frame: &Arc<Frame>) -> Result<Value> {
    let lookup = find(name).map_err(|d| Box::new(d.at(terms.place())))?;
    let short = name.rsplit('.').next().unwrap_or(name);
    let value = match (short, terms.as_list()) {
        ("first_found", Some(items)) => Value::list(defined(items, frame)?),
        ("first_found", None) => defined(std::slice::from_ref(terms), frame)?.pop().unwrap_or_else(|| Value::list([])),
        _ => node_value(terms, frame)?,
    };
    let secret = matches!(value, Value::Secret(_));
    let terms_value = match value.reveal() {
        Value::Unknown(_) => return Ok(value),
        Value::List(l) if !matches!(short, "dict" | "subelements") => l.to_vec(),
        Value::List(l) => l.to_vec(),
        Value::Null if short == "items" => Vec::new(),
        other => vec![other.clone()],
    };
    if let Some(unknown) = terms_value.iter().find(|v| matches!(v, Value::Unknown(_))) {
        return Ok(unknown.clone());
    }
    let options = Call::default();
    let run = || {
        let request = Request { frame, terms: terms_value, options: &options, folder: folder_of(module) };
        let found = frame
            .run(|| lookup(&request).map_err(|e| failed(name, e)))
            .map(|found| super::objects::List::new(found.into_iter().map(super::objects::Slot::Data).collect()));
        found.map(Live::from_object).map_err(|e| Box::new(diagnose(&e, terms.place(), None, frame)))
    };
    let found = settled(terms.place(), frame, run)?;
    Ok(if secret { found.into_secret() } else { found })
}

/// The items without what is undefined in them: a file that cannot be named is not there.
fn defined(items: &[Node], frame: &Arc<Frame>) -> Result<Vec<Value>> {
    use super::objects::{List, Slot};
    let slots = items.iter().map(|item| super::scope::pending(item, frame).settle(None)).collect();
    let live = Live::from_object(List::new(slots));
    let place = items.first().map_or_else(|| crate::source::Place::nowhere("terms"), |i| i.place().clone());
    let kept = super::render::settled(&place, frame, || {
        let kept = frame.run(|| super::convert::defined(&live)).map_err(|e| Box::new(diagnose(&e, &place, None, frame)))?;
        Ok(Live::from_object(List::new(kept.as_list().unwrap_or_default().iter().cloned().map(Slot::Data).collect())))
    })?;
    Ok(match kept {
        Value::List(items) => items.to_vec(),
        other => vec![other],
    })
}
