//! Host patterns: <https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html>.

use super::{Inventory, LOCAL_NAMES, names};
use crate::error::{Diagnostic, Result};
use crate::source::Source;
use fancy_regex::Regex;
use indexmap::IndexSet;
use std::collections::HashSet;

/// One part of a pattern.
struct Part {
    how: How,
    /// What it selects, without operator and slice.
    expression: String,
    slice: Option<Slice>,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum How {
    Add,
    Intersect,
    Exclude,
}

#[derive(Clone, Copy)]
enum Slice {
    /// `[1]`, `[-1]`
    At(i64),
    /// `[0:2]`, both ends included; `[1:]`
    Range(usize, Option<usize>),
}

impl Inventory {
    /// Hosts that a pattern selects (`web:&prod:!db[0]`, `~regex`, `all`, comma or colon lists, `@file` of patterns), in
    /// inventory order.
    /// The implicit `localhost` answers to its names when no host has them.
    ///
    /// # Errors
    /// A malformed pattern. A pattern that matches nothing gives an empty list; see [`Inventory::warnings_for`].
    pub fn select(&self, pattern: &str) -> Result<Vec<String>> {
        let mut parts = parts(pattern)?;
        // Ansible adds first, then intersects, then excludes, wherever the operators stand.
        parts.sort_by(|a, b| a.how.partial_cmp(&b.how).unwrap_or(std::cmp::Ordering::Equal));
        if parts.first().is_none_or(|p| p.how != How::Add) {
            parts.insert(0, Part { how: How::Add, expression: "all".into(), slice: None });
        }
        let mut selected: IndexSet<String> = IndexSet::new();
        for part in &parts {
            let hosts = self.matches(part)?;
            match part.how {
                How::Add => selected.extend(hosts),
                How::Intersect => {
                    let hosts: HashSet<String> = hosts.into_iter().collect();
                    selected.retain(|h| hosts.contains(h));
                }
                How::Exclude => {
                    let hosts: HashSet<String> = hosts.into_iter().collect();
                    selected.retain(|h| !hosts.contains(h));
                }
            }
        }
        Ok(selected.into_iter().collect())
    }

    /// For each part of a pattern that names no host or group: a warning with the nearest name.
    pub fn warnings_for(&self, pattern: &str) -> Vec<Diagnostic> {
        let names = || self.groups.keys().chain(self.hosts.keys()).map(String::as_str);
        let unmatched = |part: &Part| {
            let known = self.groups.contains_key(&part.expression);
            let whole = Part { how: part.how, expression: part.expression.clone(), slice: None };
            !known && self.matches(&whole).is_ok_and(|hosts| hosts.is_empty())
        };
        let parts = parts(pattern).unwrap_or_default();
        let warn = |part: &Part| {
            let warning = Diagnostic::input(format!("no host or group matches `{}`", part.expression));
            warning.nearest(&part.expression, names())
        };
        parts.iter().filter(|p| unmatched(p)).map(warn).collect()
    }

    fn matches(&self, part: &Part) -> Result<Vec<String>> {
        let expression = part.expression.as_str();
        let mut hosts: IndexSet<String> = IndexSet::new();
        let many = expression.starts_with('~') || expression.contains(['.', '?', '*', '[']);
        if let Some(matcher) = matcher(expression)? {
            let fits = |name: &&String| matcher.is_match(name).unwrap_or(false);
            for group in self.groups.keys().filter(fits) {
                hosts.extend(self.hosts_of(group));
            }
            hosts.extend(self.hosts.keys().filter(fits).cloned());
        } else {
            let group = self.groups.contains_key(expression);
            hosts.extend(self.hosts_of(expression));
            if (many || !group) && self.hosts.contains_key(expression) {
                hosts.insert(expression.to_owned());
            }
        }
        if hosts.is_empty() && LOCAL_NAMES.contains(&expression) {
            let written = self.hosts.keys().find(|name| LOCAL_NAMES.contains(&name.as_str()));
            hosts.insert(written.map_or(expression, String::as_str).to_owned());
        }
        let hosts: Vec<String> = hosts.into_iter().collect();
        Ok(part.slice.map_or_else(|| hosts.clone(), |slice| slice.of(&hosts)))
    }
}

impl Slice {
    fn of(self, hosts: &[String]) -> Vec<String> {
        match self {
            Slice::At(index) => {
                let index = if index < 0 { index + hosts.len() as i64 } else { index };
                usize::try_from(index).ok().and_then(|i| hosts.get(i)).cloned().into_iter().collect()
            }
            Slice::Range(from, to) => {
                let end = to.map_or(hosts.len(), |t| t.saturating_add(1)).min(hosts.len());
                hosts.get(from..end).unwrap_or_default().to_vec()
            }
        }
    }
}

/// A regular expression for `~regex` and for globs; none for a plain name.
fn matcher(expression: &str) -> Result<Option<Regex>> {
    let source = match expression.strip_prefix('~') {
        Some(regex) => format!("^(?:{regex})"),
        None if expression.contains(['?', '*', '[']) => glob(expression),
        None => return Ok(None),
    };
    match Regex::new(&source) {
        Ok(regex) => Ok(Some(regex)),
        Err(e) => Err(Box::new(Diagnostic::input(format!("the host pattern `{expression}` is no valid expression")).note(e.to_string()))),
    }
}

/// Whether a text is as a pattern of a shell says.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    fancy_regex::Regex::new(&glob(pattern)).is_ok_and(|pattern| pattern.is_match(text).unwrap_or(false))
}

