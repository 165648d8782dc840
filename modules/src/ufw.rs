//! Module `ufw`: the uncomplicated firewall.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};

choices! { pub enum State { Enabled = "enabled", Disabled = "disabled", Reloaded = "reloaded", Reset = "reset" } }
choices! { pub enum Policy { Allow = "allow", Deny = "deny", Reject = "reject" } }
choices! { pub enum Rule { Allow = "allow", Deny = "deny", Limit = "limit", Reject = "reject" } }
choices! { pub enum Direction { In = "in" | "incoming", Out = "out" | "outgoing", Routed = "routed" } }
choices! { pub enum Logging { On = "on" | "yes", Off = "off" | "no", Low = "low", Medium = "medium", High = "high", Full = "full" } }

arguments! {
    pub struct Args {
        /// Whether the firewall runs; `reloaded` and `reset` act every time.
        state: Option<State>,
        /// What happens with packets that no rule decides; `direction` says which.
        default ["policy"]: Option<Policy>,
        /// In, out or routed.
        direction: Option<Direction>,
        /// How much is logged.
        logging: Option<Logging>,
        /// What a rule does.
        rule: Option<Rule>,
        /// Whether new connections of the rule are logged.
        log: bool = false,
        /// Whether the rule is for packets that pass through.
        route: bool = false,
        /// Where packets come from.
        from_ip ["from", "src"]: String = "any".to_string(),
        /// The port they come from.
        from_port: Option<String>,
        /// Where packets go.
        to_ip ["dest", "to"]: String = "any".to_string(),
        /// The port they go to.
        to_port ["port"]: Option<String>,
        /// Protocol.
        proto ["protocol"]: Option<String>,
        /// A profile of /etc/ufw/applications.d.
        name ["app"]: Option<String>,
        /// Interface, by the rule's direction.
        interface ["if"]: Option<String>,
        /// Interface packets come in by.
        interface_in ["if_in"]: Option<String>,
        /// Interface packets leave by.
        interface_out ["if_out"]: Option<String>,
        /// Whether the rule goes.
        delete: bool = false,
        /// The place of a new rule.
        insert: Option<i64>,
        /// From where the place counts.
        insert_relative_to: String = "zero".to_string(),
        /// A comment.
        comment: Option<String>,
    }
}

module! {
    name: "ufw", collection: "community.general", aliases: [], effects: World,
    doc: "The uncomplicated firewall: whether it runs, its defaults, and its rules. What a rule would change is asked of ufw's own \
          dry run.",
    examples: [
        r#"{"state": "enabled", "policy": "allow"}"#,
        r#"{"rule": "allow", "port": "80", "proto": "tcp"}"#,
        r#"{"rule": "deny", "src": "10.0.0.0/8", "name": "OpenSSH", "delete": true}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.state.is_none() && args.default.is_none() && args.rule.is_none() && args.logging.is_none() {
        return Err(Halt::failed("one of the following is required: state, default, rule, logging"));
    }
    if args.direction == Some(Direction::Routed) && args.rule.is_some() {
        return Err(Halt::failed("For rules, direction must be one of \"in\" and \"out\", or direction must not be specified."));
    }
    if !host.has_program("ufw") {
        return Err(host.missing_program("ufw", "install the package `ufw`"));
    }
    // The order is the one in which they do not get into each other's way.
    if let Some(logging) = args.logging {
        set_logging(logging, host)?;
    }
    if let Some(default) = args.default {
        set_default(args, default, host)?;
    }
    if args.state == Some(State::Reset) {
        host.execute(&Command::new(["ufw", "--force", "reset"]))?.map(|o| o.require("ufw reset failed")).transpose()?;
    }
    if let Some(rule) = args.rule {
        set_rule(args, rule, host)?;
    }
    match args.state {
        Some(State::Enabled) => run(true, host)?,
        Some(State::Disabled) => run(false, host)?,
        Some(State::Reloaded) => {
            host.execute(&Command::new(["ufw", "reload"]))?.map(|o| o.require("ufw reload failed")).transpose()?;
        }
        _ => {}
    }
    Ok(Outcome::new())
}

fn status(host: &mut Host) -> Result<String, Halt> {
    let command = Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new(["ufw", "status", "verbose"]) };
    Ok(host.query(&command)?.require("cannot read the firewall's status")?.text())
}

fn run(on: bool, host: &mut Host) -> Result<(), Halt> {
    let word = |on: bool| Value::str(if on { "enabled" } else { "disabled" });
    let observe = |host: &mut Host| Ok(word(status(host)?.contains("Status: active")));
    let act = |_: &Value| vec![Command::new(["ufw", "--force", if on { "enable" } else { "disable" }])];
    host.converge_setting(Setting { kind: "firewall", name: "ufw", field: "state" }, &word(on), observe, act).map(|_| ())
}

fn set_logging(logging: Logging, host: &mut Host) -> Result<(), Halt> {
    // `on` is `low` unless another level was chosen before.
    let observe = move |host: &mut Host| {
        let text = String::from_utf8_lossy(&host.files().read("/etc/ufw/ufw.conf".as_ref())?.unwrap_or_default()).into_owned();
        let level = text.lines().find_map(|l| l.trim().strip_prefix("LOGLEVEL=")).unwrap_or("off").trim_matches(['"', '\'']).to_string();
        Ok(Value::str(if logging == Logging::On && level != "off" { "on" } else { &level }))
    };
    let act = |_: &Value| vec![Command::new(["ufw", "logging", logging.word()])];
    let wanted = Value::str(logging.word());
    let settled = Setting { kind: "firewall", name: "ufw", field: "logging" };
    host.converge_setting(settled, &wanted, observe, act).map(|_| ())
}

