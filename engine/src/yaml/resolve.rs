//! What plain YAML 1.1 scalars mean: the rules of <https://yaml.org/type/> as PyYAML applies them.

use crate::yaml::Data;
use regex::Regex;
use std::sync::LazyLock;

/// The value of a plain scalar. Dates stay text, and so do whole numbers beyond 64 bits, so that no digit is lost.
pub(super) fn resolve(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Data::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Data::Bool(false),
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => whole(text).map(Data::Int).or_else(|| real(text).map(Data::Float)),
        _ => None,
    };
    number.unwrap_or_else(|| Data::Str(text.into()))
}

static WHOLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$").ok()
});

static REAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
        r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ))
    .ok()
});

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|p| p.is_match(text))
}

/// A whole number: decimal, `0b`, `0` octal, `0x`, or sexagesimal `1:30`.
fn whole(text: &str) -> Option<i64> {
    if !matches(&WHOLE, text) {
        return None;
    }
    let digits = text.replace('_', "");
    let (negative, digits) = sign(&digits);
    let number = if let Some(bits) = digits.strip_prefix("0b") {
        i128::from_str_radix(bits, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(digits, 8).ok()?
    } else {
        digits.split(':').try_fold(0i128, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?
    };
    i64::try_from(if negative { -number } else { number }).ok()
}

/// A number with a point: `1.5`, `1.0e+3`, `.inf`, sexagesimal `1:30.5`.
fn real(text: &str) -> Option<f64> {
    if !matches(&REAL, text) {
        return None;
    }
    let digits = text.replace('_', "").to_lowercase();
    let (negative, digits) = sign(&digits);
    let number = match digits {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ => digits.split(':').try_fold(0.0, |sum: f64, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?,
    };
    Some(if negative { -number } else { number })
}

fn sign(digits: &str) -> (bool, &str) {
    match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_pyyaml_says() {
        let table = [
            ("", "Null"),
            ("~", "Null"),
            ("Null", "Null"),
            ("nULL", "Str(\"nULL\")"),
            ("yes", "Bool(true)"),
            ("Off", "Bool(false)"),
            ("y", "Str(\"y\")"),
            ("n", "Str(\"n\")"),
            ("0755", "Int(493)"),
            ("-010", "Int(-8)"),
            ("08", "Str(\"08\")"),
            ("0o755", "Str(\"0o755\")"),
            ("0x1F", "Int(31)"),
            ("0b101", "Int(5)"),
            ("1_000", "Int(1000)"),
            ("+7", "Int(7)"),
            ("1:30", "Int(90)"),
            ("190:20:30", "Int(685230)"),
            ("1:99", "Str(\"1:99\")"),
            ("9223372036854775807", "Int(9223372036854775807)"),
            ("9223372036854775808", "Str(\"9223372036854775808\")"),
            ("123456789012345678901234567890123456789012345678901", "Str(\"123456789012345678901234567890123456789012345678901\")"),
            ("1.5", "Float(1.5)"),
            ("1.", "Float(1.0)"),
            (".5", "Float(0.5)"),
            (".", "Str(\".\")"),
            ("1e3", "Str(\"1e3\")"),
            ("1.0e3", "Str(\"1.0e3\")"),
            ("1.0e+3", "Float(1000.0)"),
            ("-.inf", "Float(-inf)"),
            (".NaN", "Float(NaN)"),
            ("12:30:45.5", "Float(45045.5)"),
            ("2020-01-01", "Str(\"2020-01-01\")"),
            ("1.2.3", "Str(\"1.2.3\")"),
            ("-", "Str(\"-\")"),
            ("+", "Str(\"+\")"),
            ("0b_", "Str(\"0b_\")"),
            ("٣", "Str(\"٣\")"),
        ];
        for (text, expected) in table {
            assert_eq!(format!("{:?}", resolve(text)), expected, "{text}");
        }
    }
}
