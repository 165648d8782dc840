//! Module `firewalld`: services, ports and rules of firewalld's zones.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, choices, module};

choices! { pub enum State { Enabled = "enabled", Disabled = "disabled", Present = "present", Absent = "absent" } }
choices! { pub enum Target { Default = "default", Accept = "ACCEPT", Drop = "DROP", Reject = "%%REJECT%%" } }

arguments! {
    pub struct Args {
        /// Whether it is in the zone; `present` and `absent` are for zones themselves and their targets.
        state: State,
        /// The zone; by default firewalld's own default.
        zone: Option<String>,
        /// A service.
        service: Option<String>,
        /// A port or range: `80/tcp`, `161-162/udp`.
        port: Option<String>,
        /// A protocol.
        protocol: Option<String>,
        /// Ports to forward: each with `port`, `proto`, `toport` and, if need be, `toaddr`.
        port_forward: Option<Vec<Map>>,
        /// A rich rule.
        rich_rule: Option<String>,
        /// A network whose packets belong to the zone.
        source: Option<String>,
        /// An interface whose packets belong to the zone.
        interface: Option<String>,
        /// A kind of ICMP to refuse.
        icmp_block: Option<String>,
        /// Whether the kinds named are the ones that pass.
        icmp_block_inversion: Option<String>,
        /// Whether addresses are masked.
        masquerade: Option<String>,
        /// Whether packets go on within the zone.
        forward: Option<String>,
        /// What happens with packets that nothing in the zone decides.
        target: Option<Target>,
        /// Whether it holds after the next start.
        permanent: bool = false,
        /// With `permanent`: whether it holds now, too.
        immediate: bool = false,
        /// Whether it may be set while firewalld does not run.
        offline: bool = false,
        /// Seconds for which it holds now.
        timeout: u64 = 0,
    }
}

module! {
    name: "firewalld", collection: "ansible.posix", aliases: [], effects: World,
    doc: "Services, ports, rules, sources and interfaces of firewalld's zones: now, after the next start, or both.",
    examples: [
        r#"{"service": "https", "permanent": true, "immediate": true, "state": "enabled"}"#,
        r#"{"port": "8081/tcp", "permanent": true, "state": "disabled"}"#,
        r#"{"rich_rule": "rule service name=\"ftp\" audit limit value=\"1/m\" accept", "zone": "dmz", "permanent": true, "state": "enabled"}"#,
    ],
}

/// One thing that a zone has or lacks: the words after `--add-`, `--remove-` and `--query-`.
struct Item {
    kind: &'static str,
    value: Option<String>,
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let items = items(args)?;
    let running = host.has_program("firewall-cmd") && host.query(&Command::new(["firewall-cmd", "--state"]))?.success();
    if !running && !args.offline {
        return Err(match host.may_still_come() {
            Some(why) => Halt::Unknown(format!("firewalld ({why})")),
            None => Failure::new("firewalld does not run on this host").hint("start it first, or give `offline: true`").into(),
        });
    }
    let program = if running { "firewall-cmd" } else { "firewall-offline-cmd" };
    let permanent = args.permanent || !running;
    let immediate = running && (args.immediate || !args.permanent);
    let scopes = [(permanent, true), (immediate, false)];
    for kept in scopes.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kept)| kept) {
        let own = Words { program, kept: kept && running, zone: args.zone.as_deref() };
        for item in &items {
            set(args, &own, item, host)?;
        }
        if kept {
            zone(args, &own, &items, host)?;
        }
    }
    Ok(Outcome::new())
}

/// How the program is called.
struct Words<'a> {
    program: &'a str,
    kept: bool,
    zone: Option<&'a str>,
}

impl Words<'_> {
    fn command(&self, words: &[String]) -> Command {
        let kept = self.kept.then(|| "--permanent".to_string());
        let zone = self.zone.map(|z| format!("--zone={z}"));
        let argv = std::iter::once(self.program.to_string()).chain(kept).chain(zone).chain(words.iter().cloned());
        Command::new(argv)
    }
    fn place(&self) -> &'static str {
        if self.kept || self.program == "firewall-offline-cmd" { "permanent" } else { "runtime" }
    }
}

fn set(args: &Args, own: &Words<'_>, item: &Item, host: &mut Host) -> Result<(), Halt> {
    let there = Value::str("enabled");
    let wanted = if matches!(args.state, State::Enabled | State::Present) { there.clone() } else { Value::Null };
    let word = |verb: &str| match &item.value {
        Some(value) => format!("--{verb}-{}={value}", item.kind),
        None => format!("--{verb}-{}", item.kind),
    };
    let look = own.command(&[word("query")]);
    let observe = |host: &mut Host| Ok(if host.query(&look)?.success() { there.clone() } else { Value::Null });
    let act = |_: &Value| {
        let timed = (args.timeout > 0 && own.place() == "runtime").then(|| format!("--timeout={}", args.timeout));
        let verb = if wanted == Value::Null { "remove" } else { "add" };
        vec![own.command(&[vec![word(verb)], timed.into_iter().collect()].concat())]
    };
    let zone = own.zone.unwrap_or("default zone");
    let name = format!("{zone} {}{}", item.kind, item.value.as_ref().map(|v| format!(" {v}")).unwrap_or_default());
    host.converge_setting(Setting { kind: "firewalld", name: &name, field: own.place() }, &wanted, observe, act).map(|_| ())
}

