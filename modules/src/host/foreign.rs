//! Programs that come along with a file of arguments: written to a private folder, run, and removed.

use super::processes::{PrivateFolder, write_program};
use super::{Command, Host, Output};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use std::path::Path;

/// What to run.
pub(crate) struct Program<'a> {
    /// What it is called in changes and messages.
    pub(crate) name: &'a str,
    /// Its file.
    pub(crate) source: &'a [u8],
    /// What stands in the file whose path it is given.
    pub(crate) arguments: &'a [u8],
    /// The Python library that it imports, as a zip archive.
    pub(crate) support: Option<&'a [u8]>,
    /// The Python that the user wants.
    pub(crate) python: Option<&'a str>,
}

/// Starts a module with its library in the way that Ansible's developer guide shows for tests of modules.
const START: &str = r#"import runpy, sys
folder = sys.argv[1]
sys.path.insert(0, folder + "/support.zip")
import ansible.module_utils.basic as basic
with open(folder + "/arguments", "rb") as arguments:
    basic._ANSIBLE_ARGS = arguments.read()
basic._ANSIBLE_PROFILE = "legacy"
sys.argv = [folder + "/program"]
runpy.run_path(folder + "/program", run_name="__main__")
"#;

/// Where Python may be.
const PYTHONS: [&str; 4] = ["/usr/bin/python3", "/usr/local/bin/python3", "/usr/libexec/platform-python", "/usr/bin/python"];

impl Host {
    /// Runs it; `None` in a plan, unless it is `aware` of check mode and the plan has changed nothing that it could look at.
    pub(crate) fn run_program(&mut self, program: &Program<'_>, aware: bool) -> Result<Option<Output>, Halt> {
        let may_run = self.is_live() || aware && self.overlay().is_pristine();
        if !may_run {
            self.record(Change::new(Action::Run, "module", program.name));
            self.overlay().run_unpredicted(&format!("the module `{}`", program.name));
            return Ok(None);
        }
        let folder = PrivateFolder::new()?;
        let (file, arguments) = (folder.path().join("program"), folder.path().join("arguments"));
        write_program(&file, program.source)?;
        write_program(&arguments, program.arguments)?;
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let argv = match program.support {
            Some(support) => {
                write_program(&folder.path().join("support.zip"), support)?;
                let start = folder.path().join("start.py");
                write_program(&start, START.as_bytes())?;
                vec![python(program)?, shown(&start), shown(folder.path())]
            }
            None => {
                let mut argv = interpreter(program)?;
                argv.extend([shown(&file), shown(&arguments)]);
                argv
            }
        };
        self.query(&Command::new(argv)).map(Some)
    }
}

/// The Python of this host.
fn python(program: &Program<'_>) -> Result<String, Halt> {
    if let Some(python) = program.python {
        return Ok(python.to_string());
    }
    let found = PYTHONS.iter().find(|path| Path::new(path).exists());
    found.map(ToString::to_string).ok_or_else(|| {
        Failure::new(format!("the module `{}` is written in Python, which this host has not", program.name))
            .hint("install python3 there, or say where it is with `ansible_python_interpreter`")
            .into()
    })
}

/// The words before the file's path: what its first line names, nothing for a binary.
fn interpreter(program: &Program<'_>) -> Result<Vec<String>, Halt> {
    let line = program.source.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(words) = line.strip_prefix("#!") else { return Ok(Vec::new()) };
    let mut words: Vec<String> = words.split_whitespace().map(str::to_string).collect();
    let is_python = |word: &String| word.rsplit('/').next().is_some_and(|name| name.starts_with("python"));
    if let Some(at) = words.iter().position(is_python) {
        words.drain(..at);
        words[0] = python(program)?;
    }
    Ok(words)
}
