//! `ansible.cfg` and `ANSIBLE_*`: the settings that change what this program means.

use crate::inventory::Reading;
use crate::vars::{FactCache, Gathering};
use crate::vault::Vault;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Settings from the environment and from the first configuration file found.
#[derive(Debug, Default)]
pub(super) struct Config {
    values: HashMap<(String, String), String>,
    folder: PathBuf,
}

impl Config {
    /// Reads `$ANSIBLE_CONFIG`, `./ansible.cfg`, `~/.ansible.cfg` or `/etc/ansible/ansible.cfg`, the first that is there. One
    /// in a folder that everybody can write to is not trusted.
    pub(super) fn read() -> Config {
        let named = std::env::var_os("ANSIBLE_CONFIG").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|h| Path::new(&h).join(".ansible.cfg"));
        let here = (!world_writable(Path::new("."))).then(|| PathBuf::from("ansible.cfg"));
        let system = Some(PathBuf::from("/etc/ansible/ansible.cfg"));
        let found = [named, here, home, system].into_iter().flatten().find(|p| p.is_file());
        let Some(path) = found else { return Config::default() };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Config { values: parse(&text), folder: path.parent().map_or_else(PathBuf::new, Path::to_path_buf) }
    }

    /// A setting by its environment variable, else by section and key.
    pub(super) fn text(&self, variable: &str, section: &str, key: &str) -> Option<String> {
        let from_environment = std::env::var(variable).ok().filter(|v| !v.is_empty());
        from_environment.or_else(|| self.values.get(&(section.to_string(), key.to_string())).cloned())
    }

    /// A setting that is a truth value.
    pub(super) fn flag(&self, variable: &str, section: &str, key: &str) -> Option<bool> {
        use modules::args::FromValue;
        self.text(variable, section, key).and_then(|t| bool::from_value(&modules::value::Value::str(t)).ok())
    }

    /// A list of paths separated by colons, relative ones from the configuration's folder.
    pub(super) fn paths(&self, variable: &str, section: &str, key: &str) -> Vec<PathBuf> {
        // What stands in the environment counts from the current folder, what stands in the file from the file's.
        let (base, text) = match std::env::var(variable).ok().filter(|v| !v.is_empty()) {
            Some(text) => (std::env::current_dir().unwrap_or_default(), text),
            None => (self.folder.clone(), self.text(variable, section, key).unwrap_or_default()),
        };
        text.split(':').filter(|p| !p.is_empty()).map(|p| if p.starts_with("~/") { self.path(p) } else { base.join(p) }).collect()
    }

    /// `hash_behaviour`: whether dictionaries of several levels are merged.
    pub(super) fn merges(&self) -> bool {
        self.text("ANSIBLE_HASH_BEHAVIOUR", "defaults", "hash_behaviour").is_some_and(|t| t == "merge")
    }

    /// `gathering`.
    pub(super) fn gathering(&self) -> Gathering {
        match self.text("ANSIBLE_GATHERING", "defaults", "gathering").as_deref() {
            Some("explicit") => Gathering::Explicit,
            Some("smart") => Gathering::Smart,
            _ => Gathering::Implicit,
        }
    }

    /// Where facts outlive the run, if `fact_caching` says so.
    pub(super) fn fact_cache(&self) -> Option<FactCache> {
        let setting = |variable: &str, key: &str| self.text(variable, "defaults", key);
        let kind = setting("ANSIBLE_CACHE_PLUGIN", "fact_caching")?;
        if crate::playbook::short_name(&kind) != "jsonfile" {
            return None;
        }
        let folder = self.paths("ANSIBLE_CACHE_PLUGIN_CONNECTION", "defaults", "fact_caching_connection").into_iter().next()?;
        let seconds = setting("ANSIBLE_CACHE_PLUGIN_TIMEOUT", "fact_caching_timeout").and_then(|t| t.parse().ok()).unwrap_or(86_400);
        Some(FactCache {
            folder,
            prefix: setting("ANSIBLE_CACHE_PLUGIN_PREFIX", "fact_caching_prefix").unwrap_or_default(),
            timeout: (seconds > 0).then(|| std::time::Duration::from_secs(seconds)),
        })
    }

    /// How inventories are read.
    pub(super) fn reading(&self, vault: &Arc<Vault>) -> Reading {
        Reading {
            vault: vault.clone(),
            merge: self.merges(),
            needs_all: self.flag("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "inventory", "any_unparsed_is_failed") == Some(true),
            needs_one: self.flag("ANSIBLE_INVENTORY_UNPARSED_FAILED", "inventory", "unparsed_is_failed") == Some(true),
            ..Reading::default()
        }
    }

    /// A path, relative ones from the configuration's folder.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/") {
            Some(rest) => std::env::var_os("HOME").map_or_else(|| PathBuf::from(text), |h| Path::new(&h).join(rest)),
            None => self.folder.join(text),
        }
    }
}

fn world_writable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o002 != 0)
}

fn parse(text: &str) -> HashMap<(String, String), String> {
    let mut values = HashMap::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.trim().to_string();
        } else if let Some((key, value)) = line.split_once(['=', ':']) {
            let value = value.split(" ;").next().unwrap_or_default().trim();
            values.insert((section.clone(), key.trim().to_string()), value.to_string());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sections() {
        let values = parse("# c\n[defaults]\nforks = 20 ; many\nroles_path=roles:../shared\n[privilege_escalation]\nbecome: yes\n");
        let text = |s: &str, k: &str| values.get(&(s.to_string(), k.to_string())).map(String::as_str);
        assert_eq!(text("defaults", "forks"), Some("20"));
        assert_eq!(text("defaults", "roles_path"), Some("roles:../shared"));
        assert_eq!(text("privilege_escalation", "become"), Some("yes"));
    }
}
