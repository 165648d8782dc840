//! The place of an engine error in what the user wrote.

use crate::source::{Place, Source};
use crate::template::{render, rewrite};
use minijinja::Error;
use std::ops::Range;

/// The place of an error inside a text that starts at `place`; of a file, `file` lines stand before the text.
/// If `word` is what the error is about, that word is marked.
pub(super) fn spot(error: &Error, place: &Place, file: Option<usize>, word: Option<&str>) -> Place {
    if let Some((path, text)) = error.name().and_then(render::file_of) {
        let line = u32::try_from(error.line().unwrap_or(1)).unwrap_or(1);
        let start = Place { source: Source::new(path, text), line: 1, column: 1, length: 0 };
        return marked(error, &start, 0, word).unwrap_or(Place { line, ..start });
    }
    if place.line == 0 {
        return place.clone();
    }
    marked(error, place, file.unwrap_or(0), word).unwrap_or_else(|| line_of(error, place, file))
}

/// The word as it stands in the user's text: there it is the same occurrence as in the engine's, which has the same words in
/// the same order.
fn marked(error: &Error, start: &Place, before: usize, word: Option<&str>) -> Option<Place> {
    let text = error.template_source()?;
    let range = error.range()?;
    let word = match word {
        Some(word) => word,
        None => subject(text.get(range.clone())?)?,
    };
    let all: Vec<Range<usize>> = words(text, word).collect();
    let nth = all
        .iter()
        .position(|w| w.start >= range.start && w.end <= range.end.max(range.start + word.len()))
        .or_else(|| all.iter().rposition(|w| w.start <= range.start))?;
    let mut left = nth;
    let first = start.line + u32::try_from(before).ok()?;
    let lines = u32::try_from(text.lines().count()).ok()? + 64;
    for number in first..first + lines {
        let line = start.source.line(number)?;
        let skipped = match number == start.line {
            true => line.char_indices().nth(start.column.saturating_sub(1) as usize).map_or(line.len(), |(i, _)| i),
            false => 0,
        };
        for found in words(line, word).filter(|w| w.start >= skipped) {
            if left == 0 {
                let column = u32::try_from(line[..found.start].chars().count()).ok()? + 1;
                let length = u32::try_from(word.chars().count()).ok()?;
                return Some(Place { source: start.source.clone(), line: number, column, length });
            }
            left -= 1;
        }
    }
    None
}

/// What a failed expression is about: its last filter, else its first name.
fn subject(expression: &str) -> Option<&str> {
    let names = |text: &'_ str| -> Option<Range<usize>> {
        let mut at = 0;
        while let Some(start) = text[at..].find(|c: char| c.is_alphabetic() || c == '_').map(|i| i + at) {
            let end = text[start..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(text.len(), |i| i + start);
            if !rewrite::is_own(&text[start..end]) {
                return Some(start..end);
            }
            at = end;
        }
        None
    };
    let from = expression.rfind('|').map_or(0, |i| i + 1);
    names(&expression[from..]).map(|r| &expression[from..][r])
}

/// Where a word stands on its own.
fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(move |(i, _)| i..i + word.len())
        .filter(move |r| !word.is_empty() && !text[..r.start].ends_with(inside) && !text[r.end..].starts_with(inside))
}

/// The line alone.
fn line_of(error: &Error, place: &Place, file: Option<usize>) -> Place {
    let Some(line) = error.line() else { return place.clone() };
    if line + file.unwrap_or(0) <= 1 {
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
