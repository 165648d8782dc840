//! Module `sysvinit`: services through the scripts in /etc/init.d.

use crate::host::Host;
use crate::host::init::{Init, Service};
use crate::module::{Failure, Halt, Outcome};
use crate::systemd::State;
use crate::value::{Map, Value};
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// The service.
        name ["service"]: String,
        /// Whether it runs. `restarted` and `reloaded` act every time.
        state: Option<State>,
        /// Whether it starts with the system.
        enabled: Option<bool>,
        /// Runlevels in which it starts; by default those that its script names.
        runlevels: Option<Vec<String>>,
        /// Where the script says nothing about its state: text by which to find its process.
        pattern: Option<String>,
        /// Seconds between stop and start of a restart.
        sleep: u64 = 1,
        /// Arguments for the script.
        arguments ["args"]: Option<String>,
        /// Accepted; the script's processes are never tied to the connection.
        daemonize: bool = false,
    }
}

module! {
    name: "sysvinit", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Services that scripts in /etc/init.d start and stop, and the links that start them with the system.",
    examples: [r#"{"name": "apache2", "state": "started", "enabled": true}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.state.is_none() && args.enabled.is_none() {
        return Err(Failure::new("one of the following is required: state, enabled").into());
    }
    let service = Service {
        init: Init::Sysvinit,
        name: args.name.clone(),
        run: args.state.map(State::run),
        enabled: args.enabled,
        runlevels: args.runlevels.clone().unwrap_or_default(),
        pattern: args.pattern.clone(),
        arguments: args.arguments.iter().flat_map(|a| a.split_whitespace()).map(str::to_string).collect(),
        pause: Some(args.sleep),
    };
    host.converge_service(&service)?;
    let results = Value::map([("name", Value::str(&args.name)), ("status", Value::from(Map::new()))]);
    let outcome = Outcome::new().with("name", args.name.as_str()).with("results", results);
    Ok(match args.state {
        Some(State::Stopped) => outcome.with("state", "stopped"),
        Some(_) => outcome.with("state", "started"),
        None => outcome,
    })
}
