//! Repairs what the engine's parser does not read though Jinja does: `{% do x if c %}` and `{% for x in 1, 2 %}`.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// How many operators and names an expression may have, and how many branches an `if`.
pub(super) const DEEPEST: usize = 1000;

/// The tokens of a template, each with its start and end, up to the first that cannot be read.
pub(super) fn spots<'s>(source: &'s str, syntax: &SyntaxConfig) -> Vec<(Token<'s>, usize, usize)> {
    let tokens = tokenize(source, false, syntax.clone()).map_while(Result::ok);
    tokens.map(|(t, s)| (t, s.start_offset as usize, s.end_offset as usize)).collect()
}

/// The source with such places written as the parser reads them; nothing if there are none.
pub(super) fn repaired(source: &str, syntax: &SyntaxConfig) -> Option<String> {
    let tokens = spots(source, syntax);
    let mut edits: Vec<(usize, usize, &str)> = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        if !matches!(pair[0].0, Token::BlockStart) {
            continue;
        }
        match pair[1].0 {
            // `{% do E %}` takes calls only; as `{% set _=E %}` it takes any expression.
            Token::Ident("do") => edits.push((pair[1].1, pair[1].2, "set _=")),
            Token::Ident("for") => edits.extend(tuple_of_loop(&tokens[i + 2..])),
            _ => {}
        }
    }
    if edits.is_empty() {
        return None;
    }
    let mut out = source.to_owned();
    for (start, end, text) in edits.into_iter().rev() {
        out.replace_range(start..end, text);
    }
    Some(out)
}

/// Parentheses around what a loop runs over, if it is items with commas between them.
fn tuple_of_loop<'t>(tokens: &[(Token<'_>, usize, usize)]) -> Vec<(usize, usize, &'t str)> {
    let (mut depth, mut from, mut to, mut commas) = (0, None, 0, false);
    for (token, _, end) in tokens {
        match token {
            Token::BlockEnd => break,
            Token::Ident("if" | "recursive") if depth == 0 && from.is_some() => break,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => depth -= 1,
            Token::Comma if depth == 0 && from.is_some() => commas = true,
            Token::Ident("in") if depth == 0 && from.is_none() => from = Some(*end),
            _ => {}
        }
        to = *end;
    }
    match from {
        Some(from) if commas => vec![(from, from, " ("), (to, to, ")")],
        _ => Vec::new(),
    }
}

/// Whether reading the template could exhaust the stack: the engine recurses for every operator of an expression.
pub(super) fn is_too_deep(source: &str, syntax: &SyntaxConfig) -> bool {
    if source.len() < DEEPEST {
        return false;
    }
    let (mut operators, mut branches) = (0, 0);
    for (token, _) in tokenize(source, false, syntax.clone()).map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => operators = 0,
            Token::Ident("elif") => branches += 1,
            Token::Comma | Token::Colon | Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Float(_) | Token::TemplateData(_) => {}
            _ => operators += 1,
        }
        if operators > DEEPEST || branches > DEEPEST {
            return true;
        }
    }
    false
}
