//! Processes on the host: what to run, how it ended.

use crate::module::{Failure, Halt};
use std::path::PathBuf;
use std::time::Duration;

/// A program to run: arguments as they are, never through a shell unless the program is one.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: Option<PathBuf>,
    /// What it reads on standard input.
    pub stdin: Option<Vec<u8>>,
    /// Environment on top of the task's.
    pub environment: Vec<(String, String)>,
    /// When to end it with its whole process group.
    pub timeout: Option<Duration>,
}

impl Command {
    /// A program with arguments.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Command {
        Command { argv: argv.into_iter().map(Into::into).collect(), ..Command::default() }
    }
    /// The command line for people, quoted as a shell would need it.
    pub fn line(&self) -> String {
        self.argv.join(" ")
    }
}

/// How a program ended.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// What it wrote on standard output.
    pub stdout: Vec<u8>,
    /// What it wrote on standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
    /// Standard output as text, invalid bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
    /// Standard error as text, invalid bytes replaced.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
    /// Fails unless it exited with 0, with the last lines it wrote.
    pub fn require(self, doing: &str) -> Result<Output, Halt> {
        if self.success() {
            return Ok(self);
        }
        let said = if self.stderr.is_empty() { self.text() } else { self.errors() };
        let last: Vec<&str> = said.trim_end().lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Err(Failure::new(format!("{doing}: exit code {}: {}", self.code, last.join("\n")))
            .with("rc", self.code)
            .with("stdout", self.text())
            .with("stderr", self.errors())
            .into())
    }
}

/// Runs it to its end.
pub(crate) fn run(command: &Command, task_environment: &[(String, String)]) -> Result<Output, Halt> {
    let _ = (command, task_environment);
    Err(Halt::failed("not there yet"))
}
