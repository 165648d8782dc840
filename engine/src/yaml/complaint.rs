//! What is said about YAML that cannot be read, with the advice that fits the line.

use crate::error::Diagnostic;
use crate::source::{Place, Source};
use crate::yaml::Node;
use libyaml_safer::{Error, Mark};

/// An encrypted text where nothing decrypts.
pub(super) fn encrypted(source: &Source) -> Diagnostic {
    let place = Place { source: source.clone(), line: 1, column: 1, length: 14 };
    Diagnostic::input("an encrypted text cannot be read as YAML here").at(&place).hint("decrypt it first: `engine vault decrypt`")
}

/// What the parser stumbled over.
pub(super) fn broken(source: &Source, error: &Error) -> Diagnostic {
    let Some(problem) = error.problem_mark() else { return unreadable(source, error) };
    let mark = better_mark(error).unwrap_or(problem);
    let place = at(source, mark);
    let line = source.line(place.line).unwrap_or_default();
    let mut complaint = Diagnostic::input(summary(error.problem())).at(&place);
    if let (Some(context), Some(start)) = (error.context(), error.context_mark())
        && start.line < mark.line
    {
        complaint = complaint.note(format!("{context} that starts at line {}", start.line + 1));
    }
    let above = place.line.checked_sub(1).and_then(|n| source.line(n)).unwrap_or_default();
    match advice(error, line, above) {
        Some(hint) => complaint.hint(hint),
        None => complaint,
    }
}

/// Where a person would look: at the start of what never ended, not at the end of the file.
fn better_mark(error: &Error) -> Option<Mark> {
    let start_tells = matches!(error.problem(), "could not find expected ':'" | "found unexpected end of stream")
        || error.context() == Some("while scanning an alias");
    error.context_mark().filter(|_| start_tells)
}

fn at(source: &Source, mark: Mark) -> Place {
    let clamp = |n: u64| u32::try_from(n + 1).unwrap_or(u32::MAX);
    let (mut line, mut column) = (clamp(mark.line), clamp(mark.column));
    // At the end of the file the parser stands on a line that is not there.
    if source.line(line).is_none() {
        let last = source.text().lines().count();
        line = u32::try_from(last).unwrap_or(u32::MAX).max(1);
        column = u32::try_from(source.line(line).map_or(0, |l| l.chars().count())).unwrap_or(0) + 1;
    }
    Place { source: source.clone(), line, column, length: 0 }
}

fn summary(problem: &str) -> String {
    match problem {
        "mapping values are not allowed in this context" => "a `key: value` pair cannot start here".into(),
        "did not find expected key" => "expected a key here".into(),
        "could not find expected ':'" => "this key has no `:`".into(),
        "found unexpected end of stream" => "a quoted text never ends".into(),
        "found character that cannot start any token" => "a value cannot start with this character".into(),
        "did not find expected '-' indicator" => "expected the next `-` of a list here".into(),
        "block sequence entries are not allowed in this context" => "a list item cannot start here".into(),
        "did not find expected <document start>" => "the document has ended before this line".into(),
        "did not find expected alphabetic or numeric character"
        | "did not find expected ',' or ']'"
        | "did not find expected ',' or '}'" => problem.replace("did not find expected", "expected").replace('\'', "`"),
        other => other.to_owned(),
    }
}

fn advice(error: &Error, line: &str, above: &str) -> Option<String> {
    let indentation = &line[..line.len() - line.trim_start().len()];
    if indentation.contains('\t') || error.problem().contains("tab") {
        return Some("YAML is indented with spaces; replace the tab".into());
    }
    if let Some(hint) = template_advice(line).or_else(|| template_advice(above)) {
        return Some(hint);
    }
    let value = line.split_once(": ").map_or("", |(_, v)| v.trim());
    Some(match error.problem() {
        "mapping values are not allowed in this context" if line.matches(": ").count() > 1 || value.ends_with(':') => {
            format!("quote the value, it holds `: `: {}", quoted(line, value)?)
        }
        "mapping values are not allowed in this context" => {
            "check the indentation of this line and whether the line above has its `:` or an open quote".into()
        }
        "could not find expected ':'" => "write `key: value`, with a space after the colon".into(),
        "found unexpected end of stream" => "close the quote".into(),
        "found character that cannot start any token" => format!("quote the value: {}", quoted(line, value)?),
        "found unknown escape character" => "in double quotes write `\\\\` for a backslash, or use single quotes".into(),
        "did not find expected key" if value.starts_with(['"', '\'']) => {
            "the value goes on after its closing quote; put the whole value into quotes".into()
        }
        "did not find expected key" => "keys of one dictionary start in the same column; check the indentation".into(),
        "did not find expected '-' indicator" | "block sequence entries are not allowed in this context" => {
            "items of one list start in the same column; check the indentation".into()
        }
        "did not find expected ',' or ']'" => "close the `[`, or put a comma between the items".into(),
        "did not find expected ',' or '}'" => "close the `{`, or put a comma between the pairs".into(),
        "did not find expected alphabetic or numeric character" => {
            format!("a plain value cannot start with `*` or `&`; quote it: {}", quoted(line, value)?)
        }
        "did not find expected <document start>" => "check the indentation: this line does not belong to what stands above".into(),
        _ => return None,
    })
}

