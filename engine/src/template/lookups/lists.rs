//! Lookups that arrange what they are given.

use super::{Lookup, Request};
use crate::error::{Diagnostic, Kind};
use crate::template::errors::{carry, refuse};
use minijinja::Error;
use modules::value::Value;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("items", |r| Ok(one_level(&r.terms))),
    ("list", |r| Ok(r.terms.clone())),
    ("flattened", |r| Ok(flat(&r.terms))),
    ("dict", dict),
    ("indexed_items", |r| {
        let items = one_level(&r.terms).into_iter().enumerate();
        Ok(items.map(|(i, v)| Value::list([Value::from(i), v])).collect())
    }),
    ("together", |r| {
        let lists: Vec<_> = r.terms.iter().map(listed).collect();
        if lists.is_empty() {
            return Err(refuse("with_together requires at least one element in each list"));
        }
        let rows = lists.iter().map(Vec::len).max().unwrap_or(0);
        Ok((0..rows).map(|i| Value::list(lists.iter().map(|l| l.get(i).cloned().unwrap_or_default()))).collect())
    }),
    ("nested", nested),
    ("cartesian", nested),
    ("subelements", |r| {
        if !(2..=3).contains(&r.terms.len()) {
            return Err(refuse("subelements lookup expects a list of two or three items"));
        }
        let (list, rest) = (&r.terms[0], &r.terms[1..]);
        let (true, Some(key)) = (matches!(list, Value::List(_) | Value::Map(_)), rest[0].as_str()) else {
            return Err(refuse(
                "subelements lookup expects a list of two or three items, first a dict or a list, second a string pointing to the subkey",
            ));
        };
        let flags = rest.get(1);
        if flags.is_some_and(|f| f.as_map().is_none()) {
            return Err(refuse("subelements lookup: the optional third item must be a dict with flags such as skip_missing"));
        }
        let skip = flags.and_then(|o| o.get("skip_missing")).is_some_and(Value::truthy);
        if list.get("skipped").is_some_and(Value::truthy) {
            return Ok(Vec::new());
        }
        let pairs = subelements(list, &key.split('.').map(Value::str).collect::<Vec<_>>(), skip)?;
        Ok(pairs.into_iter().map(Value::list).collect())
    }),
    ("random_choice", |r| {
        use std::hash::{BuildHasher, Hasher};
        let dice = std::collections::hash_map::RandomState::new().build_hasher().finish() as usize;
        Ok(r.terms.get(dice % r.terms.len().max(1)).cloned().into_iter().collect())
    }),
];

fn listed(value: &Value) -> Vec<Value> {
    value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec)
}

fn one_level(terms: &[Value]) -> Vec<Value> {
    terms.iter().flat_map(listed).collect()
}

fn flat(terms: &[Value]) -> Vec<Value> {
    let mut out = Vec::new();
    for term in terms {
        match term {
            Value::List(l) => out.extend(flat(l)),
            Value::Null => {}
            Value::Str(s) if matches!(s.as_ref(), "None" | "null") => {}
            other => out.push(other.clone()),
        }
    }
    out
}

fn dict(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in request.terms.iter().flat_map(listed) {
        let map = term.as_map().ok_or_else(|| {
            let error = Diagnostic::new(Kind::Template, format!("the dict lookup needs a dictionary, not {}", term.type_name()));
            carry(error.said(format!("the 'dict' lookup plugin expects a dictionary, got '{term}'")))
        })?;
        out.extend(map.iter().map(|(k, v)| Value::map([("key", k.clone()), ("value", v.clone())])));
    }
    Ok(out)
}

fn nested(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for items in request.terms.iter().map(listed) {
        rows = rows.iter().flat_map(|row| items.iter().map(|x| row.iter().cloned().chain(listed(x)).collect())).collect();
    }
    Ok(if request.terms.is_empty() { Vec::new() } else { rows.into_iter().map(Value::list).collect() })
}

/// Each item with each entry of the list at a path in it.
pub(in crate::template) fn subelements(value: &Value, path: &[Value], skip_missing: bool) -> Result<Vec<[Value; 2]>, Error> {
    let items: Vec<Value> = match value {
        Value::Map(m) => m.values().cloned().collect(),
        Value::List(l) => l.to_vec(),
        _ => return Err(refuse("obj must be a list of dicts or a nested dict")),
    };
    let mut out = Vec::new();
    for item in items {
        if item.get("skipped").is_some_and(Value::truthy) {
            continue;
        }
        match sublist(&item, path, skip_missing)? {
            Ok(entries) => out.extend(entries.iter().map(|sub| [item.clone(), sub.clone()])),
            Err(_) if skip_missing => {}
            Err(key) => {
                return Err(refuse(format!("could not find '{key}' key in iterated item '{item}' (skip_missing leaves such items out)")));
            }
        }
    }
    Ok(out)
}

/// The list at a path in a dictionary; if the path is not there, its first key that is missing.
fn sublist<'v, 'p>(item: &'v Value, path: &'p [Value], skip_missing: bool) -> Result<Result<&'v [Value], &'p Value>, Error> {
    let mut at = item;
    for key in path {
        let Some(map) = at.as_map() else {
            if skip_missing {
                return Ok(Err(key));
            }
            return Err(refuse(format!("the key {key} should point to a dictionary, got '{at}'")));
        };
        match map.get(key) {
            Some(found) => at = found.reveal(),
            None => return Ok(Err(key)),
        }
    }
    let key = path.last().map(ToString::to_string).unwrap_or_default();
    at.as_list().map(Ok).ok_or_else(|| refuse(format!("the key {key} should point to a list, got '{at}'")))
}