fn set_default(args: &Args, policy: Policy, host: &mut Host) -> Result<(), Halt> {
    let (direction, key) = match args.direction {
        None | Some(Direction::In) => ("incoming", "DEFAULT_INPUT_POLICY"),
        Some(Direction::Out) => ("outgoing", "DEFAULT_OUTPUT_POLICY"),
        Some(Direction::Routed) => ("routed", "DEFAULT_FORWARD_POLICY"),
    };
    let observe = |host: &mut Host| {
        let text = String::from_utf8_lossy(&host.files().read("/etc/default/ufw".as_ref())?.unwrap_or_default()).into_owned();
        let value = text.lines().find_map(|l| l.trim().strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
        Ok(Value::str(match value.trim_matches(['"', '\'']) {
            "ACCEPT" => "allow",
            "DROP" => "deny",
            "REJECT" => "reject",
            other => other,
        }))
    };
    let act = |_: &Value| vec![Command::new(["ufw", "default", policy.word(), direction])];
    let name = format!("ufw {direction}");
    host.converge_setting(Setting { kind: "firewall", name: &name, field: "default" }, &Value::str(policy.word()), observe, act).map(|_| ())
}

fn set_rule(args: &Args, rule: Rule, host: &mut Host) -> Result<(), Halt> {
    let words = rule_words(args, rule);
    let there = Value::str("present");
    let wanted = if args.delete { Value::Null } else { there.clone() };
    // What adding it says tells whether it is there: ufw lists rules in other words than it takes.
    let mut dry = vec!["ufw".to_string(), "--dry-run".into()];
    dry.extend(rule_words(&Args { delete: false, insert: None, ..args.clone() }, rule));
    let look = Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new(dry) };
    let observe = |host: &mut Host| {
        let said = host.query(&look)?.require("ufw refuses the rule")?;
        let text = said.text() + &said.errors();
        Ok(if text.contains("Skipping adding existing rule") { there.clone() } else { Value::Null })
    };
    let act = |_: &Value| vec![Command::new(std::iter::once("ufw".to_string()).chain(["--force".to_string()]).chain(words.clone()))];
    let name = rule_words(&Args { delete: false, insert: None, ..args.clone() }, rule).join(" ");
    host.converge_setting(Setting { kind: "firewall rule", name: &name, field: "state" }, &wanted, observe, act).map(|_| ())
}

/// The rule in ufw's words.
fn rule_words(args: &Args, rule: Rule) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    words.extend(args.route.then(|| "route".to_string()));
    words.extend(args.delete.then(|| "delete".to_string()));
    if let Some(place) = args.insert.filter(|_| !args.delete) {
        words.extend(["insert".to_string(), place.to_string()]);
    }
    words.push(rule.word().into());
    words.extend(args.direction.filter(|_| !args.route).map(|d| d.word().to_string()));
    for (word, interface) in [("", &args.interface), ("in", &args.interface_in), ("out", &args.interface_out)] {
        if let Some(interface) = interface {
            words.extend((!word.is_empty()).then(|| word.to_string()));
            words.extend(["on".to_string(), interface.clone()]);
        }
    }
    words.extend(args.log.then(|| "log".to_string()));
    words.extend(["from".to_string(), args.from_ip.clone()]);
    words.extend(args.from_port.iter().flat_map(|p| ["port".to_string(), p.clone()]));
    words.extend(["to".to_string(), args.to_ip.clone()]);
    words.extend(args.to_port.iter().flat_map(|p| ["port".to_string(), p.clone()]));
    words.extend(args.proto.iter().filter(|p| *p != "any").flat_map(|p| ["proto".to_string(), p.clone()]));
    words.extend(args.name.iter().flat_map(|n| ["app".to_string(), n.clone()]));
    words.extend(args.comment.iter().filter(|_| !args.delete).flat_map(|c| ["comment".to_string(), c.clone()]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use serde_json::json;

    #[test]
    fn rules_in_words() {
        for (given, expected) in [
            (json!({"rule": "allow", "port": 80, "proto": "tcp"}), "allow from any to any port 80 proto tcp"),
            (
                json!({"rule": "deny", "src": "10.0.0.0/8", "name": "OpenSSH", "delete": true}),
                "delete deny from 10.0.0.0/8 to any app OpenSSH",
            ),
            (
                json!({"rule": "allow", "interface": "eth0", "direction": "in", "to_port": "22", "insert": 1}),
                "insert 1 allow in on eth0 from any to any port 22",
            ),
            (
                json!({"rule": "allow", "route": true, "interface_in": "a", "interface_out": "b", "log": true, "comment": "c d"}),
                "route allow in on a out on b log from any to any comment c d",
            ),
        ] {
            let args = Args::parse("ufw", Value::from_json(&given).as_map().unwrap()).unwrap();
            assert_eq!(rule_words(&args, args.rule.unwrap()).join(" "), expected);
        }
    }
}
