//! Units of systemd: observed with `systemctl show`, compared as a whole, started, stopped, enabled and masked.

mod reload;
mod show;

use super::{Command, Host, Output};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;
pub use show::{Properties, Unit, full_name};
use std::path::{Path, PathBuf};

/// Which manager a unit belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The system's.
    #[default]
    System,
    /// The manager of the user who runs this.
    User,
    /// The managers of all users: enabling only.
    Global,
}

/// What a unit should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Run.
    Started,
    /// Not run.
    Stopped,
    /// Be started anew, every time.
    Restarted,
    /// Read its configuration anew, every time; started if it does not run.
    Reloaded,
}

/// What should be true of a unit; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct DesiredUnit {
    /// Whether it runs.
    pub run: Option<Run>,
    /// Whether it starts with the system.
    pub enabled: Option<bool>,
    /// Whether nothing may start it.
    pub masked: Option<bool>,
    /// Replaces symbolic links that stand in the way of enabling.
    pub force: bool,
    /// Does not wait for it.
    pub no_block: bool,
}

/// Units of a host.
pub struct Units<'a> {
    host: &'a mut Host,
    scope: Scope,
}

/// The kind's name in the overlay's memory.
const KIND: &str = "unit";

impl Host {
    /// Units of systemd.
    pub fn units(&mut self, scope: Scope) -> Units<'_> {
        Units { host: self, scope }
    }

    /// Whether systemd runs this host.
    pub fn runs_systemd(&self) -> bool {
        Path::new("/run/systemd/system").is_dir()
    }
}

