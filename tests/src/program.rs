//! The programs under test: where they were built, and what a run of one answers.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_owned()
}

/// Where this build put a program: `$ENGINE_BIN_DIR`, else the newest of the target folder's profiles.
///
/// # Panics
/// When it has not been built.
pub fn built(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("ENGINE_BIN_DIR") {
        return Path::new(&folder).join(name);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let triples = std::fs::read_dir(&target).into_iter().flatten().flatten().map(|e| e.path());
    let programs = triples.flat_map(|t| ["quick", "release", "debug"].map(|profile| t.join(profile).join(name)));
    let dated = programs.filter_map(|p| Some((std::fs::metadata(&p).ok()?.modified().ok()?, p)));
    let newest = dated.max().map(|(_, path)| path);
    newest.unwrap_or_else(|| panic!("`{name}` is not built: run tests/run, or cargo build --profile quick first"))
}

/// A program about to run, in an environment of its own: no colours, no configuration, `home` as its home.
#[derive(Debug, Clone)]
pub struct Program {
    line: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote on standard output.
    pub out: String,
    /// What it wrote on standard error.
    pub err: String,
}

impl Program {
    /// A program with arguments, working in `folder`, with `home` as its home.
    pub fn new<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>, home: &Path, folder: &Path) -> Program {
        let mut line = vec![program.as_ref().to_owned()];
        line.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        let program = Program { line, environment: Vec::new(), folder: folder.to_owned() };
        let path = std::env::var_os("PATH").unwrap_or_default();
        program.with("HOME", home).with("NO_COLOR", "1").with("LANG", "C.UTF-8").with("PATH", path)
    }

    /// `engine` with these arguments.
    pub fn engine<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, home: &Path, folder: &Path) -> Program {
        Program::new(built("engine"), args, home, folder)
    }

    /// Sees this variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Runs as the last arguments of this line.
    #[must_use]
    pub fn under<S: AsRef<OsStr>>(mut self, line: impl IntoIterator<Item = S>) -> Program {
        self.line.splice(0..0, line.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Runs it to its end, without standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self) -> Run {
        let mut command = Command::new(&self.line[0]);
        command.args(&self.line[1..]).env_clear().current_dir(&self.folder).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().unwrap_or_else(|e| panic!("{}: {e}", self.line[0].to_string_lossy()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Run {
    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// With all it wrote, when it ended otherwise.
    #[track_caller]
    pub fn expect(self, code: i32) -> Run {
        assert_eq!(self.code, code, "\n--- standard output\n{}\n--- standard error\n{}", self.out, self.err);
        self
    }
}
