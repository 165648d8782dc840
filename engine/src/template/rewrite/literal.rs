//! Texts in the expressions of a playbook: Ansible takes their backslashes as they are, so that `'\1'` reaches a filter.

/// A template in which the texts inside `{{ … }}` stand for themselves; blocks and comments stay.
pub(in crate::template) fn literal(template: &str) -> String {
    let mut out = String::with_capacity(template.len() + 8);
    let mut rest = template;
    let mut raw = false;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        out.push_str(&rest[..at]);
        let (inside, end) = (&rest[at..], &rest[at..at + 2]);
        let length = match end {
            _ if raw && end != "{%" => 2,
            "{#" => inside.find("#}").map_or(inside.len(), |i| i + 2),
            "{%" => length(inside, "%}"),
            _ => length(inside, "}}"),
        };
        let piece = &inside[..length];
        match end {
            "{{" if !raw => doubled(piece, &mut out),
            _ => out.push_str(piece),
        }
        if end == "{%" {
            match piece[2..].trim_start_matches(['-', '+']).split_whitespace().next() {
                Some("raw") => raw = true,
                Some("endraw") => raw = false,
                _ => {}
            }
        }
        rest = &inside[length..];
    }
    out.push_str(rest);
    out
}

/// How long the part up to and with `end` is; texts may hold it.
fn length(text: &str, end: &str) -> usize {
    let mut quote = None;
    let mut chars = text.char_indices().skip(2);
    while let Some((i, c)) = chars.next() {
        match (c, quote) {
            ('\\', Some(_)) => {
                chars.next();
            }
            (c, Some(q)) if c == q => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            (_, None) if text[i..].starts_with(end) => return i + end.len(),
            _ => {}
        }
    }
    text.len()
}

fn doubled(expression: &str, out: &mut String) {
    let mut quote = None;
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', Some(_)) => {
                out.push_str("\\\\");
                match chars.next() {
                    Some(c @ ('"' | '\'' | '\\')) => out.extend(['\\', c]),
                    Some(c) => out.push(c),
                    None => {}
                }
                continue;
            }
            (c, Some(q)) if c == q => quote = None,
            (c @ ('"' | '\''), None) => quote = Some(c),
            _ => {}
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn backslashes_stand_for_themselves_in_expressions() {
        for (template, wanted) in [
            (r"a\n {{ 'x\n' ~ '\\' }} b\t", r"a\n {{ 'x\\n' ~ '\\\\' }} b\t"),
            (r#"{{ "it\"s" }}"#, r#"{{ "it\\\"s" }}"#),
            (r"{% set x = 'a\n' %}{# '\n' #}{{ '}}\d' }}", r"{% set x = 'a\n' %}{# '\n' #}{{ '}}\\d' }}"),
            (r"{% raw %}{{ '\n' }}{% endraw %}{{ '\n' }}", r"{% raw %}{{ '\n' }}{% endraw %}{{ '\\n' }}"),
            (r"{{ unclosed '\n", r"{{ unclosed '\\n"),
        ] {
            assert_eq!(super::literal(template), wanted);
        }
    }
}
