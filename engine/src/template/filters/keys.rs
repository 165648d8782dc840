//! Filters on the keys and paths of data, and on several lists, of `ansible.utils` and `community.general`.

use super::Pure;
use super::lists::list_of;
use crate::template::call::Call;
use crate::template::convert::python_name;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::{Map, Value};

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("keep_keys", |v, c| Chooser::of(c)?.kept(v).map(Option::unwrap_or_default)),
    ("remove_keys", |v, c| Ok(Chooser::of(c)?.removed(v))),
    ("replace_keys", replace_keys),
    ("to_paths", |v, c| {
        let mut out = Map::new();
        walk(v, c.text(0, "prepend")?.unwrap_or_default(), &mut out);
        Ok(Value::from(out))
    }),
    ("get_path", |v, c| get_path(v, &c.needs(0, "path")?.to_string())),
    ("lists_union", |v, c| combined(v, c, |a, b| a.iter().chain(b).cloned().collect())),
    ("lists_intersect", |v, c| combined(v, c, |a, b| a.iter().filter(|x| b.contains(x)).cloned().collect())),
    ("lists_difference", |v, c| combined(v, c, |a, b| a.iter().filter(|x| !b.contains(x)).cloned().collect())),
    ("lists_symmetric_difference", |v, c| {
        combined(v, c, |a, b| {
            let only_a = a.iter().filter(|x| !b.contains(x));
            only_a.chain(b.iter().filter(|x| !a.contains(x))).cloned().collect()
        })
    }),
    ("counter", |v, _| {
        let mut out = Map::new();
        for item in list_of(v)? {
            let seen = out.get(&item).and_then(Value::as_int).unwrap_or(0);
            out.insert(item, Value::Int(seen + 1));
        }
        Ok(Value::from(out))
    }),
    ("groupby_as_dict", |v, c| {
        let attribute = c.needs(0, "attribute")?.to_string();
        let mut out = Map::new();
        for item in list_of(v)? {
            let key = item.get(&attribute).cloned().ok_or_else(|| refuse(format!("attribute {attribute} is missing in {item}")))?;
            if out.insert(key.clone(), item).is_some() {
                return Err(refuse(format!("the value {key} of {attribute} appears more than once")));
            }
        }
        Ok(Value::from(out))
    }),
    ("version_sort", |v, c| {
        let mut items = list_of(v)?;
        items.sort_by(|a, b| crate::template::predicates::loose(&a.to_string(), &b.to_string()));
        if c.flag(0, "reverse")? {
            items.reverse();
        }
        Ok(Value::list(items))
    }),
];

/// Which keys are meant: by their names, beginnings, ends, or an expression.
struct Chooser {
    targets: Vec<String>,
    how: String,
}

impl Chooser {
    fn of(call: &Call) -> Result<Chooser, Error> {
        let targets = match call.needs(0, "target")? {
            Value::List(many) => many.iter().map(Value::to_string).collect(),
            one => vec![one.to_string()],
        };
        let how = call.text(1, "matching_parameter")?.unwrap_or_else(|| "equality".into());
        if !["equality", "equal", "starts_with", "ends_with", "regex"].contains(&how.as_str()) {
            return Err(refuse(format!("`{how}` is no way to match keys (equality, starts_with, ends_with, regex)")));
        }
        Ok(Chooser { targets, how })
    }

