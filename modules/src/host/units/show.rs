//! Reads what `systemctl show` prints.

use crate::value::Value;
use indexmap::IndexMap;

/// The properties of one unit, by name, as text.
pub type Properties = IndexMap<String, String>;

/// One systemd unit as its manager sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unit {
    /// All that `systemctl show` says.
    pub properties: Properties,
}

impl Unit {
    /// Reads `NAME=value` lines; a value goes on over lines until the next line that starts with a name.
    pub fn parse(text: &str) -> Unit {
        let mut properties = Properties::new();
        let mut last: Option<String> = None;
        for line in text.lines() {
            let named = line.split_once('=').filter(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
            match (named, &last) {
                (Some((name, value)), _) => {
                    // ExecStart and its kind come once a line of the unit file.
                    let entry: &mut String = properties.entry(name.to_string()).or_default();
                    if entry.is_empty() {
                        *entry = value.to_string();
                    } else {
                        *entry = format!("{entry}\n{value}");
                    }
                    last = Some(name.to_string());
                }
                (None, Some(name)) => {
                    if let Some(value) = properties.get_mut(name) {
                        value.push('\n');
                        value.push_str(line);
                    }
                }
                (None, None) => {}
            }
        }
        Unit { properties }
    }

    /// One property, empty if the manager does not have it.
    pub fn property(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// Whether the manager found a unit of this name.
    pub fn exists(&self) -> bool {
        !matches!(self.property("LoadState"), "" | "not-found")
    }

    /// Whether it is masked.
    pub fn masked(&self) -> bool {
        self.property("LoadState") == "masked" || self.property("UnitFileState").starts_with("masked")
    }

    /// Whether it runs, or is about to.
    pub fn running(&self) -> bool {
        matches!(self.property("ActiveState"), "active" | "activating" | "reloading" | "refreshing")
    }

    /// Whether stopping it has something to do.
    pub fn stoppable(&self) -> bool {
        self.running() || self.property("ActiveState") == "deactivating"
    }

    /// Whether it ended badly.
    pub fn failed(&self) -> bool {
        self.property("ActiveState") == "failed"
    }

    /// Whether it starts with the system; `None` when its file has no say in that (static, generated, …).
    pub fn enabled(&self) -> Option<bool> {
        match self.property("UnitFileState") {
            "enabled" => Some(true),
            "disabled" | "enabled-runtime" | "linked" | "linked-runtime" | "masked" | "masked-runtime" | "bad" => Some(false),
            _ => None,
        }
    }

    /// The programs it starts, from `ExecStart={ path=/usr/bin/x ; argv[]=… }`.
    pub fn programs(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for name in ["ExecStartPre", "ExecStart", "ExecStartPost"] {
            let mut rest = self.property(name);
            while let Some(at) = rest.find("{ path=") {
                rest = &rest[at + 7..];
                let end = rest.find(" ;").unwrap_or(rest.len());
                found.push(&rest[..end]);
            }
        }
        found
    }

    /// When what runs now was started, in microseconds of the machine's uptime; `None` when nothing runs.
    pub fn started_at(&self) -> Option<u64> {
        ["ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"]
            .iter()
            .filter_map(|name| self.property(name).parse().ok())
            .find(|t| *t > 0)
    }

    /// As the `status` that Ansible returns.
    pub fn to_value(&self) -> Value {
        Value::map(self.properties.iter().map(|(k, v)| (k, Value::str(v))))
    }
}

/// A unit's full name: `.service` follows unless it ends in a unit type.
pub fn full_name(name: &str) -> String {
    const TYPES: [&str; 11] = ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];
    match name.rsplit_once('.') {
        Some((_, end)) if TYPES.contains(&end) => name.to_string(),
        _ => format!("{name}.service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSH: &str = "Type=notify\nMainPID=87\nExecMainStartTimestampMonotonic=4711\nExecStartPre={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -t ; ignore_errors=no ; pid=80 }\nExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D $SSHD_OPTS ; ignore_errors=no }\nEnvironment=A=1 B=2\nActiveState=active\nSubState=running\nLoadState=loaded\nUnitFileState=enabled\nNeedDaemonReload=no\nDescription=two\n lines\n";

    #[test]
    fn running_service() {
        let unit = Unit::parse(SSH);
        assert!(unit.exists() && unit.running() && !unit.failed() && !unit.masked());
        assert_eq!(unit.enabled(), Some(true));
        assert_eq!(unit.programs(), ["/usr/sbin/sshd", "/usr/sbin/sshd"]);
        assert_eq!(unit.started_at(), Some(4711));
        assert_eq!(unit.property("Environment"), "A=1 B=2");
        assert_eq!(unit.property("Description"), "two\n lines");
    }

    #[test]
    fn missing_and_masked() {
        let missing = Unit::parse("ActiveState=inactive\nLoadState=not-found\nExecMainStartTimestampMonotonic=0\n");
        assert!(!missing.exists() && !missing.stoppable());
        assert_eq!(missing.started_at(), None);
        assert!(Unit::parse("LoadState=masked\nActiveState=inactive\n").masked());
        assert_eq!(Unit::parse("UnitFileState=static\n").enabled(), None);
    }

    #[test]
    fn names() {
        for (name, full) in [("nginx", "nginx.service"), ("a.timer", "a.timer"), ("node@1.2", "node@1.2.service")] {
            assert_eq!(full_name(name), full);
        }
    }
}
