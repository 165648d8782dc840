//! Services of OpenRC and sysvinit, through their scripts.

use super::units::Run;
use super::{Command, Host};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::Path;

/// An init system other than systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// `rc-service`, `rc-update`.
    Openrc,
    /// `/etc/init.d`, `update-rc.d` or `chkconfig`.
    Sysvinit,
}

const KIND: &str = "service";

impl Init {
    /// The one that the host has.
    pub fn detect() -> Init {
        if Path::new("/sbin/openrc-run").exists() || Path::new("/usr/sbin/openrc-run").exists() { Init::Openrc } else { Init::Sysvinit }
    }

    fn control(self, name: &str, verb: &str) -> Command {
        match self {
            Init::Openrc => Command::new(["rc-service", "--", name, verb]),
            Init::Sysvinit if program("service") => Command::new(["service", name, verb]),
            Init::Sysvinit => Command::new([format!("/etc/init.d/{name}"), verb.to_string()]),
        }
    }

    fn enable(self, name: &str, enabled: bool, runlevels: &[String]) -> Command {
        let levels = runlevels.concat();
        match self {
            Init::Openrc => {
                let words = ["rc-update", if enabled { "add" } else { "delete" }, name];
                Command::new(words.into_iter().chain(runlevels.iter().map(String::as_str)))
            }
            Init::Sysvinit if program("update-rc.d") && !enabled && runlevels.is_empty() => Command::new(["update-rc.d", name, "remove"]),
            Init::Sysvinit if program("update-rc.d") && enabled && runlevels.is_empty() => Command::new(["update-rc.d", name, "defaults"]),
            Init::Sysvinit if program("update-rc.d") => {
                let words = ["update-rc.d", name, if enabled { "enable" } else { "disable" }];
                Command::new(words.into_iter().chain(runlevels.iter().map(String::as_str)))
            }
            Init::Sysvinit => {
                let given = ["--level".to_string(), levels].into_iter().filter(|_| !runlevels.is_empty());
                let words = [name.to_string(), if enabled { "on" } else { "off" }.to_string()];
                Command::new(std::iter::once("chkconfig".to_string()).chain(given).chain(words))
            }
        }
    }
}

fn program(name: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(name).exists())
}

/// What a service is: whether it runs and whether it starts with the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    running: bool,
    enabled: bool,
}

/// What a service should be.
#[derive(Debug, Clone)]
pub struct Service {
    /// Whose script it is.
    pub init: Init,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub run: Option<Run>,
    /// Whether it starts with the system.
    pub enabled: Option<bool>,
    /// The runlevels in which it does; by default the script's own. OpenRC wants one.
    pub runlevels: Vec<String>,
    /// Text by which to find its process, where the script cannot tell.
    pub pattern: Option<String>,
    /// Arguments for its script.
    pub arguments: Vec<String>,
    /// Seconds between stop and start of a restart; `None` leaves the restart to the script.
    pub pause: Option<u64>,
}

impl Host {
    /// Makes a service of OpenRC or sysvinit run and start with the system, as desired.
    pub fn converge_service(&mut self, service: &Service) -> Result<(), Halt> {
        let Service { init, name, run, enabled, .. } = service;
        if name.starts_with('-') || name.contains('/') {
            return Err(Halt::failed(format!("`{name}` cannot be the name of a service")));
        }
        let mut state = self.service_state(service)?;
        if let Some(enabled) = enabled.filter(|e| *e != state.enabled) {
            self.record(Change::new(Action::Update, KIND, name).field("enabled", state.enabled, enabled));
            let doing = format!("cannot {} {name}", if enabled { "enable" } else { "disable" });
            self.service_act(init.enable(name, enabled, &service.runlevels), &doing)?;
            state.enabled = enabled;
        }
        let (verb, after) = match run {
            None => ("", ""),
            Some(Run::Started) if state.running => ("", ""),
            Some(Run::Stopped) if !state.running => ("", ""),
            Some(Run::Stopped) => ("stop", "stopped"),
            Some(Run::Restarted) => ("restart", "restarted"),
            Some(Run::Reloaded) if state.running => ("reload", "reloaded"),
            Some(Run::Started | Run::Reloaded) => ("start", "started"),
        };
        if !verb.is_empty() {
            let before = if state.running { "running" } else { "stopped" };
            self.record(Change::new(Action::Update, KIND, name).field("state", before, after));
            let pause = service.pause.filter(|_| verb == "restart" && state.running);
            let verbs = if pause.is_some() { vec!["stop", "start"] } else { vec![verb] };
            for verb in verbs {
                let mut command = init.control(name, verb);
                command.argv.extend(service.arguments.iter().cloned());
                self.service_act(command, &format!("cannot {verb} {name}"))?;
                if verb == "stop" && pause.is_some() {
                    self.rest(std::time::Duration::from_secs(pause.unwrap_or_default()))?;
                }
            }
            state.running = *run != Some(Run::Stopped);
        }
        if !self.is_live() {
            let value = Value::map([("running", state.running.into()), ("enabled", state.enabled.into())]);
            self.overlay().set_state(KIND, name, value);
        } else if self.service_state(service)? != state {
            return Err(Halt::failed(format!(
                "the service {name} did not converge: its script reported no error, but its state is another"
            )));
        }
        Ok(())
    }

    fn service_act(&mut self, command: Command, doing: &str) -> Result<(), Halt> {
        self.perform(&command)?.map(|o| o.require(doing)).transpose().map(|_| ())
    }

    fn service_state(&mut self, service: &Service) -> Result<State, Halt> {
        let Service { init, name, runlevels, .. } = service;
        if let Some(state) = self.remembered(KIND, name) {
            let is = |key: &str| state.get(key).and_then(Value::as_bool).unwrap_or_default();
            return Ok(State { running: is("running"), enabled: is("enabled") });
        }
        if self.files().stat_followed(&Path::new("/etc/init.d").join(name))?.is_none() {
            return Err(match self.may_still_come() {
                Some(why) => Halt::Unknown(format!("the service {name} ({why})")),
                None => Failure::new(format!("Could not find the requested service {name}: there is no /etc/init.d/{name}"))
                    .hint("is its package installed?")
                    .into(),
            });
        }
        let running = match &service.pattern {
            Some(pattern) => runs_like(pattern),
            None => self.query(&init.control(name, "status"))?.success(),
        };
        let enabled = match init {
            Init::Openrc => runlevels.iter().all(|level| Path::new("/etc/runlevels").join(level).join(name).symlink_metadata().is_ok()),
            Init::Sysvinit if runlevels.is_empty() => ["2", "3", "4", "5"].iter().any(|l| starts_in(&format!("/etc/rc{l}.d"), name)),
            Init::Sysvinit => runlevels.iter().all(|level| starts_in(&format!("/etc/rc{level}.d"), name)),
        };
        Ok(State { running, enabled })
    }
}

/// Whether a process has this text in its command line.
fn runs_like(pattern: &str) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return false };
    let own = std::process::id().to_string();
    entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).any(|pid| {
        let line = || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_process = pid.bytes().all(|b| b.is_ascii_digit()) && pid != own;
        is_process && String::from_utf8_lossy(&line()).replace('\0', " ").contains(pattern)
    })
}

/// Whether a runlevel's folder has a start link (`S01name`) of the service.
fn starts_in(folder: &str, name: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let starts = |file: &str| file.strip_prefix('S').is_some_and(|f| f.trim_start_matches(|c: char| c.is_ascii_digit()) == name);
    entries.flatten().any(|e| starts(&e.file_name().to_string_lossy()))
}