/// `key: {{ x }}` needs quotes, for YAML reads `{` as the start of a dictionary.
fn template_advice(line: &str) -> Option<String> {
    let (_, value) = line.split_once(": ").or_else(|| line.split_once("- "))?;
    let value = value.trim();
    value.starts_with("{{").then(|| quoted(line, value)).flatten().map(|fixed| format!("quote it: {fixed}"))
}

fn quoted(line: &str, value: &str) -> Option<String> {
    let quoted = match (value.contains('"'), value.contains('\'')) {
        (false, _) if !value.contains('\\') => format!("\"{value}\""),
        (_, false) => format!("'{value}'"),
        _ => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    (!value.is_empty()).then(|| format!("`{}`", line.trim().replacen(value, &quoted, 1)))
}

/// Characters that YAML does not allow at all.
fn unreadable(source: &Source, error: &Error) -> Diagnostic {
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..);
    for (number, line) in source.text().lines().enumerate() {
        if let Some((column, character)) = line.chars().enumerate().find(|(_, c)| !allowed(*c)) {
            let clamp = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
            let place = Place { source: source.clone(), line: clamp(number), column: clamp(column), length: 1 };
            return Diagnostic::input("YAML does not allow this character")
                .at(&place)
                .label(format!("U+{:04X}", u32::from(character)))
                .hint(format!("remove it, or write \"\\u{:04X}\" in a double-quoted text", u32::from(character)));
        }
    }
    Diagnostic::input(error.problem()).at(&Place { source: source.clone(), line: 0, column: 0, length: 0 })
}

/// `key: {{ x }}` without quotes, or another container as a key.
pub(super) fn container_key(key: &Node) -> Diagnostic {
    let place = key.place();
    let line = place.source.line(place.line).unwrap_or_default();
    let before: String = line.chars().take(place.column as usize - 1).collect();
    match template_advice(line).filter(|_| before.ends_with('{')) {
        Some(hint) => Diagnostic::input("a value that starts with a template must be quoted")
            .at(&Place { column: place.column - 1, length: 2, ..place.clone() })
            .label("YAML reads `{` as the start of a dictionary")
            .hint(hint),
        None => Diagnostic::input(format!("a {} cannot be a key", key.type_name())).at(place).hint("quote the key to make it text"),
    }
}

/// A key that the dictionary has already.
pub(super) fn duplicate(key: &Node, first: &Node) -> Diagnostic {
    let name = key.as_str().map_or_else(|| key.raw().to_string(), str::to_owned);
    Diagnostic::input(format!("duplicate key `{name}`"))
        .at(key.place())
        .label("this value is the one that counts")
        .note(format!("first use: {}", first.place()))
        .hint("remove one of them")
        .said(format!("Found duplicate mapping key '{name}'."))
}

pub(super) fn unknown_tag(tag: &str, place: &Place) -> Diagnostic {
    let shown = tag.strip_prefix("tag:yaml.org,2002:").map_or_else(|| tag.to_owned(), |name| format!("!!{name}"));
    let complaint = Diagnostic::input(format!("unknown YAML tag `{shown}`")).at(place);
    match modules::args::nearest(&shown, ["!vault", "!unsafe", "!!str", "!!int", "!!float", "!!bool", "!!binary"]) {
        Some(name) => complaint.hint(format!("did you mean `{name}`?")),
        None => complaint.hint("quote the value if the `!` belongs to it"),
    }
}

pub(super) fn unknown_alias<'a>(name: &str, known: impl Iterator<Item = &'a str>, place: &Place) -> Diagnostic {
    let complaint = Diagnostic::input(format!("no anchor `&{name}` before this alias")).at(place).nearest(name, known);
    complaint.hint("quote the value if the `*` belongs to it")
}

pub(super) fn too_deep(place: &Place, limit: usize) -> Diagnostic {
    Diagnostic::input(format!("lists and dictionaries nest more than {limit} deep")).at(place)
}

pub(super) fn too_big(place: &Place, limit: u64) -> Diagnostic {
    Diagnostic::input(format!("this file has more than {limit} values once its aliases are written out")).at(place)
}
