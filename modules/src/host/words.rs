//! Splits a command line into words as a POSIX shell does, without expanding anything.

/// The words of a line: quotes and backslashes are honoured and removed; nothing is expanded.
///
/// # Errors
/// When a quotation is not closed, or the line ends with a backslash.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                quoted(&mut chars, word)?;
            }
            '"' => {
                let word = word.get_or_insert_default();
                double_quoted(&mut chars, word)?;
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("a backslash stands at its end")?),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    for c in chars {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err("a quotation (') is not closed".into())
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    const OPEN: &str = "a quotation (\") is not closed";
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(OPEN)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
    Err(OPEN.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell() {
        for (line, words) in [
            ("", vec![]),
            ("  ls   -l ", vec!["ls", "-l"]),
            ("echo 'a b' \"c d\"e", vec!["echo", "a b", "c de"]),
            (r#"a\ b "q\"x\n" '\n'"#, vec!["a b", "q\"x\\n", "\\n"]),
            ("x '' \"\"", vec!["x", "", ""]),
            ("a#b # c", vec!["a#b", "#", "c"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        assert!(split("echo 'a").is_err());
        assert!(split("echo \"a").is_err());
        assert!(split("echo \\").is_err());
    }
}
