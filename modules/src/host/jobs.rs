//! Tasks that go on after the answer: each in a process and session of its own, which neither the end of the agent nor that
//! of the connection ends. What came of one stands in a file, in the form of Ansible's.

use super::Host;
use super::command::words_of;
use crate::change::Change;
use crate::module::{Failure, Halt};
use crate::value::{Map, Value};
use crate::wire::{self, Request, Response, Status};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The name under which a request asks the agent to go on without it; `args` are `jid`, `folder`, `seconds`, `module`, `args`.
pub const STARTER: &str = "async_wrapper";

/// Where results stand unless the task names another folder.
pub const FOLDER: &str = "~/.ansible_async";

/// A task on its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its name, and that of its file.
    pub id: String,
    /// Where its result is to stand.
    pub file: PathBuf,
    /// How long it may take.
    pub seconds: u64,
    /// What it does.
    pub request: Request,
}

/// Whether a text can be a job's name: it becomes that of a file.
pub fn is_name(id: &str) -> bool {
    !id.is_empty() && !id.starts_with('.') && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

impl Job {
    /// The job that a request for [`STARTER`] asks for.
    pub(crate) fn asked(host: &Host, request: Request) -> Result<Job, Halt> {
        let text = |name: &str| request.args.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let id = text("jid");
        if !is_name(&id) {
            return Err(Halt::failed(format!("`{id}` cannot name a job")));
        }
        let seconds = request.args.get("seconds").and_then(Value::as_int).unwrap_or(0).unsigned_abs();
        let args = request.args.get("args").and_then(Value::as_map).cloned().unwrap_or_default();
        let file = host.expand_home(&text("folder")).join(&id);
        Ok(Job { id, file, seconds, request: Request { module: text("module"), args, timeout: 0, ..request } })
    }

    /// Starts it; it does not end with this process.
    pub(crate) fn start(&self) -> Result<Map, Halt> {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let refuse = |what: &str, path: &Path, e: &io::Error| Halt::failed(format!("cannot {what} {}: {}", path.display(), words_of(e)));
        fs::create_dir_all(folder).map_err(|e| refuse("create", folder, &e))?;
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(|e| refuse("set the mode of", folder, &e))?;
        self.write(&self.state(false)).map_err(|e| refuse("write", &self.file, &e))?;
        let program = Path::new("/proc/self/exe");
        let mut process = std::process::Command::new(program);
        process.args(["agent", "--job"]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let alone = || rustix::process::setsid().map(drop).map_err(io::Error::from);
        // SAFETY: between fork and exec only async-signal-safe calls are allowed: the closure makes one plain system call. It
        // is needed because a session's end ends all processes that belong to it.
        unsafe {
            process.pre_exec(alone);
        }
        let mut child = process.spawn().map_err(|e| refuse("start", program, &e))?;
        if let Some(mut stdin) = child.stdin.take() {
            wire::write_frame(&mut stdin, self).map_err(|e| refuse("instruct", program, &e))?;
        }
        // Someone has to hear of its end, or it stays as a zombie as long as the agent lives.
        std::thread::spawn(move || child.wait());
        Ok(self.state(false))
    }

    /// Reads the job that this process is to do.
    ///
    /// # Errors
    /// When there is none to read.
    pub(crate) fn receive(mut from: impl Read) -> io::Result<Job> {
        wire::read_frame(&mut from)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    /// Writes down what came of it.
    pub(crate) fn finish(&self, response: Response) -> io::Result<()> {
        let mut state = self.state(true);
        let changed = !response.changes.is_empty();
        state.insert("changed".into(), changed.into());
        state.extend(response.returns);
        match response.status {
            Status::Failed(failure) => {
                state.insert("failed".into(), true.into());
                state.insert("msg".into(), failure.message.into());
                state.extend(failure.returns);
            }
            Status::Skipped => drop(state.insert("skipped".into(), true.into())),
            Status::Done | Status::Unknown(_) => {}
        }
        if !response.warnings.is_empty() {
            state.insert("warnings".into(), Value::list(response.warnings.iter().map(Value::str)));
        }
        let changes = serde_json::to_value(&response.changes).unwrap_or_default();
        state.insert("_changes".into(), Value::from_json(&changes));
        self.write(&state)
    }

    /// Writes down that its time was over.
    pub(crate) fn give_up(&self) -> io::Result<()> {
        let mut state = self.state(true);
        state.extend([(Value::from("failed"), Value::from(true)), ("msg".into(), "Timeout exceeded".into())]);
        self.write(&state)
    }

    fn state(&self, finished: bool) -> Map {
        let mut state = Map::new();
        state.insert("ansible_job_id".into(), self.id.as_str().into());
        state.insert("results_file".into(), self.file.display().to_string().into());
        state.insert("started".into(), true.into());
        state.insert("finished".into(), finished.into());
        state
    }

    /// Whole or not at all: somebody may be reading.
    fn write(&self, state: &Map) -> io::Result<()> {
        let beside = self.file.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(Value::from(state.clone()).to_json().to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.file)
    }
}

/// What a job has come to.
pub struct Progress {
    /// Its file's entries.
    pub state: Map,
    /// What it changed, once it is done.
    pub changes: Vec<Change>,
}

impl Host {
    /// What the job of this name has come to.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read.
    pub fn job(&self, folder: &str, id: &str) -> Result<Progress, Halt> {
        let file = self.job_file(folder, id)?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(no_job(id)),
            Err(e) => return Err(Halt::failed(format!("cannot read {}: {}", file.display(), words_of(&e)))),
        };
        let json: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| Failure::new(format!("could not parse job output: {e}")).with("ansible_job_id", id).with("finished", true))?;
        let mut state = Value::from_json(&json).as_map().cloned().unwrap_or_default();
        state.shift_remove("_changes");
        let changes = json.get("_changes").cloned().and_then(|changes| serde_json::from_value(changes).ok());
        state.insert("results_file".into(), file.display().to_string().into());
        Ok(Progress { state, changes: changes.unwrap_or_default() })
    }

    /// Removes what a job left; where it stood.
    ///
    /// # Errors
    /// When there is none, or its file cannot be removed.
    pub fn forget_job(&mut self, folder: &str, id: &str) -> Result<PathBuf, Halt> {
        let file = self.job_file(folder, id)?;
        let removed = if self.live { fs::remove_file(&file) } else { fs::symlink_metadata(&file).map(drop) };
        match removed {
            Ok(()) => Ok(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(no_job(id)),
            Err(e) => Err(Halt::failed(format!("cannot remove {}: {}", file.display(), words_of(&e)))),
        }
    }

    /// Takes over what a job changed as this task's.
    pub fn adopt(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.record(change));
    }

    fn job_file(&self, folder: &str, id: &str) -> Result<PathBuf, Halt> {
        if is_name(id) { Ok(self.expand_home(folder).join(id)) } else { Err(no_job(id)) }
    }
}

fn no_job(id: &str) -> Halt {
    let failure = Failure::new("could not find job").hint("is it another user's, or another host's? `mode: cleanup` removes it too");
    failure.with("ansible_job_id", id).with("started", true).with("finished", true).into()
}
