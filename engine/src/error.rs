//! Errors as people read them: what, where, why, and what to do; and the exit codes.

mod render;

use crate::source::Place;
pub use render::render_all;

/// Exit code: done, or nothing to do.
pub const EXIT_DONE: u8 = 0;
/// Exit code: wrong usage or input.
pub const EXIT_INPUT: u8 = 1;
/// Exit code of `plan --detailed-exitcode`: changes are pending.
pub const EXIT_PENDING: u8 = 2;
/// Exit code: a task failed.
pub const EXIT_FAILED: u8 = 3;
/// Exit code: a host could not be reached.
pub const EXIT_UNREACHABLE: u8 = 4;
/// Exit code: the saved plan no longer fits.
pub const EXIT_STALE: u8 = 5;
/// Exit code: interrupted.
pub const EXIT_INTERRUPTED: u8 = 130;

/// What an error is about; tells callers how to go on and the program how to exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Files, options and what stands in them.
    Input,
    /// A variable that is not defined.
    Undefined,
    /// A template or expression.
    Template,
    /// A plan came upon what only apply will know: no error, but the end of what it can tell.
    Unknown,
    /// A host that cannot be reached or refuses us.
    Unreachable,
    /// A task that failed on a host.
    Failed,
    /// A user to become that the host does not have.
    NoUser,
    /// This program's own machine: a full disk, a missing program.
    System,
}

/// One error or warning.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{summary}")]
pub struct Diagnostic {
    /// What it is about.
    pub kind: Kind,
    /// What is wrong, in one short sentence without a full stop.
    pub summary: String,
    /// How Ansible words it: playbooks look for these words in a result's `msg`. Nothing where the summary serves.
    pub said: Option<String>,
    /// Where.
    pub place: Option<Place>,
    /// What to say under the marked text; the summary's details.
    pub label: Option<String>,
    /// Further facts: the system's words, the chain of includes.
    pub notes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn new(kind: Kind, summary: impl Into<String>) -> Diagnostic {
        Diagnostic { kind, summary: summary.into(), said: None, place: None, label: None, notes: Vec::new(), hints: Vec::new() }
    }
    /// An error in a file or option.
    pub fn input(summary: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Kind::Input, summary)
    }
    /// What a plan cannot know, and what that depends on.
    pub fn unknown(what: &str, cause: &str) -> Diagnostic {
        Diagnostic::new(Kind::Unknown, format!("`{what}` depends on {cause}"))
    }
    /// Says where, unless a more exact place is known already.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Diagnostic {
        self.place.get_or_insert_with(|| place.clone());
        self
    }
    /// Says it in Ansible's words, for results.
    #[must_use]
    pub fn said(mut self, words: impl Into<String>) -> Diagnostic {
        self.said = Some(words.into());
        self
    }
    /// Says before Ansible's words what was done when it went wrong.
    #[must_use]
    pub fn said_while(mut self, doing: &str) -> Diagnostic {
        self.said = Some(format!("{doing}: {}", self.words()));
        self
    }
    /// Ansible's words, else the summary.
    pub fn words(&self) -> &str {
        self.said.as_ref().unwrap_or(&self.summary)
    }
    /// Says what the marked text is.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }
    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }
    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hints.push(hint.into());
        self
    }
    /// Adds "did you mean" if a known name is near to the wrong one.
    #[must_use]
    pub fn nearest<'a>(self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match modules::args::nearest(wrong, known) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// One error where several could be told.
impl From<Box<Diagnostic>> for Vec<Diagnostic> {
    fn from(error: Box<Diagnostic>) -> Vec<Diagnostic> {
        vec![*error]
    }
}

/// A type's name in a sentence: `an integer`, `a list`, `nothing`.
pub(crate) fn with_article(name: &str) -> String {
    match name {
        "null" => "nothing".to_string(),
        "unknown" => "known only after apply".to_string(),
        name if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
        name => format!("a {name}"),
    }
}

/// The result of reading what the user wrote.
pub type Result<T, E = Box<Diagnostic>> = std::result::Result<T, E>;
