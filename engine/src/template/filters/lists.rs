//! Filters on lists.

use super::select::items;
use super::{Handing, Pure};
use crate::template::call::{Call, int};
use crate::template::convert::{argument, live, python_name, python_type, text_of};
use crate::template::errors::refuse;
use crate::template::objects::list;
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value as Live};
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[("flatten", flatten)];

pub(super) const HANDING: &[(&str, Handing)] = &[
    ("finalize", |_, c| argument(&c.value).map(live)),
    ("type_debug", |_, c| {
        argument(&c.value)?;
        Ok(Live::from(python_type(&c.value)))
    }),
    ("string", |_, c| {
        argument(&c.value)?;
        text_of(&c.value).map(Live::from)
    }),
    ("length", |_, c| length(c)),
    ("count", |_, c| length(c)),
    ("list", |_, c| items(&c.value).map(list)),
    ("first", |_, c| Ok(items(&c.value)?.into_iter().next().unwrap_or_default())),
    ("last", |_, c| Ok(items(&c.value)?.pop().unwrap_or_default())),
    ("reverse", |_, c| reverse(c)),
    ("join", |_, c| join(c)),
    ("batch", |_, c| batch(c)),
    ("slice", |_, c| slice(c)),
    ("zip", |_, c| zip(c, false)),
    ("zip_longest", |_, c| zip(c, true)),
    ("product", |_, c| product(c)),
    ("subelements", |_, c| subelements(c)),
    ("permutations", |_, c| permutations(c)),
    ("combinations", |_, c| combinations(c)),
];

/// The items of a list.
pub(super) fn list_of(value: &Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::List(l) => Ok(l.to_vec()),
        Value::Map(m) => Ok(m.keys().cloned().collect()),
        Value::Str(s) => Ok(s.chars().map(|c| Value::from(c.to_string())).collect()),
        v => Err(refuse(format!("'{}' object is not iterable", python_name(v)))),
    }
}

fn length(call: &Call) -> Result<Live, Error> {
    let length = match call.value.as_str() {
        Some(text) if call.value.kind() == ValueKind::String => Some(text.chars().count()),
        _ => call.value.as_bytes().map(<[u8]>::len).or_else(|| call.value.len()),
    };
    match length {
        Some(length) => Ok(Live::from(length)),
        None => Err(refuse(format!("a value of type {} has no length", argument(&call.value)?.type_name()))),
    }
}

fn flatten(value: &Value, call: &Call) -> Result<Value, Error> {
    let levels = call.int(0, "levels")?;
    let skip_nulls = call.flag_or_none(1, "skip_nulls")?.unwrap_or(true);
    fn add(value: &Value, levels: Option<i64>, skip: bool, out: &mut Vec<Value>) {
        match value {
            Value::List(l) if levels != Some(0) => l.iter().for_each(|v| add(v, levels.map(|n| n - 1), skip, out)),
            Value::Null if skip => {}
            Value::Str(s) if skip && matches!(s.as_ref(), "None" | "null") => {}
            v => out.push(v.clone()),
        }
    }
    let mut out = Vec::new();
    for item in list_of(value)? {
        add(&item, levels, skip_nulls, &mut out);
    }
    Ok(Value::list(out))
}

/// Rows as a list of tuples.
fn tuples(rows: Vec<Vec<Value>>) -> Live {
    list(rows.into_iter().map(|row| Live::from(Tuple::from(row.into_iter().map(live).collect::<Vec<_>>()))))
}

fn subelements(call: &Call) -> Result<Live, Error> {
    let path = match call.needs(0, "subelements")? {
        Value::Str(s) => s.split('.').map(Value::str).collect(),
        other @ Value::List(_) => list_of(&other)?,
        _ => return Err(refuse("subelements must be a list or a string")),
    };
    let pairs = crate::template::lookups::subelements(&argument(&call.value)?, &path, call.flag(1, "skip_missing")?)?;
    Ok(tuples(pairs.into_iter().map(Vec::from).collect()))
}

