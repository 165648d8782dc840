//! Filters that pick, change and order the items of a list by their attributes, or by other filters and tests.

use super::Handing;
use crate::template::call::{Call, is_undefined};
use crate::template::convert::{argument, python_name, text_of};
use crate::template::errors::{carry, last_miss, refuse};
use crate::template::objects::{list, pairs};
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value as Live};
use modules::value::Value;
use std::cmp::Ordering;

pub(super) const FILTERS: &[(&str, Handing)] = &[
    ("default", default),
    ("d", default),
    ("mandatory", mandatory),
    ("map", map),
    ("select", |s, c| filtered(s, c, true, false)),
    ("reject", |s, c| filtered(s, c, false, false)),
    ("selectattr", |s, c| filtered(s, c, true, true)),
    ("rejectattr", |s, c| filtered(s, c, false, true)),
    ("sort", sort),
    ("groupby", groupby),
    ("min", |_, c| extreme(c, Ordering::Less)),
    ("max", |_, c| extreme(c, Ordering::Greater)),
    ("attr", |_, c| c.value.get_item(c.arg(0, "name").unwrap_or(&Live::UNDEFINED))),
    ("ternary", ternary),
    ("extract", extract),
];

fn default(_: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    let other = || call.arg(0, "default_value").cloned().unwrap_or_else(|| Live::from(""));
    if call.is_undefined() || (call.flag(1, "boolean")? && !call.value.is_true()) {
        return Ok(other());
    }
    Ok(call.value.clone())
}

fn mandatory(_: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    if call.is_undefined() {
        return match call.text(0, "msg")? {
            Some(message) => Err(refuse(message)),
            None => Err(missing_mandatory()),
        };
    }
    Ok(call.value.clone())
}

fn missing_mandatory() -> Error {
    use crate::error::{Diagnostic, Kind};
    let error = match last_miss() {
        Some(name) => Diagnostic::new(Kind::Template, format!("the variable `{name}` is mandatory, and not defined"))
            .said(format!("Mandatory variable '{name}' not defined.")),
        None => Diagnostic::new(Kind::Template, "a mandatory value is not defined").said("Mandatory variable not defined."),
    };
    carry(error)
}

fn ternary(_: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    argument(&call.value)?;
    if call.value.is_none()
        && let Some(none) = call.arg(2, "none_val")
        && !none.is_none()
    {
        return Ok(none.clone());
    }
    let truth = match call.value.as_str() {
        Some(text) => !text.is_empty(),
        None => call.value.is_true(),
    };
    let chosen = if truth { call.arg(0, "true_val") } else { call.arg(1, "false_val") };
    chosen.cloned().ok_or_else(|| refuse("ternary needs a value for true and one for false"))
}

/// The value at a dotted path such as `a.b.0`.
pub(super) fn attribute(item: &Live, path: &Live) -> Result<Live, Error> {
    if path.is_integer() {
        return item.get_item(path);
    }
    let Some(path) = path.as_str() else { return item.get_item(path) };
    let mut at = item.clone();
    for part in path.split('.') {
        at = match part.parse::<i64>() {
            Ok(i) if matches!(at.kind(), ValueKind::Seq | ValueKind::Iterable) => at.get_item(&Live::from(i))?,
            _ => at.get_item(&Live::from(part))?,
        };
        if at.is_undefined() {
            return Ok(at);
        }
    }
    Ok(at)
}

/// The items of a list, the keys of a dictionary, the characters of a text.
pub(super) fn items(value: &Live) -> Result<Vec<Live>, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.chars().map(|c| Live::from(c.to_string())).collect());
    }
    value.try_iter()?.checked().collect()
}

