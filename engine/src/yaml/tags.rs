//! Refuses tags that a comma follows at once (`[!x, y]`), on which the parser panics instead of answering.

use crate::error::{Diagnostic, Result};
use crate::source::{Place, Source};
use libyaml_safer::{EventData, Mark, Parser};
use regex::Regex;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Text that would be such a tag if it stood outside of quotes, comments and blocks.
static SUSPECT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(![^\s,\[\]{}]*),").ok());

/// Checks a text before it is parsed.
pub(super) fn check(source: &Source, text: &str) -> Result<()> {
    let Some(suspect) = SUSPECT.as_ref().filter(|s| text.contains('!') && s.is_match(text)) else { return Ok(()) };
    // In a copy without those commas every place stays the same, and a node that starts with a tag there tells.
    let mut copy = text.as_bytes().to_vec();
    let mut suspects = HashMap::new();
    for found in suspect.captures_iter(text).filter_map(|c| c.get(1)) {
        copy[found.end()] = b' ';
        suspects.insert(found.start() as u64, found.as_str());
    }
    match first_tag(&copy, &suspects) {
        Some((mark, tag)) => {
            let number = |n: u64| u32::try_from(n + 1).unwrap_or(u32::MAX);
            let length = u32::try_from(tag.chars().count()).unwrap_or(0);
            let place = Place { source: source.clone(), line: number(mark.line), column: number(mark.column), length };
            let error = Diagnostic::input(format!("a value is missing after the tag `{tag}`")).at(&place);
            Err(Box::new(error.hint("quote the value if the `!` belongs to it")))
        }
        None => Ok(()),
    }
}

/// The first node that starts with a suspected tag, or error there; an anchor may stand before a tag. Offsets are in bytes.
fn first_tag<'a>(text: &[u8], suspects: &HashMap<u64, &'a str>) -> Option<(Mark, &'a str)> {
    let mut input = text;
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let mut depth = 0;
    loop {
        let event = match parser.parse() {
            Ok(event) => event,
            Err(error) => return error.problem_mark().and_then(|m| Some((m, *suspects.get(&m.index)?))),
        };
        let (anchor, tag) = match event.data {
            EventData::StreamEnd => return None,
            EventData::Scalar { anchor, tag, .. } => (anchor, tag),
            EventData::SequenceStart { anchor, tag, .. } | EventData::MappingStart { anchor, tag, .. } => {
                depth += 1;
                (anchor, tag)
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                depth -= 1;
                continue;
            }
            _ => continue,
        };
        if depth > super::compose::DEPTH_LIMIT {
            return None;
        }
        let start = event.start_mark.index + anchor.map_or(0, |a| a.len() as u64 + 2);
        if let Some(name) = suspects.get(&start).filter(|_| tag.is_some()) {
            return Some((event.start_mark, name));
        }
    }
}