impl Units<'_> {
    /// Whether there is no manager to ask, only files: in a chroot, or where the environment says so.
    pub fn offline(&mut self) -> Result<bool, Halt> {
        if self.scope != Scope::System {
            return Ok(false);
        }
        if let Some(said) = self.host.variable("SYSTEMD_OFFLINE") {
            return Ok(matches!(said.to_ascii_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on"));
        }
        if self.host.runs_systemd() {
            return Ok(false);
        }
        Ok(self.systemctl(&["show"])?.errors().contains("Running in chroot, ignoring"))
    }

    /// The unit as its manager sees it, or as this plan has left it.
    ///
    /// # Errors
    /// `Halt::Unknown` in a plan, when there is no such unit yet but something that came before may bring it.
    pub fn observe(&mut self, name: &str) -> Result<Unit, Halt> {
        let key = self.key(name);
        if let Some(state) = self.host.remembered(KIND, &key) {
            return Ok(from_value(&state));
        }
        let unit = if self.offline()? { self.by_files(name)? } else { self.show(name)? };
        if unit.exists() || self.host.is_live() {
            return Ok(unit);
        }
        if let Some(content) = self.unit_file(name) {
            return Ok(predicted(&content));
        }
        if let Some(why) = self.host.may_still_come() {
            return Err(Halt::Unknown(format!("the unit {name} ({why})")));
        }
        Ok(unit)
    }

    /// What the files say of a unit where no manager runs.
    fn by_files(&mut self, name: &str) -> Result<Unit, Halt> {
        let said = self.systemctl(&["is-enabled", name])?;
        let state = said.text().trim().lines().last().unwrap_or_default().to_string();
        let exists = self.unit_file(name).is_some() || (!state.is_empty() && state != "not-found");
        let load = if exists { "loaded" } else { "not-found" };
        Ok(Unit::parse(&format!("LoadState={load}\nActiveState=unknown\nUnitFileState={state}")))
    }

    /// Makes the unit be what is desired; records one change with all that differs, and one for a restart or reload.
    pub fn converge(&mut self, name: &str, desired: &DesiredUnit) -> Result<Unit, Halt> {
        let mut unit = self.observe(name)?;
        if !unit.exists() && self.host.is_live() && self.unit_file(name).is_some() {
            // The manager keeps what it once looked for in vain until it reads its files again.
            self.read_anew()?;
            unit = self.observe(name)?;
        }
        if !unit.exists() && desired.masked.is_none() && self.scope != Scope::Global {
            return Err(self.not_found(name));
        }
        self.mask(name, &mut unit, desired)?;
        self.enable(name, &mut unit, desired)?;
        self.run(name, &mut unit, desired)?;
        Ok(unit)
    }

    /// Replaces the manager's own process.
    pub fn reexecute_manager(&mut self) -> Result<(), Halt> {
        self.act(&["daemon-reexec"], "cannot execute the manager anew")
    }

    /// Forgets what a plan or the manager remembers of a unit whose file is gone.
    pub fn forget(&mut self, name: &str) -> Result<(), Halt> {
        self.read_anew()?;
        self.systemctl_perform(&["reset-failed", name])?;
        let gone = Unit::parse("LoadState=not-found\nActiveState=inactive\nUnitFileState=");
        self.remember(name, &gone);
        Ok(())
    }

    /// Which of these files changed after what the unit runs was started. A folder stands for all the files in it.
    pub fn newer_than_start(&mut self, unit: &Unit, files: &[PathBuf]) -> Result<Option<PathBuf>, Halt> {
        let Some(started) = unit.started_at().filter(|_| unit.running()) else { return Ok(None) };
        let clock = |id| {
            let t = rustix::time::clock_gettime(id);
            t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
        };
        let (now, uptime) = (clock(rustix::time::ClockId::Realtime), clock(rustix::time::ClockId::Monotonic));
        let started = now - uptime + started as f64 / 1e6;
        for file in files {
            if self.changed_between(file, started, now, 0)? {
                return Ok(Some(file.clone()));
            }
        }
        Ok(None)
    }

    fn changed_between(&mut self, path: &Path, from: f64, to: f64, depth: u32) -> Result<bool, Halt> {
        if !self.host.is_live() && matches!(self.host.overlay().nodes.get(path), Some(Some(_))) {
            return Ok(true);
        }
        for stat in [self.host.files().stat(path)?, self.host.files().stat_followed(path)?].into_iter().flatten() {
            // A time to come says that the clock was set back, not that the file is new.
            if (from..=to).contains(&stat.times.2) {
                return Ok(true);
            }
            if stat.kind == super::files::FileKind::Directory && depth < 16 {
                for name in self.host.files().list(path)?.unwrap_or_default() {
                    if self.changed_between(&path.join(name), from, to, depth + 1)? {
                        return Ok(true);
                    }
                }
                break;
            }
        }
        Ok(false)
    }

    fn mask(&mut self, name: &str, unit: &mut Unit, desired: &DesiredUnit) -> Result<(), Halt> {
        let Some(masked) = desired.masked.filter(|m| *m != unit.masked()) else { return Ok(()) };
        self.act(&[if masked { "mask" } else { "unmask" }, name], &format!("cannot {} {name}", if masked { "mask" } else { "unmask" }))?;
        self.host.record(Change::new(Action::Update, KIND, name).field("masked", !masked, masked));
        let state = if masked { ("masked", "masked") } else { ("loaded", "disabled") };
        self.settle(name, unit, &[("LoadState", state.0), ("UnitFileState", state.1)])?;
        if unit.masked() != masked {
            return Err(did_not_converge(name, "masked", masked));
        }
        Ok(())
    }

    fn enable(&mut self, name: &str, unit: &mut Unit, desired: &DesiredUnit) -> Result<(), Halt> {
        let Some(enabled) = desired.enabled else { return Ok(()) };
        let before = match (unit.property("UnitFileState"), self.scope) {
            // Scripts of sysvinit, and global units, are known to `is-enabled` alone.
            ("generated" | "", _) | (_, Scope::Global) if self.host.remembered(KIND, &self.key(name)).is_none() => {
                Some(self.systemctl(&["is-enabled", name])?.success())
            }
            ("indirect", _) => Some(self.companions_enabled(name)?),
            _ => unit.enabled(),
        };
        if before.is_none_or(|b| b == enabled) {
            return Ok(());
        }
        let verb = if enabled { "enable" } else { "disable" };
        let words: &[&str] = if desired.force && enabled { &[verb, "--force", name] } else { &[verb, name] };
        self.act(words, &format!("cannot {verb} {name}"))?;
        self.host.record(Change::new(Action::Update, KIND, name).field("enabled", !enabled, enabled));
        self.settle(name, unit, &[("UnitFileState", if enabled { "enabled" } else { "disabled" })])?;
        if unit.property("UnitFileState") == "indirect" && self.companions_enabled(name)? != enabled {
            return Err(did_not_converge(name, "enabled", enabled));
        }
        if self.scope != Scope::Global && unit.property("UnitFileState") == if enabled { "disabled" } else { "enabled" } {
            return Err(did_not_converge(name, "enabled", enabled));
        }
        Ok(())
    }

    /// Whether the units are enabled that a unit names in `Also=`, for one that is not enabled itself.
    fn companions_enabled(&mut self, name: &str) -> Result<bool, Halt> {
        let text = self.unit_file(name).unwrap_or_default();
        let also = text.lines().filter_map(|l| l.trim().strip_prefix("Also=")).flat_map(str::split_whitespace);
        let mut any = false;
        for unit in also {
            let said = self.systemctl(&["is-enabled", unit])?;
            match said.text().trim() {
                "enabled" | "enabled-runtime" => any = true,
                "disabled" => return Ok(false),
                _ => {}
            }
        }
        Ok(any)
    }

    fn run(&mut self, name: &str, unit: &mut Unit, desired: &DesiredUnit) -> Result<(), Halt> {
        let Some(run) = desired.run.filter(|_| unit.property("ActiveState") != "unknown") else { return Ok(()) };
        let before = if unit.property("ActiveState").is_empty() { "inactive" } else { unit.property("ActiveState") }.to_string();
        let (verb, after) = match run {
            Run::Started if unit.running() => return Ok(()),
            Run::Stopped if !unit.stoppable() => return Ok(()),
            Run::Reloaded if unit.running() => ("reload", "reloaded"),
            Run::Started | Run::Reloaded => ("start", "started"),
            Run::Stopped => ("stop", "stopped"),
            Run::Restarted => ("restart", if unit.running() { "restarted" } else { "started" }),
        };
        self.host.record(Change::new(Action::Update, KIND, name).field("state", before.as_str(), after));
        let words: &[&str] = if desired.no_block { &[verb, "--no-block", name] } else { &[verb, name] };
        let output = self.systemctl_perform(words)?;
        if let Some(output) = output.filter(|o| !o.success()) {
            return Err(self.could_not(verb, name, &output));
        }
        let stopped = run == Run::Stopped;
        self.settle(
            name,
            unit,
            if stopped {
                &[("ActiveState", "inactive"), ("SubState", "dead")]
            } else {
                &[("ActiveState", "active"), ("SubState", "running")]
            },
        )?;
        if self.host.is_live() && !desired.no_block && (if stopped { unit.stoppable() } else { unit.failed() }) {
            return Err(self.could_not(verb, name, &Output { code: 0, ..Output::default() }));
        }
        Ok(())
    }

    /// After an action: what is there now, or what a plan expects to be.
    fn settle(&mut self, name: &str, unit: &mut Unit, expected: &[(&str, &str)]) -> Result<(), Halt> {
        if self.host.is_live() {
            *unit = if self.offline()? { self.by_files(name)? } else { self.show(name)? };
        } else {
            for (property, value) in expected {
                unit.properties.insert(property.to_string(), value.to_string());
            }
            self.remember(name, unit);
        }
        Ok(())
    }

    fn remember(&mut self, name: &str, unit: &Unit) {
        if !self.host.is_live() {
            let key = self.key(name);
            self.host.overlay().set_state(KIND, &key, unit.to_value());
        }
    }

    fn key(&self, name: &str) -> String {
        match self.scope {
            Scope::System => name.to_string(),
            Scope::User => format!("user {name}"),
            Scope::Global => format!("global {name}"),
        }
    }

    fn show(&mut self, name: &str) -> Result<Unit, Halt> {
        if self.scope == Scope::Global {
            return Ok(Unit::default());
        }
        let output = self.systemctl(&["show", name])?;
        if output.success() {
            return Ok(Unit::parse(&output.text()));
        }
        let said = output.errors();
        let failure = Failure::new(format!("systemctl cannot tell about {name}: {}", said.trim()));
        Err(match said.contains("not been booted with systemd") || said.contains("Failed to connect to bus") {
            true if self.scope == Scope::User => failure.hint("is the user logged in, or `loginctl enable-linger` set for it?").into(),
            true => failure.hint("systemd does not run this host; use the module `service`").into(),
            false => failure.into(),
        })
    }

    /// The unit's file as this run sees it: on the host, or written by the plan.
    fn unit_file(&mut self, name: &str) -> Option<String> {
        let template = name.split_once('@').map(|(stem, rest)| format!("{stem}@.{}", rest.rsplit('.').next().unwrap_or("service")));
        let home = self.host.expand_home("~/.config/systemd/user");
        let folders: &[&Path] = match self.scope {
            Scope::System => &[
                "/etc/systemd/system",
                "/run/systemd/system",
                "/usr/local/lib/systemd/system",
                "/usr/lib/systemd/system",
                "/lib/systemd/system",
            ]
            .map(Path::new),
            Scope::User | Scope::Global => &[&home, Path::new("/etc/systemd/user"), Path::new("/usr/lib/systemd/user")],
        };
        for folder in folders {
            for file in std::iter::once(name).chain(template.as_deref()) {
                if let Ok(Some(content)) = self.host.files().read(&folder.join(file)) {
                    return Some(String::from_utf8_lossy(&content).into_owned());
                }
            }
        }
        None
    }

    fn not_found(&mut self, name: &str) -> Halt {
        let stem = name.strip_suffix(".service").unwrap_or(name);
        let listed = self.systemctl(&["list-unit-files", "--no-legend", "--no-pager"]).map(|o| o.text()).unwrap_or_default();
        let names: Vec<&str> = listed.lines().filter_map(|l| l.split_whitespace().next()).collect();
        let near = crate::args::nearest(stem, names.iter().filter_map(|n| n.strip_suffix(".service")));
        let failure = Failure::new(format!("Could not find the requested service {stem}: systemd knows no unit {name}"));
        failure.hint(near.map_or("is its package installed?".to_string(), |n| format!("did you mean `{n}`?"))).into()
    }

    fn could_not(&mut self, verb: &str, name: &str, output: &Output) -> Halt {
        let said = output.errors();
        let scope = if self.scope == Scope::User { "--user" } else { "--system" };
        let log = Command::new(["journalctl", scope, "--no-pager", "-q", "-o", "cat", "-n", "8", "-u", name]);
        let log = self.host.query(&log).map(|o| o.text()).unwrap_or_default();
        let state = self.show(name).map(|u| format!("{} ({})", u.property("ActiveState"), u.property("Result"))).unwrap_or_default();
        let mut message = format!("Unable to {verb} service {name}: it is {state}");
        for text in [said.trim(), log.trim()].iter().filter(|t| !t.is_empty()) {
            message.push('\n');
            message.push_str(text);
        }
        Failure::new(message).hint(format!("see `journalctl -u {name}` on the host")).with("rc", output.code).into()
    }

    fn act(&mut self, words: &[&str], doing: &str) -> Result<(), Halt> {
        match self.systemctl_perform(words)? {
            Some(output) => output.require(doing).map(|_| ()),
            None => Ok(()),
        }
    }

    fn systemctl(&mut self, words: &[&str]) -> Result<Output, Halt> {
        let command = self.command(words);
        self.host.query(&command)
    }

    fn systemctl_perform(&mut self, words: &[&str]) -> Result<Option<Output>, Halt> {
        let command = self.command(words);
        self.host.perform(&command)
    }

    fn command(&self, words: &[&str]) -> Command {
        let scope: &[&str] = match self.scope {
            Scope::System => &[],
            Scope::User => &["--user"],
            Scope::Global => &["--global"],
        };
        let (verb, rest) = words.split_first().map_or(("", words), |(v, r)| (*v, r));
        let mut command = Command::new(["systemctl"].iter().chain(scope).copied());
        command.argv.push(verb.to_string());
        let (options, names): (Vec<&str>, Vec<&str>) = rest.iter().partition(|w| w.starts_with("--"));
        command.argv.extend(options.iter().map(|w| w.to_string()));
        if !names.is_empty() {
            command.argv.push("--".into());
            command.argv.extend(names.iter().map(|w| w.to_string()));
        }
        command.environment.push(("SYSTEMD_PAGER".into(), "cat".into()));
        command.environment.push(("LC_ALL".into(), "C".into()));
        if self.scope == Scope::User && self.host.variable("XDG_RUNTIME_DIR").is_none() {
            let folder = format!("/run/user/{}", rustix::process::geteuid().as_raw());
            command.environment.push(("XDG_RUNTIME_DIR".into(), folder));
        }
        command
    }
}

impl Host {
    /// In a plan, what ran or would be installed before, so that what is missing now may still come: `… comes first`.
    pub(crate) fn may_still_come(&mut self) -> Option<String> {
        if self.is_live() {
            return None;
        }
        self.overlay().unpredicted.as_ref().map(|what| format!("{what} comes first"))
    }
}

fn from_value(state: &Value) -> Unit {
    let properties = state.as_map().into_iter().flatten().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Unit { properties }
}

/// What the manager will make of a unit file that is not there yet.
fn predicted(content: &str) -> Unit {
    let enabled = if content.lines().any(|l| l.trim() == "[Install]") { "disabled" } else { "static" };
    Unit::parse(&format!("LoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState={enabled}"))
}

fn did_not_converge(name: &str, what: &str, wanted: bool) -> Halt {
    Halt::failed(format!("{name} did not converge: `{what}` is still {}, though systemctl reported no error", !wanted))
}
