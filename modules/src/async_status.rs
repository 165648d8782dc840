//! Module `async_status`: what a task that goes on in the background has come to.

use crate::host::Host;
use crate::host::jobs::FOLDER;
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};

choices! {
    /// What to do with a job.
    #[derive(Default)]
    pub enum Mode {
        /// Ask how far it is.
        #[default]
        Status = "status",
        /// Remove its result, without waiting for its end.
        Cleanup = "cleanup",
    }
}

arguments! {
    pub struct Args {
        /// The job's name, as the task that started it returned it in `ansible_job_id`.
        jid: String,
        /// Whether to ask for the job's state or to remove what it left.
        mode: Mode = Mode::Status,
        /// Where results stand; by default the variable `ansible_async_dir`, or `~/.ansible_async`.
        folder as "_async_dir": Option<String>,
    }
}

module! {
    name: "async_status", collection: "ansible.builtin", aliases: [], effects: World,
    foresight: Reads,
    doc: "What a task in the background (`async` with `poll: 0`) has come to; once it is done, its result.",
    examples: [r#"{"jid": "j360874038559.4169"}"#, r#"{"jid": "j360874038559.4169", "mode": "cleanup"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let folder = args.folder.as_deref().unwrap_or(FOLDER);
    if args.mode == Mode::Cleanup {
        let file = host.forget_job(folder, &args.jid)?;
        let done = Outcome::new().with("ansible_job_id", args.jid.as_str());
        return Ok(done.with("erased", file.display().to_string()));
    }
    let progress = host.job(folder, &args.jid)?;
    let mut state = progress.state;
    host.adopt(progress.changes);
    if state.shift_remove("failed").is_some_and(|failed| failed.truthy()) {
        let message = state.shift_remove("msg").map(|m| m.to_string()).unwrap_or_default();
        return Err(Failure { returns: state, ..Failure::new(message) }.into());
    }
    let entry = |name: &str| state.get(name).cloned().unwrap_or_else(|| Value::str(""));
    let (stdout, stderr) = (entry("stdout"), entry("stderr"));
    Ok(Outcome { returns: state, ..Outcome::new() }.with("stdout", stdout).with("stderr", stderr))
}
