//! The values that playbooks, templates, modules and results exchange: Python's data, plus *unknown* and *secret*.

mod python;
mod wire;

use indexmap::{Equivalent, IndexMap};
pub use python::{python_float, python_quoted};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A dictionary in insertion order; `map.get("name")` looks a string key up without allocating.
pub type Map = IndexMap<Value, Value>;

/// One value. Cloning is cheap: containers and strings are shared.
///
/// A `Value` is always data: nothing in it is ever rendered as a template again.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// `null`, Python's `None`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A dictionary.
    Map(Arc<Map>),
    /// A value that exists only after apply; the text names what it depends on, e.g. `result.stdout`.
    Unknown(Arc<str>),
    /// A value that no sink may show: vaulted, or out of a `no_log` task.
    Secret(Arc<Value>),
}

impl Value {
    /// A text value.
    pub fn str(text: impl AsRef<str>) -> Value {
        Value::Str(Arc::from(text.as_ref()))
    }

    /// A value known only after apply, named by what it depends on.
    pub fn unknown(what: impl AsRef<str>) -> Value {
        Value::Unknown(Arc::from(what.as_ref()))
    }

    /// A list value.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(Arc::new(items.into_iter().collect()))
    }

    /// A dictionary from pairs with text keys.
    pub fn map<K: AsRef<str>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(Arc::new(pairs.into_iter().map(|(k, v)| (Value::str(k), v)).collect()))
    }

    /// The text, if this is text (also secret text).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            Value::Secret(v) => v.as_str(),
            _ => None,
        }
    }

    /// The truth value, if this is one. No coercion: see [`Value::truthy`] and `args::FromValue`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.reveal() {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self.reveal() {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self.reveal() {
            Value::List(l) => Some(l),
            _ => None,
        }
    }

    /// The dictionary, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self.reveal() {
            Value::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The item under a text key, if this is a dictionary that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|m| m.get(key))
    }

    /// The value under a `Secret` mark, or itself.
    pub fn reveal(&self) -> &Value {
        match self {
            Value::Secret(v) => v.reveal(),
            v => v,
        }
    }

    /// Marks the value secret, once.
    pub fn into_secret(self) -> Value {
        match self {
            Value::Secret(_) => self,
            v => Value::Secret(Arc::new(v)),
        }
    }

    /// What an unknown part of this value depends on, if any part is unknown.
    pub fn first_unknown(&self) -> Option<&str> {
        match self {
            Value::Unknown(what) => Some(what),
            Value::List(l) => l.iter().find_map(Value::first_unknown),
            Value::Map(m) => m.values().find_map(Value::first_unknown),
            Value::Secret(v) => v.first_unknown(),
            _ => None,
        }
    }

    /// Whether any part is secret.
    pub fn has_secret(&self) -> bool {
        match self {
            Value::Secret(_) => true,
            Value::List(l) => l.iter().any(Value::has_secret),
            Value::Map(m) => m.values().any(Value::has_secret),
            _ => false,
        }
    }

    /// The same value with every secret part replaced by `(sensitive)`, fit for any sink.
    pub fn redacted(&self) -> Value {
        match self {
            Value::Secret(_) => Value::str("(sensitive)"),
            Value::List(l) => Value::list(l.iter().map(Value::redacted)),
            Value::Map(m) => Value::Map(Arc::new(m.iter().map(|(k, v)| (k.clone(), v.redacted())).collect())),
            v => v.clone(),
        }
    }

    /// The same value without secret marks, for the wire to the host that has to act on it.
    pub fn revealed(&self) -> Value {
        match self {
            Value::Secret(v) => v.revealed(),
            Value::List(l) => Value::list(l.iter().map(Value::revealed)),
            Value::Map(m) => Value::Map(Arc::new(m.iter().map(|(k, v)| (k.clone(), v.revealed())).collect())),
            v => v.clone(),
        }
    }

    /// Python's truth: empty, zero and null are false.
    pub fn truthy(&self) -> bool {
        match self.reveal() {
            Value::Null | Value::Unknown(_) => false,
            Value::Bool(b) => *b,
            Value::Int(i) => *i != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(s) => !s.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Secret(_) => true,
        }
    }

    /// The name of the value's type in messages: `string`, `list`, …
    pub fn type_name(&self) -> &'static str {
        match self.reveal() {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "number",
            Value::Str(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "dictionary",
            Value::Unknown(_) => "unknown",
            Value::Secret(_) => "secret",
        }
    }

    /// From JSON; numbers beyond 64 bits become floats.
    pub fn from_json(json: &serde_json::Value) -> Value {
        use serde_json::Value as J;
        match json {
            J::Null => Value::Null,
            J::Bool(b) => Value::Bool(*b),
            J::Number(n) => n.as_i64().map(Value::Int).unwrap_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN))),
            J::String(s) => Value::str(s),
            J::Array(a) => Value::list(a.iter().map(Value::from_json)),
            J::Object(o) => Value::map(o.iter().map(|(k, v)| (k, Value::from_json(v)))),
        }
    }

    /// To JSON, for output: unknown and secret parts as their placeholders, keys as text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match self {
            Value::Null => J::Null,
            Value::Bool(b) => J::Bool(*b),
            Value::Int(i) => J::from(*i),
            Value::Float(f) => serde_json::Number::from_f64(*f).map_or(J::Null, J::Number),
            Value::Str(s) => J::String(s.to_string()),
            Value::List(l) => J::Array(l.iter().map(Value::to_json).collect()),
            Value::Map(m) => J::Object(m.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect()),
            Value::Unknown(_) => J::String("(known after apply)".into()),
            Value::Secret(_) => J::String("(sensitive)".into()),
        }
    }
}

