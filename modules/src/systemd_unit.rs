//! Module `systemd_unit`: a unit file together with what it runs.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, Mode};
use crate::host::units::{DesiredUnit, Run, Scope, Unit, full_name};
use crate::module::{Failure, Halt, Outcome};
use crate::systemd::ManagerOf;
use crate::value::{Map, Value};
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! {
    pub enum State {
        Started = "started", Stopped = "stopped", Restarted = "restarted", Reloaded = "reloaded", Absent = "absent",
    }
}

arguments! {
    pub struct Args {
        /// The unit; `.service` follows unless another type is named.
        name: String,
        /// The whole unit file. Otherwise give its sections.
        content: Option<String>,
        /// Section `[Unit]`; a list repeats its key.
        unit: Option<Map>,
        /// Section `[Service]`.
        service: Option<Map>,
        /// Section `[Timer]`.
        timer: Option<Map>,
        /// Section `[Socket]`.
        socket: Option<Map>,
        /// Section `[Install]`.
        install: Option<Map>,
        /// Whether it starts with the system. Units without `[Install]` have no say in that.
        enabled: bool = true,
        /// Whether it runs; `absent` stops and disables it and removes its file.
        state: State = State::Started,
        /// Whether a running unit is restarted when its file, its program or a watched path changed since it started.
        restart_on_change: bool = true,
        /// Paths (folders with all they hold) whose change since the unit started restarts it.
        watch: Option<Vec<String>>,
        /// The folder of unit files; by default `/etc/systemd/system`, or `~/.config/systemd/user` for a user's.
        path: Option<String>,
        /// Whose manager: the system's, this user's, or all users'.
        scope: ManagerOf = ManagerOf::System,
        /// Permission of the file.
        mode: Option<Mode>,
    }
}

