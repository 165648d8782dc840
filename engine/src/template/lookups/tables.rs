//! Lookups in INI, properties and CSV files.

use super::files::{bytes, contents};
use super::inline::Inline;
use super::{Lookup, Request};
use crate::template::errors::refuse;
use crate::template::filters::charset::decoded;
use minijinja::Error;
use modules::value::Value;

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("ini", ini), ("csvfile", csvfile)];

const OF_INI: [&str; 10] =
    ["type", "file", "section", "re", "encoding", "default", "case_sensitive", "allow_no_value", "allow_none", "interpolation"];

/// The entries of a section, in order; nothing for keys without `=`.
type Entries = Vec<(String, Option<String>)>;

/// How an INI file is read.
struct Ini {
    file: String,
    section: String,
    properties: bool,
    case_sensitive: bool,
    allow_no_value: bool,
    interpolation: bool,
}

impl Ini {
    fn key(&self, key: &str) -> String {
        if self.case_sensitive { key.to_owned() } else { key.to_lowercase() }
    }

    /// The entries of the section; those of `DEFAULT` come after them.
    fn entries(&self, text: &str) -> Result<(Entries, Entries), Error> {
        let (mut own, mut usual, mut found) = (Entries::new(), Entries::new(), self.properties);
        let mut section = if self.properties { self.section.clone() } else { String::new() };
        for line in text.lines() {
            let bare = line.trim();
            if bare.is_empty() || bare.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = bare.strip_prefix('[').and_then(|l| l.split_once(']')).map(|(n, _)| n).filter(|_| !self.properties) {
                section = name.to_owned();
                found |= section == self.section;
                continue;
            }
            let target = match section.as_str() {
                "DEFAULT" => &mut usual,
                name if name == self.section => &mut own,
                _ => continue,
            };
            if line.starts_with([' ', '\t'])
                && let Some((_, Some(last))) = target.last_mut()
            {
                *last = format!("{last}\n{bare}");
                continue;
            }
            let (key, value) = match bare.split_once(['=', ':']) {
                Some((key, value)) => (self.key(key.trim_end()), Some(value.trim().to_owned())),
                None if self.allow_no_value || self.properties => (self.key(bare), None),
                None => return Err(refuse(format!("Source contains parsing errors: {} has a line without a value: {bare}", self.file))),
            };
            if target.iter().any(|(k, _)| *k == key) {
                return Err(refuse(format!("Duplicate option in '{}': {key} of section {section}", self.file)));
            }
            target.push((key, value));
        }
        match found {
            true => Ok((own, usual)),
            false => Err(refuse(format!("No section: '{}'", self.section))),
        }
    }

