//! Openings in firewalld, now and permanently, through `firewall-cmd`.

use super::{Firewall, Opening, Rule, State};
use crate::host::Command;
use crate::module::Halt;

/// Whether its daemon runs.
pub(super) fn runs() -> bool {
    if !super::has("firewall-cmd") {
        return false;
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|p| std::fs::read_to_string(p.path().join("comm")).is_ok_and(|name| name.trim() == "firewalld"))
}

impl Firewall<'_> {
    pub(super) fn observe_firewalld(&mut self, openings: &[Opening], zone: Option<&str>) -> Result<Vec<State>, Halt> {
        let now = self.listed(openings, zone, false)?;
        let permanent = self.listed(openings, zone, true)?;
        Ok(now.into_iter().zip(permanent).map(|(open, permanent)| State { open, permanent }).collect())
    }

    /// Which of the openings are in the configuration that runs, or in the permanent one.
    fn listed(&mut self, openings: &[Opening], zone: Option<&str>, permanent: bool) -> Result<Vec<bool>, Halt> {
        let mut ask = |what: String| {
            let argv = command(zone, permanent).into_iter().chain([what]);
            self.host.query(&Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new(argv) })
        };
        let ports = if openings.iter().any(|o| o.source.is_none()) {
            parse(&ask("--list-ports".into())?.require("cannot ask firewalld for its ports")?.text())
        } else {
            Vec::new()
        };
        let mut found = Vec::new();
        for opening in openings {
            found.push(match &opening.source {
                None => opening.covered(&ports),
                Some(_) => ask(format!("--query-rich-rule={}", rich_rule(opening)))?.success(),
            });
        }
        Ok(found)
    }

    pub(super) fn change_firewalld(
        &mut self,
        todo: &[(Opening, State)],
        open: bool,
        permanent: bool,
        zone: Option<&str>,
    ) -> Result<(), Halt> {
        let verb = if open { "add" } else { "remove" };
        for lasting in [false, true] {
            let differs = |s: &State| if lasting { permanent && s.permanent != open } else { s.open != open };
            let options: Vec<String> = todo
                .iter()
                .filter(|(_, state)| differs(state))
                .map(|(o, _)| match &o.source {
                    None => format!("--{verb}-port={}/{}", o.ports('-'), o.protocol),
                    Some(_) => format!("--{verb}-rich-rule={}", rich_rule(o)),
                })
                .collect();
            if !options.is_empty() {
                let doing = format!("firewalld cannot {} ports", if open { "open" } else { "close" });
                self.act(command(zone, lasting).into_iter().chain(options), &doing)?;
            }
        }
        Ok(())
    }
}

fn command(zone: Option<&str>, permanent: bool) -> Vec<String> {
    let mut argv = vec!["firewall-cmd".to_string()];
    argv.extend(permanent.then(|| "--permanent".to_string()));
    argv.extend(zone.map(|z| format!("--zone={z}")));
    argv
}

fn rich_rule(opening: &Opening) -> String {
    let family = if opening.ipv6() == Some(true) { "ipv6" } else { "ipv4" };
    let source = opening.source.as_deref().unwrap_or_default();
    format!(r#"rule family="{family}" source address="{source}" port port="{}" protocol="{}" accept"#, opening.ports('-'), opening.protocol)
}

/// Reads `22/tcp 46656-46658/tcp`.
fn parse(text: &str) -> Vec<Rule> {
    let openings = text.split_whitespace().filter_map(|word| Opening::parse(word, None).ok());
    openings.map(|o| Rule { first: o.first, last: o.last, protocol: o.protocol, source: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_rules() {
        let rules = parse("22/tcp 46656-46658/tcp 53/udp\n");
        assert_eq!(rules.len(), 3);
        assert!(Opening::parse("46657", None).unwrap().covered(&rules));
        assert_eq!(
            rich_rule(&Opening::parse("80-81", Some("fd00::/8")).unwrap()),
            r#"rule family="ipv6" source address="fd00::/8" port port="80-81" protocol="tcp" accept"#
        );
    }
}
