//! Options written into a term: `key name=value other="a b"`.

use super::Request;
use crate::template::errors::refuse;
use minijinja::Error;

/// A term taken apart.
pub(super) struct Inline {
    /// What is no option.
    pub(super) key: String,
    options: Vec<(String, String)>,
}

/// Words between blanks that stand outside quotes, each with its quotes.
fn words(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (' ' | '\n', None) => out.push(String::new()),
            ('"' | '\'', None) => {
                quote = Some(c);
                out.last_mut().into_iter().for_each(|w| w.push(c));
            }
            (c, _) => {
                if quote == Some(c) {
                    quote = None;
                }
                out.last_mut().into_iter().for_each(|w| w.push(c));
            }
        }
    }
    out.retain(|w| !w.is_empty());
    out
}

fn unquoted(text: &str) -> &str {
    let inner = |q: char| text.strip_prefix(q).and_then(|t| t.strip_suffix(q));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

impl Inline {
    /// Takes a term apart.
    ///
    /// # Errors
    /// Options that are not among `known`.
    pub(super) fn parse(term: &str, known: &[&str]) -> Result<Inline, Error> {
        let (mut key, mut options) = (Vec::new(), Vec::new());
        for word in words(term) {
            match word.split_once('=').filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty()) {
                Some((name, value)) if known.contains(&name) => options.push((name.to_owned(), unquoted(value).to_owned())),
                Some((name, _)) => return Err(refuse(format!("{name} is not a valid option"))),
                None => key.push(word),
            }
        }
        Ok(Inline { key: key.join(" "), options })
    }

    /// An option of the term, else of the whole lookup.
    pub(super) fn text(&self, request: &Request<'_>, name: &str) -> Result<Option<String>, Error> {
        match self.options.iter().rfind(|(n, _)| n == name) {
            Some((_, value)) => Ok(Some(value.clone())),
            None => request.text(name),
        }
    }

    /// The same as a truth value.
    pub(super) fn flag(&self, request: &Request<'_>, name: &str) -> Result<Option<bool>, Error> {
        let truth = |text: String| matches!(text.to_lowercase().as_str(), "true" | "yes" | "on" | "1" | "y" | "t");
        Ok(self.text(request, name)?.map(truth))
    }
}
