//! Regular expressions as Python's `re` reads them, on top of fancy-regex.

use fancy_regex::{Regex, RegexBuilder};

/// A match with its groups.
pub type Captures<'t> = fancy_regex::Captures<'t, str>;

/// A pattern with Python's meaning.
#[derive(Debug)]
pub struct Pattern(Regex);

/// Python's flags that modules set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `^` and `$` match at every line.
    pub multiline: bool,
    /// `.` matches a line's end too.
    pub dotall: bool,
    /// Case does not matter.
    pub ignorecase: bool,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(source: &str, flags: Flags) -> Result<Pattern, String> {
        let mut multiline = flags.multiline;
        // A global flag in the pattern itself decides what `$` means.
        if let Some(set) = source.strip_prefix("(?").and_then(|rest| rest.split_once(')')).map(|(set, _)| set) {
            multiline |= set.chars().all(|c| c.is_ascii_alphabetic()) && set.contains('m');
        }
        let translated = translate(source, multiline);
        RegexBuilder::new(&translated)
            .multi_line(multiline)
            .dot_matches_new_line(flags.dotall)
            .case_insensitive(flags.ignorecase)
            .backtrack_limit(10_000_000)
            .build()
            .map(Pattern)
            .map_err(|e| format!("{source:?} is not a regular expression: {e}"))
    }

    /// Whether it matches anywhere in `text`.
    pub fn found(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }

    /// The first match in `text` with its groups.
    pub fn search<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.0.captures(text).ok().flatten()
    }

    /// Replaces every match; the answer says how many there were.
    ///
    /// # Errors
    /// When `template` names a group that the pattern does not have, or holds an escape without meaning.
    pub fn replace_all(&self, text: &str, template: &str) -> Result<(String, usize), String> {
        let (mut out, mut last, mut count, mut from) = (String::with_capacity(text.len()), 0, 0, 0);
        self.check(template)?;
        while from <= text.len() {
            let Some(captures) = self.0.captures_from_pos(text, from).map_err(|e| e.to_string())? else { break };
            let whole = captures.get(0).map_or(from..from, |m| m.range());
            out.push_str(&text[last..whole.start]);
            out.push_str(&expand(&captures, template)?);
            last = whole.end;
            count += 1;
            // As in Python, an empty match may follow a match at once, but not another empty one.
            let step = text[whole.end..].chars().next().map_or(1, char::len_utf8);
            from = if whole.is_empty() { whole.end + step } else { whole.end };
        }
        out.push_str(&text[last..]);
        Ok((out, count))
    }

    /// Refuses a template that no match could fill.
    fn check(&self, template: &str) -> Result<(), String> {
        fill(template, |group| match group.parse::<usize>() {
            Ok(number) if number < self.0.captures_len() => Ok(""),
            Ok(number) => Err(format!("invalid group reference {number}")),
            Err(_) if self.names().any(|name| name == group) => Ok(""),
            Err(_) => Err(format!("unknown group name {group:?}")),
        })
        .map(drop)
    }

    /// The names of the named groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.capture_names().flatten()
    }
}

/// Fills `\1`, `\g<name>` and escapes such as `\n` of a replacement.
pub fn expand(captures: &Captures<'_>, template: &str) -> Result<String, String> {
    fill(template, |group| group_text(captures, group))
}

fn fill<'t>(template: &str, text_of: impl Fn(&str) -> Result<&'t str, String>) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = match chars.next() {
            None => return Err("bad escape (end of pattern)".into()),
            Some('g') => {
                let rest: String = chars.by_ref().take_while(|c| *c != '>').collect();
                rest.strip_prefix('<').ok_or("missing < after \\g")?.to_string()
            }
            Some('0') => {
                out.push('\0');
                continue;
            }
            Some(digit @ '1'..='9') => {
                let mut number = digit.to_string();
                if let Some(next) = chars.next_if(char::is_ascii_digit) {
                    number.push(next);
                }
                number
            }
            Some(escaped) => {
                match "abfnrtv\\".find(escaped) {
                    Some(at) => out.push(['\x07', '\x08', '\x0c', '\n', '\r', '\t', '\x0b', '\\'][at]),
                    None if escaped.is_ascii_alphabetic() => return Err(format!("bad escape \\{escaped} in the replacement")),
                    None => out.extend(['\\', escaped]),
                }
                continue;
            }
        };
        out.push_str(text_of(&group)?);
    }
    Ok(out)
}

