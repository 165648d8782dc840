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

    fn enable(self, name: &str, enabled: bool, runlevel: &str) -> Command {
        match self {
            Init::Openrc => Command::new(["rc-update", if enabled { "add" } else { "delete" }, name, runlevel]),
            Init::Sysvinit if program("update-rc.d") => Command::new(["update-rc.d", name, if enabled { "defaults" } else { "remove" }]),
            Init::Sysvinit => Command::new(["chkconfig", name, if enabled { "on" } else { "off" }]),
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

impl Host {
    /// Makes a service of OpenRC or sysvinit run and start with the system, as desired.
    pub fn converge_service(
        &mut self,
        init: Init,
        name: &str,
        run: Option<Run>,
        enabled: Option<bool>,
        runlevel: &str,
    ) -> Result<(), Halt> {
        if name.starts_with('-') || name.contains('/') {
            return Err(Halt::failed(format!("`{name}` cannot be the name of a service")));
        }
        let mut state = self.service_state(init, name, runlevel)?;
        if let Some(enabled) = enabled.filter(|e| *e != state.enabled) {
            self.record(Change::new(Action::Update, KIND, name).field("enabled", state.enabled, enabled));
            self.service_act(
                init.enable(name, enabled, runlevel),
                &format!("cannot {} {name}", if enabled { "enable" } else { "disable" }),
            )?;
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
            self.service_act(init.control(name, verb), &format!("cannot {verb} {name}"))?;
            state.running = run != Some(Run::Stopped);
        }
        if !self.is_live() {
            let value = Value::map([("running", state.running.into()), ("enabled", state.enabled.into())]);
            self.overlay().set_state(KIND, name, value);
        } else if self.service_state(init, name, runlevel)? != state {
            return Err(Halt::failed(format!(
                "the service {name} did not converge: its script reported no error, but its state is another"
            )));
        }
        Ok(())
    }

    fn service_act(&mut self, command: Command, doing: &str) -> Result<(), Halt> {
        self.perform(&command)?.map(|o| o.require(doing)).transpose().map(|_| ())
    }

    fn service_state(&mut self, init: Init, name: &str, runlevel: &str) -> Result<State, Halt> {
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
        let running = self.query(&init.control(name, "status"))?.success();
        let enabled = match init {
            Init::Openrc => Path::new("/etc/runlevels").join(runlevel).join(name).symlink_metadata().is_ok(),
            Init::Sysvinit => ["2", "3", "4", "5"].iter().any(|level| starts_in(&format!("/etc/rc{level}.d"), name)),
        };
        Ok(State { running, enabled })
    }
}

/// Whether a runlevel's folder has a start link (`S01name`) of the service.
fn starts_in(folder: &str, name: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let starts = |file: &str| file.strip_prefix('S').is_some_and(|f| f.trim_start_matches(|c: char| c.is_ascii_digit()) == name);
    entries.flatten().any(|e| starts(&e.file_name().to_string_lossy()))
}
