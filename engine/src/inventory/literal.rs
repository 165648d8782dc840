//! Values in INI inventories: Python's literals (<https://docs.python.org/3/reference/lexical_analysis.html#literals>), else text.

use crate::source::Place;
use crate::yaml::{Data, Node};

/// Lists and dictionaries within each other.
const DEPTH_LIMIT: usize = 100;

/// What a value after `=` means.
pub(super) fn value(text: &str, place: &Place) -> Node {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']), place, depth: 0 };
    let literal = reader.line().filter(|_| {
        reader.skip_space();
        reader.rest.is_empty()
    });
    literal.unwrap_or_else(|| Node::new(place.clone(), Data::Str(text.into())))
}

struct Reader<'a> {
    rest: &'a str,
    place: &'a Place,
    depth: usize,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn node(&self, data: Data) -> Node {
        Node::new(self.place.clone(), data)
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// One value, or a tuple without parentheses: `1, 2`.
    fn line(&mut self) -> Option<Node> {
        let first = self.expression()?;
        if !self.take(',') {
            return Some(first);
        }
        let mut items = vec![first];
        self.skip_space();
        while !self.rest.is_empty() {
            items.push(self.expression()?);
            if !self.take(',') {
                break;
            }
        }
        Some(self.node(Data::List(items)))
    }

    fn expression(&mut self) -> Option<Node> {
        self.skip_space();
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return None;
        }
        let node = match self.rest.chars().next()? {
            '[' => self.sequence('[', ']').map(|(items, _)| self.node(Data::List(items))),
            '(' => self.parenthesis(),
            '{' => self.braces(),
            _ if self.prefix().is_some() => self.texts(),
            '0'..='9' | '.' | '-' | '+' => self.number(),
            _ => self.word(),
        };
        self.depth -= 1;
        node
    }

    /// Items up to the closing bracket, and whether a comma stood among them.
    fn sequence(&mut self, open: char, close: char) -> Option<(Vec<Node>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        if !self.take(open) {
            return None;
        }
        while !self.take(close) {
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.expression()?);
            if self.take(',') {
                comma = true;
            } else {
                return self.take(close).then_some((items, comma));
            }
        }
        Some((items, comma))
    }

    /// A tuple, or one value in parentheses.
    fn parenthesis(&mut self) -> Option<Node> {
        let (mut items, comma) = self.sequence('(', ')')?;
        if items.len() == 1 && !comma { items.pop() } else { Some(self.node(Data::List(items))) }
    }

    /// A dictionary or a set.
    fn braces(&mut self) -> Option<Node> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut items = Vec::new();
        self.take('{');
        while !self.take('}') {
            let key = self.expression()?;
            if self.take(':') {
                let value = self.expression()?;
                pairs.retain(|(k, _)| k.raw() != key.raw());
                pairs.push((key, value));
            } else {
                items.push(key);
            }
            if !self.take(',') {
                if !self.take('}') {
                    return None;
                }
                break;
            }
        }
        match (pairs.is_empty(), items.is_empty()) {
            (false, false) => None,
            (true, false) => Some(self.node(Data::List(items))),
            _ => Some(self.node(Data::Map(pairs))),
        }
    }

    /// How long the prefix of a quoted text is, if one starts here: `'`, `r'`, `u'`, `b'`, `rb'`.
    fn prefix(&self) -> Option<usize> {
        let letters = self.rest.find(['\'', '"'])?;
        let known = ["", "r", "u", "b", "rb", "br"].contains(&self.rest.get(..letters)?.to_ascii_lowercase().as_str());
        known.then_some(letters)
    }

    /// Quoted texts; several in a row are one.
    fn texts(&mut self) -> Option<Node> {
        let mut text = String::new();
        while let Some(letters) = self.prefix() {
            let raw = self.rest[..letters].contains(['r', 'R']);
            self.rest = &self.rest[letters..];
            text.push_str(&self.quoted(raw)?);
            self.skip_space();
        }
        Some(self.node(Data::Str(text.into())))
    }

    fn quoted(&mut self, raw: bool) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut chars = self.rest[1..].chars();
        while let Some(c) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = chars.as_str();
                    return Some(text);
                }
                '\\' if raw => text.extend([c, chars.next()?]),
                '\\' => escape(&mut chars, &mut text)?,
                c => text.push(c),
            }
        }
        None
    }

    fn number(&mut self) -> Option<Node> {
        let (negative, body) = match self.rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.rest.strip_prefix('+').unwrap_or(self.rest)),
        };
        let exponent = |i: usize| i > 0 && matches!(body.as_bytes()[i - 1], b'e' | b'E') && !body.starts_with("0x");
        let end = body
            .char_indices()
            .find(|(i, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || (matches!(c, '+' | '-') && exponent(*i))))
            .map_or(body.len(), |(i, _)| i);
        let (digits, rest) = body.split_at(end);
        self.rest = rest;
        Some(self.node(whole(digits, negative).map(Data::Int).or_else(|| real(digits, negative).map(Data::Float))?))
    }

    fn word(&mut self) -> Option<Node> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let data = match word {
            "True" => Data::Bool(true),
            "False" => Data::Bool(false),
            "None" => Data::Null,
            "set" if rest.starts_with("()") => {
                self.rest = &rest[2..];
                return Some(self.node(Data::List(Vec::new())));
            }
            _ => return None,
        };
        self.rest = rest;
        Some(self.node(data))
    }
}

