//! Lookups that arrange what they are given.

use super::{Lookup, Request};
use crate::template::call::int;
use crate::template::errors::refuse;
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
        let rows = lists.iter().map(Vec::len).max().unwrap_or(0);
        Ok((0..rows).map(|i| Value::list(lists.iter().map(|l| l.get(i).cloned().unwrap_or_default()))).collect())
    }),
    ("nested", nested),
    ("cartesian", nested),
    ("subelements", |r| {
        let (list, rest) = r.terms.split_first().ok_or_else(|| refuse("subelements needs a list and a key"))?;
        let key = rest.first().ok_or_else(|| refuse("subelements needs the key of the sublists"))?.to_string();
        let skip = rest.get(1).and_then(|o| o.get("skip_missing")).is_some_and(Value::truthy);
        subelements(list, &key.split('.').map(Value::str).collect::<Vec<_>>(), skip)
    }),
    ("sequence", sequence),
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
        let map = term.as_map().ok_or_else(|| refuse(format!("the dict lookup needs a dictionary, not {}", term.type_name())))?;
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
pub(in crate::template) fn subelements(value: &Value, path: &[Value], skip_missing: bool) -> Result<Vec<Value>, Error> {
    let items: Vec<Value> = match value {
        Value::Map(m) => m.values().cloned().collect(),
        Value::List(l) => l.to_vec(),
        other => return Err(refuse(format!("subelements needs a list of dictionaries, not {}", other.type_name()))),
    };
    let mut out = Vec::new();
    for item in items {
        if item.get("skipped").is_some_and(Value::truthy) {
            continue;
        }
        let found = path.iter().try_fold(&item, |at, key| at.as_map().and_then(|m| m.get(key)));
        match found.map(Value::reveal) {
            Some(Value::List(l)) => out.extend(l.iter().map(|sub| Value::list([item.clone(), sub.clone()]))),
            _ if skip_missing => {}
            Some(other) => return Err(refuse(format!("subelements needs a list under the key, not {}", other.type_name()))),
            None => {
                let key = path.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
                return Err(refuse(format!("an item has no key `{key}` (skip_missing leaves such items out)")));
            }
        }
    }
    Ok(out)
}

/// The numbers of a sequence, and how each is written.
struct Sequence {
    start: i64,
    end: Option<i64>,
    count: Option<i64>,
    stride: i64,
    format: String,
}

fn sequence(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    let terms: Vec<String> = if request.terms.is_empty() { vec![String::new()] } else { request.texts().collect() };
    for term in terms {
        let mut sequence = Sequence { start: 1, end: None, count: None, stride: 1, format: "%d".into() };
        if !shorthand(term.trim(), &mut sequence) {
            for option in term.split_whitespace() {
                let (name, value) = option.split_once('=').ok_or_else(|| refuse(format!("a sequence has no option `{option}`")))?;
                set(&mut sequence, name, value)?;
            }
        }
        for name in ["start", "end", "count", "stride", "format"] {
            if let Some(value) = request.text(name)? {
                set(&mut sequence, name, &value)?;
            }
        }
        write(&sequence, &mut out)?;
    }
    Ok(out)
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => int(&Value::str(text)),
    }
}

/// `[start-]end[/stride][:format]`.
fn shorthand(term: &str, sequence: &mut Sequence) -> bool {
    let (numbers, format) = term.split_once(':').map_or((term, None), |(n, f)| (n, Some(f)));
    let (range, stride) = numbers.split_once('/').map_or((numbers, None), |(r, s)| (r, Some(s)));
    let (start, end) = range.split_once('-').map_or((None, range), |(s, e)| (Some(s), e));
    let Some(end) = number(end) else { return false };
    sequence.end = Some(end);
    sequence.start = start.and_then(number).unwrap_or(1);
    sequence.stride = stride.and_then(number).unwrap_or(1);
    sequence.format = format.unwrap_or("%d").to_owned();
    true
}

fn set(sequence: &mut Sequence, name: &str, value: &str) -> Result<(), Error> {
    let whole = || number(value).ok_or_else(|| refuse(format!("`{name}` of a sequence is not a number: {value}")));
    match name {
        "start" => sequence.start = whole()?,
        "end" => sequence.end = Some(whole()?),
        "count" => sequence.count = Some(whole()?),
        "stride" => sequence.stride = whole()?,
        "format" => sequence.format = value.to_owned(),
        other => return Err(refuse(format!("a sequence has no option `{other}`"))),
    }
    Ok(())
}

fn write(s: &Sequence, out: &mut Vec<Value>) -> Result<(), Error> {
    let end = match (s.end, s.count) {
        (_, Some(0)) => return Ok(()),
        (None, Some(count)) => s.start + (count - 1) * s.stride,
        (Some(end), None) => end,
        _ => return Err(refuse("a sequence needs either `end` or `count`")),
    };
    if s.stride == 0 || (end - s.start) / s.stride > 1_000_000 {
        return Err(refuse("the sequence does not end within a million numbers"));
    }
    let mut at = s.start;
    while (s.stride > 0 && at <= end) || (s.stride < 0 && at >= end) {
        out.push(Value::from(crate::template::methods::percent(&s.format, &[minijinja::Value::from(at)])?));
        at += s.stride;
    }
    Ok(())
}
