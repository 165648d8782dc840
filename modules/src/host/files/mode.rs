//! Permissions as tasks write them: octal or symbolic, read and applied as Ansible does.

use super::Mode;
use crate::args::FromValue;
use crate::value::Value;

impl FromValue for Mode {
    fn kind() -> String {
        "mode".into()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        let value = value.reveal();
        let bits = |n: i64| u32::try_from(n).ok().filter(|bits| *bits <= 0o7777).map(Mode::Bits);
        let read = match value {
            Value::Int(n) => bits(*n),
            Value::Str(text) => {
                let text = text.trim();
                let octal = text.strip_prefix("0o").unwrap_or(text);
                if octal.starts_with(|c: char| c.is_ascii_digit()) {
                    i64::from_str_radix(octal, 8).ok().and_then(bits)
                } else {
                    clauses(text).map(|_| Mode::Symbolic(text.to_string()))
                }
            }
            _ => None,
        };
        read.ok_or_else(|| match value {
            Value::Str(text) => format!("must be a mode such as \"0644\" or \"u=rw,g=r,o=r\", not {text:?}"),
            Value::Int(n) => format!("must be a mode such as \"0644\", not the number {n}: write it in quotes"),
            v => format!("must be a mode such as \"0644\" or \"u=rw,g=r,o=r\", not a {}", v.type_name()),
        })
    }
}

impl Mode {
    /// The bits that come of it where `current` stands.
    pub(crate) fn apply(&self, current: u32, is_directory: bool, umask: u32) -> u32 {
        match self {
            Mode::Bits(bits) => *bits,
            Mode::Symbolic(text) => {
                let apply = |mode, clause: &Clause<'_>| clause.apply(mode, is_directory, umask);
                clauses(text).unwrap_or_default().iter().fold(current & 0o7777, apply)
            }
        }
    }
}

/// `u+x`, `go-w`, `=r`: one change of permissions.
struct Clause<'a> {
    who: &'a str,
    operator: char,
    what: &'a str,
}

/// The clauses of a symbolic mode; `None` when it is none.
fn clauses(text: &str) -> Option<Vec<Clause<'_>>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let start = part.find(['+', '-', '='])?;
        let (who, mut rest) = part.split_at(start);
        if !who.chars().all(|c| "ugoa".contains(c)) {
            return None;
        }
        while let Some(operator) = rest.chars().next() {
            let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
            let what = &rest[1..end];
            let copies = matches!(what, "u" | "g" | "o");
            if !copies && !what.chars().all(|c| "rwxXst".contains(c)) {
                return None;
            }
            all.push(Clause { who, operator, what });
            rest = &rest[end..];
        }
    }
    Some(all)
}

impl Clause<'_> {
    fn apply(&self, mode: u32, is_directory: bool, umask: u32) -> u32 {
        // As with chmod, nobody named means everybody, within the umask.
        let (who, within) = if self.who.is_empty() { ("a", 0o7777 & !umask) } else { (self.who, 0o7777) };
        let who = if who.contains('a') { "ugo" } else { who };
        who.chars().fold(mode, |now, user| {
            let (shift, special) = match user {
                'u' => (6, 0o4000),
                'g' => (3, 0o2000),
                _ => (0, 0o1000),
            };
            let bits = self.bits(mode, shift, special, is_directory) & within;
            match self.operator {
                '+' => now | bits,
                '-' => now & !bits,
                _ => (now & !(0o7 << shift | special)) | bits,
            }
        })
    }

    fn bits(&self, mode: u32, shift: u32, special: u32, is_directory: bool) -> u32 {
        let executable = is_directory || mode & 0o111 != 0;
        self.what.chars().fold(0, |bits, c| {
            bits | match c {
                'r' => 0o4 << shift,
                'w' => 0o2 << shift,
                'x' => 0o1 << shift,
                'X' if executable => 0o1 << shift,
                's' if shift > 0 => special,
                't' if shift == 0 => special,
                'u' => (mode >> 6 & 0o7) << shift,
                'g' => (mode >> 3 & 0o7) << shift,
                'o' => (mode & 0o7) << shift,
                _ => 0,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_text() {
        for (value, expected) in [
            (Value::Int(0o644), Some(Mode::Bits(0o644))),
            (Value::str("0644"), Some(Mode::Bits(0o644))),
            (Value::str("644"), Some(Mode::Bits(0o644))),
            (Value::str("0o1777"), Some(Mode::Bits(0o1777))),
            (Value::str("u=rwX,g=rx,o="), Some(Mode::Symbolic("u=rwX,g=rx,o=".into()))),
            (Value::str("+x"), Some(Mode::Symbolic("+x".into()))),
            (Value::str("u+r-w"), Some(Mode::Symbolic("u+r-w".into()))),
            (Value::str("0999"), None),
            (Value::str("77777"), None),
            (Value::str("rw"), None),
            (Value::str("u=rw;g=r"), None),
            (Value::str("u=gr"), None),
            (Value::str(""), None),
            (Value::Int(-1), None),
            (Value::Int(100_000), None),
            (Value::Bool(true), None),
        ] {
            assert_eq!(Mode::from_value(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn applies_symbolic_changes() {
        for (text, before, directory, after) in [
            ("u=rwX,g=rX,o=", 0o644, false, 0o640),
            ("u=rwX,g=rX,o=", 0o644, true, 0o750),
            ("u=rwX,g=rX,o=", 0o755, false, 0o750),
            ("a+x", 0o644, false, 0o755),
            ("+x", 0o600, false, 0o711),
            ("+w", 0o444, false, 0o644),
            ("a+w", 0o444, false, 0o666),
            ("go-rwx", 0o777, false, 0o700),
            ("g=u", 0o750, false, 0o770),
            ("o=g-w", 0o771, false, 0o775),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("+t", 0o755, true, 0o1755),
            ("u=rw", 0o4755, false, 0o655),
            ("u=,g=,o=r", 0o777, false, 0o004),
            ("ug=rw,o=r", 0o000, false, 0o664),
        ] {
            let mode = Mode::from_value(&Value::str(text)).expect("valid");
            let got = mode.apply(before, directory, 0o022);
            assert_eq!(got, after, "{text} on {before:o}: {got:o}, not {after:o}");
        }
    }
}
