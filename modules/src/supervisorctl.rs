//! Module `supervisorctl`: programs that supervisord runs.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! {
    pub enum State {
        Present = "present", Started = "started", Stopped = "stopped", Restarted = "restarted", Absent = "absent",
        Signalled = "signalled",
    }
}

arguments! {
    pub struct Args {
        /// The program, or a group with `:` at its end; `all` means every one.
        name: String,
        /// What it does. `restarted` and `signalled` act every time.
        state: State,
        /// supervisord's configuration.
        config: Option<PathBuf>,
        /// The address on which it listens.
        server_url: Option<String>,
        /// User for it.
        username: Option<String>,
        /// Password for it.
        password: Option<String>,
        /// Another supervisorctl.
        supervisorctl_path: Option<PathBuf>,
        /// The signal to send.
        signal: Option<String>,
        /// Whether a program is stopped before it goes.
        stop_before_removing: bool = false,
    }
}

module! {
    name: "supervisorctl", collection: "community.general", aliases: [], effects: World,
    doc: "Programs and groups that supervisord runs: known to it, started, stopped, restarted.",
    examples: [r#"{"name": "my_app", "state": "started"}"#, r#"{"name": "my_apps:", "state": "restarted", "config": "/etc/s.conf"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.state == State::Signalled && args.signal.is_none() {
        return Err(Halt::failed("state is signalled but all of the following are missing: signal"));
    }
    let program = args.supervisorctl_path.as_ref().map_or_else(|| "supervisorctl".to_string(), |p| p.display().to_string());
    if !program.contains('/') && !host.has_program(&program) {
        return Err(host.missing_program(&program, "install `supervisor`"));
    }
    let own = |words: &[&str]| command(args, &program, words);
    let status = |host: &mut Host| -> Result<Vec<(String, String)>, Halt> {
        let output = host.query(&own(&["status"]))?;
        let found = parse(&output.text());
        Ok(found.into_iter().filter(|(name, _)| means(&args.name, name)).collect())
    };
    let setting = Setting { kind: "program", name: &args.name, field: "state" };
    match args.state {
        State::Present | State::Absent => {
            let there = Value::str("present");
            let wanted = if args.state == State::Present { there.clone() } else { Value::Null };
            let observe = |host: &mut Host| Ok(if status(host)?.is_empty() { Value::Null } else { there.clone() });
            let act = |_: &Value| match args.state {
                State::Present => vec![own(&["reread"]), own(&["add", &args.name])],
                _ if args.stop_before_removing => vec![own(&["reread"]), own(&["stop", &args.name]), own(&["remove", &args.name])],
                _ => vec![own(&["reread"]), own(&["remove", &args.name])],
            };
            host.converge_setting(setting, &wanted, observe, act)?;
        }
        State::Started | State::Stopped => {
            known(args, host, status)?;
            let on = args.state == State::Started;
            let word = |on: bool| Value::str(if on { "started" } else { "stopped" });
            let runs = |state: &str| matches!(state, "RUNNING" | "STARTING");
            let observe = |host: &mut Host| {
                Ok(word(if on { status(host)?.iter().all(|(_, s)| runs(s)) } else { status(host)?.iter().any(|(_, s)| runs(s)) }))
            };
            let act = |_: &Value| vec![own(&[if on { "start" } else { "stop" }, &args.name])];
            host.converge_setting(setting, &word(on), observe, act)?;
        }
        State::Restarted => {
            known(args, host, status)?;
            host.execute(&own(&["update", args.name.trim_end_matches(':')]))?;
            host.execute(&own(&["restart", &args.name]))?.map(|o| o.require("supervisorctl restart failed")).transpose()?;
        }
        State::Signalled => {
            known(args, host, status)?;
            let signal = args.signal.as_deref().unwrap_or_default();
            host.execute(&own(&["signal", signal, &args.name]))?.map(|o| o.require("supervisorctl signal failed")).transpose()?;
        }
    }
    Ok(Outcome::new().with("name", args.name.as_str()).with("state", args.state.word()))
}

fn known(args: &Args, host: &mut Host, status: impl Fn(&mut Host) -> Result<Vec<(String, String)>, Halt>) -> Result<(), Halt> {
    if !status(host)?.is_empty() {
        return Ok(());
    }
    Err(match host.may_still_come() {
        Some(why) => Halt::Unknown(format!("the program {} ({why})", args.name)),
        None => Failure::new(format!("ERROR (no such process): {}", args.name)).hint("`state: present` makes supervisord read it").into(),
    })
}

fn command(args: &Args, program: &str, words: &[&str]) -> Command {
    let mut argv = vec![program.to_string()];
    if let Some(config) = &args.config {
        argv.extend(["-c".to_string(), config.display().to_string()]);
    }
    for (flag, value) in [("-s", &args.server_url), ("-u", &args.username), ("-p", &args.password)] {
        argv.extend(value.iter().flat_map(|v| [flag.to_string(), v.clone()]));
    }
    argv.extend(words.iter().map(|w| w.to_string()));
    Command::new(argv)
}

/// Whether a name in a task means a program as supervisorctl lists it.
fn means(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix(':').or_else(|| wanted.strip_suffix(":*")) {
        Some(group) => name.split_once(':').is_some_and(|(g, _)| g == group) || name == group,
        None => wanted == "all" || name == wanted,
    }
}

/// Lines `NAME  STATE  …`.
fn parse(text: &str) -> Vec<(String, String)> {
    const STATES: [&str; 8] = ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"];
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, state) = (words.next()?, words.next()?);
        STATES.contains(&state).then(|| (name.to_string(), state.to_string()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_status_prints() {
        let found =
            parse("web:a   RUNNING   pid 1, uptime 0:01\nweb:b   STOPPED   Not started\njob   FATAL   Exited\nunix:///x no such file\n");
        assert_eq!(found.len(), 3);
        let names = |wanted: &str| found.iter().filter(|(n, _)| means(wanted, n)).map(|(n, _)| n.as_str()).collect::<Vec<_>>();
        assert_eq!((names("web:"), names("job"), names("all").len(), names("web").len()), (vec!["web:a", "web:b"], vec!["job"], 3, 0));
    }
}