/// Equality as in Python: `1 == 1.0 == True`; secrets compare by what they hide, unknowns by name.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self.reveal(), other.reveal()) {
            (Value::Null, Value::Null) => true,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Unknown(a), Value::Unknown(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits() || a == b,
            (a, b) => match (a.number(), b.number()) {
                (Some(x), Some(y)) => x == y,
                _ => false,
            },
        }
    }
}

impl Eq for Value {}

impl Value {
    fn number(&self) -> Option<f64> {
        match self {
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.reveal() {
            // As `str` hashes, so that `map.get("name")` finds it.
            Value::Str(s) => s.as_ref().hash(state),
            Value::List(l) => l.hash(state),
            Value::Map(m) => m.len().hash(state),
            Value::Unknown(what) => what.hash(state),
            Value::Null | Value::Secret(_) => 0u8.hash(state),
            v => v.number().map(|x| if x == 0.0 { 0 } else { x.to_bits() }).hash(state),
        }
    }
}

impl Equivalent<Value> for str {
    fn equivalent(&self, key: &Value) -> bool {
        key.as_str() == Some(self)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}
impl From<i64> for Value {
    fn from(i: i64) -> Value {
        Value::Int(i)
    }
}
impl From<i32> for Value {
    fn from(i: i32) -> Value {
        Value::Int(i.into())
    }
}
impl From<u32> for Value {
    fn from(i: u32) -> Value {
        Value::Int(i.into())
    }
}
impl From<u64> for Value {
    fn from(i: u64) -> Value {
        i64::try_from(i).map_or(Value::Float(i as f64), Value::Int)
    }
}
impl From<usize> for Value {
    fn from(i: usize) -> Value {
        Value::from(i as u64)
    }
}
impl From<f64> for Value {
    fn from(f: f64) -> Value {
        Value::Float(f)
    }
}
impl From<&str> for Value {
    fn from(s: &str) -> Value {
        Value::str(s)
    }
}
impl From<String> for Value {
    fn from(s: String) -> Value {
        Value::Str(Arc::from(s))
    }
}
impl From<Map> for Value {
    fn from(m: Map) -> Value {
        Value::Map(Arc::new(m))
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(o: Option<T>) -> Value {
        o.map_or(Value::Null, Into::into)
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(v: Vec<T>) -> Value {
        Value::list(v.into_iter().map(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keys_are_found_without_allocating() {
        let v = Value::map([("a", Value::Int(1))]);
        assert_eq!(v.get("a"), Some(&Value::Int(1)));
    }

    #[test]
    fn numbers_compare_as_in_python() {
        assert_eq!(Value::Int(1), Value::Bool(true));
        assert_eq!(Value::Float(1.0), Value::Int(1));
        assert_ne!(Value::str("1"), Value::Int(1));
    }

    #[test]
    fn shows_as_python_does() {
        let v = Value::list([Value::str("it's"), Value::Null, Value::Bool(true), Value::Float(1e20)]);
        assert_eq!(v.to_string(), r#"["it's", None, True, 1e+20]"#);
    }

    #[test]
    fn unknown_and_secret_travel() {
        let v = Value::list([Value::unknown("r.stdout"), Value::str("x").into_secret()]);
        let bytes = rmp_serde::to_vec_named(&v).expect("encodes");
        let back: Value = rmp_serde::from_slice(&bytes).expect("decodes");
        assert_eq!(back.first_unknown(), Some("r.stdout"));
        assert!(back.has_secret());
        assert_eq!(v.redacted().to_string(), "[(known after apply), '(sensitive)']");
    }
}
