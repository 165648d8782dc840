//! Module `iptables`: rules, policies and chains of the kernel's packet filter.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, choices, module};

choices! { pub enum State { Present = "present", Absent = "absent" } }
choices! { pub enum Family { V4 = "ipv4", V6 = "ipv6", Both = "both" } }
choices! { pub enum Where { Append = "append", Insert = "insert" } }
choices! { pub enum Policy { Accept = "ACCEPT", Drop = "DROP", Queue = "QUEUE", Return = "RETURN" } }
choices! { pub enum Table { Filter = "filter", Nat = "nat", Mangle = "mangle", Raw = "raw", Security = "security" } }
choices! { pub enum Syn { Ignore = "ignore", Match = "match", Negate = "negate" } }

arguments! {
    pub struct Args {
        /// The table.
        table: Table = Table::Filter,
        /// The chain.
        chain: Option<String>,
        /// Whether the rule is there.
        state: State = State::Present,
        /// Whether a new rule comes last or first.
        action: Where = Where::Append,
        /// The place of an inserted rule, from 1.
        rule_num: Option<String>,
        /// Which version of IP it is for.
        ip_version: Family = Family::V4,
        /// What happens with packets that no rule of the chain decides.
        policy: Option<Policy>,
        /// Removes every rule of the chain, or of the table.
        flush: bool = false,
        /// Makes or removes the chain itself where no rule is given.
        chain_management: bool = false,
        /// Protocol.
        protocol: Option<String>,
        /// Where packets come from.
        source: Option<String>,
        /// Where packets go.
        destination: Option<String>,
        /// Flags of TCP: `flags` are looked at, `flags_set` are set.
        tcp_flags: Option<Map>,
        /// Extensions that match.
        r#match as "match": Option<Vec<String>>,
        /// What happens to packets.
        jump: Option<String>,
        /// The chain in which it goes on.
        goto: Option<String>,
        /// For jump TEE: where copies go.
        gateway: Option<String>,
        /// For jump LOG: what the line begins with.
        log_prefix: Option<String>,
        /// For jump LOG: how important it is.
        log_level: Option<String>,
        /// The interface packets come in by.
        in_interface: Option<String>,
        /// The interface packets leave by.
        out_interface: Option<String>,
        /// Whether it is for further fragments.
        fragment: Option<String>,
        /// First values of the counters.
        set_counters: Option<String>,
        /// Port or ports packets come from.
        source_port: Option<String>,
        /// Port or ports packets go to.
        destination_port: Option<String>,
        /// Several ports packets go to.
        destination_ports: Option<Vec<String>>,
        /// Ports that are put in place of those.
        to_ports: Option<String>,
        /// For jump DNAT: the address put in place.
        to_destination: Option<String>,
        /// For jump SNAT: the address put in place.
        to_source: Option<String>,
        /// Whether SYN is set alone.
        syn: Syn = Syn::Ignore,
        /// The mark of DSCP to set.
        set_dscp_mark: Option<String>,
        /// The class of DSCP to set.
        set_dscp_mark_class: Option<String>,
        /// A comment.
        comment: Option<String>,
        /// States of connections.
        ctstate: Option<Vec<String>>,
        /// A range of addresses packets come from.
        src_range: Option<String>,
        /// A range of addresses packets go to.
        dst_range: Option<String>,
        /// The set of ipset that matches.
        match_set: Option<String>,
        /// What the set is compared with.
        match_set_flags: Option<String>,
        /// How often at most.
        limit: Option<String>,
        /// How many at first.
        limit_burst: Option<String>,
        /// The user whose packets match.
        uid_owner: Option<String>,
        /// The group whose packets match.
        gid_owner: Option<String>,
        /// What refused packets are answered.
        reject_with: Option<String>,
        /// The kind of ICMP.
        icmp_type: Option<String>,
        /// Seconds to wait for the lock.
        wait: Option<String>,
        /// Accepted; rules are never listed by name.
        numeric: bool = false,
    }
}

