//! Words of a shell line: quoting one, and splitting a line into words.

use crate::error::{Diagnostic, Result};

/// One word that every shell reads back as it was: bare if it is plain, else in single quotes.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Splits a line as a POSIX shell would: white space between words, quotes, backslashes; nothing is expanded.
///
/// # Errors
/// Kind `Input` for a quote that is not closed or a backslash at the end.
pub fn split_args(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    let unfinished = |what: &str| Box::new(Diagnostic::input(format!("{what} in `{line}`")));
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| unfinished("a quote is not closed"))? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default()).ok_or_else(|| unfinished("a quote is not closed"))?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or_else(|| unfinished("a backslash stands at the end"))?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads up to the closing double quote; inside, a backslash escapes only what a shell would look at.
fn double_quoted(chars: &mut std::str::Chars, word: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' => return Some(()),
            '\\' => match chars.next()? {
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  -J jump  ", &["-J", "jump"]),
            ("-o ProxyCommand=\"ssh -W %h:%p -q bastion\"", &["-o", "ProxyCommand=ssh -W %h:%p -q bastion"]),
            ("-o 'ProxyCommand ssh \"a b\"'", &["-o", "ProxyCommand ssh \"a b\""]),
            (r"a\ b '' c", &["a b", "", "c"]),
            (r#""a\"b\x""#, &[r#"a"b\x"#]),
        ];
        for (line, words) in table {
            assert_eq!(split_args(line).unwrap(), *words, "{line}");
        }
        for bad in ["'a", "\"a", "a\\"] {
            assert!(split_args(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quoted_words_come_back() {
        for word in ["", "plain", "a b", "it's", "$HOME", "a\"b", "back\\slash", "new\nline", "ünï"] {
            assert_eq!(split_args(&quote(word)).unwrap(), [word]);
            let out = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quote(word))]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&out.stdout), word);
        }
    }
}
