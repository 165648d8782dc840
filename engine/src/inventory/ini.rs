//! Inventories in INI: host lines, `[group]`, `[group:vars]`, `[group:children]`.

use super::Var;
use super::draft::Draft;
use super::literal;
use crate::error::Diagnostic;
use crate::source::{Place, Source};
use std::collections::HashSet;

enum Section {
    Hosts(String),
    Vars(String),
    Children(String),
}

/// Groups that sections name before, or without, declaring them.
#[derive(Default)]
struct Declared {
    groups: HashSet<String>,
    used: Vec<(String, Place, &'static str)>,
}

/// Reads a text.
pub(super) fn read(source: &Source, draft: &mut Draft) {
    let mut section = Section::Hosts("ungrouped".into());
    let mut declared = Declared::default();
    for (number, line) in (1..).zip(source.text().lines()) {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let indentation = line.chars().take_while(|c| c.is_whitespace()).count();
        let column = u32::try_from(indentation + 1).unwrap_or(u32::MAX);
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let place = Place { source: source.clone(), line: number, column, length };
        if text.starts_with('[')
            && let Some(header) = header(text, &place, draft, &mut declared)
        {
            section = header;
            continue;
        }
        match &section {
            Section::Hosts(group) => host(text, group, &place, draft),
            Section::Vars(group) => variable(text, group, &place, draft),
            Section::Children(parent) => child(text, parent, &place, draft, &mut declared),
        }
    }
    let known: Vec<String> = draft.inventory.groups.keys().filter(|g| !is_pending(g, &declared)).cloned().collect();
    for (name, place, what) in &declared.used {
        if !declared.groups.contains(name) && !known.contains(name) {
            let error = Diagnostic::input(format!("{what} the group `{name}`, which is not declared")).at(place);
            draft.errors.push(error.nearest(name, known.iter().map(String::as_str)).hint(format!("declare it with a line `[{name}]`")));
        }
    }
}

/// Named by this file's sections only, and declared by none.
fn is_pending(name: &str, declared: &Declared) -> bool {
    !declared.groups.contains(name) && declared.used.iter().any(|(used, _, _)| used == name)
}

/// `[name]` or `[name:kind]`; a host may also start with `[`: an IPv6 address or a range.
fn header(text: &str, place: &Place, draft: &mut Draft, declared: &mut Declared) -> Option<Section> {
    let (inside, after) = text[1..].split_once(']')?;
    let after = after.trim();
    let address = inside.parse::<std::net::Ipv6Addr>().is_ok();
    if address || !(after.is_empty() || after.starts_with('#')) {
        return None;
    }
    let (name, kind) = inside.split_once(':').map_or((inside, "hosts"), |(n, k)| (n, k));
    let name = name.to_owned();
    if name.is_empty() || name.contains(char::is_whitespace) {
        draft.refuse(place, "a section is `[group]`, `[group:vars]` or `[group:children]`, without spaces");
    }
    let exists = draft.inventory.groups.contains_key(&name);
    Some(match kind {
        "hosts" | "children" => {
            declared.groups.insert(name.clone());
            draft.group(&name);
            if kind == "hosts" { Section::Hosts(name) } else { Section::Children(name) }
        }
        "vars" => {
            if !exists {
                declared.used.push((name.clone(), place.clone(), "variables for"));
            }
            Section::Vars(name)
        }
        _ => {
            let error = Diagnostic::input(format!("unknown kind of section `{kind}`")).at(place);
            draft.errors.push(error.nearest(kind, ["vars", "children", "hosts"]));
            Section::Hosts(name)
        }
    })
}

fn child(text: &str, parent: &str, place: &Place, draft: &mut Draft, declared: &mut Declared) {
    let name = text.split('#').next().unwrap_or_default().trim();
    if name.contains(char::is_whitespace) {
        return draft.refuse(place, "a line of `children` is the name of one group");
    }
    if !draft.inventory.groups.contains_key(name) {
        declared.used.push((name.to_owned(), place.clone(), "children:"));
    }
    draft.child(parent, name, place);
}

fn variable(text: &str, group: &str, place: &Place, draft: &mut Draft) {
    match text.split_once('=') {
        Some((name, value)) => {
            let value = literal::value(value.trim(), place);
            draft.group_var(group, name.trim(), Var::Source(value));
        }
        None => draft.refuse(place, "expected `name=value`"),
    }
}

fn host(text: &str, group: &str, place: &Place, draft: &mut Draft) {
    let words = match words(text) {
        Ok(words) => words,
        Err(why) => return draft.errors.push(Diagnostic::input("cannot read this host line").at(place).label(why)),
    };
    let Some((name, assignments)) = words.split_first() else { return };
    let names = draft.hosts(&name.text, group, &name.at(place));
    for word in assignments {
        let place = word.at(place);
        let Some((key, value)) = word.text.split_once('=') else {
            let error = Diagnostic::input("expected `name=value`").at(&place);
            draft.errors.push(error.hint("one host a line; quote values that hold spaces"));
            continue;
        };
        let value = literal::value(value, &place);
        for name in &names {
            draft.host_var(name, key, Var::Source(value.clone()));
        }
    }
}

/// A word of a line without its quotes, and where it stands in the line.
struct Word {
    text: String,
    start: usize,
    length: usize,
}

impl Word {
    fn at(&self, line: &Place) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { column: line.column.saturating_add(number(self.start)), length: number(self.length), ..line.clone() }
    }
}

/// Splits as a shell does: quotes, backslashes, `#` begins a comment.
fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars().enumerate().peekable();
    while let Some((index, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(open.take());
            continue;
        }
        if quote.is_none() && c == '#' {
            break;
        }
        let word = open.get_or_insert_with(|| Word { text: String::new(), start: index, length: 0 });
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '\\') => word.text.push(chars.next().ok_or("a backslash ends the line")?.1),
            (Some('"'), '\\') if matches!(chars.peek(), Some((_, '"' | '\\'))) => word.text.extend(chars.next().map(|(_, c)| c)),
            _ => word.text.push(c),
        }
        word.length = chars.peek().map_or(line.chars().count(), |(next, _)| *next) - word.start;
    }
    if let Some(q) = quote {
        return Err(format!("the quote `{q}` is never closed"));
    }
    words.extend(open);
    Ok(words)
}