module! {
    name: "iptables", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Rules, policies and chains of iptables, as the kernel has them now; what should hold after a boot is to be saved by other \
          means.",
    examples: [
        r#"{"chain": "INPUT", "protocol": "tcp", "destination_port": "8080", "jump": "ACCEPT"}"#,
        r#"{"chain": "INPUT", "policy": "DROP"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    check(args)?;
    let programs: &[(&str, &str)] = match args.ip_version {
        Family::V4 => &[("ipv4", "iptables")],
        Family::V6 => &[("ipv6", "ip6tables")],
        Family::Both => &[("ipv4", "iptables"), ("ipv6", "ip6tables")],
    };
    let rule = rule(args);
    for (_, program) in programs {
        if !host.has_program(program) {
            return Err(host.missing_program(program, "install the package `iptables`"));
        }
        match (&args.chain, args.flush, args.policy) {
            (_, true, _) => flush(args, program, host)?,
            (Some(chain), _, Some(policy)) => set_policy(args, program, chain, policy, host)?,
            (Some(chain), _, None) if rule.is_empty() && args.chain_management => own_chain(args, program, chain, host)?,
            (Some(chain), _, None) => {
                if args.chain_management && args.state == State::Present {
                    own_chain(args, program, chain, host)?;
                }
                one_rule(args, program, chain, &rule, host)?;
            }
            (None, _, _) => {}
        }
    }
    let outcome = Outcome::new()
        .with("ip_version", args.ip_version.word())
        .with("table", args.table.word())
        .with("chain", args.chain.clone())
        .with("flush", args.flush)
        .with("rule", rule.join(" "))
        .with("state", args.state.word())
        .with("chain_management", args.chain_management);
    Ok(outcome)
}

fn check(args: &Args) -> Result<(), Halt> {
    if args.chain.is_none() && !args.flush {
        return Err(Halt::failed("Either chain or flush parameter must be specified."));
    }
    if args.flush && args.policy.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: flush|policy"));
    }
    let logs = args.jump.as_deref().is_some_and(|j| j.eq_ignore_ascii_case("LOG"));
    if (args.log_prefix.is_some() || args.log_level.is_some()) && args.jump.is_some() && !logs {
        return Err(Halt::failed("Logging options can only be used with the LOG jump target."));
    }
    let ports = args.destination_ports.as_ref().is_some_and(|p| !p.is_empty());
    let known = matches!(args.protocol.as_deref(), Some("tcp" | "udp" | "udplite" | "dccp" | "sctp"));
    if ports && !known {
        return Err(Halt::failed("destination_ports requires protocol to be one of: tcp, udp, udplite, dccp, sctp"));
    }
    Ok(())
}

fn command(args: &Args, program: &str, words: &[&str], rule: &[String]) -> Command {
    let mut argv = vec![program.to_string(), "-t".into(), args.table.word().into()];
    argv.extend(args.wait.iter().flat_map(|w| ["-w".to_string(), w.clone()]));
    argv.extend(words.iter().map(|w| w.to_string()));
    argv.extend(rule.iter().cloned());
    Command::new(argv)
}

fn one_rule(args: &Args, program: &str, chain: &str, rule: &[String], host: &mut Host) -> Result<(), Halt> {
    let there = Value::str("present");
    let wanted = if args.state == State::Present { there.clone() } else { Value::Null };
    let name = format!("{program} -t {} {chain} {}", args.table.word(), rule.join(" "));
    let look = command(args, program, &["-C", chain], rule);
    let observe = |host: &mut Host| Ok(if host.query(&look)?.success() { there.clone() } else { Value::Null });
    let act = |_: &Value| {
        let words: Vec<&str> = match (args.state, args.action) {
            (State::Absent, _) => vec!["-D", chain],
            (State::Present, Where::Append) => vec!["-A", chain],
            (State::Present, Where::Insert) => std::iter::once("-I").chain([chain]).chain(args.rule_num.as_deref()).collect(),
        };
        vec![command(args, program, &words, rule)]
    };
    host.converge_setting(Setting { kind: "rule", name: &name, field: "state" }, &wanted, observe, act).map(|_| ())
}

fn own_chain(args: &Args, program: &str, chain: &str, host: &mut Host) -> Result<(), Halt> {
    let there = Value::str("present");
    let wanted = if args.state == State::Present { there.clone() } else { Value::Null };
    let name = format!("{program} -t {} {chain}", args.table.word());
    let look = command(args, program, &["-S", chain], &[]);
    let observe = |host: &mut Host| Ok(if host.query(&look)?.success() { there.clone() } else { Value::Null });
    let act = |_: &Value| vec![command(args, program, &[if args.state == State::Present { "-N" } else { "-X" }, chain], &[])];
    host.converge_setting(Setting { kind: "chain", name: &name, field: "state" }, &wanted, observe, act).map(|_| ())
}

