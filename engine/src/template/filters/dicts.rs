//! Filters on dictionaries.

use super::lists::list_of;
use super::select::{order, tuples};
use super::{Handing, Pure};
use crate::template::call::Call;
use crate::template::convert::{argument, python_name};
use crate::template::errors::refuse;
use crate::template::objects::{list, pairs};
use minijinja::value::Tuple;
use minijinja::{Error, Value as Live};
use modules::value::{Map, Value};
use std::sync::Arc;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("combine", combine),
    ("dict2items", dict2items),
    ("items2dict", items2dict),
    ("rekey_on_member", rekey_on_member),
    ("dict", of_pairs),
    ("dict_kv", |v, c| Ok(Value::from(Map::from_iter([(c.needs(0, "key")?, v.clone())])))),
];

pub(super) const HANDING: &[(&str, Handing)] = &[("items", |_, c| tuples(&c.value)), ("dictsort", |_, c| dictsort(c))];

fn map_of<'v>(value: &'v Value, filter: &str) -> Result<&'v Map, Error> {
    value.as_map().ok_or_else(|| refuse(format!("{filter} requires a dictionary, got {} instead", python_name(value))))
}

/// A dictionary of a list of pairs (`community.general.dict`).
fn of_pairs(value: &Value, _: &Call) -> Result<Value, Error> {
    let pair = |item: Value| match item.as_list() {
        Some([key, value]) => Ok((key.clone(), value.clone())),
        _ => Err(refuse(format!("a dictionary is made of pairs, this is none: {item}"))),
    };
    Ok(Value::from(list_of(value)?.into_iter().map(pair).collect::<Result<Map, _>>()?))
}

fn dictsort(call: &Call) -> Result<Live, Error> {
    let case_sensitive = call.flag(0, "case_sensitive")?;
    let by_value = call.text(1, "by")?.as_deref() == Some("value");
    let reverse = call.flag(2, "reverse")?;
    let mut keyed = Vec::new();
    for (key, item) in pairs(&call.value)? {
        let sorted_by = match argument(if by_value { &item } else { &key })? {
            Value::Str(s) if !case_sensitive => Value::from(s.to_lowercase()),
            other => other,
        };
        keyed.push((sorted_by, key, item));
    }
    keyed.sort_by(|a, b| if reverse { order(&b.0, &a.0) } else { order(&a.0, &b.0) });
    Ok(list(keyed.into_iter().map(|(_, k, v)| Live::from(Tuple::from([k, v])))))
}

fn combine(value: &Value, call: &Call) -> Result<Value, Error> {
    let recursive = call.by_name("recursive").is_some_and(Live::is_true);
    let lists = match call.by_name("list_merge").map(argument).transpose()? {
        Some(v) => v.to_string(),
        None => "replace".into(),
    };
    if call.named.iter().any(|(name, _)| !matches!(name.as_str(), "recursive" | "list_merge")) {
        return Err(refuse("'recursive' and 'list_merge' are the only valid keyword arguments"));
    }
    if !["replace", "keep", "append", "prepend", "append_rp", "prepend_rp"].contains(&lists.as_str()) {
        return Err(refuse(format!("`{lists}` is no way to merge lists")));
    }
    let terms = std::iter::once(value.clone()).chain(call.all()?);
    let one_level = terms.flat_map(|term| match term {
        Value::List(many) => many.to_vec(),
        one => vec![one],
    });
    let all: Vec<Value> = one_level.filter(|v| *v != Value::Null).collect();
    let mut result = Map::new();
    for other in &all {
        let Some(over) = other.as_map() else {
            let names = (python_name(&all[0]), python_name(other));
            return Err(refuse(format!("failed to combine variables, expected dicts but got a '{}' and a '{}'", names.0, names.1)));
        };
        result = merged(&result, over, recursive, &lists);
    }
    Ok(Value::from(result))
}

fn merged(base: &Map, over: &Map, recursive: bool, lists: &str) -> Map {
    let mut out = base.clone();
    for (key, new) in over {
        let value = match (out.get(key), new) {
            (Some(Value::Map(old)), Value::Map(new)) if recursive => Value::from(merged(old, new, true, lists)),
            (Some(Value::List(old)), Value::List(new)) => Value::list(joined(old, new, lists)),
            _ => new.clone(),
        };
        out.insert(key.clone(), value);
    }
    out
}

fn joined(old: &[Value], new: &[Value], how: &str) -> Vec<Value> {
    let without = |a: &[Value], b: &[Value]| a.iter().filter(|x| !b.contains(x)).cloned().collect::<Vec<_>>();
    match how {
        "keep" => old.to_vec(),
        "append" => [old, new].concat(),
        "prepend" => [new, old].concat(),
        "append_rp" => [without(old, new), new.to_vec()].concat(),
        "prepend_rp" => [new.to_vec(), without(old, new)].concat(),
        _ => new.to_vec(),
    }
}

fn dict2items(value: &Value, call: &Call) -> Result<Value, Error> {
    let key = call.text(0, "key_name")?.unwrap_or_else(|| "key".into());
    let item = call.text(1, "value_name")?.unwrap_or_else(|| "value".into());
    Ok(Value::list(map_of(value, "dict2items")?.iter().map(|(k, v)| Value::map([(&key, k.clone()), (&item, v.clone())]))))
}

fn items2dict(value: &Value, call: &Call) -> Result<Value, Error> {
    let key = call.text(0, "key_name")?.unwrap_or_else(|| "key".into());
    let item = call.text(1, "value_name")?.unwrap_or_else(|| "value".into());
    let mut out = Map::new();
    let Value::List(entries) = value else {
        return Err(refuse(format!("items2dict requires a list, got {} instead", python_name(value))));
    };
    for entry in entries.iter() {
        if entry.as_map().is_none() {
            return Err(refuse(format!("items2dict requires a list of dictionaries, got a list with {} in it", python_name(entry))));
        }
        let part = |name: &str| {
            entry.get(name).cloned().ok_or_else(|| {
                refuse(format!(
                    "items2dict requires each dictionary in the list to contain the keys '{key}' and '{item}', got {entry} instead"
                ))
            })
        };
        out.insert(part(&key)?, part(&item)?);
    }
    Ok(Value::Map(Arc::new(out)))
}

fn rekey_on_member(value: &Value, call: &Call) -> Result<Value, Error> {
    let member = call.needs(0, "key")?.to_string();
    let overwrite = match call.text(1, "duplicates")?.as_deref() {
        None | Some("error") => false,
        Some("overwrite") => true,
        Some(other) => return Err(refuse(format!("duplicates parameter to rekey_on_member has unknown value: {other}"))),
    };
    let items = match value {
        Value::Map(m) => m.values().cloned().collect(),
        Value::List(l) => l.to_vec(),
        _ => return Err(refuse("Type is not a valid list, set, or dict")),
    };
    let mut out = Map::new();
    for item in items {
        if item.as_map().is_none() {
            return Err(refuse("List item is not a valid dict"));
        }
        let key = item.get(&member).cloned().ok_or_else(|| refuse(format!("Key {member} was not found in {item}")))?;
        if out.contains_key(&key) && !overwrite {
            return Err(refuse(format!("Key {key} is not unique, cannot convert to dict")));
        }
        out.insert(key, item);
    }
    Ok(Value::from(out))
}
