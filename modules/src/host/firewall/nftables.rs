//! Openings in a ruleset of nftables that is the user's own.

use super::{Firewall, Opening, Rule, State, has, network};
use crate::host::Command;
use crate::host::files::{Content, Desired, Entry};
use crate::module::{Failure, Halt};
use serde_json::Value as Json;
use std::path::Path;

/// Where openings are kept for the next boot; the ruleset's own file includes it.
const KEPT: &str = "/etc/nftables.d/engine.nft";
const INCLUDE: &str = "include \"/etc/nftables.d/engine.nft\"";
const RULESETS: [&str; 2] = ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf"];

/// A base chain that decides about what comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chain {
    family: String,
    table: String,
    name: String,
    rules: Vec<(Rule, u64)>,
}

impl Chain {
    fn concerns(&self, opening: &Opening) -> bool {
        match opening.ipv6() {
            None => true,
            Some(v6) => self.family == "inet" || (self.family == "ip6") == v6,
        }
    }

    fn opens(&self, opening: &Opening) -> bool {
        opening.covered(&self.rules.iter().map(|(r, _)| r.clone()).collect::<Vec<_>>())
    }

    /// The words of the rule that opens, after `insert rule`.
    fn rule(&self, opening: &Opening) -> Vec<String> {
        let mut words = vec![self.family.clone(), self.table.clone(), self.name.clone()];
        if let Some(source) = &opening.source {
            words.extend([if source.contains(':') { "ip6" } else { "ip" }, "saddr", source].map(String::from));
        }
        words.extend([&opening.protocol, "dport", &opening.ports('-'), "accept"].map(String::from));
        words
    }
}

