//! `set_stats`: numbers and texts that the run shows at its end.

use super::super::task::At;
use super::Performed;
use crate::error::{Diagnostic, Result};
use modules::args::FromValue;
use modules::value::{Map, Value};

/// Adds to the run's own statistics; those of one host where `per_host` says so.
pub(super) fn set_stats(at: &At<'_>, args: &Map) -> Result<Performed> {
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("counts what depends on {what}")));
    }
    let empty = Value::from(Map::new());
    let data = args.get("data").unwrap_or(&empty);
    let Some(data) = data.as_map() else {
        // Ansible's words: playbooks look for them.
        return Ok(Performed::failed("The 'data' option needs to be a dictionary/hash"));
    };
    if let Some(name) = data.keys().map(Value::to_string).find(|name| !is_name(name)) {
        let error = Diagnostic::input(format!("`{name}` cannot be the name of a variable")).at(&at.task.action.place);
        return Err(Box::new(error.said(format!("Invalid variable name '{name}'."))));
    }
    let flag = |name: &str, default| args.get(name).map_or(default, |v| bool::from_value(v).unwrap_or(false));
    let (per_host, aggregate) = (flag("per_host", false), flag("aggregate", true));
    let owner = per_host.then(|| at.host.to_string());
    let mut stats = crate::vars::lock(&at.run.stats);
    let kept = stats.entry(owner).or_default();
    for (name, value) in data {
        match kept.get(name).filter(|_| aggregate) {
            Some(old) => {
                let both = added(old, value);
                kept.insert(name.clone(), both);
            }
            None => drop(kept.insert(name.clone(), value.clone())),
        }
    }
    let said = Value::map([("data", data.clone().into()), ("per_host", Value::Bool(per_host)), ("aggregate", Value::Bool(aggregate))]);
    Ok(Performed::ok(Map::from_iter([(Value::from("ansible_stats"), said)])))
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    starts && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Two values as one: numbers add, texts and lists are joined, dictionaries merged; of others the newer counts.
fn added(old: &Value, new: &Value) -> Value {
    match (old.reveal(), new.reveal()) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map_or_else(|| new.clone(), Value::Int),
        (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
        (Value::Str(a), Value::Str(b)) if !old.has_secret() && !new.has_secret() => Value::from(format!("{a}{b}")),
        (Value::List(a), Value::List(b)) => Value::list(a.iter().chain(b.iter()).cloned()),
        (Value::Map(a), Value::Map(b)) => Value::from(a.iter().chain(b.iter()).map(|(k, v)| (k.clone(), v.clone())).collect::<Map>()),
        _ => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_add_up() {
        for (old, new, both) in [
            (Value::Int(10), Value::Int(15), Value::Int(25)),
            (Value::str("a"), Value::str("b"), Value::str("ab")),
            (Value::list([Value::Int(1)]), Value::list([Value::Int(2)]), Value::list([Value::Int(1), Value::Int(2)])),
            (Value::str("a"), Value::Int(1), Value::Int(1)),
        ] {
            assert_eq!(added(&old, &new), both);
        }
    }
}
