//! Facts of a host by Ansible's names, read natively.

mod disks;
mod hardware;
mod local;
mod lvm;
mod network;
mod platform;
mod python;
mod virtualization;

use super::Host;
use crate::module::Halt;
use crate::value::{Map, Value};
use std::path::Path;

/// A group of facts that is gathered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are Ansible's")]
pub enum Subset {
    Min,
    Hardware,
    Network,
    Virtual,
}

const ALL: [Subset; 4] = [Subset::Min, Subset::Hardware, Subset::Network, Subset::Virtual];

impl Subset {
    /// The groups that `gather_subset` asks for.
    ///
    /// # Errors
    /// The first name that is not known.
    pub fn chosen(names: &[String]) -> Result<Vec<Subset>, String> {
        let (mut wanted, mut refused, mut explicit) = (Vec::new(), Vec::new(), Vec::new());
        let mut named = false;
        for name in names {
            let (without, name) = name.strip_prefix('!').map_or((false, name.as_str()), |n| (true, n));
            let subsets: &[Subset] = match name {
                // `!all` keeps the least; `!min` refuses that as well.
                "all" if without => &ALL[1..],
                "all" => &ALL,
                _ => &[Subset::named(name).ok_or_else(|| format!("there are no facts called `{name}`"))?],
            };
            if without {
                refused.extend_from_slice(subsets);
            } else {
                named = true;
                wanted.extend_from_slice(subsets);
                // What is asked for by its own name is not refused by `!all`.
                explicit.extend_from_slice(if name == "all" { &[] } else { subsets });
            }
        }
        if !named {
            wanted.extend(ALL);
        }
        wanted.push(Subset::Min);
        Ok(ALL.into_iter().filter(|s| wanted.contains(s) && (explicit.contains(s) || !refused.contains(s))).collect())
    }

    fn named(name: &str) -> Option<Subset> {
        Some(match name {
            "hardware" | "devices" | "dmi" | "memory" | "mounts" | "processor" | "processor_cores" | "processor_count" => Subset::Hardware,
            "network" | "interfaces" | "default_ipv4" | "default_ipv6" | "all_ipv4_addresses" | "all_ipv6_addresses" => Subset::Network,
            "virtual" | "virtualization_type" | "virtualization_role" | "virtualization_tech_guest" | "virtualization_tech_host" => {
                Subset::Virtual
            }
            "min"
            | "apparmor"
            | "architecture"
            | "caps"
            | "chroot"
            | "cmdline"
            | "date_time"
            | "distribution"
            | "distribution_major_version"
            | "distribution_release"
            | "distribution_version"
            | "dns"
            | "env"
            | "facter"
            | "fibre_channel_wwn"
            | "fips"
            | "iscsi"
            | "is_chroot"
            | "kernel"
            | "kernel_version"
            | "loadavg"
            | "local"
            | "lsb"
            | "machine"
            | "machine_id"
            | "ohai"
            | "os_family"
            | "pkg_mgr"
            | "platform"
            | "python"
            | "python_version"
            | "real_user_id"
            | "selinux"
            | "service_mgr"
            | "ssh_host_key_dsa_public"
            | "ssh_host_key_ecdsa_public"
            | "ssh_host_key_ed25519_public"
            | "ssh_host_key_rsa_public"
            | "ssh_host_pub_keys"
            | "ssh_pub_keys"
            | "system"
            | "system_capabilities"
            | "system_capabilities_enforced"
            | "systemd"
            | "user"
            | "user_dir"
            | "user_gecos"
            | "user_gid"
            | "user_id"
            | "user_shell"
            | "user_uid" => Subset::Min,
            _ => return None,
        })
    }
}

/// Facts by their name without `ansible_`.
pub(super) type Facts = Map;

fn put(facts: &mut Facts, name: &str, value: impl Into<Value>) {
    facts.insert(Value::str(name), value.into());
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}

fn line(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read(path).ok().map(|b| String::from_utf8_lossy(&b).trim().to_string()).filter(|t| !t.is_empty())
}

impl Host {
    /// The facts of these groups, by name without `ansible_`.
    pub fn facts(&mut self, subsets: &[Subset], fact_path: &Path) -> Result<Map, Halt> {
        let mut facts = Facts::new();
        for subset in subsets {
            match subset {
                Subset::Min => {
                    platform::gather(&mut facts);
                    self.user_facts(&mut facts);
                    self.clock_facts(&mut facts);
                    let local = self.local_facts(fact_path)?;
                    put(&mut facts, "local", local);
                    self.python_facts(&mut facts);
                }
                Subset::Hardware => {
                    hardware::gather(&mut facts);
                    self.lvm_facts(&mut facts);
                }
                Subset::Network => network::gather(&mut facts),
                Subset::Virtual => virtualization::gather(&mut facts),
            }
        }
        Ok(facts)
    }

    fn user_facts(&mut self, facts: &mut Facts) {
        use rustix::process::{getegid, geteuid, getgid, getuid};
        let ids = [("real_user_id", getuid().as_raw()), ("effective_user_id", geteuid().as_raw())];
        ids.into_iter().for_each(|(name, id)| put(facts, name, id));
        put(facts, "real_group_id", getgid().as_raw());
        put(facts, "effective_group_id", getegid().as_raw());
        let uid = getuid().as_raw();
        let users = super::accounts::parse_passwd(&read("/etc/passwd"));
        let user = users.into_iter().find(|u| u.uid == uid).unwrap_or_default();
        let id = if user.name.is_empty() { self.variable("USER").unwrap_or_else(|| uid.to_string()) } else { user.name };
        put(facts, "user_id", id);
        put(facts, "user_uid", uid);
        put(facts, "user_gid", getgid().as_raw());
        for (name, value) in [("user_gecos", user.comment), ("user_dir", user.home), ("user_shell", user.shell)] {
            put(facts, name, value);
        }
        let mut environment: Map =
            std::env::vars_os().map(|(k, v)| (Value::str(k.to_string_lossy()), Value::str(v.to_string_lossy()))).collect();
        environment.extend(self.environment.iter().map(|(k, v)| (Value::str(k), Value::str(v))));
        put(facts, "env", environment);
    }

    fn clock_facts(&mut self, facts: &mut Facts) {
        let (east, zone) = self.time_zone();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        put(facts, "date_time", platform::date_time(now, east, &zone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets() {
        let chosen = |names: &[&str]| Subset::chosen(&names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(chosen(&[]).unwrap(), ALL);
        assert_eq!(chosen(&["all"]).unwrap(), ALL);
        assert_eq!(chosen(&["!all"]).unwrap(), [Subset::Min]);
        assert_eq!(chosen(&["!all", "!min", "network"]).unwrap(), [Subset::Network]);
        assert_eq!(chosen(&["!hardware"]).unwrap(), [Subset::Min, Subset::Network, Subset::Virtual]);
        assert_eq!(chosen(&["min"]).unwrap(), [Subset::Min]);
        assert!(chosen(&["netwrk"]).is_err());
    }
}
