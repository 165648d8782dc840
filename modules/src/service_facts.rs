//! Module `service_facts`: services and their states, as facts.

use crate::args::{self, Argument, ArgumentError, Arguments};
use crate::host::{Command, Host};
use crate::module;
use crate::module::{Halt, Outcome};
use crate::value::{Map, Value};

/// It takes no arguments.
pub struct Args;

impl Arguments for Args {
    fn declared() -> Vec<Argument> {
        Vec::new()
    }
    fn parse(module: &str, given: &Map) -> Result<Args, ArgumentError> {
        args::refuse_unknown(module, given, &[]).map(|()| Args)
    }
}

module! {
    name: "service_facts", collection: "ansible.builtin", aliases: [], effects: World,
    foresight: Reads,
    doc: "The services of systemd, sysvinit and OpenRC, whether they run and whether they start with the system, as the fact \
          `services`.",
    examples: ["{}"],
}

fn converge(_: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let mut services = Map::new();
    if host.has_program("service") && !host.has_program("rc-status") {
        let listed = host.query(&Command::new(["service", "--status-all"])).map(|o| o.text()).unwrap_or_default();
        services.extend(parse_sysv(&listed));
    }
    if host.has_program("rc-status") {
        let listed = host.query(&Command::new(["rc-status", "-a", "-s"])).map(|o| o.text()).unwrap_or_default();
        services.extend(parse_openrc(&listed));
    }
    if host.runs_systemd() {
        let list = |host: &mut Host, what: &str| {
            let argv = ["systemctl", what, "--no-pager", "--no-legend", "--plain", "--type", "service", "--all"];
            host.query(&Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new(argv) }).map(|o| o.text())
        };
        let units = list(host, "list-units")?;
        let files = list(host, "list-unit-files")?;
        services.extend(parse_systemd(&units, &files));
    }
    Ok(Outcome::new().with("ansible_facts", Value::map([("services", Value::from(services))])))
}

fn service(name: &str, state: &str, status: &str, source: &str) -> (Value, Value) {
    let fields = [("name", name), ("state", state), ("status", status), ("source", source)];
    let given = fields.into_iter().filter(|(k, v)| *k != "status" || !v.is_empty());
    (Value::str(name), Value::map(given.map(|(k, v)| (k, Value::str(v)))))
}

/// Lines ` [ + ]  ssh`: `+` runs, `-` does not, `?` does not say.
fn parse_sysv(text: &str) -> Map {
    let line = |line: &str| {
        let (mark, name) = line.trim().strip_prefix('[')?.split_once(']')?;
        let state = if mark.trim() == "+" { "running" } else { "stopped" };
        Some(service(name.trim(), state, "", "sysv"))
    };
    text.lines().filter_map(line).collect()
}

/// Lines ` sshd    [  started  ]`.
fn parse_openrc(text: &str) -> Map {
    let line = |line: &str| {
        let (name, state) = line.trim().split_once('[')?;
        let state = if state.trim_matches([' ', ']']).starts_with("started") { "running" } else { "stopped" };
        Some(service(name.trim(), state, "", "openrc"))
    };
    text.lines().filter_map(line).collect()
}

/// `UNIT LOAD ACTIVE SUB DESCRIPTION` and `UNIT STATE PRESET`.
fn parse_systemd(units: &str, files: &str) -> Map {
    let mut found = Map::new();
    let status = |name: &str| {
        let line = files.lines().find(|l| l.split_whitespace().next() == Some(name));
        line.and_then(|l| l.split_whitespace().nth(1)).unwrap_or("unknown").to_string()
    };
    for line in units.lines() {
        let words: Vec<&str> = line.trim_start_matches(['●', '*', ' ']).split_whitespace().collect();
        let [name, load, active, sub, ..] = words.as_slice() else { continue };
        if !name.contains('.') {
            continue;
        }
        let state = match (*active, *sub) {
            ("failed", _) | (_, "failed") => "failed",
            (_, "running") => "running",
            ("inactive", _) => "inactive",
            _ => "stopped",
        };
        let known = match *load {
            "not-found" => "not-found".to_string(),
            "masked" => "masked".to_string(),
            _ => status(name),
        };
        let (key, value) = service(name, state, &known, "systemd");
        found.insert(key, value);
    }
    for line in files.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(status)) = (words.next(), words.next()) else { continue };
        if !found.contains_key(name) {
            let state = if name.contains('@') { "unknown" } else { "inactive" };
            let (key, value) = service(name, state, status, "systemd");
            found.insert(key, value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_systems_print() {
        let units = "cron.service loaded active running Regular jobs\n● bad.service loaded failed failed Bad\n  x.service not-found inactive dead x\nonce.service loaded active exited Once\n";
        let files = "cron.service enabled enabled\nbad.service disabled enabled\nlater.service static -\ngetty@.service enabled enabled\n";
        let found = Value::from(parse_systemd(units, files));
        let of = |name: &str| {
            let service = found.get(name).expect(name);
            format!("{} {}", service.get("state").unwrap(), service.get("status").unwrap())
        };
        assert_eq!(of("cron.service"), "running enabled");
        assert_eq!(of("bad.service"), "failed disabled");
        assert_eq!(of("x.service"), "inactive not-found");
        assert_eq!(of("later.service"), "inactive static");
        assert_eq!(of("getty@.service"), "unknown enabled");
        let sysv = Value::from(parse_sysv(" [ + ]  ssh\n [ - ]  x11\n"));
        assert_eq!(sysv.get("ssh").unwrap().to_string(), "{'name': 'ssh', 'state': 'running', 'source': 'sysv'}");
        assert_eq!(sysv.get("x11").unwrap().get("state").unwrap().to_string(), "stopped");
        let openrc = Value::from(parse_openrc("Runlevel: default\n sshd      [  started  ]\n"));
        assert_eq!(openrc.get("sshd").unwrap().get("state").unwrap().to_string(), "running");
    }
}
