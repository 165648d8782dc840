//! Openings in ufw: read from its own rule files, changed through `ufw`.

use super::{Firewall, Opening, Rule, State, network};
use crate::module::Halt;

impl Firewall<'_> {
    pub(super) fn ufw_enabled(&mut self) -> Result<bool, Halt> {
        let text = self.text("/etc/ufw/ufw.conf")?;
        Ok(text.lines().any(|l| l.trim().eq_ignore_ascii_case("enabled=yes")))
    }

    pub(super) fn observe_ufw(&mut self, openings: &[Opening]) -> Result<Vec<State>, Halt> {
        let mut text = self.text("/etc/ufw/user.rules")?;
        text.push_str(&self.text("/etc/ufw/user6.rules")?);
        let rules = parse(&text);
        Ok(openings.iter().map(|o| o.covered(&rules)).map(|open| State { open, permanent: open }).collect())
    }

    pub(super) fn change_ufw(&mut self, todo: &[(Opening, State)], open: bool) -> Result<(), Halt> {
        for (opening, _) in todo {
            let mut argv = vec!["ufw".to_string()];
            argv.extend((!open).then(|| "delete".to_string()));
            argv.push("allow".into());
            match &opening.source {
                None => argv.push(format!("{}/{}", opening.ports(':'), opening.protocol)),
                Some(source) => {
                    let words = ["proto", &opening.protocol, "from", source, "to", "any", "port", &opening.ports(':')];
                    argv.extend(words.iter().map(|w| w.to_string()));
                }
            }
            self.act(argv, &format!("ufw cannot {} {opening}", if open { "open" } else { "close" }))?;
        }
        Ok(())
    }
}

/// Reads lines like `### tuple ### allow tcp 46656:46658 0.0.0.0/0 any 10.0.0.0/8 in` of ufw's rule files.
fn parse(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for line in text.lines() {
        let Some(tuple) = line.strip_prefix("### tuple ### ") else { continue };
        let words: Vec<&str> = tuple.split_whitespace().collect();
        let [action, protocol, ports, to, _, from, ..] = words.as_slice() else { continue };
        if !matches!(*action, "allow" | "limit") || !matches!(*to, "0.0.0.0/0" | "::/0") || words.last() == Some(&"out") {
            continue;
        }
        let source = match *from {
            // An opening for all is counted once, by its IPv4 rule.
            "::/0" => continue,
            "0.0.0.0/0" => None,
            from => network(from).ok(),
        };
        for port in ports.split(',') {
            let (first, last) = port.split_once(':').unwrap_or((port, port));
            let (first, last) = if *ports == "any" { ("0", "65535") } else { (first, last) };
            if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
                rules.push(Rule { first, last, protocol: protocol.to_string(), source: source.clone() });
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_file() {
        let rules = parse(
            "*filter\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n\n### tuple ### allow any 9999 0.0.0.0/0 any 10.0.0.0/8 in comment=6162\n### tuple ### deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in\n### tuple ### limit tcp 46656:46658,80 0.0.0.0/0 any 0.0.0.0/0 in\n### tuple ### allow tcp 25 ::/0 any ::/0 in\n",
        );
        let shown: Vec<_> = rules.iter().map(|r| (r.first, r.last, r.protocol.as_str(), r.source.as_deref())).collect();
        assert_eq!(
            shown,
            [(22, 22, "tcp", None), (9999, 9999, "any", Some("10.0.0.0/8")), (46656, 46658, "tcp", None), (80, 80, "tcp", None)]
        );
    }
}
