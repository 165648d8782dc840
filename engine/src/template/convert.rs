//! Between data and what templates compute with; and how values print.

use super::call::is_nothing;
use super::errors::refuse;
use super::objects::{Dict, List, Slot, Undefined};
use super::taint;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value as Live};
use modules::value::{Map, Value, python_float, python_quoted};
use std::sync::Arc;

/// Data for a template; containers are new objects.
pub(super) fn live(value: Value) -> Live {
    match value {
        Value::Null => Live::from(()),
        Value::Bool(b) => Live::from(b),
        Value::Int(i) => Live::from(i),
        Value::Float(f) => Live::from(f),
        Value::Str(s) => Live::from(s),
        Value::Unknown(what) => taint::unknown_value(&what),
        v @ (Value::List(_) | Value::Map(_) | Value::Secret(_)) => Slot::Data(v).settle(None).give(),
    }
}

/// The name of a value's type in Python.
pub(super) fn python_type(value: &Live) -> &'static str {
    match value.kind() {
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Map => super::scope::python_type(value).unwrap_or("dict"),
        _ if value.is_tuple() => "tuple",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Undefined => "Undefined",
        _ => super::filters::dates::python_type(value).unwrap_or("object"),
    }
}

/// The name of a datum's type in Python.
pub(super) fn python_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        _ => "str",
    }
}

fn undefined() -> Error {
    Error::from(ErrorKind::UndefinedError)
}

fn number(value: &Live) -> Value {
    match value.as_i64() {
        Some(i) if value.is_integer() => Value::Int(i),
        _ => Value::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN)),
    }
}

/// What a template computed, as data. Unknown and secret entries of containers stay what they are.
pub(super) fn data(value: &Live) -> Result<Value, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(undefined()),
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => number(value),
        ValueKind::String => Value::str(value.as_str().unwrap_or_default()),
        ValueKind::Bytes => Value::str(String::from_utf8_lossy(value.as_bytes().unwrap_or_default())),
        ValueKind::Invalid => return Err(invalid(value)),
        _ => return container(value),
    })
}

/// The error that an invalid value carries.
pub(super) fn invalid(value: &Live) -> Error {
    match value.try_iter() {
        Err(e) => e,
        Ok(_) => refuse("invalid value"),
    }
}

fn container(value: &Live) -> Result<Value, Error> {
    if let Some(list) = value.downcast_object_ref::<List>() {
        return list.slots().iter().map(Slot::data).collect::<Result<Vec<_>, _>>().map(Value::list);
    }
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        let mut map = Map::new();
        for (key, slot) in dict.slots() {
            map.insert(data(&key)?, slot.data()?);
        }
        return Ok(Value::Map(Arc::new(map)));
    }
    if value.downcast_object_ref::<Undefined>().is_some() {
        return Err(undefined());
    }
    if is_nothing(value) {
        return Ok(Value::str(""));
    }
    match value.kind() {
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                if !item.is_undefined() {
                    map.insert(data(&key)?, data(&item)?);
                }
            }
            Ok(Value::Map(Arc::new(map)))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.checked().map(|x| data(&x?)).collect::<Result<Vec<_>, _>>().map(Value::list)
        }
        _ => Ok(Value::str(value.to_string())),
    }
}

/// The same without what is undefined in containers.
pub(super) fn defined(value: &Live) -> Result<Value, Error> {
    let kept = |slot: Slot| match slot.settle(None) {
        Slot::Undefined(_) => None,
        Slot::Live(inner) => Some(defined(&inner)),
        other => Some(other.data()),
    };
    if let Some(list) = value.downcast_object_ref::<List>() {
        return list.slots().into_iter().filter_map(kept).collect::<Result<Vec<_>, _>>().map(Value::list);
    }
    if let Some(dict) = value.downcast_object_ref::<Dict>() {
        let pairs = dict.slots().into_iter().filter_map(|(k, slot)| kept(slot).map(|v| Ok((data(&k)?, v?))));
        return pairs.collect::<Result<Map, Error>>().map(Value::from);
    }
    data(value)
}

/// The same for filters, which need to see all of it: what is unknown in it stops them, what is secret marks their result.
pub(super) fn argument(value: &Live) -> Result<Value, Error> {
    let value = data(value)?;
    if let Some(what) = value.first_unknown() {
        return Err(taint::unknown(what));
    }
    if value.has_secret() {
        taint::secret();
        return Ok(value.revealed());
    }
    Ok(value)
}

/// A value as an expression puts it into a template's text: tuples are lists there.
pub(super) fn printed(value: &Live) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => text_of(value),
        _ => {
            let mut out = String::new();
            write(value, false, &mut out)?;
            Ok(out)
        }
    }
}

/// A value as text.
pub(super) fn text_of(value: &Live) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bytes => Ok(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()),
        _ => {
            let mut out = String::new();
            write(value, true, &mut out)?;
            Ok(out)
        }
    }
}

/// Writes a value as Python would, with tuples as they are or as lists.
fn write(value: &Live, tuples: bool, out: &mut String) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => return Err(undefined()),
        ValueKind::Invalid => return Err(invalid(value)),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&python_float(f64::try_from(value.clone())?)),
        ValueKind::String => out.push_str(&python_quoted(value.as_str().unwrap_or_default())),
        ValueKind::Bytes => out.push_str(&python_quoted(&String::from_utf8_lossy(value.as_bytes().unwrap_or_default()))),
        ValueKind::Map => write_map(value, tuples, out)?,
        _ if (value.is_tuple() && tuples) || super::filters::is_group(value) => {
            write_items(value, tuples, out, '(')?;
            out.push_str(if value.len() == Some(1) { ",)" } else { ")" });
        }
        ValueKind::Iterable if is_nothing(value) => {}
        ValueKind::Seq | ValueKind::Iterable => {
            write_items(value, tuples, out, '[')?;
            out.push(']');
        }
        _ if value.downcast_object_ref::<Undefined>().is_some() => return Err(undefined()),
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

fn write_items(value: &Live, tuples: bool, out: &mut String, open: char) -> Result<(), Error> {
    out.push(open);
    for (i, item) in value.try_iter()?.checked().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(&item?, tuples, out)?;
    }
    Ok(())
}

fn write_map(value: &Live, tuples: bool, out: &mut String) -> Result<(), Error> {
    out.push('{');
    for (i, (key, item)) in super::objects::pairs(value)?.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(&key, tuples, out)?;
        out.push_str(": ");
        write(&item, tuples, out)?;
    }
    out.push('}');
    Ok(())
}