fn map(state: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    let items = items(&call.value)?;
    if let Some(path) = call.by_name("attribute") {
        let other = call.by_name("default");
        let found = items.iter().map(|item| {
            let found = attribute(item, path)?;
            match (is_undefined(&found), other) {
                (true, Some(other)) => Ok(other.clone()),
                (true, None) => Err(missing(path)),
                (false, _) => Ok(found),
            }
        });
        return found.collect::<Result<Vec<_>, _>>().map(list);
    }
    let Some(name) = call.positions.first().and_then(Live::as_str) else {
        return Err(refuse("map needs the name of a filter, or `attribute`"));
    };
    let name = name.rsplit('.').next().unwrap_or(name);
    if !super::names().any(|n| n == name) {
        return Err(Error::new(minijinja::ErrorKind::UnknownFilter, format!("filter {name} is unknown")));
    }
    let changed = items.into_iter().map(|item| state.apply_filter(name, &call.apply_to(item, 1)));
    changed.collect::<Result<Vec<_>, _>>().map(list)
}

fn missing(path: &Live) -> Error {
    Error::new(minijinja::ErrorKind::UndefinedError, format!("`item.{path}` is undefined"))
}

fn filtered(state: &mut State<'_, '_>, call: &Call, wanted: bool, by_attribute: bool) -> Result<Live, Error> {
    let skip = usize::from(by_attribute);
    let path = match by_attribute {
        true => Some(call.arg(0, "attribute").ok_or_else(|| refuse("the attribute to select by is missing"))?),
        false => None,
    };
    let test = call.positions.get(skip);
    let mut kept = Vec::new();
    for item in items(&call.value)? {
        let looked_at = path.map_or_else(|| Ok(item.clone()), |p| attribute(&item, p))?;
        let holds = match test {
            None => looked_at.is_true(),
            Some(test) => {
                let name = test.as_str().ok_or_else(|| refuse("the name of the test is not text"))?;
                let name = name.rsplit('.').next().filter(|n| !n.is_empty()).unwrap_or(name);
                if is_undefined(&looked_at) && !matches!(name, "defined" | "undefined") {
                    return Err(missing(path.unwrap_or(test)));
                }
                state.perform_test(name, &call.apply_to(looked_at, skip + 1))?
            }
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(list(kept))
}

/// Python's order; values that Python would not compare are ordered by their text.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    use crate::template::call::float;
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => {
            let first = a.iter().zip(b.iter()).map(|(x, y)| order(x, y)).find(|o| o.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Str(_), _) | (_, Value::Str(_)) => a.to_string().cmp(&b.to_string()),
        _ => match (float(a), float(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y),
            _ => a.to_string().cmp(&b.to_string()),
        },
    }
}

fn folded(value: Value, case_sensitive: bool) -> Value {
    match value {
        Value::Str(s) if !case_sensitive => Value::from(s.to_lowercase()),
        v => v,
    }
}

/// Items with what they are ordered by: themselves or their attributes.
fn keyed(call: &Call, at: usize, case_sensitive: bool) -> Result<Vec<(Vec<Value>, Live)>, Error> {
    let path = call.arg(at, "attribute").filter(|p| !p.is_none());
    let other = call.by_name("default");
    let paths: Vec<Live> = match path {
        Some(p) => match p.as_str() {
            Some(text) => text.split(',').map(|x| Live::from(x.trim())).collect(),
            None => vec![p.clone()],
        },
        None => Vec::new(),
    };
    let key = |item: &Live| -> Result<Vec<Value>, Error> {
        if paths.is_empty() {
            return Ok(vec![folded(argument(item)?, case_sensitive)]);
        }
        let parts = paths.iter().map(|p| {
            let found = attribute(item, p)?;
            match (is_undefined(&found), other) {
                (true, None) => Err(missing(p)),
                (true, Some(other)) => argument(other),
                (false, _) => argument(&found),
            }
        });
        parts.map(|v| v.map(|v| folded(v, case_sensitive))).collect()
    };
    items(&call.value)?.into_iter().map(|item| Ok((key(&item)?, item))).collect()
}

fn order_all(a: &[Value], b: &[Value]) -> Ordering {
    a.iter().zip(b).map(|(x, y)| order(x, y)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Python refuses to order values of different kinds.
fn comparable(items: &[(Vec<Value>, Live)]) -> Result<(), Error> {
    let kind = |v: &Value| match v {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => "a number",
        other => python_name(other),
    };
    let orders = |a: &Value, b: &Value| match (a, b) {
        (Value::Map(_), _) | (_, Value::Map(_)) | (Value::Null, _) | (_, Value::Null) => false,
        _ => kind(a) == kind(b),
    };
    for pair in items.windows(2) {
        for (a, b) in pair[0].0.iter().zip(&pair[1].0) {
            if !orders(a, b) {
                return Err(refuse(format!("'<' not supported between instances of '{}' and '{}'", python_name(b), python_name(a))));
            }
        }
    }
    Ok(())
}

fn sort(_: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    let reverse = call.flag(0, "reverse")?;
    let mut items = keyed(call, 2, call.flag(1, "case_sensitive")?)?;
    comparable(&items)?;
    items.sort_by(|(a, _), (b, _)| if reverse { order_all(b, a) } else { order_all(a, b) });
    Ok(list(items.into_iter().map(|(_, item)| item)))
}

fn extreme(call: &Call, wanted: Ordering) -> Result<Live, Error> {
    let mut best: Option<(Vec<Value>, Live)> = None;
    let items = keyed(call, 1, call.flag(0, "case_sensitive")?)?;
    comparable(&items)?;
    for (key, item) in items {
        if best.as_ref().is_none_or(|(b, _)| order_all(&key, b) == wanted) {
            best = Some((key, item));
        }
    }
    best.map(|(_, item)| item).ok_or_else(|| refuse("the list is empty: it has neither minimum nor maximum"))
}

/// Whether a value is a group of `groupby`, which prints as a tuple.
pub(in crate::template) fn is_group(value: &Live) -> bool {
    value.downcast_object_ref::<Group>().is_some()
}

/// A group of `groupby`: a pair that also knows its halves by name.
#[derive(Debug)]
struct Group(Live, Live);

impl minijinja::value::Object for Group {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Seq
    }
    fn get_value(self: &std::sync::Arc<Self>, key: &Live) -> Option<Live> {
        match (key.as_usize(), key.as_str()) {
            (Some(0), _) | (_, Some("grouper")) => Some(self.0.clone()),
            (Some(1), _) | (_, Some("list")) => Some(self.1.clone()),
            _ => None,
        }
    }
    fn enumerate(self: &std::sync::Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(2)
    }
    fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pair = Live::from(Tuple::from([self.0.clone(), self.1.clone()]));
        f.write_str(&text_of(&pair).map_err(|_| std::fmt::Error)?)
    }
}

fn groupby(_: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    let path = call.arg(0, "attribute").ok_or_else(|| refuse("groupby needs an attribute"))?.clone();
    let mut items = keyed(call, 0, call.flag(2, "case_sensitive")?)?;
    comparable(&items)?;
    items.sort_by(|(a, _), (b, _)| order_all(a, b));
    let mut groups: Vec<(Vec<Value>, Live, Vec<Live>)> = Vec::new();
    for (key, item) in items {
        match groups.last_mut() {
            Some((last, _, members)) if order_all(last, &key).is_eq() => members.push(item),
            _ => {
                let found = attribute(&item, &path)?;
                let found = if is_undefined(&found) { call.arg(1, "default").cloned().unwrap_or(found) } else { found };
                groups.push((key, found, vec![item]));
            }
        }
    }
    Ok(list(groups.into_iter().map(|(_, name, members)| Live::from_object(Group(name, list(members))))))
}

fn extract(_: &mut State<'_, '_>, call: &Call) -> Result<Live, Error> {
    let container = call.arg(0, "container").ok_or_else(|| refuse("extract needs a container"))?;
    if is_undefined(container) {
        return Ok(Live::UNDEFINED);
    }
    let mut found = container.get_item(&call.value)?;
    if let Some(more) = call.arg(1, "morekeys").filter(|m| !m.is_none()) {
        match more.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for key in more.try_iter()?.checked() {
                    if is_undefined(&found) {
                        return Ok(Live::UNDEFINED);
                    }
                    found = found.get_item(&key?)?;
                }
            }
            _ if is_undefined(&found) => {}
            _ => found = found.get_item(more)?,
        }
    }
    Ok(found)
}

/// The pairs of a dictionary as tuples.
pub(super) fn tuples(value: &Live) -> Result<Live, Error> {
    Ok(list(pairs(value)?.into_iter().map(|(k, v)| Live::from(Tuple::from([k, v])))))
}
