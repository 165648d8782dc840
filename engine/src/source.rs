//! Texts that the user wrote, and places in them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text with the name it is shown under. Cloning is cheap.
#[derive(Clone)]
pub struct Source(Arc<Text>);

struct Text {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A text and the path or name it is shown under, e.g. `site.yaml` or `--extra-vars`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Source {
        Source(Arc::new(Text { path: path.into(), text: text.into() }))
    }
    /// Path or name.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0.text
    }
    /// One line, counted from 1, without its end.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.0.text.lines().nth((number as usize).checked_sub(1)?)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.path.display())
    }
}

/// A place in a source: where a value starts.
#[derive(Debug, Clone)]
pub struct Place {
    /// The text.
    pub source: Source,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// How many characters of the line it covers; 0 when not known.
    pub length: u32,
}

impl Place {
    /// A place in no file, for values made by the program itself.
    pub fn nowhere(name: &str) -> Place {
        Place { source: Source::new(name, ""), line: 0, column: 0, length: 0 }
    }
}

/// `path:line:column`, the form that editors and terminals link.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.source.path().display()),
            _ => write!(f, "{}:{}:{}", self.source.path().display(), self.line, self.column),
        }
    }
}
