//! From the template engine's errors to messages with a place in what the user wrote.

use super::scope::Frame;
use crate::error::{Diagnostic, Kind};
use crate::source::{Place, Source};
use minijinja::{Error, ErrorKind};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// A finished message travelling inside an engine error.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Diagnostic);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.summary)
    }
}

impl std::error::Error for Problem {}

/// A refusal by a filter, test or lookup.
pub(super) fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// An engine error that carries a finished message.
pub(super) fn carry(diagnostic: Diagnostic) -> Error {
    Error::new(ErrorKind::InvalidOperation, diagnostic.summary.clone()).with_source(Problem(diagnostic))
}

/// The last name that was asked for in vain.
#[derive(Debug, Clone)]
struct Miss {
    key: String,
    /// What was asked, and the names it has; nothing for variables.
    owner: Option<(Option<Arc<str>>, Vec<String>)>,
    /// Why a variable that exists has no value: its own template is undefined.
    cause: Option<Diagnostic>,
}

thread_local! {
    static MISSES: RefCell<Vec<Miss>> = const { RefCell::new(Vec::new()) };
}

fn record(miss: Miss) {
    MISSES.with_borrow_mut(|m| {
        if m.len() >= 64 {
            m.remove(0);
        }
        m.push(miss);
    });
}

/// Remembers a variable that does not exist, or whose own template is undefined.
pub(super) fn missed_variable(name: &str, cause: Option<Diagnostic>) {
    record(Miss { key: name.to_owned(), owner: None, cause });
}

/// Remembers an entry that a dictionary does not have.
pub(super) fn missed_entry(key: &str, owner: Option<Arc<str>>, keys: impl FnOnce() -> Vec<String>, cause: Option<Diagnostic>) {
    record(Miss { key: key.to_owned(), owner: Some((owner, keys())), cause });
}

/// Forgets what earlier templates asked for in vain.
pub(super) fn forget_misses() {
    MISSES.take();
}

/// The message for an engine error in the template `source` that stands at `place`.
pub(super) fn diagnose(error: &Error, place: &Place, file: Option<usize>, frame: &Frame) -> Diagnostic {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    let mut deepest = error;
    while let Some(e) = inner {
        if let Some(problem) = e.downcast_ref::<Problem>() {
            return marked(problem.0.clone(), &spot(error, place, file));
        }
        if let Some(e) = e.downcast_ref::<Error>() {
            deepest = e;
        }
        inner = e.source();
    }
    let at = spot(deepest, place, file);
    match deepest.kind() {
        ErrorKind::UndefinedError => marked(undefined(deepest, frame), &at),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => marked(unknown_name(deepest), &at),
        ErrorKind::SyntaxError | ErrorKind::BadEscape => unreadable(deepest, place, file),
        _ => match undefined_in_detail(deepest) {
            Some(_) => marked(undefined(deepest, frame), &at),
            None => Diagnostic::new(Kind::Template, sentence(deepest)).at(&at),
        },
    }
}

/// The message for a template that cannot be read.
pub(super) fn unreadable(error: &Error, place: &Place, file: Option<usize>) -> Diagnostic {
    let detail = error.detail().unwrap_or("syntax error").replace("end of variable block", "end of the expression");
    Diagnostic::new(Kind::Template, format!("cannot read this template: {detail}")).at(&spot(error, place, file))
}

/// Puts the mark under the name that the message speaks of last, where that stands on the line.
fn marked(error: Diagnostic, place: &Place) -> Diagnostic {
    if error.place.is_some() {
        return error;
    }
    let name = error.summary.split('`').nth_back(1).map(str::to_owned);
    let line = place.source.line(place.line).unwrap_or_default();
    let lead: usize = line.chars().take((place.column as usize).saturating_sub(1)).map(char::len_utf8).sum();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |at: &usize, name: &str| !line[..*at].ends_with(word) && !line[at + name.len()..].starts_with(word);
    let found = name.as_deref().and_then(|name| {
        let at = line.match_indices(name).map(|(at, _)| at).filter(|at| *at >= lead).find(|at| alone(at, name))?;
        Some((line[..at].chars().count(), name.chars().count()))
    });
    match found.and_then(|(at, length)| Some((u32::try_from(at).ok()?, u32::try_from(length).ok()?))) {
        Some((at, length)) => error.at(&Place { column: at + 1, length, ..place.clone() }),
        None => error.at(place),
    }
}

