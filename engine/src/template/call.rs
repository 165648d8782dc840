//! The arguments of filters, tests and functions, by position or name.

use super::convert::{argument, text_of};
use super::errors::refuse;
use super::objects::{Nothing, Undefined};
use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Error, Value as Live};
use modules::value::Value;

/// What a filter, test or function was called with. A filter's value is not among the positions.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// What stands before the `|` or `is`; undefined for functions.
    pub(super) value: Live,
    /// By position.
    pub(super) positions: Vec<Live>,
    /// By name.
    pub(super) named: Vec<(String, Live)>,
}

impl Call {
    /// The arguments of a function.
    pub(super) fn function(args: Rest<ValueOrKwargs>) -> Result<Call, Error> {
        let mut call = Call::default();
        for arg in args.0 {
            let arg = arg.into_value();
            if !arg.is_kwargs() {
                call.positions.push(arg);
                continue;
            }
            let named = Kwargs::try_from(arg)?;
            for name in named.args() {
                call.named.push((name.to_owned(), named.peek(name)?));
            }
        }
        Ok(call)
    }

    /// The arguments of a filter or test.
    pub(super) fn filter(args: Rest<ValueOrKwargs>) -> Result<Call, Error> {
        let mut call = Call::function(args)?;
        if !call.positions.is_empty() {
            call.value = call.positions.remove(0);
        }
        Ok(call)
    }

    /// The arguments of a filter that works on defined values: nothing is an empty text.
    pub(super) fn filter_defined(args: Rest<ValueOrKwargs>) -> Result<Call, Error> {
        let mut call = Call::filter(args)?;
        if is_nothing(&call.value) {
            call.value = Live::from("");
        }
        Ok(call)
    }

    /// The same arguments for another value, as the engine passes them on.
    pub(super) fn apply_to(&self, value: Live, skip: usize) -> Vec<Live> {
        let mut args = vec![value];
        args.extend(self.positions.iter().skip(skip).cloned());
        if !self.named.is_empty() {
            args.push(Kwargs::from_iter(self.named.iter().map(|(k, v)| (k.clone(), v.clone()))).into());
        }
        args
    }

    /// Whether the value is undefined.
    pub(super) fn is_undefined(&self) -> bool {
        is_undefined(&self.value)
    }

    /// An argument, by position or name.
    pub(super) fn arg(&self, position: usize, name: &str) -> Option<&Live> {
        self.positions.get(position).or_else(|| self.by_name(name))
    }

    /// An argument by name alone.
    pub(super) fn by_name(&self, name: &str) -> Option<&Live> {
        self.named.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// An argument as data.
    pub(super) fn data(&self, position: usize, name: &str) -> Result<Option<Value>, Error> {
        self.arg(position, name).map(argument).transpose()
    }

    /// An argument that must be given, as data.
    pub(super) fn needs(&self, position: usize, name: &str) -> Result<Value, Error> {
        self.data(position, name)?.ok_or_else(|| refuse(format!("the argument `{name}` is missing")))
    }

    /// An argument as text; null is none.
    pub(super) fn text(&self, position: usize, name: &str) -> Result<Option<String>, Error> {
        match self.arg(position, name) {
            Some(v) if !v.is_none() => {
                argument(v)?;
                text_of(v).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// An argument as a whole number; null is none.
    pub(super) fn int(&self, position: usize, name: &str) -> Result<Option<i64>, Error> {
        Ok(match self.data(position, name)? {
            None | Some(Value::Null) => None,
            Some(v) => Some(int(&v).ok_or_else(|| refuse(format!("the argument `{name}` is not a number: {v}")))?),
        })
    }

    /// An argument as a truth value.
    pub(super) fn flag(&self, position: usize, name: &str) -> Result<bool, Error> {
        Ok(self.flag_or_none(position, name)?.unwrap_or(false))
    }

    /// An argument as a truth value, if it is given.
    pub(super) fn flag_or_none(&self, position: usize, name: &str) -> Result<Option<bool>, Error> {
        Ok(self.data(position, name)?.map(|v| v.truthy()))
    }

    /// Every positional argument as data.
    pub(super) fn all(&self) -> Result<Vec<Value>, Error> {
        self.positions.iter().map(argument).collect()
    }
}

/// Whether a value is undefined, plainly or along a chain.
pub(super) fn is_undefined(value: &Live) -> bool {
    value.is_undefined() || value.downcast_object_ref::<Undefined>().is_some() || is_nothing(value)
}

/// Whether a value is what an inline `if` without `else` gives.
pub(super) fn is_nothing(value: &Live) -> bool {
    value.downcast_object_ref::<Nothing>().is_some()
}

/// A whole number, also from a float or text.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(i) => Some(*i),
        Value::Bool(b) => Some((*b).into()),
        Value::Float(f) => Some(*f as i64),
        Value::Str(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// A number.
pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => Some(*i as f64),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Float(f) => Some(*f),
        Value::Str(s) => s.trim().parse().ok(),
        _ => None,
    }
}