/// What follows a backslash; an unknown escape stays as it is.
fn escape(chars: &mut std::str::Chars<'_>, text: &mut String) -> Option<()> {
    let code = |chars: &mut std::str::Chars<'_>, length: usize| {
        let digits = chars.as_str().get(..length)?;
        *chars = chars.as_str()[length..].chars();
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    };
    match chars.next()? {
        'n' => text.push('\n'),
        't' => text.push('\t'),
        'r' => text.push('\r'),
        '0' => text.push('\0'),
        'x' => text.push(code(chars, 2)?),
        'u' => text.push(code(chars, 4)?),
        'U' => text.push(code(chars, 8)?),
        c @ ('\\' | '\'' | '"') => text.push(c),
        c => text.extend(['\\', c]),
    }
    Some(())
}

/// Underscores stand between digits only.
fn plain_digits(digits: &str) -> Option<String> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!misplaced && !digits.is_empty()).then(|| digits.replace('_', ""))
}

fn whole(digits: &str, negative: bool) -> Option<i64> {
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ => (10, lower.as_str()),
    };
    let body = plain_digits(body)?;
    // Python refuses `0755`, so it stays text.
    if radix == 10 && body.len() > 1 && body.starts_with('0') && body.bytes().any(|b| b != b'0') {
        return None;
    }
    let number = i128::from_str_radix(&body, radix).ok().filter(|_| !body.starts_with(['+', '-']))?;
    i64::try_from(if negative { -number } else { number }).ok()
}

fn real(digits: &str, negative: bool) -> Option<f64> {
    let body = plain_digits(digits)?;
    let numeric = body.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let pointed = body.contains(['.', 'e', 'E']) && body.bytes().any(|b| b.is_ascii_digit());
    let number: f64 = body.parse().ok().filter(|_| numeric && pointed)?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_python_literals_or_text() {
        let table = [
            ("80", "80"),
            ("-5", "-5"),
            ("0755", "'0755'"),
            ("0o755", "493"),
            ("0x1f", "31"),
            ("1_000", "1000"),
            ("1.5", "1.5"),
            ("1e3", "1000.0"),
            ("1e-3", "0.001"),
            (".5", "0.5"),
            (".", "'.'"),
            ("1.2.3", "'1.2.3'"),
            ("10.0.0.1", "'10.0.0.1'"),
            ("True", "True"),
            ("true", "'true'"),
            ("yes", "'yes'"),
            ("None", "None"),
            ("", "''"),
            ("'x' # y", "'x'"),
            ("\"a\\nb\"", "'a\\nb'"),
            ("'a' 'b'", "'ab'"),
            ("[1, 'a', [True,], {}]", "[1, 'a', [True], {}]"),
            ("[1, 2", "'[1, 2'"),
            ("[a]", "'[a]'"),
            ("(1, 2)", "[1, 2]"),
            ("1,2", "[1, 2]"),
            ("1,", "[1]"),
            ("1,a", "'1,a'"),
            ("a,b", "'a,b'"),
            ("u'x'", "'x'"),
            (r"r'\n'", r"'\\n'"),
            (r#""\x41\u00e9""#, "'Aé'"),
            (r#""\xé""#, "'\"\\\\xé\"'"),
            ("(1)", "1"),
            ("{'a': 1, 'b': {'c': None}}", "{'a': 1, 'b': {'c': None}}"),
            ("{1, 2}", "[1, 2]"),
            ("{a:1}", "'{a:1}'"),
            ("{{ x }}", "'{{ x }}'"),
            ("{{ x }}/y", "'{{ x }}/y'"),
            ("some # not comment", "'some # not comment'"),
            ("99999999999999999999", "'99999999999999999999'"),
            ("1 + 1", "'1 + 1'"),
            ("inf", "'inf'"),
            ("1d", "'1d'"),
            ("'open", "\"'open\""),
        ];
        for (text, expected) in table {
            let node = value(text, &Place::nowhere("t"));
            let shown = node.as_str().map_or_else(|| node.raw().to_string(), modules::value::python_quoted);
            assert_eq!(shown, expected, "{text}");
        }
        assert!(value(&"[".repeat(100_000), &Place::nowhere("t")).as_str().is_some());
    }
}
