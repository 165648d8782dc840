//! Module `script`: runs a script that lies beside the playbook.

use crate::command::{Conditions, run, skipped};
use crate::host::Host;
use crate::host::words;
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// The script and its arguments, as written after the module's name.
        _raw_params: Option<String>,
        /// The script and its arguments.
        cmd: Option<String>,
        /// The script's content, by SHA-256; set by `engine`.
        _blob: Option<String>,
        /// The script's file name; set by `engine`.
        _source_name: Option<String>,
        /// Change into this folder first.
        chdir: Option<String>,
        /// A path or pattern; when something is there already, nothing runs.
        creates: Option<String>,
        /// A path or pattern; when nothing is there, nothing runs.
        removes: Option<String>,
        /// The program that runs the script.
        executable: Option<String>,
    }
}

module! {
    name: "script", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Runs a script that lies beside the playbook, with arguments. It needs nothing on the host but what the script's first line names.",
    examples: [r#"{"_raw_params": "setup.sh --fast", "creates": "/opt/done"}"#],
}

/// What Ansible says where there is no script.
pub const NO_SCRIPT: &str = "one of the following is required: _raw_params, cmd";

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let line = args.cmd.as_ref().or(args._raw_params.as_ref()).filter(|l| !l.trim().is_empty());
    let line =
        line.ok_or_else(|| Failure::new("no script given").hint("write its path after `script:` or as `cmd`").with("msg", NO_SCRIPT))?;
    let words = words::split(line).map_err(|why| Halt::failed(format!("cannot split the line `{line}`: {why}")))?;
    let name = args._source_name.as_deref().or(words.first().map(String::as_str)).unwrap_or("script").to_string();
    let chdir = args.chdir.as_deref().map(|d| host.expand_home(d));
    let conditions = Conditions { creates: args.creates.as_deref(), removes: args.removes.as_deref(), chdir: chdir.as_deref() };
    if let Some(why) = conditions.nothing_to_do(host)? {
        let said = why.of_script.clone();
        return Ok(skipped(Value::str(line), why).with("msg", said));
    }
    let blob = args._blob.as_deref().ok_or_else(|| Halt::failed(format!("the script {name} did not come along")))?;
    let interpreter = words::split(args.executable.as_deref().unwrap_or_default()).unwrap_or_default();
    run(host, Value::str(line), true, |host| host.execute_script(&name, blob, &interpreter, words.get(1..).unwrap_or_default(), chdir))
}