/// The zone itself, where nothing of it is named, and its target.
fn zone(args: &Args, own: &Words<'_>, items: &[Item], host: &mut Host) -> Result<(), Halt> {
    let Some(zone) = own.zone.filter(|_| matches!(args.state, State::Present | State::Absent)) else { return Ok(()) };
    let bare = Words { zone: None, program: own.program, kept: own.kept };
    if items.is_empty() && args.target.is_none() {
        let there = Value::str("present");
        let wanted = if args.state == State::Present { there.clone() } else { Value::Null };
        let list = bare.command(&["--get-zones".into()]);
        let observe = |host: &mut Host| {
            let said = host.query(&list)?.text();
            Ok(if said.split_whitespace().any(|z| z == zone) { there.clone() } else { Value::Null })
        };
        let verb = if args.state == State::Present { "new" } else { "delete" };
        let act = |_: &Value| vec![bare.command(&[format!("--{verb}-zone={zone}")])];
        host.converge_setting(Setting { kind: "firewalld zone", name: zone, field: "state" }, &wanted, observe, act)?;
    }
    if let Some(target) = args.target {
        let wanted = Value::str(if args.state == State::Present { target.word() } else { "default" });
        let look = own.command(&["--get-target".into()]);
        let observe = |host: &mut Host| Ok(Value::str(host.query(&look)?.text().trim()));
        let act = |_: &Value| vec![own.command(&[format!("--set-target={wanted}")])];
        host.converge_setting(Setting { kind: "firewalld zone", name: zone, field: "target" }, &wanted, observe, act)?;
    }
    Ok(())
}

fn items(args: &Args) -> Result<Vec<Item>, Halt> {
    let mut items = Vec::new();
    for (kind, value) in [
        ("service", &args.service),
        ("port", &args.port),
        ("protocol", &args.protocol),
        ("rich-rule", &args.rich_rule),
        ("source", &args.source),
        ("interface", &args.interface),
        ("icmp-block", &args.icmp_block),
    ] {
        items.extend(value.iter().map(|v| Item { kind, value: Some(v.clone()) }));
    }
    // As in Ansible these take `true`, the state says whether they are on.
    for (kind, value) in
        [("masquerade", &args.masquerade), ("icmp-block-inversion", &args.icmp_block_inversion), ("forward", &args.forward)]
    {
        items.extend(value.iter().map(|_| Item { kind, value: None }));
    }
    for forward in args.port_forward.iter().flatten() {
        let of = |key: &str| forward.get(key).map(Value::to_string).filter(|v| !v.is_empty());
        let (Some(port), Some(proto), Some(toport)) = (of("port"), of("proto"), of("toport")) else {
            return Err(Halt::failed("port_forward needs `port`, `proto` and `toport`"));
        };
        let to = of("toaddr").map(|a| format!(":toaddr={a}")).unwrap_or_default();
        items.push(Item { kind: "forward-port", value: Some(format!("port={port}:proto={proto}:toport={toport}{to}")) });
    }
    if items.len() > 1 {
        return Err(Failure::new("can only operate on port, service, rich_rule, masquerade, icmp_block, icmp_block_inversion, interface, source or forward at once").into());
    }
    if let Some(port) = args.port.as_ref().filter(|p| !p.contains('/')) {
        return Err(Failure::new("improper port format (missing protocol?)").hint(format!("write `{port}/tcp`")).into());
    }
    if items.is_empty() && args.zone.is_none() {
        return Err(Halt::failed("nothing is named that a zone could have"));
    }
    if matches!(args.state, State::Present | State::Absent) && !items.is_empty() {
        return Err(Halt::failed("absent and present state can only be used in zone level operations"));
    }
    if matches!(args.state, State::Enabled | State::Disabled) && items.is_empty() {
        return Err(Halt::failed("zone operations need `state: present` or `state: absent`"));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use serde_json::json;

    fn args(json: serde_json::Value) -> Args {
        Args::parse("firewalld", Value::from_json(&json).as_map().unwrap()).unwrap()
    }

    #[test]
    fn words_of_items() {
        for (given, expected) in [
            (json!({"service": "https", "state": "enabled"}), "service https"),
            (json!({"masquerade": true, "state": "enabled"}), "masquerade "),
            (
                json!({"port_forward": [{"port": 443, "proto": "tcp", "toport": 8443}], "state": "enabled"}),
                "forward-port port=443:proto=tcp:toport=8443",
            ),
        ] {
            let found = items(&args(given)).unwrap();
            assert_eq!(format!("{} {}", found[0].kind, found[0].value.clone().unwrap_or_default()), expected);
        }
        let words = Words { program: "firewall-cmd", kept: true, zone: Some("dmz") };
        assert_eq!(words.command(&["--query-port=1/tcp".into()]).line(), "firewall-cmd --permanent --zone=dmz --query-port=1/tcp");
    }

    #[test]
    fn refuses_as_documented() {
        for (given, message) in [
            (json!({"port": "80", "state": "enabled"}), "improper port format (missing protocol?)"),
            (json!({"port": "80/tcp", "state": "present"}), "absent and present state can only be used in zone level operations"),
        ] {
            let Err(Halt::Failed(failure)) = items(&args(given)) else { panic!("accepted") };
            assert_eq!(failure.message, message);
        }
    }
}
