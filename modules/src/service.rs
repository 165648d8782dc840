//! Module `service`: services through whichever init system the host has.

use crate::host::Host;
use crate::host::init::Init;
use crate::host::units::{DesiredUnit, Scope, full_name};
use crate::module::{Failure, Halt, Outcome};
use crate::systemd::{State, outcome};
use crate::value::Map;
use crate::{arguments, choices, module};

choices! {
    pub enum Use {
        Auto = "auto", Systemd = "systemd" | "ansible.builtin.systemd" | "ansible.builtin.systemd_service",
        Sysvinit = "sysvinit" | "service", Openrc = "openrc",
    }
}

arguments! {
    pub struct Args {
        /// The service.
        name: String,
        /// Whether it runs. `restarted` and `reloaded` act every time.
        state: Option<State>,
        /// Whether it starts with the system.
        enabled: Option<bool>,
        /// Where the service's script says nothing about its state: text by which to find its process.
        pattern: Option<String>,
        /// Seconds between stop and start of a restart, where the init system does not know restarts.
        sleep: Option<u64>,
        /// The runlevel, for OpenRC.
        runlevel: String = "default".to_string(),
        /// Arguments for the service's script.
        arguments ["args"]: String = String::new(),
        /// The init system; by default the one that runs the host.
        init as "use": Use = Use::Auto,
    }
}

module! {
    name: "service", collection: "ansible.builtin", aliases: ["sysvinit"], effects: World,
    doc: "Services: started, stopped, restarted, reloaded and enabled, through systemd, OpenRC or sysvinit.",
    examples: [r#"{"name": "cron", "state": "started", "enabled": true}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.state.is_none() && args.enabled.is_none() {
        return Err(Failure::new("`service` needs what the service should be").hint("give `state` or `enabled`").into());
    }
    let run = args.state.map(State::run);
    let init = match args.init {
        Use::Auto if host.runs_systemd() => None,
        Use::Systemd => None,
        Use::Auto => Some(Init::detect()),
        Use::Openrc => Some(Init::Openrc),
        Use::Sysvinit => Some(Init::Sysvinit),
    };
    let Some(init) = init else {
        let desired = DesiredUnit { run, enabled: args.enabled, ..DesiredUnit::default() };
        let unit = host.units(Scope::System).converge(&full_name(&args.name), &desired)?;
        return Ok(outcome(&args.name, args.state, args.enabled, unit.to_value()));
    };
    host.converge_service(init, &args.name, run, args.enabled, &args.runlevel)?;
    Ok(outcome(&args.name, args.state, args.enabled, Map::new().into()))
}
