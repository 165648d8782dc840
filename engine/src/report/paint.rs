//! Colours, where the terminal has them and `NO_COLOR` does not forbid them.

use anstyle::{AnsiColor, Style};
use std::io::IsTerminal;

/// Paints text, or leaves it plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Whether to use colours.
    pub colour: bool,
}

impl Paint {
    /// For standard output.
    pub fn stdout() -> Paint {
        Paint { colour: std::io::stdout().is_terminal() && allowed() }
    }
    /// For standard error.
    pub fn stderr() -> Paint {
        Paint { colour: std::io::stderr().is_terminal() && allowed() }
    }
    fn with(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
    /// What comes into being.
    pub fn green(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }
    /// What changes.
    pub fn yellow(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }
    /// What goes away or failed.
    pub fn red(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default(), text)
    }
    /// What runs, and places in diffs.
    pub fn cyan(self, text: &str) -> String {
        self.with(AnsiColor::Cyan.on_default(), text)
    }
    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }
    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }
}

fn allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}
