//! Reads /var/lib/dpkg/status and what apt-get prints.

use super::Step;
use std::collections::{HashMap, HashSet};

/// What dpkg knows.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// Version of each installed package; those of another architecture also as `name:arch`.
    pub(super) versions: HashMap<String, String>,
    /// Names that installed packages provide.
    pub(super) provided: HashSet<String>,
    /// Packages held at their version.
    pub(super) held: HashSet<String>,
    /// Packages removed but for their configuration.
    pub(super) configured: HashSet<String>,
}

impl Installed {
    /// Reads dpkg's status file.
    pub(super) fn parse(text: &str) -> Installed {
        let mut found = Installed::default();
        for paragraph in text.split("\n\n") {
            let field = |name: &str| paragraph.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':').map(str::trim));
            let (Some(name), Some(status)) = (field("Package"), field("Status")) else { continue };
            if status.ends_with(" config-files") {
                found.configured.insert(name.to_string());
            }
            if !status.ends_with(" installed") {
                continue;
            }
            if status.starts_with("hold ") {
                found.held.insert(name.to_string());
            }
            let version = field("Version").unwrap_or_default();
            if let Some(arch) = field("Architecture") {
                found.versions.insert(format!("{name}:{arch}"), version.to_string());
            }
            found.versions.insert(name.to_string(), version.to_string());
            let provides = field("Provides").into_iter().flat_map(|p| p.split(','));
            found.provided.extend(provides.filter_map(|p| p.split_whitespace().next().map(str::to_string)));
        }
        found
    }
}

/// Reads the steps out of `apt-get --simulate`: lines `Inst NAME [OLD] (NEW …)` and `Remv NAME [OLD]`, `Purg NAME [OLD]`.
pub(super) fn parse_simulation(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(verb @ ("Inst" | "Remv" | "Purg")), Some(name)) = (words.next(), words.next()) else { continue };
        let rest: Vec<&str> = words.collect();
        let before = rest.first().and_then(|w| w.strip_prefix('[')).map(|w| w.trim_end_matches(']').to_string());
        let after = rest.iter().find_map(|w| w.strip_prefix('(')).map(|v| v.trim_end_matches(')').to_string());
        let name = name.split(':').next().unwrap_or(name).to_string();
        if steps.iter().any(|s| s.name == name) {
            continue;
        }
        steps.push(Step { name, before, after: after.filter(|_| verb == "Inst"), unknown: false });
    }
    steps
}

/// What apt could install of one package.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    /// The version it would choose.
    pub(super) candidate: Option<String>,
    /// Every version there is.
    pub(super) versions: Vec<String>,
}

/// Reads `apt-cache policy`, by name.
pub(super) fn parse_policy(text: &str) -> HashMap<String, Policy> {
    let mut found: HashMap<String, Policy> = HashMap::new();
    let mut name = None;
    for line in text.lines() {
        if let Some(header) = line.strip_suffix(':').filter(|l| !l.starts_with(' ')) {
            name = Some(header.to_string());
            found.entry(header.to_string()).or_default();
            continue;
        }
        let Some(policy) = name.as_ref().and_then(|n| found.get_mut(n)) else { continue };
        if let Some(version) = line.trim_start().strip_prefix("Candidate:") {
            policy.candidate = Some(version.trim().to_string()).filter(|v| v != "(none)");
        } else if let Some(version) = line.strip_prefix("     ").or_else(|| line.strip_prefix(" *** ")).filter(|l| !l.starts_with(' ')) {
            policy.versions.extend(version.split_whitespace().next().map(str::to_string));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88.1-10\nProvides: http-client, b (= 1)\nDescription: x\n long Version: 3\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: held\nStatus: hold ok installed\nVersion: 2:1.0\n";

    #[test]
    fn status() {
        let found = Installed::parse(STATUS);
        assert_eq!(found.versions.get("curl").map(String::as_str), Some("7.88.1-10"));
        assert!(found.versions.contains_key("curl:amd64"));
        assert!(!found.versions.contains_key("gone") && found.configured.contains("gone"));
        assert!(found.provided.contains("http-client") && found.provided.contains("b"));
        assert!(found.held.contains("held"));
    }

    #[test]
    fn simulation() {
        let steps = parse_simulation(
            "NOTE: This is only a simulation!\nReading package lists...\nRemv nano [7.2-1]\nInst libx (1.2 Debian:12.5/stable [amd64]) []\nInst curl [7.88.1-10] (7.88.1-11 Debian-Security:12/stable [amd64])\nPurg vim [2:9.0]\nConf libx (1.2 Debian:12.5/stable [amd64])\n",
        );
        let shown: Vec<_> = steps.iter().map(|s| (s.name.as_str(), s.before.as_deref(), s.after.as_deref())).collect();
        assert_eq!(
            shown,
            [
                ("nano", Some("7.2-1"), None),
                ("libx", None, Some("1.2")),
                ("curl", Some("7.88.1-10"), Some("7.88.1-11")),
                ("vim", Some("2:9.0"), None)
            ]
        );
    }

    #[test]
    fn policy() {
        let found = parse_policy(
            "curl:\n  Installed: 7.87\n  Candidate: 7.88\n  Version table:\n     7.88 500\n        500 http://a b/c amd64 Packages\n *** 7.87 100\n        100 /var/lib/dpkg/status\nvirtual:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n",
        );
        let curl = Policy { candidate: Some("7.88".into()), versions: vec!["7.88".into(), "7.87".into()] };
        assert_eq!(found.get("curl"), Some(&curl));
        assert_eq!(found.get("virtual"), Some(&Policy::default()));
    }
}
