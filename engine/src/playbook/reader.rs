//! What reads one file: it gathers all errors instead of stopping at the first.

use super::files::Files;
use crate::error::Diagnostic;
use std::path::Path;

/// Reads the plays and tasks of one file.
pub(super) struct Reader<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Where warnings go.
    pub(super) files: &'a Files,
    errors: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, files: &'a Files) -> Reader<'a> {
        Reader { path, files, errors: Vec::new() }
    }

    /// Keeps an error.
    pub(super) fn error(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    /// The value, or every error met, in the order of the file.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Diagnostic>> {
        self.errors.sort_by_key(|error| error.place.as_ref().map(|place| (place.line, place.column)));
        if self.errors.is_empty() { Ok(value) } else { Err(self.errors) }
    }

    /// Every error met, in the order of the file.
    pub(super) fn errors(self) -> Vec<Diagnostic> {
        self.finish(()).err().unwrap_or_default()
    }

    /// The value, or the first error with the others as its notes.
    pub(super) fn finish_with_first<T>(self, value: T) -> crate::error::Result<T> {
        self.finish(value).map_err(|errors| {
            let mut errors = errors.into_iter();
            let first = errors.next().unwrap_or_else(|| Diagnostic::input("invalid file"));
            Box::new(errors.fold(first, |first, other| {
                let place = other.place.as_ref().map(|p| format!("{p}: ")).unwrap_or_default();
                let hints: String = other.hints.iter().map(|hint| format!(" ({hint})")).collect();
                first.note(format!("also {place}{}{hints}", other.summary))
            }))
        })
    }
}