fn group_text<'t>(captures: &Captures<'t>, group: &str) -> Result<&'t str, String> {
    let found = match group.parse::<usize>() {
        Ok(number) if number < captures.len() => captures.get(number),
        Ok(number) => return Err(format!("invalid group reference {number}")),
        Err(_) => Some(captures.name(group).ok_or_else(|| format!("unknown group name {group:?}"))?),
    };
    Ok(found.map_or("", |m| m.as_str()))
}

/// Writes a pattern of Python's `re` in the words of fancy-regex.
fn translate(source: &str, multiline: bool) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len() + 8);
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += escape(&chars[at..], &mut out, false),
            '[' => at += class(&chars[at..], &mut out),
            // Python's `$` also matches before a newline at the very end.
            '$' if !multiline => {
                out.push_str(r"(?=\n?\z)");
                at += 1;
            }
            '{' => {
                match counted(&chars[at..]) {
                    Some(true) => out.push_str("{0"),
                    Some(false) => out.push('{'),
                    None => out.push_str(r"\{"),
                }
                at += 1;
            }
            c => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// Whether `{…}` is a repetition count, and if so whether it lacks its lower bound.
fn counted(chars: &[char]) -> Option<bool> {
    let inner: String = chars[1..].iter().take_while(|c| **c != '}').collect();
    let closed = chars.len() > inner.chars().count() + 1;
    let digits = inner.chars().all(|c| c.is_ascii_digit() || c == ',') && inner.matches(',').count() <= 1;
    (closed && digits && inner.chars().any(|c| c.is_ascii_digit() || c == ',')).then(|| inner.starts_with(','))
}

fn escape(chars: &[char], out: &mut String, in_class: bool) -> usize {
    match chars.get(1) {
        None => out.push_str(r"\\"),
        Some('Z') if !in_class => out.push_str(r"\z"),
        Some(c) if c.is_ascii_alphanumeric() => out.extend(['\\', *c]),
        Some(c) if in_class => out.extend(['\\', *c]),
        Some(c) => out.push_str(&fancy_regex::escape(&c.to_string())),
    }
    2.min(chars.len())
}

/// A character class: nested brackets and set operations are plain characters in Python.
fn class(chars: &[char], out: &mut String) -> usize {
    out.push('[');
    let mut at = 1;
    if chars.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    let first = at;
    while at < chars.len() {
        match chars[at] {
            ']' if at > first => {
                out.push(']');
                return at + 1;
            }
            '\\' => at += escape(&chars[at..], out, true),
            c @ ('[' | ']' | '&' | '~') => {
                out.extend(['\\', c]);
                at += 1;
            }
            // `--` would be a set difference; a range from a dash is written the long way.
            '-' if chars.get(at + 1) == Some(&'-') => {
                out.push_str(r"\-");
                at += 1;
            }
            c => {
                out.push(c);
                at += 1;
            }
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_python_does() {
        for (pattern, text, found) in [
            ("a$", "a\n", true),
            ("a$", "a\n\n", false),
            (r"a\Z", "a\n", false),
            ("[[]x", "[x", true),
            ("[]x]+$", "]x", true),
            ("{{ a }}", "{{ a }}", true),
            ("a{,2}b", "aab", true),
            ("x{", "x{", true),
            (r"\<a\>", "<a>", true),
            (r"\#\ \%", "# %", true),
            ("(?P<n>a)(?P=n)", "aa", true),
            (r"(a)\1", "aa", true),
            ("^(?!x)", "x", false),
            ("(?i)A", "a", true),
            ("[a&&b]", "&", true),
            (r"^\s*#?\s*PermitRootLogin", "  # PermitRootLogin no", true),
            (r"[\w.-]+", "-", true),
        ] {
            assert_eq!(Pattern::new(pattern, Flags::default()).unwrap().found(text), found, "{pattern} in {text:?}");
        }
        assert!(Pattern::new("(", Flags::default()).is_err());
        assert!(Pattern::new("(?m)^b$", Flags::default()).unwrap().found("a\nb\nc"));
    }

    #[test]
    fn fills_replacements() {
        let pattern = Pattern::new("(?P<k>[a-z]+)=([0-9]*)", Flags::default()).unwrap();
        assert_eq!(pattern.replace_all("a=1 b=", r"\2:\g<k>\n").unwrap(), ("1:a\n :b\n".to_string(), 2));
        assert!(pattern.replace_all("a=1", r"\3").is_err());
        assert!(pattern.replace_all("no match", r"\g<x>").is_err());
        let anything = Pattern::new(".*", Flags { multiline: true, ..Flags::default() }).unwrap();
        assert_eq!(anything.replace_all("a\nb", "x").unwrap(), ("xx\nxx".to_string(), 4));
        assert!(pattern.replace_all("a=1", r"\q").is_err());
    }
}
