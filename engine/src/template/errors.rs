//! From the template engine's errors to messages with a place in what the user wrote.

mod spots;

use super::scope::Frame;
use super::{Scope, Scopes};
use crate::error::{Diagnostic, Kind};
use crate::source::Place;
use minijinja::{Error, ErrorKind};
use spots::spot;
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
#[derive(Clone)]
struct Miss {
    key: String,
    /// What was asked; nothing for variables.
    owner: Option<Owner>,
    /// Why a variable that exists has no value: its own template is undefined.
    cause: Option<Diagnostic>,
}

/// Where the names that something has are found, once a message needs them.
#[derive(Clone)]
pub(super) enum Known {
    Names(Vec<String>),
    Scope(Arc<dyn Scope>),
    Scopes(Arc<dyn Scopes>),
}

impl Known {
    fn names(&self) -> Vec<String> {
        match self {
            Known::Names(names) => names.clone(),
            Known::Scope(scope) => scope.names(),
            Known::Scopes(scopes) => scopes.names(),
        }
    }
}

/// What a name was looked for in.
#[derive(Clone)]
pub(super) struct Owner {
    /// What messages call it.
    pub(super) name: Option<Arc<str>>,
    /// What it has by name: attributes, variables, hosts.
    pub(super) has: &'static str,
    /// The names it has.
    pub(super) known: Known,
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
pub(super) fn missed_entry(key: &str, owner: Owner, cause: Option<Diagnostic>) {
    record(Miss { key: key.to_owned(), owner: Some(owner), cause });
}

/// The name that was last asked for in vain.
pub(super) fn last_miss() -> Option<String> {
    MISSES.with_borrow(|m| m.last().map(|miss| miss.key.clone()))
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
            let problem = problem.0.clone();
            let at = spot(error, place, file, subject(&problem));
            return problem.at(&at);
        }
        if let Some(e) = e.downcast_ref::<Error>() {
            deepest = e;
        }
        inner = e.source();
    }
    let diagnostic = match deepest.kind() {
        ErrorKind::UndefinedError => undefined(deepest, frame),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => unknown_name(deepest).said_while("Syntax error in template"),
        ErrorKind::SyntaxError | ErrorKind::BadEscape => {
            return unreadable(deepest, place, file);
        }
        _ if undefined_in_detail(deepest).is_some() => undefined(deepest, frame),
        _ => Diagnostic::new(Kind::Template, sentence(deepest)).said_while("Error rendering template"),
    };
    let at = spot(deepest, place, file, subject(&diagnostic));
    diagnostic.at(&at)
}

/// The name that a message speaks of last.
fn subject(error: &Diagnostic) -> Option<&str> {
    error.summary.rsplit('`').nth(1)
}

/// The message for a template that cannot be read.
pub(super) fn unreadable(error: &Error, place: &Place, file: Option<usize>) -> Diagnostic {
    let detail = error.detail().unwrap_or("syntax error").replace("end of variable block", "end of the expression");
    let words = format!("Syntax error in template: {}", python_words(&detail));
    Diagnostic::new(Kind::Template, format!("cannot read this template: {detail}")).said(words).at(&spot(error, place, file, None))
}

/// A syntax error in Jinja's words.
fn python_words(detail: &str) -> String {
    detail.replace("end of the expression", "end of print statement").replace('`', "'")
}

/// The error of a filter, test or lookup, in Ansible's words; what is undefined or unknown stays what it is.
pub(super) fn of_plugin(kind: &str, name: &str, error: Error) -> Error {
    let mut deepest: &(dyn std::error::Error + 'static) = &error;
    let mut problem = None;
    loop {
        problem = deepest.downcast_ref::<Problem>().or(problem);
        match deepest.source() {
            Some(inner) => deepest = inner,
            None => break,
        }
    }
    let diagnostic = match (problem, deepest.downcast_ref::<Error>().unwrap_or(&error)) {
        (Some(problem), _) if problem.0.kind == Kind::Undefined => return error,
        (Some(problem), _) => problem.0.clone(),
        (None, e) if e.kind() == ErrorKind::UndefinedError || undefined_in_detail(e).is_some() => return error,
        (None, e) if matches!(e.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest) => unknown_name(e),
        (None, e) => Diagnostic::new(Kind::Template, sentence(e)).said(e.detail().map_or_else(|| sentence(e), str::to_owned)),
    };
    carry(diagnostic.said_while(&format!("The {kind} plugin '{name}' failed")))
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
    Diagnostic::new(Kind::Template, format!("there is no {what} `{name}`")).said(format!("No {what} named '{name}'.")).nearest(name, known)
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
    let miss = MISSES.with_borrow(|m| {
        let latest = m.iter().rev().find(|m| last.is_empty() || m.key == last)?;
        // The engine asks for a name again while it makes its message: who knew why comes first.
        let told = m.iter().rev().find(|m| m.key == latest.key && m.owner.is_none() && latest.owner.is_none() && m.cause.is_some());
        told.or(Some(latest)).cloned()
    });
    let Some(miss) = miss else {
        let name = if expression.is_empty() { "a value in this template" } else { expression };
        return match expression.rsplit_once('.') {
            Some((owner, key)) => {
                let error = Diagnostic::new(Kind::Undefined, format!("`{owner}` has no attribute `{key}`"));
                match type_of(owner, frame) {
                    Some(kind) => error.said(no_attribute(&kind, key)),
                    None => error,
                }
            }
            None => Diagnostic::new(Kind::Undefined, format!("`{name}` is undefined")).said(format!("'{name}' is undefined")),
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
            let known = names.iter().map(String::as_str).filter(|n| *n != miss.key);
            Diagnostic::new(Kind::Undefined, format!("`{}` is undefined", miss.key))
                .said(format!("'{}' is undefined", miss.key))
                .nearest(&miss.key, known)
        }
        Some(Owner { name, has, known }) => {
            let names = known.names();
            let name = name.map(|o| o.to_string()).or_else(|| owner_part(expression));
            let owner = name.map_or_else(|| "the dictionary".into(), |name| format!("`{name}`"));
            let known = names.iter().map(String::as_str).filter(|n| *n != miss.key);
            let words = match has {
                "host" => format!("hostvars['{}']", miss.key),
                "variable" => no_attribute("HostVarsVars", &miss.key),
                _ => no_attribute("dict", &miss.key),
            };
            Diagnostic::new(Kind::Undefined, format!("{owner} has no {has} `{}`", miss.key)).said(words).nearest(&miss.key, known)
        }
    }
}

fn no_attribute(kind: &str, key: &str) -> String {
    match key.parse::<i64>() {
        Ok(index) => format!("object of type '{kind}' has no attribute {index}"),
        Err(_) => format!("object of type '{kind}' has no attribute '{key}'"),
    }
}

/// The type of what an expression gives, if it gives something.
fn type_of(expression: &str, frame: &Frame) -> Option<String> {
    let frame = frame.shared()?;
    let template = format!("{{{{ ({expression}) | type_debug }}}}");
    let found = super::taint::isolated(|| super::render::evaluate(&template, &crate::source::Place::nowhere("type"), &frame)).0.ok()?;
    found.as_str().filter(|t| *t != "Undefined").map(str::to_owned)
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