impl Firewall<'_> {
    pub(super) fn nftables_filters(&mut self) -> Result<bool, Halt> {
        Ok(!self.chains()?.is_empty())
    }

    fn chains(&mut self) -> Result<Vec<Chain>, Halt> {
        if !has("nft") {
            return Ok(Vec::new());
        }
        let output = self.host.query(&Command::new(["nft", "-j", "list", "ruleset"]))?;
        if !output.success() {
            return Ok(Vec::new());
        }
        let json: Json = serde_json::from_slice(&output.stdout).map_err(|e| Halt::failed(format!("cannot read nft's ruleset: {e}")))?;
        Ok(parse(&json))
    }

    pub(super) fn observe_nftables(&mut self, openings: &[Opening]) -> Result<Vec<State>, Halt> {
        let chains = self.chains()?;
        let kept = self.text(KEPT)?;
        let state = |o: &Opening| {
            let concerned: Vec<&Chain> = chains.iter().filter(|c| c.concerns(o)).collect();
            let open = concerned.iter().all(|c| c.opens(o));
            let is_kept = |c: &&Chain| kept.lines().any(|l| l == line(&c.rule(o)));
            // What is open without our file is open by the user's own ruleset.
            State { open, permanent: open || concerned.iter().any(is_kept) }
        };
        Ok(openings.iter().map(state).collect())
    }

    pub(super) fn change_nftables(&mut self, todo: &[(Opening, State)], open: bool, permanent: bool) -> Result<(), Halt> {
        let chains = self.chains()?;
        // What is kept comes first: an opening that is there already counts as the user's own, and would never be kept.
        if permanent {
            self.keep(&chains, todo, open)?;
        }
        for (opening, _) in todo {
            for chain in chains.iter().filter(|c| c.concerns(opening) && c.opens(opening) != open) {
                if open {
                    let argv = ["nft", "insert", "rule"].iter().map(|w| w.to_string()).chain(chain.rule(opening));
                    self.act(argv, &format!("nft cannot open {opening}"))?;
                } else {
                    self.close(chain, opening)?;
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, chain: &Chain, opening: &Opening) -> Result<(), Halt> {
        let same = |r: &&(Rule, u64)| {
            (r.0.first, r.0.last, r.0.protocol.as_str(), &r.0.source)
                == (opening.first, opening.last, opening.protocol.as_str(), &opening.source)
        };
        let alone = |r: &&(Rule, u64)| chain.rules.iter().filter(|other| other.1 == r.1).count() == 1;
        let Some((_, handle)) = chain.rules.iter().filter(alone).find(same) else {
            let message = format!(
                "cannot close {opening}: a rule of the chain {} {} {} opens it together with other ports",
                chain.family, chain.table, chain.name
            );
            return Err(Failure::new(message).hint("change that rule in the host's own ruleset").into());
        };
        let argv = ["nft", "delete", "rule", &chain.family, &chain.table, &chain.name, "handle", &handle.to_string()].map(String::from);
        self.act(argv, &format!("nft cannot close {opening}"))
    }

    /// Writes the openings where the host's ruleset includes them.
    fn keep(&mut self, chains: &[Chain], todo: &[(Opening, State)], open: bool) -> Result<(), Halt> {
        let before = self.text(KEPT)?;
        let Some(ruleset) = RULESETS.iter().find(|f| Path::new(f).exists()).filter(|_| open || !before.is_empty()) else { return Ok(()) };
        let mut lines: Vec<String> = before.lines().map(str::to_string).collect();
        for (opening, _) in todo {
            for chain in chains.iter().filter(|c| c.concerns(opening)) {
                let line = line(&chain.rule(opening));
                lines.retain(|l| *l != line);
                lines.extend(open.then_some(line));
            }
        }
        let file = |text: String| Desired { entry: Some(Entry::File(Content::Bytes(text.into_bytes()))), ..Desired::default() };
        self.host.files().converge(Path::new("/etc/nftables.d"), &Desired { entry: Some(Entry::Directory), ..Desired::default() })?;
        self.host.files().converge(Path::new(KEPT), &file(lines.iter().map(|l| format!("{l}\n")).collect()))?;
        let text = self.text(ruleset)?;
        if !text.lines().any(|l| l.trim() == INCLUDE || l.trim() == "include \"/etc/nftables.d/*.nft\"") {
            self.host.files().converge(Path::new(ruleset), &file(format!("{}\n{INCLUDE}\n", text.trim_end_matches('\n'))))?;
        }
        Ok(())
    }
}

fn line(words: &[String]) -> String {
    format!("insert rule {}", words.join(" "))
}

/// Reads `nft -j list ruleset`: the chains that turn away what comes in, with the rules that let ports in.
fn parse(json: &Json) -> Vec<Chain> {
    let entries: Vec<&Json> = json["nftables"].as_array().into_iter().flatten().collect();
    let text = |v: &Json, key: &str| v[key].as_str().unwrap_or_default().to_string();
    let mut found = Vec::new();
    for base in entries.iter().map(|e| &e["chain"]).filter(|c| c["hook"] == "input" && c["type"] == "filter") {
        let (family, table, name) = (text(base, "family"), text(base, "table"), text(base, "name"));
        // Tables of firewalld, and those that iptables keeps, are theirs to change.
        if table == "firewalld"
            || (table == "filter" && name == "INPUT" && has("iptables"))
            || !["inet", "ip", "ip6"].contains(&family.as_str())
        {
            continue;
        }
        let mut names = vec![name.clone()];
        let (mut rules, mut turns_away) = (Vec::new(), base["policy"] == "drop");
        let mut at = 0;
        while at < names.len() {
            let in_chain = |r: &&Json| r["family"] == family.as_str() && r["table"] == table.as_str() && r["chain"] == names[at].as_str();
            for rule in entries.iter().map(|e| &e["rule"]).filter(in_chain).collect::<Vec<_>>() {
                let expressions: Vec<&Json> = rule["expr"].as_array().into_iter().flatten().collect();
                turns_away |= expressions.iter().any(|e| e.get("drop").is_some() || e.get("reject").is_some());
                let jumps = expressions.iter().filter_map(|e| e["jump"]["target"].as_str().or(e["goto"]["target"].as_str()));
                for target in jumps.filter(|_| expressions.len() == 1) {
                    if !names.iter().any(|n| n == target) {
                        names.push(target.to_string());
                    }
                }
                let handle = rule["handle"].as_u64().unwrap_or_default();
                rules.extend(openings(&expressions).unwrap_or_default().into_iter().map(|r| (r, handle)));
            }
            at += 1;
        }
        if turns_away {
            found.push(Chain { family, table, name, rules });
        }
    }
    found
}

/// The ports that one rule lets in, if it asks for nothing but protocol, port and source.
fn openings(expressions: &[&Json]) -> Option<Vec<Rule>> {
    let (mut protocol, mut ports, mut source, mut accepts) = (None, Vec::new(), None, false);
    for e in expressions {
        if e.get("accept").is_some() {
            accepts = true;
        } else if let Some(m) = e.get("match") {
            let (payload, right) = (&m["left"]["payload"], &m["right"]);
            if m["op"] != "==" && m["op"] != "in" {
                return None;
            }
            match payload["field"].as_str() {
                Some("dport") => {
                    protocol = payload["protocol"].as_str();
                    ports = ranges(right)?;
                }
                Some("saddr") => source = Some(address(right)?),
                _ if m["left"]["meta"]["key"] == "l4proto" => {}
                _ if m["left"]["ct"]["key"] == "state" && right.to_string().contains("new") => {}
                _ => return None,
            }
        } else if e.get("counter").is_none() && e.get("log").is_none() {
            return None;
        }
    }
    let protocol = match protocol.filter(|_| accepts)? {
        "th" => "any",
        p => p,
    };
    Some(ports.into_iter().map(|(first, last)| Rule { first, last, protocol: protocol.to_string(), source: source.clone() }).collect())
}

fn ranges(right: &Json) -> Option<Vec<(u16, u16)>> {
    let port = |v: &Json| v.as_u64().and_then(|p| u16::try_from(p).ok());
    let one = |v: &Json| match v["range"].as_array().map(Vec::as_slice) {
        Some([first, last]) => Some((port(first)?, port(last)?)),
        _ => port(v).map(|p| (p, p)),
    };
    match right["set"].as_array() {
        Some(set) => set.iter().map(one).collect(),
        None => Some(vec![one(right)?]),
    }
}

fn address(right: &Json) -> Option<String> {
    match (right.as_str(), &right["prefix"]) {
        (Some(address), _) => network(address).ok(),
        (None, prefix) => network(&format!("{}/{}", prefix["addr"].as_str()?, prefix["len"].as_u64()?)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruleset() {
        let json = serde_json::json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "inet", "name": "site", "handle": 1}},
            {"chain": {"family": "inet", "table": "site", "name": "in", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
            {"chain": {"family": "inet", "table": "site", "name": "more", "handle": 2}},
            {"chain": {"family": "inet", "table": "site", "name": "out", "handle": 3, "type": "filter", "hook": "output", "prio": 0, "policy": "drop"}},
            {"rule": {"family": "inet", "table": "site", "chain": "in", "handle": 4, "expr": [
                {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [46656, 46658]}]}}}, {"accept": null}]}},
            {"rule": {"family": "inet", "table": "site", "chain": "in", "handle": 5, "expr": [
                {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}, {"accept": null}]}},
            {"rule": {"family": "inet", "table": "site", "chain": "in", "handle": 6, "expr": [{"jump": {"target": "more"}}]}},
            {"rule": {"family": "inet", "table": "site", "chain": "more", "handle": 7, "expr": [
                {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}},
                {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}}, {"counter": {}}, {"accept": null}]}},
        ]});
        let chains = parse(&json);
        assert_eq!(chains.len(), 1);
        let opens = |port: &str, source| chains[0].opens(&Opening::parse(port, source).unwrap());
        assert!(opens("22", None) && opens("46656-46658", None) && opens("80", Some("10.0.0.0/8")));
        assert!(!opens("80", None) && !opens("23", None) && !opens("22/udp", None));
        let rule = chains[0].rule(&Opening::parse("80-81", Some("10.1.0.0/16")).unwrap());
        assert_eq!(line(&rule), "insert rule inet site in ip saddr 10.1.0.0/16 tcp dport 80-81 accept");
    }

    #[test]
    fn open_chains_are_no_firewall() {
        let json = serde_json::json!({"nftables": [
            {"chain": {"family": "inet", "table": "site", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}}]});
        assert!(parse(&json).is_empty());
    }
}
