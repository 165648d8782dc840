//! Module `service`: services through whichever init system the host has.

use crate::args::{self, Argument, ArgumentError, Arguments};
use crate::arguments;
use crate::host::Host;
use crate::host::init::{Init, Service};
use crate::module::{Effects, Foresight, Halt, Module, Outcome, converge_with};
use crate::systemd::{State, outcome};
use crate::value::{Map, Value};

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
        /// The module of the init system; by default that of the one that runs the host.
        init as "use": String = "auto".to_string(),
    }
}

/// The module as the registry lists it: where systemd runs the host it is the module `systemd`, with that one's arguments.
pub const MODULE: Module = Module {
    name: "service",
    collection: "ansible.builtin",
    aliases: &[],
    doc: "Services: started, stopped, restarted, reloaded and enabled, through systemd, OpenRC or sysvinit. Where systemd runs \
          the host, arguments of the module `systemd` are handed to it.",
    examples: &[r#"{"name": "cron", "state": "started", "enabled": true}"#],
    effects: Effects::World,
    foresight: Foresight::Depends,
    arguments: declared,
    check,
    converge,
};

fn declared() -> Vec<Argument> {
    let mut all = Args::declared();
    for argument in crate::systemd::Args::declared() {
        if !all.iter().any(|known| known.name == argument.name) {
            all.push(argument);
        }
    }
    all
}

fn check(given: &Map) -> Result<(), ArgumentError> {
    let declared = declared();
    args::refuse_unknown("service", given, &declared)?;
    declared.iter().filter(|a| a.required).try_for_each(|a| args::read::<String>("service", given, a, None).map(|_| ()))
}

fn converge(given: &Map, host: &mut Host) -> Result<Outcome, Halt> {
    let wanted = given.get("use").filter(|v| !matches!(v, Value::Null)).map_or_else(|| "auto".to_string(), Value::to_string);
    let init = match wanted.rsplit('.').next().unwrap_or_default() {
        "auto" if host.runs_systemd() => None,
        "systemd" | "systemd_service" => None,
        "openrc" => Some(Init::Openrc),
        "sysvinit" => Some(Init::Sysvinit),
        // `service` itself looks for what the host has.
        "auto" | "service" => Some(Init::detect()),
        _ => return Err(Halt::failed(format!("Could not find a matching action for the \"{wanted}\" service manager."))),
    };
    match init {
        None => {
            let foreign = ["pattern", "runlevel", "sleep", "arguments", "args", "use"];
            let own = given.iter().filter(|(k, _)| k.as_str().is_none_or(|k| !foreign.contains(&k)));
            let own: Map = own.map(|(k, v)| (k.clone(), v.clone())).collect();
            converge_with("systemd", &own, host, crate::systemd::converge)
        }
        Some(Init::Openrc) => converge_with("service", given, host, |args: &Args, host| by_scripts(Init::Openrc, args, host)),
        Some(Init::Sysvinit) => converge_with("service", given, host, |args: &Args, host| by_scripts(Init::Sysvinit, args, host)),
    }
}

fn by_scripts(init: Init, args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let service = Service {
        init,
        name: args.name.clone(),
        run: args.state.map(State::run),
        enabled: args.enabled,
        runlevels: vec![args.runlevel.clone()],
        pattern: args.pattern.clone(),
        arguments: args.arguments.split_whitespace().map(str::to_string).collect(),
        pause: args.sleep,
    };
    host.converge_service(&service)?;
    Ok(outcome(&args.name, args.state, args.enabled, Map::new().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn unknown_init_systems_are_named() {
        let message = Bench::new().failure(&MODULE, json!({"name": "x", "use": "lola", "state": "started"}));
        assert_eq!(message, "Could not find a matching action for the \"lola\" service manager.");
    }

    #[test]
    fn scripts_that_are_not_there_are_named() {
        let message = Bench::new().failure(&MODULE, json!({"name": "engine-nothing", "use": "sysvinit", "state": "started"}));
        assert!(message.starts_with("Could not find the requested service engine-nothing"), "{message}");
    }
}