fn set_policy(args: &Args, program: &str, chain: &str, policy: Policy, host: &mut Host) -> Result<(), Halt> {
    let name = format!("{program} -t {} {chain}", args.table.word());
    let look = command(args, program, &["-S", chain], &[]);
    let observe = |host: &mut Host| {
        let said = host.query(&look)?.require("cannot read the policy")?.text();
        let line = said.lines().find_map(|l| l.strip_prefix(&format!("-P {chain} ")).map(|p| Value::str(p.trim())));
        Ok(line.unwrap_or(Value::Null))
    };
    let act = |_: &Value| vec![command(args, program, &["-P", chain, policy.word()], &[])];
    host.converge_setting(Setting { kind: "chain", name: &name, field: "policy" }, &Value::str(policy.word()), observe, act).map(|_| ())
}

fn flush(args: &Args, program: &str, host: &mut Host) -> Result<(), Halt> {
    let of: Vec<&str> = args.chain.as_deref().into_iter().collect();
    let name = format!("{program} -t {} {}", args.table.word(), of.join(""));
    let look = command(args, program, &[&["-S"], of.as_slice()].concat(), &[]);
    let observe = |host: &mut Host| {
        let said = host.query(&look)?.text();
        Ok(Value::from(said.lines().filter(|l| l.starts_with("-A")).map(str::to_string).collect::<Vec<_>>()))
    };
    let act = |_: &Value| vec![command(args, program, &[&["-F"], of.as_slice()].concat(), &[])];
    let none = Value::from(Vec::<String>::new());
    host.converge_setting(Setting { kind: "chain", name: name.trim(), field: "rules" }, &none, observe, act).map(|_| ())
}

/// The words of a rule, in the order in which iptables lists them.
fn rule(args: &Args) -> Vec<String> {
    let mut rule = Rule::default();
    rule.option("-p", args.protocol.as_ref());
    rule.option("-s", args.source.as_ref());
    rule.option("-d", args.destination.as_ref());
    for name in args.r#match.iter().flatten() {
        rule.matches(name);
    }
    if let Some(flags) = &args.tcp_flags {
        let list = |name: &str| {
            let value = flags.get(name);
            value.and_then(Value::as_list).map(|l| l.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")).unwrap_or_default()
        };
        rule.words.extend(["--tcp-flags".into(), list("flags"), list("flags_set")]);
    }
    if args.jump.is_none() && args.reject_with.is_some() {
        rule.option("-j", Some(&"REJECT".to_string()));
    }
    if args.jump.is_none() && (args.log_prefix.is_some() || args.log_level.is_some()) {
        rule.option("-j", Some(&"LOG".to_string()));
    }
    rule.option("-j", args.jump.as_ref());
    rule.option("--gateway", args.gateway.as_ref().filter(|_| args.jump.as_deref().is_some_and(|j| j.eq_ignore_ascii_case("TEE"))));
    rule.option("--log-prefix", args.log_prefix.as_ref());
    rule.option("--log-level", args.log_level.as_ref());
    rule.option("--to-destination", args.to_destination.as_ref());
    rule.several("--dports", "multiport", args.destination_ports.as_ref());
    rule.option("--to-source", args.to_source.as_ref());
    rule.option("-g", args.goto.as_ref());
    rule.negated("-i", args.in_interface.as_ref());
    rule.negated("-o", args.out_interface.as_ref());
    rule.option("-f", args.fragment.as_ref());
    rule.option("-c", args.set_counters.as_ref());
    rule.negated("--source-port", args.source_port.as_ref());
    rule.negated("--destination-port", args.destination_port.as_ref());
    rule.option("--to-ports", args.to_ports.as_ref());
    rule.option("--set-dscp", args.set_dscp_mark.as_ref());
    rule.option("--set-dscp-class", args.set_dscp_mark_class.as_ref());
    match args.syn {
        Syn::Ignore => {}
        Syn::Match => rule.words.push("--syn".into()),
        Syn::Negate => rule.words.extend(["!".into(), "--syn".into()]),
    }
    rule.several("--ctstate", "conntrack", args.ctstate.as_ref());
    rule.range("--src-range", args.src_range.as_ref());
    rule.range("--dst-range", args.dst_range.as_ref());
    if let Some(set) = &args.match_set {
        rule.matches("set");
        rule.words.extend(["--match-set".into(), set.clone(), args.match_set_flags.clone().unwrap_or_else(|| "src".into())]);
    }
    if args.limit.is_some() || args.limit_burst.is_some() {
        rule.matches("limit");
    }
    rule.option("--limit", args.limit.as_ref());
    rule.option("--limit-burst", args.limit_burst.as_ref());
    if args.uid_owner.is_some() || args.gid_owner.is_some() {
        rule.matches("owner");
    }
    rule.negated("--uid-owner", args.uid_owner.as_ref());
    rule.negated("--gid-owner", args.gid_owner.as_ref());
    rule.option("--reject-with", args.reject_with.as_ref());
    let six = args.ip_version == Family::V6;
    rule.option(if six { "--icmpv6-type" } else { "--icmp-type" }, args.icmp_type.as_ref());
    if let Some(comment) = &args.comment {
        rule.matches("comment");
        rule.option("--comment", Some(comment));
    }
    rule.words
}

