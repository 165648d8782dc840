//! Openings in iptables and ip6tables.

use super::{Firewall, Opening, Rule, State, has, network};
use crate::host::Command;
use crate::module::Halt;
use std::path::Path;

/// The programs, and where their rules are kept for the next boot.
const FAMILIES: [(bool, &str, [&str; 2]); 2] = [
    (false, "iptables", ["/etc/iptables/rules.v4", "/etc/sysconfig/iptables"]),
    (true, "ip6tables", ["/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables"]),
];

impl Firewall<'_> {
    pub(super) fn iptables_filters(&mut self) -> Result<bool, Halt> {
        Ok(has("iptables") && filters(&self.chain("iptables")?))
    }

    /// The rules of the chain INPUT as `iptables -S` prints them; nothing where it cannot be read.
    fn chain(&mut self, program: &str) -> Result<String, Halt> {
        if !has(program) {
            return Ok(String::new());
        }
        let output = self.host.query(&Command::new([program, "-w", "-S", "INPUT"]))?;
        Ok(if output.success() { output.text() } else { String::new() })
    }

    pub(super) fn observe_iptables(&mut self, openings: &[Opening]) -> Result<Vec<State>, Halt> {
        let mut states = vec![State { open: true, permanent: true }; openings.len()];
        for (ipv6, program, files) in FAMILIES {
            let chain = self.chain(program)?;
            if !filters(&chain) {
                continue;
            }
            let rules = parse(&chain);
            let kept = match files.iter().find(|f| Path::new(f).exists()) {
                Some(file) => Some(parse(&self.text(file)?)),
                None => None,
            };
            for (opening, state) in openings.iter().zip(&mut states) {
                if opening.ipv6().is_none_or(|v6| v6 == ipv6) {
                    state.open &= opening.covered(&rules);
                    // Where nothing is kept for the next boot, what is there now is all that can be said.
                    state.permanent &= opening.covered(kept.as_ref().unwrap_or(&rules));
                }
            }
        }
        Ok(states)
    }

    pub(super) fn change_iptables(&mut self, todo: &[(Opening, State)], open: bool, permanent: bool) -> Result<(), Halt> {
        for (ipv6, program, files) in FAMILIES {
            let chain = self.chain(program)?;
            if !filters(&chain) {
                continue;
            }
            let rules = parse(&chain);
            for (opening, _) in todo.iter().filter(|(o, _)| o.ipv6().is_none_or(|v6| v6 == ipv6)) {
                if opening.covered(&rules) == open {
                    continue;
                }
                let mut argv: Vec<String> = [program, "-w", if open { "-I" } else { "-D" }, "INPUT"].map(String::from).to_vec();
                argv.extend(opening.source.iter().flat_map(|s| ["-s".to_string(), s.clone()]));
                argv.extend(
                    ["-p", &opening.protocol, "-m", &opening.protocol, "--dport", &opening.ports(':'), "-j", "ACCEPT"].map(String::from),
                );
                self.act(argv, &format!("{program} cannot {} {opening}", if open { "open" } else { "close" }))?;
            }
            if permanent && let Some(file) = files.iter().find(|f| Path::new(f).exists()) {
                self.act([format!("{program}-save"), "-f".into(), file.to_string()], &format!("cannot keep the rules in {file}"))?;
            }
        }
        Ok(())
    }
}

/// Whether a chain turns anything away.
fn filters(chain: &str) -> bool {
    let turns_away = |l: &str| l.starts_with("-P INPUT DROP") || l.ends_with("-j DROP") || l.contains("-j REJECT");
    chain.lines().any(turns_away)
}

/// Reads the rules of INPUT that let ports in and ask for nothing else.
fn parse(text: &str) -> Vec<Rule> {
    text.lines().filter_map(|line| line.strip_prefix("-A INPUT ")).flat_map(|line| rule(line).unwrap_or_default()).collect()
}

fn rule(line: &str) -> Option<Vec<Rule>> {
    let mut words = line.split_whitespace();
    let (mut protocol, mut source, mut ports, mut accepts) = (None, None, None, false);
    while let Some(word) = words.next() {
        match word {
            "-p" => protocol = words.next(),
            "-s" => source = Some(network(words.next()?).ok()?),
            "-m" => {
                if !matches!(words.next()?, "tcp" | "udp" | "sctp" | "dccp" | "multiport" | "comment" | "conntrack" | "state") {
                    return None;
                }
            }
            "--dport" | "--dports" => ports = words.next(),
            "--comment" => {
                let first = words.next()?;
                if first.starts_with('"') && !(first.len() > 1 && first.ends_with('"')) {
                    words.by_ref().find(|w| w.ends_with('"'))?;
                }
            }
            "--ctstate" | "--state" => {
                words.next()?.split(',').find(|s| *s == "NEW")?;
            }
            "-j" => accepts = words.next() == Some("ACCEPT"),
            _ => return None,
        }
    }
    let protocol = protocol.filter(|_| accepts)?;
    let range = |p: &str| {
        let (first, last) = p.split_once(':').unwrap_or((p, p));
        Some(Rule { first: first.parse().ok()?, last: last.parse().ok()?, protocol: protocol.to_string(), source: source.clone() })
    };
    ports?.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str = "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -s 10.0.0.0/8 -p tcp -m multiport --dports 80,443,8000:8010 -m comment --comment \"a b\" -j ACCEPT\n-A INPUT -p udp -m udp --dport 53 -j DROP\n-A INPUT -i eth1 -p tcp -m tcp --dport 99 -j ACCEPT\n";

    #[test]
    fn chain() {
        assert!(filters(CHAIN) && !filters("-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"));
        let rules = parse(CHAIN);
        let shown: Vec<_> = rules.iter().map(|r| (r.first, r.last, r.source.as_deref())).collect();
        let from = Some("10.0.0.0/8");
        assert_eq!(shown, [(22, 22, None), (80, 80, from), (443, 443, from), (8000, 8010, from)]);
    }
}
