//! Module `systemd`: starts, stops, enables and masks units of systemd.

use crate::host::Host;
use crate::host::units::{DesiredUnit, Run, Scope, full_name};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};

choices! {
    pub enum State { Started = "started", Stopped = "stopped", Restarted = "restarted", Reloaded = "reloaded" }
}

choices! {
    pub enum ManagerOf { System = "system", User = "user", Global = "global" }
}

impl State {
    pub(crate) fn run(self) -> Run {
        match self {
            State::Started => Run::Started,
            State::Stopped => Run::Stopped,
            State::Restarted => Run::Restarted,
            State::Reloaded => Run::Reloaded,
        }
    }
}

impl ManagerOf {
    pub(crate) fn scope(self) -> Scope {
        match self {
            ManagerOf::System => Scope::System,
            ManagerOf::User => Scope::User,
            ManagerOf::Global => Scope::Global,
        }
    }
}

arguments! {
    pub struct Args {
        /// The unit; `.service` follows unless another type is named.
        name ["service", "unit"]: Option<String>,
        /// Whether it runs. `restarted` and `reloaded` act every time.
        state: Option<State>,
        /// Whether it starts with the system.
        enabled: Option<bool>,
        /// Replaces symbolic links that stand in the way of enabling.
        force: Option<bool>,
        /// Whether nothing may start it.
        masked: Option<bool>,
        /// Lets systemd read unit files again, before anything else.
        daemon_reload ["daemon-reload"]: bool = false,
        /// Replaces systemd's own process, before anything else.
        daemon_reexec ["daemon-reexec"]: bool = false,
        /// Whose manager: the system's, this user's, or all users'.
        scope: ManagerOf = ManagerOf::System,
        /// Does not wait until it is done.
        no_block: bool = false,
    }
}

module! {
    name: "systemd", collection: "ansible.builtin", aliases: ["systemd_service"], effects: World,
    doc: "Starts, stops, restarts, reloads, enables and masks units of systemd.",
    examples: [
        r#"{"name": "cron", "state": "started", "enabled": true}"#,
        r#"{"daemon_reload": true}"#,
    ],
}

pub(crate) fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let wants_unit = args.state.is_some() || args.enabled.is_some() || args.masked.is_some();
    if args.name.is_none() && (wants_unit || !(args.daemon_reload || args.daemon_reexec)) {
        return Err(Failure::new("`systemd` needs the argument `name`").hint("only daemon_reload and daemon_reexec go without").into());
    }
    let scope = args.scope.scope();
    let desired = DesiredUnit {
        run: args.state.map(State::run),
        enabled: args.enabled,
        masked: args.masked,
        force: args.force == Some(true),
        no_block: args.no_block,
    };
    if args.daemon_reload && scope != Scope::Global {
        match &args.name {
            Some(name) => host.units(scope).reload_manager_for(&full_name(name), &desired)?,
            None => host.units(scope).reload_manager()?,
        }
    }
    if args.daemon_reexec && scope != Scope::Global {
        host.units(scope).reexecute_manager()?;
    }
    let Some(name) = &args.name else {
        return Ok(Outcome::new().with("name", crate::value::Value::Null).with("status", crate::value::Map::new()));
    };
    let offline = host.units(scope).offline()?;
    let unit = host.units(scope).converge(&full_name(name), &desired)?;
    let outcome = outcome(name, args.state, args.enabled, unit.to_value());
    Ok(if offline { outcome.warn(OFFLINE) } else { outcome })
}

const OFFLINE: &str =
    "Target is a chroot or systemd is offline. This can lead to false positives or prevent the init system tools from working.";

/// What `systemd` and `service` return.
pub(crate) fn outcome(name: &str, state: Option<State>, enabled: Option<bool>, status: crate::value::Value) -> Outcome {
    let mut outcome = Outcome::new().with("name", name).with("status", status);
    if let Some(enabled) = enabled {
        outcome = outcome.with("enabled", enabled);
    }
    match state {
        Some(State::Stopped) => outcome.with("state", "stopped"),
        Some(_) => outcome.with("state", "started"),
        None => outcome,
    }
}