module! {
    name: "systemd_unit", collection: "engine", aliases: [], effects: World,
    foresight: Declares,
    doc: "A unit of systemd, whole: its file, whether it is enabled and runs, and that what runs is what the file and the \
          program on disk say. The manager is told of changed files, and a running unit is restarted when its file, the \
          program it starts or a watched path changed since it started, also if an earlier apply was cut short.",
    examples: [
        r#"{"name": "engine-example", "service": {"ExecStart": "/bin/sleep infinity"}, "install": {"WantedBy": "multi-user.target"}}"#,
        r#"{"name": "engine-example", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let (scope, name) = (args.scope.scope(), full_name(&args.name));
    let file = folder(args, host).join(&name);
    if args.state == State::Absent {
        return remove(&name, scope, file, host);
    }
    let desired = Desired {
        entry: Some(Entry::File(Content::Bytes(text(args)?.into_bytes()))),
        mode: Some(args.mode.clone().unwrap_or(Mode::Bits(0o644))),
        ..Desired::default()
    };
    let written = host.files().converge(&file, &desired)?;
    let mut units = host.units(scope);
    let mut unit = units.observe(&name)?;
    // A file written by an apply that was cut short is still to be told to the manager.
    if written || unit.property("NeedDaemonReload") == "yes" {
        let enabled = DesiredUnit { enabled: Some(args.enabled), ..DesiredUnit::default() };
        units.reload_manager_for(&name, &enabled)?;
        unit = units.observe(&name)?;
    }
    let run = match args.state {
        State::Started if unit.running() && args.restart_on_change => match stale(args, &unit, written, file.clone(), scope, host)? {
            Some(_) => Run::Restarted,
            None => Run::Started,
        },
        State::Started | State::Absent => Run::Started,
        State::Stopped => Run::Stopped,
        State::Restarted => Run::Restarted,
        State::Reloaded => Run::Reloaded,
    };
    let desired = DesiredUnit { run: Some(run), enabled: Some(args.enabled), masked: None, ..DesiredUnit::default() };
    let unit = host.units(scope).converge(&name, &desired)?;
    Ok(Outcome::new()
        .with("name", name)
        .with("path", file.to_string_lossy().into_owned())
        .with("state", if args.state == State::Stopped { "stopped" } else { "started" })
        .with("enabled", args.enabled)
        .with("status", unit.to_value()))
}

fn folder(args: &Args, host: &Host) -> PathBuf {
    let default = match args.scope {
        ManagerOf::System => "/etc/systemd/system",
        ManagerOf::User => "~/.config/systemd/user",
        ManagerOf::Global => "/etc/systemd/user",
    };
    host.expand_home(args.path.as_deref().unwrap_or(default))
}

/// What changed since the unit started, if anything.
fn stale(args: &Args, unit: &Unit, written: bool, file: PathBuf, scope: Scope, host: &mut Host) -> Result<Option<PathBuf>, Halt> {
    if written {
        return Ok(Some(file));
    }
    let mut paths = vec![file];
    paths.extend(unit.property("DropInPaths").split_whitespace().map(PathBuf::from));
    paths.extend(unit.programs().into_iter().map(PathBuf::from));
    paths.extend(args.watch.iter().flatten().map(|p| host.expand_home(p)));
    host.units(scope).newer_than_start(unit, &paths)
}

fn remove(name: &str, scope: Scope, file: PathBuf, host: &mut Host) -> Result<Outcome, Halt> {
    let known = host.units(scope).observe(name)?.exists();
    if known {
        let desired = DesiredUnit { run: Some(Run::Stopped), enabled: Some(false), ..DesiredUnit::default() };
        host.units(scope).converge(name, &desired)?;
    }
    if host.files().converge(&file, &Desired { entry: Some(Entry::Absent), ..Desired::default() })? {
        host.units(scope).forget(name)?;
    }
    Ok(Outcome::new().with("name", name).with("path", file.to_string_lossy().into_owned()).with("state", "absent"))
}

/// The unit file's text.
fn text(args: &Args) -> Result<String, Halt> {
    let sections =
        [("Unit", &args.unit), ("Service", &args.service), ("Socket", &args.socket), ("Timer", &args.timer), ("Install", &args.install)];
    let given = sections.iter().any(|(_, s)| s.is_some());
    match &args.content {
        Some(_) if given => Err(Halt::failed("`systemd_unit` takes either `content` or sections, not both")),
        Some(content) if content.ends_with('\n') => Ok(content.clone()),
        Some(content) => Ok(format!("{content}\n")),
        None if !given => Err(Failure::new(format!("`systemd_unit` needs what the unit {} is", args.name))
            .hint("give `content`, or sections such as `service: {ExecStart: …}`")
            .into()),
        None => {
            let rendered: Vec<String> = sections.iter().filter_map(|(name, s)| s.as_ref().map(|s| section(name, s))).collect();
            Ok(rendered.join("\n"))
        }
    }
}

fn section(name: &str, entries: &Map) -> String {
    let mut text = format!("[{name}]\n");
    for (key, value) in entries {
        for item in value.as_list().unwrap_or(std::slice::from_ref(value)) {
            let item = match item.reveal() {
                Value::Bool(b) => if *b { "true" } else { "false" }.to_string(),
                Value::Null => String::new(),
                // A line that ends in a backslash goes on, as unit files have it.
                v => v.to_string().trim_end().replace('\n', " \\\n  "),
            };
            text.push_str(&format!("{key}={item}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;

    fn args(json: &str) -> Args {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        Args::parse("systemd_unit", Value::from_json(&json).as_map().unwrap()).unwrap()
    }

    #[test]
    fn sections_become_a_file() {
        let given = args(
            r#"{"name": "x", "install": {"WantedBy": "multi-user.target"}, "unit": {"Description": "X"},
                "service": {"ExecStart": "/bin/x", "Environment": ["A=1", "B=2"], "RemainAfterExit": true, "LimitNOFILE": 10}}"#,
        );
        assert_eq!(
            text(&given).unwrap(),
            "[Unit]\nDescription=X\n\n[Service]\nExecStart=/bin/x\nEnvironment=A=1\nEnvironment=B=2\nRemainAfterExit=true\nLimitNOFILE=10\n\n[Install]\nWantedBy=multi-user.target\n"
        );
    }

    #[test]
    fn content_and_sections_exclude_each_other() {
        assert!(text(&args(r#"{"name": "x", "content": "a", "unit": {}}"#)).is_err());
        assert!(text(&args(r#"{"name": "x"}"#)).is_err());
        assert_eq!(text(&args(r#"{"name": "x", "content": "[Unit]"}"#)).unwrap(), "[Unit]\n");
    }
}