    fn means(&self, key: &Value) -> Result<bool, Error> {
        let key = key.to_string();
        for target in &self.targets {
            let hit = match self.how.as_str() {
                "starts_with" => key.starts_with(target.as_str()),
                "ends_with" => key.ends_with(target.as_str()),
                "regex" => super::pattern(target, false, false)?.is_match(&key).unwrap_or(false),
                _ => key == *target,
            };
            if hit {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is left with these keys alone; nothing where a dictionary has none of them.
    fn kept(&self, value: &Value) -> Result<Option<Value>, Error> {
        Ok(match value {
            Value::List(items) => {
                let kept = items.iter().map(|v| self.kept(v)).collect::<Result<Vec<_>, _>>()?;
                Some(Value::list(kept.into_iter().flatten()))
            }
            Value::Map(map) => {
                let mut out = Map::new();
                for (key, item) in map.iter() {
                    if self.means(key)? {
                        out.insert(key.clone(), item.clone());
                    } else if let Some(inner) = if item.as_map().is_some() || item.as_list().is_some() { self.kept(item)? } else { None }
                        && inner.truthy()
                    {
                        out.insert(key.clone(), inner);
                    }
                }
                Some(Value::from(out))
            }
            _ => None,
        })
    }

    fn removed(&self, value: &Value) -> Value {
        match value {
            Value::List(items) => Value::list(items.iter().map(|v| self.removed(v))),
            Value::Map(map) => {
                let kept = map.iter().filter(|(key, _)| !self.means(key).unwrap_or(false));
                Value::from(kept.map(|(k, v)| (k.clone(), self.removed(v))).collect::<Map>())
            }
            other => other.clone(),
        }
    }
}

fn replace_keys(value: &Value, call: &Call) -> Result<Value, Error> {
    let mut pairs = Vec::new();
    for pair in list_of(&call.needs(0, "target")?)? {
        let part =
            |name: &str| pair.get(name).map(Value::to_string).ok_or_else(|| refuse(format!("replace_keys needs `{name}` in {pair}")));
        pairs.push((part("before")?, part("after")?));
    }
    let how = call.text(1, "matching_parameter")?.unwrap_or_else(|| "equality".into());
    fn renamed(value: &Value, pairs: &[(String, String)], how: &str) -> Result<Value, Error> {
        match value {
            Value::List(items) => Ok(Value::list(items.iter().map(|v| renamed(v, pairs, how)).collect::<Result<Vec<_>, _>>()?)),
            Value::Map(map) => {
                let mut out = Map::new();
                for (key, item) in map.iter() {
                    let mut name = key.clone();
                    for (before, after) in pairs {
                        let chooser = Chooser { targets: vec![before.clone()], how: how.to_owned() };
                        if chooser.means(key)? {
                            name = Value::str(after);
                            break;
                        }
                    }
                    out.insert(name, renamed(item, pairs, how)?);
                }
                Ok(Value::from(out))
            }
            other => Ok(other.clone()),
        }
    }
    renamed(value, &pairs, &how)
}

/// Every value that is no container, by its path.
fn walk(value: &Value, path: String, out: &mut Map) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            for (key, item) in map.iter() {
                let plain = key.to_string().chars().all(|c| c.is_alphanumeric() || c == '_');
                let dot = if path.is_empty() { "" } else { "." };
                walk(item, if plain { format!("{path}{dot}{key}") } else { format!("{path}['{key}']") }, out);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                walk(item, format!("{path}[{i}]"), out);
            }
        }
        other => {
            out.insert(Value::from(path), other.clone());
        }
    }
}

fn get_path(value: &Value, path: &str) -> Result<Value, Error> {
    let mut at = value;
    for part in path.split(['.', '[']).map(|p| p.trim_end_matches(']')).filter(|p| !p.is_empty()) {
        let name = part.trim_matches(['\'', '"']);
        let found = match at {
            Value::List(items) => name.parse::<usize>().ok().and_then(|i| items.get(i)),
            other => other.get(name),
        };
        at = found.ok_or_else(|| refuse(format!("{} has no `{name}`", python_name(at))))?;
    }
    Ok(at.clone())
}

/// Lists put together one after the other, each value once.
fn combined(value: &Value, call: &Call, join: fn(&[Value], &[Value]) -> Vec<Value>) -> Result<Value, Error> {
    let mut lists = match value {
        Value::List(items) if call.flag(usize::MAX, "flatten")? => items.iter().map(list_of).collect::<Result<Vec<_>, _>>()?,
        other => vec![list_of(other)?],
    };
    for more in call.all()? {
        lists.push(list_of(&more)?);
    }
    let mut lists = lists.into_iter();
    let first = lists.next().unwrap_or_default();
    let all = lists.fold(first, |so_far, next| join(&so_far, &next));
    let distinct: indexmap::IndexSet<Value> = all.into_iter().collect();
    Ok(Value::list(distinct))
}