/// A rule under construction.
#[derive(Default)]
struct Rule {
    words: Vec<String>,
}

impl Rule {
    fn option(&mut self, flag: &str, value: Option<&String>) {
        if let Some(value) = value {
            match value.strip_prefix('!') {
                Some(rest) if flag.len() == 2 => self.words.extend(["!".into(), flag.into(), rest.trim().to_string()]),
                _ => self.words.extend([flag.to_string(), value.clone()]),
            }
        }
    }
    fn negated(&mut self, flag: &str, value: Option<&String>) {
        match value.and_then(|v| v.strip_prefix('!')) {
            Some(rest) => self.words.extend(["!".into(), flag.into(), rest.trim().to_string()]),
            None => self.option(flag, value),
        }
    }
    fn matches(&mut self, name: &str) {
        let known = self.words.windows(2).any(|w| w[0] == "-m" && w[1] == name);
        if !known {
            self.words.extend(["-m".to_string(), name.to_string()]);
        }
    }
    fn several(&mut self, flag: &str, name: &str, values: Option<&Vec<String>>) {
        if let Some(values) = values.filter(|v| !v.is_empty()) {
            // The older `state` matches the same.
            if !(name == "conntrack" && self.words.windows(2).any(|w| w[0] == "-m" && w[1] == "state")) {
                self.matches(name);
                self.words.extend([flag.to_string(), values.join(",")]);
            } else {
                self.words.extend(["--state".to_string(), values.join(",")]);
            }
        }
    }
    fn range(&mut self, flag: &str, value: Option<&String>) {
        if value.is_some() {
            self.matches("iprange");
            self.option(flag, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use serde_json::json;

    #[test]
    fn rules_in_words() {
        for (given, expected) in [
            (
                json!({"chain": "INPUT", "protocol": "tcp", "destination_port": 80, "jump": "ACCEPT"}),
                "-p tcp -j ACCEPT --destination-port 80",
            ),
            (json!({"chain": "INPUT", "source": "8.8.8.8", "jump": "DROP"}), "-s 8.8.8.8 -j DROP"),
            (
                json!({"chain": "INPUT", "ctstate": "ESTABLISHED,RELATED", "jump": "ACCEPT"}),
                "-j ACCEPT -m conntrack --ctstate ESTABLISHED,RELATED",
            ),
            (
                json!({"chain": "INPUT", "protocol": "tcp", "destination_ports": ["80", "443", "8081:8083"], "jump": "ACCEPT", "comment": "web"}),
                "-p tcp -j ACCEPT -m multiport --dports 80,443,8081:8083 -m comment --comment web",
            ),
            (
                json!({"chain": "OUTPUT", "in_interface": "!lo", "uid_owner": "!root", "syn": "negate"}),
                "! -i lo ! --syn -m owner ! --uid-owner root",
            ),
            (json!({"chain": "INPUT", "reject_with": "tcp-reset", "protocol": "tcp"}), "-p tcp -j REJECT --reject-with tcp-reset"),
            (json!({"chain": "INPUT", "source": "!10.0.0.0/8"}), "! -s 10.0.0.0/8"),
        ] {
            let args = Args::parse("iptables", Value::from_json(&given).as_map().unwrap()).unwrap();
            assert_eq!(rule(&args).join(" "), expected, "{given}");
        }
    }

    #[test]
    fn refuses_what_cannot_be() {
        let mut bench = crate::testing::Bench::new();
        assert_eq!(bench.failure(&MODULE, json!({"jump": "DROP"})), "Either chain or flush parameter must be specified.");
    }
}
