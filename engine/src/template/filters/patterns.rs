//! Filters on regular expressions, written as in Python.

use super::Pure;
use crate::template::call::Call;
use crate::template::errors::refuse;
use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
    ("regex_findall", regex_findall),
    ("regex_escape", |v, c| {
        let text = v.to_string();
        match c.text(0, "re_type")?.as_deref() {
            None | Some("python") => Ok(Value::from(escaped(&text))),
            Some("posix_basic") => Ok(Value::from(escaped_with(&text, r"].[^$*\"))),
            Some("posix_extended") => Err(refuse("Regex type (posix_extended) not yet implemented")),
            Some(other) => Err(refuse(format!("Invalid regex type ({other})"))),
        }
    }),
];

/// Compiles Python's syntax: `(?P<n>…)` is shared, `\Z` is the very end.
pub(in crate::template) fn pattern(text: &str, ignore_case: bool, multiline: bool) -> Result<Regex, Error> {
    let text = text.replace(r"\Z", r"\z");
    let build = |text: &str| RegexBuilder::new(text).case_insensitive(ignore_case).multi_line(multiline).build();
    build(&text)
        .or_else(|e| build(&literal_brackets(&text)).map_err(|_| e))
        .map_err(|e| refuse(format!("this regular expression cannot be read: {text}: {}", reason(&e.to_string()))))
}

/// Why an expression cannot be read; what repeats nothing in Python's words.
fn reason(error: &str) -> String {
    match error.contains("repeat") || error.contains("repetition operator missing") {
        true => format!("nothing to repeat ({error})"),
        false => error.to_owned(),
    }
}

/// Inside a class Python reads `[` as itself, and a `{` that starts no repetition anywhere.
fn literal_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let chars: Vec<char> = text.chars().collect();
    let mut inside = false;
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '\\' => {
                out.push('\\');
                i += 1;
                out.extend(chars.get(i));
            }
            '[' if !inside => {
                inside = true;
                out.push('[');
                if chars.get(i + 1) == Some(&'^') {
                    i += 1;
                    out.push('^');
                }
                if chars.get(i + 1) == Some(&']') {
                    i += 1;
                    out.push_str("\\]");
                }
            }
            '[' => out.push_str("\\["),
            ']' if inside => {
                inside = false;
                out.push(']');
            }
            '{' if !inside && !chars.get(i + 1).is_some_and(|c| c.is_ascii_digit() || *c == ',') => out.push_str("\\{"),
            '}' if !inside && !out.ends_with(|c: char| c.is_ascii_digit() || c == ',') => out.push_str("\\}"),
            c => out.push(c),
        }
        i += 1;
    }
    out
}

/// A pattern of file names as a regular expression.
pub(in crate::template) fn glob_regex(glob: &str) -> Option<Regex> {
    let mut out = String::from("^");
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' if rest.contains(']') => {
                let (class, tail) = rest.split_once(']').unwrap_or((rest, ""));
                out.push_str(&format!("[{}]", class.replacen('!', "^", usize::from(class.starts_with('!')))));
                rest = tail;
            }
            c => out.push_str(&escaped(&c.to_string())),
        }
    }
    Regex::new(&(out + "$")).ok()
}

fn escaped(text: &str) -> String {
    escaped_with(text, "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}")
}

fn escaped_with(text: &str, special: &str) -> String {
    text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c])).collect()
}

fn compiled(call: &Call, at: usize, name: &str, ignore: usize, multi: usize) -> Result<Regex, Error> {
    let text = call.text(at, name)?.or(call.text(usize::MAX, "pattern")?).unwrap_or_default();
    pattern(&text, call.flag(ignore, "ignorecase")?, call.flag(multi, "multiline")?)
}

/// Python's replacement syntax: `\1`, `\g<1>`, `\g<name>`, `\n`.
fn replacement(template: &str, found: &Captures<'_, str>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let named = rest.strip_prefix("g<").and_then(|r| r.split_once('>'));
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if let Some((group, tail)) = named {
            let text = group.parse().ok().map_or_else(|| found.name(group), |i| found.get(i));
            out.push_str(text.map_or("", |m| m.as_str()));
            rest = tail;
        } else if digits > 0 {
            out.push_str(rest[..digits].parse().ok().and_then(|i| found.get(i)).map_or("", |m| m.as_str()));
            rest = &rest[digits..];
        } else if let Some(c) = rest.chars().next() {
            match c {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                '\\' => out.push('\\'),
                c => out.extend(['\\', c]),
            }
            rest = &rest[c.len_utf8()..];
        } else {
            out.push('\\');
        }
    }
    out.push_str(rest);
    out
}

fn regex_replace(value: &Value, call: &Call) -> Result<Value, Error> {
    let text = value.to_string();
    let regex = compiled(call, 0, "pattern", 2, 3)?;
    let template = call.text(1, "replacement")?.unwrap_or_default();
    let limit = usize::try_from(call.int(4, "count")?.unwrap_or(0)).unwrap_or(0);
    if let Some(wanted) = call.int(5, "mandatory_count")?.filter(|n| *n > 0) {
        let found = regex.find_iter(&text).count();
        if i64::try_from(found) != Ok(wanted) {
            return Err(refuse(format!("'{regex}' should match {wanted} times, but matches {found} times in '{text}'")));
        }
    }
    let replaced = regex.try_replacen(&text, limit, |found: &Captures<'_, str>| replacement(&template, found));
    Ok(Value::from(replaced.map_err(|e| refuse(format!("this regular expression went wrong: {e}")))?.into_owned()))
}

fn went_wrong(e: fancy_regex::Error) -> Error {
    refuse(format!("this regular expression went wrong: {e}"))
}

fn regex_search(value: &Value, call: &Call) -> Result<Value, Error> {
    let text = value.to_string();
    let regex =
        pattern(&call.text(0, "regex")?.unwrap_or_default(), call.flag(usize::MAX, "ignorecase")?, call.flag(usize::MAX, "multiline")?)?;
    let Some(found) = regex.captures(&text).map_err(went_wrong)? else { return Ok(Value::Null) };
    let mut groups = Vec::new();
    for arg in call.all()?.iter().skip(1).map(ToString::to_string) {
        let name = arg.strip_prefix("\\g<").and_then(|a| a.strip_suffix('>')).or_else(|| arg.strip_prefix('\\'));
        let name = name.ok_or_else(|| refuse(format!("regex_search takes groups as '\\\\1' or '\\\\g<name>', not {arg}")))?;
        let group = name.parse().ok().map_or_else(|| found.name(name), |i| found.get(i));
        groups.push(group.map_or(Value::Null, |m| Value::str(m.as_str())));
    }
    Ok(match groups.is_empty() {
        true => Value::str(found.get(0).map_or("", |m| m.as_str())),
        false => Value::list(groups),
    })
}

fn regex_findall(value: &Value, call: &Call) -> Result<Value, Error> {
    let text = value.to_string();
    let regex = compiled(call, 0, "regex", 2, 1)?;
    let mut out = Vec::new();
    for found in regex.captures_iter(&text) {
        let found = found.map_err(went_wrong)?;
        let group = |i: usize| Value::str(found.get(i).map_or("", |m| m.as_str()));
        out.push(match found.len() {
            1 => group(0),
            2 => group(1),
            n => Value::list((1..n).map(group)),
        });
    }
    Ok(Value::list(out))
}