/// A shell's glob as a regular expression over the whole name.
fn glob(expression: &str) -> String {
    let mut out = String::from("^(?s:");
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => match rest.char_indices().skip(1).find(|(_, c)| *c == ']') {
                Some((end, _)) => {
                    let (negated, set) = rest[..end].strip_prefix('!').map_or(("", &rest[..end]), |set| ("^", set));
                    out.push_str(&format!("[{negated}{}]", set.replace('\\', r"\\").replace('[', r"\[").replace('^', r"\^")));
                    rest = &rest[end + 1..];
                }
                None => out.push_str(r"\["),
            },
            c => out.push_str(&fancy_regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(r")\z");
    out
}

/// Parts at commas, or else at colons that belong to no address and no brackets.
fn parts(pattern: &str) -> Result<Vec<Part>> {
    let mut out = Vec::new();
    for piece in split(pattern).into_iter().map(str::trim).filter(|p| !p.is_empty()) {
        match piece.strip_prefix('@') {
            Some(path) => {
                for line in Source::read(path)?.text().lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
                    for piece in split(line).into_iter().map(str::trim).filter(|p| !p.is_empty()) {
                        out.push(part(piece)?);
                    }
                }
            }
            None => out.push(part(piece)?),
        }
    }
    Ok(out)
}

fn split(pattern: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for piece in pattern.split(',') {
        let bare = piece.trim().trim_start_matches(['!', '&']);
        let address = bare.parse::<std::net::Ipv6Addr>().is_ok() || (bare.starts_with('[') && names::split_port(bare).is_ok());
        if address || piece.trim_start().starts_with('@') {
            pieces.push(piece);
        } else {
            pieces.extend(colons(piece));
        }
    }
    pieces
}

fn colons(piece: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (index, c) in piece.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                pieces.push(&piece[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    pieces.push(&piece[start..]);
    pieces
}

fn part(piece: &str) -> Result<Part> {
    let (how, rest) = match piece.chars().next() {
        Some('!') => (How::Exclude, &piece[1..]),
        Some('&') => (How::Intersect, &piece[1..]),
        _ => (How::Add, piece),
    };
    let rest = rest.trim();
    if let Some((name, from, to)) = old_range(rest).filter(|_| !rest.starts_with('~')) {
        let error = Diagnostic::input(format!("`[{from}-{to}]` in a host pattern is not a range any more"));
        return Err(Box::new(error.hint(format!("write `{name}[{from}:{to}]`; both ends are included"))));
    }
    Ok(match slice(rest).filter(|_| !rest.starts_with('~')) {
        Some((expression, slice)) => Part { how, expression: expression.to_owned(), slice: Some(slice) },
        None => Part { how, expression: rest.to_owned(), slice: None },
    })
}

/// `name[1-2]`, which Ansible does not take any more either.
fn old_range(text: &str) -> Option<(&str, &str, &str)> {
    let (name, inside) = text.strip_suffix(']')?.rsplit_once('[')?;
    let (from, to) = inside.split_once('-')?;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    (digits(from) && digits(to)).then_some((name, from, to))
}

/// `name[1]`, `name[-1]`, `name[0:2]`, `name[1:]`.
fn slice(text: &str) -> Option<(&str, Slice)> {
    let (expression, inside) = text.strip_suffix(']')?.rsplit_once('[')?;
    let digits = |t: &str| if t.is_empty() || !t.bytes().all(|b| b.is_ascii_digit()) { None } else { t.parse::<usize>().ok() };
    if expression.is_empty() {
        return None;
    }
    if let Some((from, to)) = inside.split_once(':') {
        let to = if to.is_empty() { None } else { Some(digits(to)?) };
        return Some((expression, Slice::Range(digits(from)?, to)));
    }
    let index = inside.strip_prefix('-').map_or_else(|| digits(inside).map(|i| i as i64), |d| digits(d).map(|i| -(i as i64)));
    Some((expression, Slice::At(index?)))
}
