//! The types of argument specs, and how values become them, as Ansible's modules read their arguments.

use modules::args::FromValue;
use modules::value::{Map, Value};

/// A type's name in Python.
pub(super) fn name_of(value: &Value) -> &'static str {
    match value.reveal() {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        Value::Str(_) | Value::Unknown(_) | Value::Secret(_) => "str",
    }
}

/// A type as messages of Ansible's write it.
pub(super) fn class_of(value: &Value) -> String {
    let tagged = match value.reveal() {
        Value::Null => return "<class 'NoneType'>".into(),
        Value::Bool(_) => return "<class 'bool'>".into(),
        Value::Int(_) => "Int",
        Value::Float(_) => "Float",
        Value::List(_) => "List",
        Value::Map(_) => "Dict",
        Value::Str(_) | Value::Unknown(_) | Value::Secret(_) => "Str",
    };
    format!("<class 'ansible.module_utils._internal._datatag._AnsibleTagged{tagged}'>")
}

/// A value as the wanted type, or why it cannot become that.
pub(super) fn convert(wanted: &str, value: &Value) -> Result<Value, String> {
    let cannot = |what: &str| format!("{} cannot be converted to {what}", class_of(value));
    match wanted {
        "str" | "path" | "raw" => Ok(match (wanted, value.reveal()) {
            ("raw", _) | (_, Value::Null | Value::Str(_)) => value.clone(),
            _ => Value::from(value.to_string()),
        }),
        "int" => int(value),
        "float" => float(value).ok_or_else(|| cannot("a float")),
        "bool" => match value.reveal() {
            Value::Bool(_) => Ok(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => Err(cannot("a bool")),
            _ => bool::from_value(value).map(Value::Bool).map_err(|_| not_boolean(value)),
        },
        "list" => list(value).ok_or_else(|| cannot("a list")),
        "dict" => dict(value, &cannot("a dict")),
        "bytes" => size(value).ok_or_else(|| cannot("a Byte value")),
        "bits" => size(value).ok_or_else(|| cannot("a Bit value")),
        "json" | "jsonarg" => match value.reveal() {
            Value::Str(_) => Ok(value.clone()),
            Value::List(_) | Value::Map(_) => Ok(value.to_json().to_string().into()),
            _ if wanted == "jsonarg" => Ok(value.clone()),
            _ => Err(cannot("a json string")),
        },
        _ => Err("'NoneType' object is not callable".into()),
    }
}

fn not_boolean(value: &Value) -> String {
    let known = "'y', 1, '0', 'on', 'false', 0, 'off', 'f', 'no', 'true', 't', 'n', 'yes', '1'";
    format!("The value '{value}' is not a valid boolean. Valid booleans include: {known}")
}

fn int(value: &Value) -> Result<Value, String> {
    let converted = match value.reveal() {
        Value::Int(_) => return Ok(value.clone()),
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Float(f) if f.fract() == 0.0 => Some(*f as i64),
        Value::Str(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|f| f.fract() == 0.0).map(|f| f as i64))
        }
        _ => None,
    };
    let quoted = match value.reveal() {
        Value::Str(text) => modules::value::python_quoted(text),
        other => other.to_string(),
    };
    let shown = if matches!(value.reveal(), Value::Null) { "None".to_owned() } else { quoted };
    converted.map(Value::Int).ok_or_else(|| format!("\"{shown}\" cannot be converted to an int"))
}

fn float(value: &Value) -> Option<Value> {
    match value.reveal() {
        Value::Float(_) => Some(value.clone()),
        Value::Int(i) => Some(Value::Float(*i as f64)),
        Value::Bool(b) => Some(Value::Float(f64::from(u8::from(*b)))),
        Value::Str(text) => text.trim().parse().ok().map(Value::Float),
        _ => None,
    }
}

fn list(value: &Value) -> Option<Value> {
    match value.reveal() {
        Value::List(_) => Some(value.clone()),
        Value::Str(text) => Some(Value::list(text.split(',').map(|part| Value::str(part.trim())))),
        Value::Int(_) | Value::Float(_) => Some(Value::list([Value::from(value.to_string())])),
        _ => None,
    }
}

/// A dictionary, JSON text of one, or `key=value` words.
fn dict(value: &Value, cannot: &str) -> Result<Value, String> {
    let unreadable = || "dictionary requested, could not parse JSON or key=value".to_owned();
    match value.reveal() {
        Value::Map(_) => Ok(value.reveal().clone()),
        Value::Str(text) if text.trim_start().starts_with('{') => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json @ serde_json::Value::Object(_)) => Ok(Value::from_json(&json)),
            _ => Err("unable to evaluate string as dictionary".into()),
        },
        Value::Str(text) if text.contains('=') => {
            let words = text.split([',', ' ']).map(str::trim).filter(|w| !w.is_empty());
            let pairs = words.map(|w| w.split_once('=').map(|(k, v)| (Value::str(k), Value::str(v))));
            pairs.collect::<Option<Map>>().map(Value::from).ok_or_else(unreadable)
        }
        Value::Str(_) => Err(unreadable()),
        _ => Err(cannot.to_owned()),
    }
}

/// A number of bytes or bits with a unit, as it is.
fn size(value: &Value) -> Option<Value> {
    let text = value.to_string();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].trim();
    let known = unit.is_empty()
        || matches!(unit.chars().next().map(|c| c.to_ascii_uppercase()), Some('B' | 'K' | 'M' | 'G' | 'T' | 'P' | 'E' | 'Z' | 'Y'));
    (known && number.trim().parse::<f64>().is_ok()).then(|| value.clone())
}
