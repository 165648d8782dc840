//! Filters on numbers and truth values.

use super::Pure;
use super::lists::list_of;
use crate::template::call::{Call, float, int};
use crate::template::convert::python_name;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("int", to_int),
    ("float", to_float),
    ("bool", to_bool),
    ("abs", |v, _| match v {
        Value::Int(i) => Ok(Value::Int(i.abs())),
        other => number(other).map(|f| Value::Float(f.abs())),
    }),
    ("round", round),
    ("sum", sum),
    ("log", |v, c| {
        let x = only_number("log", v)?;
        Ok(Value::Float(match c.data(0, "base")?.as_ref().and_then(float) {
            Some(10.0) => x.log10(),
            Some(base) => x.log(base),
            None => x.ln(),
        }))
    }),
    ("pow", |v, c| Ok(Value::Float(only_number("pow", v)?.powf(only_number("pow", &c.needs(0, "y")?)?)))),
    ("root", |v, c| {
        let base = c.data(0, "base")?.as_ref().and_then(float).unwrap_or(2.0);
        let x = only_number("root", v)?;
        Ok(Value::Float(if base == 2.0 { x.sqrt() } else { x.powf(1.0 / base) }))
    }),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
];

fn number(value: &Value) -> Result<f64, Error> {
    match value {
        Value::Str(_) => Err(refuse(format!("a number is needed here, not the text {value}"))),
        other => float(other).ok_or_else(|| refuse(format!("a number is needed here, not {}", other.type_name()))),
    }
}

fn only_number(filter: &str, value: &Value) -> Result<f64, Error> {
    let number = (!matches!(value, Value::Str(_))).then(|| float(value)).flatten();
    number.ok_or_else(|| refuse(format!("{filter}() can only be used on numbers, not {}", python_name(value))))
}

fn to_int(value: &Value, call: &Call) -> Result<Value, Error> {
    let other = call.data(0, "default")?.unwrap_or(Value::Int(0));
    let base = u32::try_from(call.int(1, "base")?.unwrap_or(10)).ok().filter(|b| (2..=36).contains(b)).unwrap_or(10);
    Ok(match value {
        Value::Str(text) => {
            let text = text.trim().replace('_', "");
            let digits = match base {
                16 => text.trim_start_matches("0x").trim_start_matches("0X"),
                8 => text.trim_start_matches("0o").trim_start_matches("0O"),
                2 => text.trim_start_matches("0b").trim_start_matches("0B"),
                _ => text.as_str(),
            };
            match i64::from_str_radix(digits, base) {
                Ok(i) => Value::Int(i),
                Err(_) => text.parse::<f64>().ok().filter(|f| base == 10 && f.is_finite()).map_or(other, |f| Value::Int(f as i64)),
            }
        }
        v => int(v).map_or(other, Value::Int),
    })
}

fn to_float(value: &Value, call: &Call) -> Result<Value, Error> {
    let other = call.data(0, "default")?.unwrap_or(Value::Float(0.0));
    Ok(float(value).map_or(other, Value::Float))
}

fn to_bool(value: &Value, _: &Call) -> Result<Value, Error> {
    Ok(match value {
        Value::Bool(b) => Value::Bool(*b),
        Value::Str(s) => Value::Bool(matches!(s.to_lowercase().as_str(), "yes" | "on" | "1" | "true" | "t" | "y")),
        other => Value::Bool(float(other) == Some(1.0)),
    })
}

fn round(value: &Value, call: &Call) -> Result<Value, Error> {
    let digits = i32::try_from(call.int(0, "precision")?.unwrap_or(0)).unwrap_or(0);
    if let (Value::Int(whole), None | Some("common")) = (value, call.text(1, "method")?.as_deref()) {
        return Ok(Value::Int(if digits >= 0 { *whole } else { tens(*whole, digits.unsigned_abs()) }));
    }
    let x = number(value)?;
    let scale = 10f64.powi(digits);
    Ok(Value::Float(match call.text(1, "method")?.as_deref() {
        Some("ceil") => (x * scale).ceil() / scale,
        Some("floor") => (x * scale).floor() / scale,
        _ if digits >= 0 => even(x, digits as usize),
        _ => (x * scale).round_ties_even() / scale,
    }))
}

/// Rounds to a power of ten, ties to even.
fn tens(whole: i64, digits: u32) -> i64 {
    let Some(unit) = 10i64.checked_pow(digits) else { return 0 };
    let (down, rest) = (whole.div_euclid(unit), whole.rem_euclid(unit));
    let up = rest * 2 > unit || (rest * 2 == unit && down % 2 != 0);
    (down + i64::from(up)) * unit
}

/// Rounds the exact decimal value, ties to even, as Python's `round()`.
fn even(x: f64, digits: usize) -> f64 {
    format!("{x:.digits$}").parse().unwrap_or(x)
}

fn sum(value: &Value, call: &Call) -> Result<Value, Error> {
    let path = call.text(0, "attribute")?;
    let start = call.data(1, "start")?.unwrap_or(Value::Int(0));
    let mut total = start;
    for item in list_of(value)? {
        let part = path.iter().flat_map(|p| p.split('.')).try_fold(&item, |at, part| match part.parse::<usize>() {
            Ok(i) if at.as_list().is_some() => at.as_list().and_then(|l| l.get(i)),
            _ => at.get(part),
        });
        let part = part.ok_or_else(|| refuse("an item to sum lacks the attribute"))?;
        total = match (&total, part) {
            (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map_or(Value::Float(*a as f64 + *b as f64), Value::Int),
            (Value::List(a), Value::List(b)) => Value::list(a.iter().chain(b.iter()).cloned()),
            (a, b) => Value::Float(number(a)? + number(b)?),
        };
    }
    Ok(total)
}

const UNITS: [&str; 9] = ["", "K", "M", "G", "T", "P", "E", "Z", "Y"];

fn human_readable(value: &Value, call: &Call) -> Result<Value, Error> {
    let bits = call.flag(0, "isbits")?;
    let wanted = call.text(1, "unit")?.map(|u| u.to_uppercase());
    let size = float(value).ok_or_else(|| refuse(format!("human_readable() failed on bad input: {value}")))?;
    let base = if bits { "b" } else { "B" };
    for (i, unit) in UNITS.iter().enumerate().rev() {
        let limit = 1024f64.powi(i as i32);
        let fits = match &wanted {
            Some(w) => w.trim_end_matches('B') == *unit,
            None => size >= limit || i == 0,
        };
        if fits {
            let name = match i {
                0 if bits => "bits".to_owned(),
                0 => "Bytes".to_owned(),
                _ => format!("{unit}{base}"),
            };
            return Ok(Value::from(format!("{:.2} {name}", size / limit)));
        }
    }
    Err(refuse(format!("{} is no unit of size", wanted.unwrap_or_default())))
}

fn human_to_bytes(value: &Value, call: &Call) -> Result<Value, Error> {
    let text = value.to_string();
    let text = text.trim();
    let cut = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let size: f64 = text[..cut].parse().map_err(|_| refuse(format!("{text} is not a size")))?;
    let unit = match text[cut..].trim() {
        "" => call.text(0, "default_unit")?.unwrap_or_default(),
        unit => unit.to_owned(),
    };
    let letter = unit.to_uppercase().chars().next().filter(|c| *c != 'B').map(String::from).unwrap_or_default();
    let power = UNITS.iter().position(|u| *u == letter).ok_or_else(|| refuse(format!("{unit} is no unit of size")))?;
    Ok(Value::Int((size * 1024f64.powi(power as i32)).round() as i64))
}