fn sentence(error: &Error) -> String {
    match error.detail() {
        Some(detail) if error.kind() == ErrorKind::InvalidOperation => detail.trim_end_matches('.').to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn unknown_name(error: &Error) -> Diagnostic {
    let detail = error.detail().unwrap_or_default();
    let name = detail.split(' ').nth(1).unwrap_or(detail);
    let known: Vec<&str> = match error.kind() {
        ErrorKind::UnknownFilter => super::filters::names().collect(),
        _ => super::predicates::names().collect(),
    };
    let what = if error.kind() == ErrorKind::UnknownFilter { "filter" } else { "test" };
    Diagnostic::new(Kind::Template, format!("there is no {what} `{name}`")).nearest(name, known)
}

/// The engine's own words for what is undefined: "`a.b` is undefined".
fn undefined_in_detail(error: &Error) -> Option<&str> {
    let detail = error.detail()?;
    let end = detail.find("` is undefined")?;
    let start = detail[..end].rfind('`')?;
    Some(&detail[start + 1..end])
}

fn undefined(error: &Error, frame: &Frame) -> Diagnostic {
    let expression = undefined_in_detail(error).unwrap_or_default();
    let last = last_part(expression);
    let miss = MISSES.with_borrow(|m| m.iter().rev().find(|m| last.is_empty() || m.key == last).cloned());
    let Some(miss) = miss else {
        let name = if expression.is_empty() { "a value in this template" } else { expression };
        return match expression.rsplit_once('.') {
            Some((owner, key)) => Diagnostic::new(Kind::Undefined, format!("`{owner}` has no attribute `{key}`")),
            None => Diagnostic::new(Kind::Undefined, format!("`{name}` is undefined")),
        };
    };
    if let Some(cause) = miss.cause {
        return match cause.notes.len() {
            0..4 => cause.note(format!("needed for `{}`", miss.key)),
            _ => cause,
        };
    }
    match miss.owner {
        None => {
            let names = frame.names();
            Diagnostic::new(Kind::Undefined, format!("`{}` is undefined", miss.key)).nearest(&miss.key, names.iter().map(String::as_str))
        }
        Some((owner, keys)) => {
            let owner = owner.map(|o| o.to_string()).or_else(|| owner_part(expression)).unwrap_or_else(|| "the dictionary".into());
            let owner = if owner == "the dictionary" { owner } else { format!("`{owner}`") };
            Diagnostic::new(Kind::Undefined, format!("{owner} has no attribute `{}`", miss.key))
                .nearest(&miss.key, keys.iter().map(String::as_str))
        }
    }
}

fn owner_part(expression: &str) -> Option<String> {
    let cut = expression.rfind(['.', '['])?;
    Some(expression[..cut].to_owned())
}

fn last_part(expression: &str) -> &str {
    match expression.rfind(['.', '[']) {
        Some(cut) => expression[cut + 1..].trim_end_matches(']').trim_matches(['"', '\'']),
        None => expression,
    }
}

/// The place of an error inside a text that starts at `place`; of a file, `file` lines stand before the text.
fn spot(error: &Error, place: &Place, file: Option<usize>) -> Place {
    if let Some((path, text)) = error.name().and_then(super::render::file_of) {
        let line = u32::try_from(error.line().unwrap_or(1)).unwrap_or(1);
        return Place { source: Source::new(path, text), line, column: 1, length: 0 };
    }
    let Some(line) = error.line() else { return place.clone() };
    if place.line == 0 || line + file.unwrap_or(0) <= 1 {
        return place.clone();
    }
    // A block scalar's first line of text is the line after its indicator.
    let head = place.source.line(place.line).unwrap_or_default().trim_end();
    let before = match file {
        Some(lines) => lines,
        None => [">", "|", ">-", "|-", ">+", "|+"].iter().any(|mark| head.ends_with(mark)).into(),
    };
    let number = place.line + u32::try_from(before + line - 1).unwrap_or(0);
    match place.source.line(number) {
        Some(text) => {
            let column = text.chars().take_while(|c| c.is_whitespace()).count() as u32 + 1;
            Place { source: place.source.clone(), line: number, column, length: 0 }
        }
        None => place.clone(),
    }
}
