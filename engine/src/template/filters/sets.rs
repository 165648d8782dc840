//! Filters that treat lists as sets, keeping the order of first occurrence.

use super::Pure;
use super::lists::list_of;
use crate::template::call::Call;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("unique", unique),
    ("difference", |a, c| {
        let b = other(c)?;
        Ok(Value::list(distinct(list_of(a)?.into_iter().filter(|x| !b.contains(x)))))
    }),
    ("intersect", |a, c| {
        let b = other(c)?;
        Ok(Value::list(distinct(list_of(a)?.into_iter().filter(|x| b.contains(x)))))
    }),
    ("union", |a, c| Ok(Value::list(distinct(list_of(a)?.into_iter().chain(other(c)?))))),
    ("symmetric_difference", |a, c| {
        let (a, b) = (list_of(a)?, other(c)?);
        let only_a = a.iter().filter(|x| !b.contains(x));
        let only_b = b.iter().filter(|x| !a.contains(x));
        Ok(Value::list(distinct(only_a.chain(only_b).cloned())))
    }),
];

fn other(call: &Call) -> Result<Vec<Value>, Error> {
    list_of(&call.needs(0, "other")?)
}

fn distinct(items: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut seen = indexmap::IndexSet::new();
    seen.extend(items);
    seen.into_iter().collect()
}

fn unique(value: &Value, call: &Call) -> Result<Value, Error> {
    let case_sensitive = call.flag(0, "case_sensitive")?;
    let path = call.text(1, "attribute")?;
    let unhashable = |v: &Value| matches!(v, Value::List(_) | Value::Map(_));
    if call.arg(0, "case_sensitive").is_some() && !case_sensitive && path.is_none() && list_of(value)?.iter().any(unhashable) {
        return Err(refuse(
            "lists and dictionaries are no texts or numbers: unique cannot fall back to comparing them with these arguments",
        ));
    }
    let mut seen = indexmap::IndexSet::new();
    let kept = list_of(value)?.into_iter().filter(|item| {
        let key = path.iter().flat_map(|p| p.split('.')).fold(item, |at, part| at.get(part).unwrap_or(&Value::Null));
        seen.insert(match key {
            Value::Str(s) if !case_sensitive => Value::from(s.to_lowercase()),
            other => other.clone(),
        })
    });
    Ok(Value::list(kept.collect::<Vec<_>>()))
}
