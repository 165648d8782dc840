//! Module `shell`: runs a line in a shell.

use crate::command::{Conditions, NO_COMMAND, input, run, skipped};
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// The line as written after the module's name.
        _raw_params: Option<String>,
        /// The line to run.
        cmd: Option<String>,
        /// Change into this folder first.
        chdir: Option<String>,
        /// A path or pattern; when something is there already, nothing runs.
        creates: Option<String>,
        /// A path or pattern; when nothing is there, nothing runs.
        removes: Option<String>,
        /// The shell, by absolute path.
        executable: Option<String>,
        /// What the shell reads on standard input.
        stdin: Option<String>,
        /// Whether a newline follows `stdin`.
        stdin_add_newline: bool = true,
        /// Whether newlines at the end of what it wrote are removed.
        strip_empty_ends: bool = true,
        /// Refused: a shell expands its line by itself. `command` has it.
        expand_argument_vars: Option<Value>,
    }
}

module! {
    name: "shell", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Runs a line in a shell (`/bin/sh -c`). What it would do cannot be told before; with `creates` or `removes` it \
          runs only when needed, in plans as in applies.",
    examples: [r#"{"_raw_params": "dmesg | tail -1 > /tmp/last", "creates": "/tmp/last"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.expand_argument_vars.is_some() {
        return Err(Failure::new("`shell` has no argument `expand_argument_vars`")
            .hint("a shell expands its line by itself; quote what it must not expand")
            .with("msg", "Unsupported parameters for (shell) module: expand_argument_vars")
            .into());
    }
    let Some(line) = args.cmd.as_ref().or(args._raw_params.as_ref()).filter(|l| !l.trim().is_empty()) else {
        return Err(Failure::new("no command given")
            .hint("write it after `shell:` or as `cmd`")
            .with("msg", NO_COMMAND)
            .with("rc", 256)
            .into());
    };
    let chdir = args.chdir.as_deref().map(|d| host.expand_home(d));
    let conditions = Conditions { creates: args.creates.as_deref(), removes: args.removes.as_deref(), chdir: chdir.as_deref() };
    if let Some(why) = conditions.nothing_to_do(host)? {
        return Ok(skipped(Value::str(line), why));
    }
    let shell = args.executable.as_deref().unwrap_or("/bin/sh");
    let stdin = input(args.stdin.as_deref(), args.stdin_add_newline);
    let command = Command { cwd: chdir.clone(), stdin, ..Command::new([shell, "-c", line]) };
    run(host, Value::str(line), args.strip_empty_ends, |host| host.execute(&command))
}