fn permutations(call: &Call) -> Result<Live, Error> {
    let items = list_of(&argument(&call.value)?)?;
    let size = call.int(0, "r")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(items.len());
    let mut out = Vec::new();
    let mut chosen = Vec::new();
    fn grow(items: &[Value], size: usize, chosen: &mut Vec<usize>, out: &mut Vec<Vec<Value>>) {
        if chosen.len() == size {
            out.push(chosen.iter().map(|i| items[*i].clone()).collect());
            return;
        }
        for i in 0..items.len() {
            if !chosen.contains(&i) {
                chosen.push(i);
                grow(items, size, chosen, out);
                chosen.pop();
            }
        }
    }
    grow(&items, size, &mut chosen, &mut out);
    Ok(tuples(out))
}

fn combinations(call: &Call) -> Result<Live, Error> {
    let items = list_of(&argument(&call.value)?)?;
    let size = usize::try_from(int(&call.needs(0, "r")?).unwrap_or(0)).unwrap_or(0);
    let mut out = Vec::new();
    fn grow(items: &[Value], from: usize, size: usize, chosen: &mut Vec<Value>, out: &mut Vec<Vec<Value>>) {
        if chosen.len() == size {
            out.push(chosen.clone());
            return;
        }
        for i in from..items.len() {
            chosen.push(items[i].clone());
            grow(items, i + 1, size, chosen, out);
            chosen.pop();
        }
    }
    grow(&items, 0, size, &mut Vec::new(), &mut out);
    Ok(tuples(out))
}

fn reverse(call: &Call) -> Result<Live, Error> {
    if let Some(text) = call.value.as_str() {
        return Ok(Live::from(text.chars().rev().collect::<String>()));
    }
    let mut items = items(&call.value)?;
    items.reverse();
    Ok(list(items))
}

fn join(call: &Call) -> Result<Live, Error> {
    let separator = call.text(0, "d")?.unwrap_or_default();
    let path = call.arg(1, "attribute").filter(|p| !p.is_none());
    let parts = items(&call.value)?.into_iter().map(|item| match path {
        Some(path) => text_of(&super::select::attribute(&item, path)?),
        None => text_of(&item),
    });
    Ok(Live::from(parts.collect::<Result<Vec<_>, _>>()?.join(&separator)))
}

fn batch(call: &Call) -> Result<Live, Error> {
    let size = usize::try_from(call.int(0, "linecount")?.unwrap_or(1)).unwrap_or(1).max(1);
    let fill = call.arg(1, "fill_with").filter(|f| !f.is_none());
    let items = items(&call.value)?;
    Ok(list(items.chunks(size).map(|chunk| {
        let mut row = chunk.to_vec();
        if let Some(fill) = fill {
            row.resize(size, fill.clone());
        }
        list(row)
    })))
}

fn slice(call: &Call) -> Result<Live, Error> {
    let count = usize::try_from(call.int(0, "slices")?.unwrap_or(1)).unwrap_or(1).max(1);
    let fill = call.arg(1, "fill_with").filter(|f| !f.is_none());
    let items = items(&call.value)?;
    let (each, extra) = (items.len() / count, items.len() % count);
    let mut at = 0;
    Ok(list((0..count).map(|i| {
        let size = each + usize::from(i < extra);
        let mut row = items[at..at + size].to_vec();
        at += size;
        if let Some(fill) = fill
            && i >= extra
            && extra > 0
        {
            row.push(fill.clone());
        }
        list(row)
    })))
}

fn zip(call: &Call, longest: bool) -> Result<Live, Error> {
    let mut lists = vec![items(&call.value)?];
    for other in &call.positions {
        lists.push(items(other)?);
    }
    let lengths = lists.iter().map(Vec::len);
    let rows = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let fill = call.by_name("fillvalue").cloned().unwrap_or_else(|| Live::from(()));
    let row = |i: usize| list(lists.iter().map(|l| l.get(i).cloned().unwrap_or_else(|| fill.clone())));
    Ok(list((0..rows).map(row)))
}

fn product(call: &Call) -> Result<Live, Error> {
    let mut lists = vec![items(&call.value)?];
    for other in &call.positions {
        lists.push(items(other)?);
    }
    let repeat = call.by_name("repeat").map(argument).transpose()?.as_ref().and_then(int).unwrap_or(1);
    let all: Vec<_> = (0..repeat.max(0)).flat_map(|_| lists.clone()).collect();
    let mut rows: Vec<Vec<Live>> = vec![Vec::new()];
    for items in all {
        rows = rows.iter().flat_map(|row| items.iter().map(|x| row.iter().cloned().chain([x.clone()]).collect())).collect();
    }
    Ok(list(rows.into_iter().map(list)))
}