    /// `%(other)s` in a value is another entry's value.
    fn filled(&self, value: &str, entries: &Entries, depth: usize) -> Result<String, Error> {
        if !self.interpolation || self.properties || !value.contains('%') {
            return Ok(value.to_owned());
        }
        if depth > 10 {
            return Err(refuse("Value interpolation too deeply recursive"));
        }
        let (mut out, mut rest) = (String::new(), value);
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('%') {
                out.push('%');
                rest = tail;
            } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|a| a.split_once(")s")) {
                let key = self.key(name);
                let found = entries.iter().find(|(k, _)| *k == key).and_then(|(_, v)| v.clone());
                let found = found.ok_or_else(|| refuse(format!("Bad value substitution: there is no option '{name}' for '{value}'")))?;
                out.push_str(&self.filled(&found, entries, depth + 1)?);
                rest = tail;
            } else {
                return Err(refuse(format!("'%' must be followed by '%' or '(', found: '%{after}'")));
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn ini(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in request.texts() {
        let inline = Inline::parse(&term, &OF_INI)?;
        if inline.key.is_empty() {
            return Err(refuse(format!("No key to look up was provided as first term within string inline options: {term}")));
        }
        let text = |name: &str, other: &str| Ok::<_, Error>(inline.text(request, name)?.unwrap_or_else(|| other.to_owned()));
        let flag = |name: &str, other: bool| Ok::<_, Error>(inline.flag(request, name)?.unwrap_or(other));
        let ini = Ini {
            file: text("file", "ansible.ini")?,
            section: text("section", "global")?,
            properties: text("type", "ini")? == "properties",
            case_sensitive: flag("case_sensitive", false)?,
            allow_no_value: flag("allow_no_value", false)? || flag("allow_none", false)?,
            interpolation: flag("interpolation", true)?,
        };
        let (_, read) = bytes(request, &ini.file, "files")?;
        let read = decoded(&read, &text("encoding", "utf-8")?)?;
        let (own, usual) = ini.entries(&read)?;
        let all: Entries = own.iter().chain(usual.iter().filter(|(k, _)| !own.iter().any(|(o, _)| o == k))).cloned().collect();
        if flag("re", false)? {
            let pattern = crate::template::filters::pattern(&inline.key, !ini.case_sensitive, false)?;
            for (_, value) in all.iter().filter(|(k, _)| pattern.is_match(k).unwrap_or(false)) {
                out.push(Value::from(ini.filled(value.as_deref().unwrap_or_default(), &all, 0)?));
            }
            continue;
        }
        let key = ini.key(&inline.key);
        match all.iter().find(|(k, _)| *k == key) {
            Some((_, Some(value))) => out.push(Value::from(ini.filled(value, &all, 0)?)),
            Some((_, None)) => {}
            None => out.push(Value::from(text("default", "")?)),
        }
    }
    Ok(out)
}

/// The rows of a CSV text: quoted fields may hold the delimiter and line breaks, `""` is a quote (RFC 4180).
fn rows(text: &str, delimiter: char, quote: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut fresh) = (false, true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if quoted && c == quote => match chars.peek() == Some(&quote) {
                true => field.extend(chars.next()),
                false => quoted = false,
            },
            c if c == quote && fresh => (quoted, fresh) = (true, false),
            c if !quoted && c == delimiter => {
                row.push(std::mem::take(&mut field));
                fresh = true;
            }
            '\r' | '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
                fresh = true;
                chars.next_if(|n| c == '\r' && *n == '\n');
            }
            c => {
                field.push(c);
                fresh = false;
            }
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

const OF_CSV: [&str; 7] = ["file", "delimiter", "encoding", "col", "keycol", "default", "quotechar"];

fn csvfile(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let missing = || refuse("Search key is required but was not found");
    if request.terms.is_empty() {
        return Err(missing());
    }
    let mut out = Vec::new();
    for term in request.texts() {
        let inline = Inline::parse(&term, &OF_CSV)?;
        if inline.key.is_empty() {
            return Err(missing());
        }
        let column = |name: &str, other: usize| match inline.text(request, name)? {
            None => Ok(other),
            Some(text) => {
                text.trim().parse().map_err(|_| refuse(format!("Option '{name}' has an invalid value: '{text}' is no whole number")))
            }
        };
        let (wanted, key) = (column("col", 1)?, column("keycol", 0)?);
        let single = |name: &str, other: char| {
            Ok::<_, Error>(match inline.text(request, name)?.as_deref() {
                Some("TAB" | "t" | "\\t") => '\t',
                Some(given) => given.chars().next().unwrap_or(other),
                None => other,
            })
        };
        let (delimiter, quote) = (single("delimiter", '\t')?, single("quotechar", '"')?);
        let (_, text) = contents(request, &inline.text(request, "file")?.unwrap_or_else(|| "ansible.csv".into()), "files")?;
        let row = rows(&text, delimiter, quote).into_iter().find(|row| row.get(key).is_some_and(|k| *k == inline.key));
        match row.and_then(|mut row| (wanted < row.len()).then(|| row.swap_remove(wanted))) {
            Some(field) => out.push(Value::from(field)),
            None => match (inline.text(request, "default")?, request.option("default")?) {
                (_, Some(Value::List(many))) => out.extend(many.iter().cloned()),
                (Some(other), _) => out.push(Value::from(other)),
                (None, _) => {}
            },
        }
    }
    Ok(out)
}
