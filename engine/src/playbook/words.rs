//! `key=value` words: how Ansible splits the text form of a module's arguments.

use crate::source::Place;

/// One word of the text and the blanks behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The word as written, quotes included.
    pub(super) text: &'a str,
    /// Blanks and line ends up to the next word.
    pub(super) gap: &'a str,
}

/// What stands open at the end of the text: a quote or a template's braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unbalanced(pub(super) &'static str);

/// Splits at blanks and line ends that stand in no quotes and no template. The first part is the blanks in front.
pub(super) fn split(text: &str) -> Result<(&str, Vec<Word<'_>>), Unbalanced> {
    let blank = |c: char| c == ' ' || c == '\n';
    let start = text.len() - text.trim_start_matches(blank).len();
    let (mut words, mut at) = (Vec::new(), start);
    while at < text.len() {
        let end = at + word_length(&text[at..])?;
        let next = text.len() - text[end..].trim_start_matches(blank).len();
        words.push(Word { text: &text[at..end], gap: &text[end..next] });
        at = next;
    }
    Ok((&text[..start], words))
}

/// How many bytes the word at the start of `text` has.
fn word_length(text: &str) -> Result<usize, Unbalanced> {
    let mut quote = None;
    let mut previous = ' ';
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if let Some(close) = opened_template(&text[at..]) {
            at += template_length(&text[at..], close)?;
            previous = '}';
            continue;
        }
        match (quote, c) {
            (None, ' ' | '\n') => return Ok(at),
            (None, '"' | '\'') if previous != '\\' => quote = Some(c),
            (Some(q), _) if q == c && previous != '\\' => quote = None,
            _ => {}
        }
        previous = c;
        at += c.len_utf8();
    }
    match quote {
        Some('"') => Err(Unbalanced("\"")),
        Some(_) => Err(Unbalanced("'")),
        None => Ok(at),
    }
}

fn opened_template(text: &str) -> Option<&'static str> {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")].iter().find(|(open, _)| text.starts_with(open)).map(|(_, close)| *close)
}

/// How many bytes the template at the start of `text` has, both braces included.
fn template_length(text: &str, close: &'static str) -> Result<usize, Unbalanced> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    let comment = close == "#}";
    for (at, c) in text.char_indices().skip(2) {
        if depth == 0 && quote.is_none() && text[at..].starts_with(close) {
            return Ok(at + 2);
        }
        match (quote, c) {
            _ if comment || std::mem::take(&mut escaped) => {}
            (Some(_), '\\') => escaped = true,
            (Some(q), _) if q == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Err(Unbalanced(match close {
        "}}" => "{{",
        "%}" => "{%",
        _ => "{#",
    }))
}

/// The key and value of a `key=value` word; none when it has no key. `\=` is no separator.
pub(super) fn key_value(word: &str) -> Option<(String, String)> {
    let outside = |i: &usize| word[..*i].matches("{{").count() == word[..*i].matches("}}").count();
    let at = word.match_indices('=').map(|(i, _)| i).filter(outside).find(|i| !word[..*i].ends_with('\\'))?;
    let key = word[..at].trim();
    if key.is_empty() {
        return None;
    }
    Some((key.to_string(), unquoted(unescaped(&word[at + 1..]).trim()).to_string()))
}

/// The text without the words that were taken as options: `words` are what is left, in order.
pub(super) fn joined(lead: &str, words: &[Word<'_>], is_option: impl Fn(&Word<'_>) -> bool) -> Option<String> {
    let mut text = String::new();
    let mut separator = "";
    for (i, word) in words.iter().enumerate() {
        // A lone backslash continues the line.
        if is_option(word) || word.text == "\\" {
            continue;
        }
        text.push_str(if i == 0 { lead } else { separator });
        let plain = key_value(word.text).is_none();
        text.push_str(&if plain { word.text.replace("\\=", "=") } else { word.text.to_string() });
        let last = i + 1 == words.len();
        match word.gap.strip_suffix(' ') {
            Some(rest) if !last => {
                text.push_str(rest);
                separator = " ";
            }
            _ => {
                text.push_str(word.gap);
                separator = "";
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return if inner.ends_with('\\') { text } else { inner };
        }
    }
    text
}

/// Python's escapes: `\n`, `\t`, `\x41`, `\u00e9`, `\\`, `\'`, …; others stay as they are.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, used) = escape(rest).unwrap_or(('\\', 1));
        out.push(c);
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

/// The character that the escape at the start of `text` means, and its length in bytes.
fn escape(text: &str) -> Option<(char, usize)> {
    let code = |digits: usize| {
        let hex = text.get(2..2 + digits)?;
        // from_str_radix would take a sign.
        let all = hex.chars().all(|c| c.is_ascii_hexdigit());
        Some((char::from_u32(u32::from_str_radix(hex, 16).ok().filter(|_| all)?)?, 2 + digits))
    };
    let plain = match text[1..].chars().next()? {
        'x' => return code(2),
        'u' => return code(4),
        'U' => return code(8),
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        c @ ('\\' | '\'' | '"') => c,
        _ => return None,
    };
    Some((plain, 2))
}

/// Finds the places of words, in order, in the text that a scalar was read from.
pub(super) struct Finder {
    scalar: Place,
    line: u32,
    column: usize,
    last: u32,
}

impl Finder {
    /// For the words of the scalar at `place`, read as `text`.
    pub(super) fn new(place: &Place, text: &str) -> Finder {
        // A folded scalar has more lines than its value; some words a line is a fair guess.
        let lines = text.matches('\n').count() + 1 + text.len() / 60;
        let column = (place.column as usize).saturating_sub(1);
        Finder { scalar: place.clone(), line: place.line, column, last: place.line + u32::try_from(lines).unwrap_or(u32::MAX / 2) }
    }

    /// The place of the next word that reads `word`, or the scalar's where escapes hide it.
    pub(super) fn place(&mut self, word: &str) -> Place {
        let wanted = word.lines().next().unwrap_or_default();
        if self.scalar.line == 0 || wanted.is_empty() {
            return self.scalar.clone();
        }
        let mut skip = self.column;
        for number in self.line..=self.last {
            let Some(line) = self.scalar.source.line(number) else { break };
            let from = line.char_indices().nth(skip).map_or(line.len(), |(i, _)| i);
            if let Some(found) = line[from..].find(wanted) {
                let column = line[..from + found].chars().count();
                let length = wanted.chars().count();
                (self.line, self.column) = (number, column + length);
                return Place {
                    source: self.scalar.source.clone(),
                    line: number,
                    column: u32::try_from(column + 1).unwrap_or(1),
                    length: u32::try_from(length).unwrap_or(0),
                };
            }
            skip = 0;
        }
        self.scalar.clone()
    }
}
