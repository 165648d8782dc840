//! Facts about the system: distribution, kernel, names, clock, init system, package manager, keys.

use super::{Facts, line, put, read};
use crate::host::packages::Manager;
use crate::host::processes::Moment;
use crate::value::{Map, Value};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

pub(super) fn gather(facts: &mut Facts) {
    kernel(facts);
    let release = parse_os_release(&read("/etc/os-release"));
    for (name, value) in distribution(&release, line("/etc/debian_version").as_deref()) {
        put(facts, name, value);
    }
    lsb(facts, &release);
    services(facts);
    keys(facts);
    dns(facts);
    let cmdline = read("/proc/cmdline");
    put(facts, "cmdline", command_line(&cmdline, false));
    put(facts, "proc_cmdline", command_line(&cmdline, true));
    put(facts, "fips", line("/proc/sys/crypto/fips_enabled").as_deref() == Some("1"));
    let selinux = Path::new("/sys/fs/selinux/enforce");
    let status = if selinux.exists() { "enabled" } else { "disabled" };
    let mode = match line(selinux).as_deref() {
        Some("1") => "enforcing",
        Some(_) => "permissive",
        None => "disabled",
    };
    let mut map = Map::new();
    put(&mut map, "status", status);
    if status == "enabled" {
        put(&mut map, "mode", mode);
    }
    put(facts, "selinux", map);
    put(facts, "selinux_python_present", false);
    let apparmor = if Path::new("/sys/kernel/security/apparmor").exists() { "enabled" } else { "disabled" };
    put(facts, "apparmor", Value::map([("status", Value::str(apparmor))]));
    put(facts, "fibre_channel_wwn", fibre_channel());
    put(facts, "hostnqn", line("/etc/nvme/hostnqn").unwrap_or_default());
    put(facts, "iscsi_iqn", initiator(&read("/etc/iscsi/initiatorname.iscsi")));
    capabilities(facts, &read("/proc/self/status"));
    let loads = read("/proc/loadavg");
    let loads: Vec<f64> = loads.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    if let [one, five, fifteen, ..] = loads.as_slice() {
        put(facts, "loadavg", Value::map([("1m", Value::Float(*one)), ("5m", Value::Float(*five)), ("15m", Value::Float(*fifteen))]));
    }
}

fn fibre_channel() -> Vec<String> {
    let hosts = std::fs::read_dir("/sys/class/fc_host").into_iter().flatten().flatten();
    let mut names: Vec<String> = hosts.filter_map(|h| line(h.path().join("port_name"))).collect();
    names.iter_mut().for_each(|name| *name = name.trim_start_matches("0x").to_owned());
    names.sort();
    names
}

/// The name in /etc/iscsi/initiatorname.iscsi.
fn initiator(text: &str) -> String {
    text.lines().find_map(|l| l.strip_prefix("InitiatorName=")).unwrap_or_default().trim().to_owned()
}

/// Names of the capabilities by their numbers, capabilities(7).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// What this process may do beyond its user, in the words of capsh(1) as Ansible cuts them: `ep` and what is missing of
/// everything, or `ep` alone where most is missing.
fn capabilities(facts: &mut Facts, status: &str) {
    let Some(mask) = status.lines().find_map(|l| l.strip_prefix("CapEff:")).and_then(|m| u64::from_str_radix(m.trim(), 16).ok()) else {
        return;
    };
    let missing: Vec<String> =
        CAPABILITIES.iter().enumerate().filter(|(n, _)| mask & (1 << n) == 0).map(|(_, name)| format!("cap_{name}")).collect();
    let list: Vec<String> = match missing.len() {
        0 => Vec::new(),
        n if n == CAPABILITIES.len() => vec![String::new()],
        n if n < CAPABILITIES.len() / 2 => format!("ep {}-ep", missing.join(",")).split(',').map(str::to_owned).collect(),
        _ => vec!["ep".to_owned()],
    };
    put(facts, "system_capabilities_enforced", if missing.is_empty() { "False" } else { "True" });
    put(facts, "system_capabilities", list);
}

fn kernel(facts: &mut Facts) {
    let uname = rustix::system::uname();
    let text = |s: &std::ffi::CStr| s.to_string_lossy().into_owned();
    let (machine, nodename) = (text(uname.machine()), text(uname.nodename()));
    put(facts, "system", text(uname.sysname()));
    put(facts, "kernel", text(uname.release()));
    put(facts, "kernel_version", text(uname.version()));
    put(facts, "machine", machine.as_str());
    let architecture = if matches!(machine.as_str(), "i486" | "i586" | "i686") { "i386" } else { &machine };
    put(facts, "architecture", architecture);
    put(facts, "userspace_bits", if cfg!(target_pointer_width = "64") { "64" } else { "32" });
    if machine == "x86_64" {
        put(facts, "userspace_architecture", "x86_64");
    }
    let fqdn = full_name(&nodename, &read("/etc/hosts"));
    put(facts, "hostname", nodename.split('.').next().unwrap_or_default());
    put(facts, "domain", fqdn.split_once('.').map_or("", |(_, domain)| domain));
    put(facts, "fqdn", fqdn.as_str());
    put(facts, "nodename", nodename);
    let id = line("/etc/machine-id").or_else(|| line("/var/lib/dbus/machine-id"));
    put(facts, "machine_id", id);
}

/// The host's full name as /etc/hosts has it.
fn full_name(nodename: &str, hosts: &str) -> String {
    if nodename.contains('.') {
        return nodename.to_string();
    }
    let entries = hosts.lines().map(|l| l.split('#').next().unwrap_or_default().split_whitespace().skip(1).collect::<Vec<_>>());
    let named = entries.filter(|names| names.contains(&nodename)).find_map(|names| names.first().map(|n| n.to_string()));
    named.filter(|n| n.contains('.') && !n.starts_with("localhost")).unwrap_or_else(|| nodename.to_string())
}

/// Reads /etc/os-release.
pub(super) fn parse_os_release(text: &str) -> HashMap<String, String> {
    let entry = |l: &str| {
        let (key, value) = l.trim().split_once('=')?;
        let value = value.trim();
        let quoted = value.len() >= 2 && value.starts_with(['"', '\'']) && value.ends_with(['"', '\'']);
        Some((key.to_string(), if quoted { value[1..value.len() - 1].replace('\\', "") } else { value.to_string() }))
    };
    text.lines().filter(|l| !l.starts_with('#')).filter_map(entry).collect()
}

/// Ansible's names of a distribution and of its family, by the ID of os-release.
const DISTRIBUTIONS: [(&str, &str, &str); 32] = [
    ("debian", "Debian", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("kali", "Kali", "Debian"),
    ("pop", "Pop!_OS", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("neon", "KDE neon", "Debian"),
    ("parrot", "Parrot", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("openEuler", "openEuler", "RedHat"),
    ("anolis", "Anolis", "RedHat"),
    ("virtuozzo", "Virtuozzo", "RedHat"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("opensuse-microos", "openSUSE MicroOS", "Suse"),
    ("sles", "SLES", "Suse"),
    ("sled", "SLED", "Suse"),
    ("alpine", "Alpine", "Alpine"),
    ("arch", "Archlinux", "Archlinux"),
    ("manjaro", "Manjaro", "Archlinux"),
    ("gentoo", "Gentoo", "Gentoo"),
    ("nixos", "NixOS", "NixOS"),
    ("void", "Void", "Void"),
    ("clear-linux-os", "Clear Linux OS", "ClearLinux"),
    ("flatcar", "Flatcar", "Flatcar"),
];

pub(super) fn distribution(release: &HashMap<String, String>, debian_version: Option<&str>) -> Vec<(&'static str, Value)> {
    let field = |name: &str| release.get(name).map_or("", String::as_str);
    let id = field("ID");
    let known = DISTRIBUTIONS.iter().find(|(i, ..)| i.eq_ignore_ascii_case(id));
    let name = known.map_or_else(|| field("NAME").to_string(), |(_, name, _)| name.to_string());
    let related = field("ID_LIKE").split_whitespace().find_map(|like| DISTRIBUTIONS.iter().find(|(i, ..)| *i == like));
    let family = known.or(related).map_or_else(|| name.clone(), |(_, _, family)| family.to_string());
    // Debian's own point release stands in /etc/debian_version alone.
    let point = debian_version.filter(|v| id == "debian" && v.starts_with(|c: char| c.is_ascii_digit()));
    let version = point.unwrap_or(field("VERSION_ID")).to_string();
    let codename = [field("VERSION_CODENAME"), field("UBUNTU_CODENAME"), field("DEBIAN_CODENAME")].into_iter().find(|c| !c.is_empty());
    let bracketed = || field("VERSION").split_once('(').and_then(|(_, r)| r.split_once(')')).map(|(name, _)| name);
    let codename = codename.or_else(bracketed).unwrap_or(if family == "RedHat" { "" } else { "NA" }).to_string();
    let mut parts = version.split('.');
    let major = parts.next().unwrap_or_default().to_string();
    let mut facts = vec![
        ("distribution", Value::str(name)),
        ("distribution_release", codename.into()),
        ("distribution_version", version.as_str().into()),
        ("distribution_major_version", if major.is_empty() { "NA".into() } else { major.into() }),
        ("os_family", family.into()),
        ("distribution_file_parsed", true.into()),
        ("distribution_file_path", "/etc/os-release".into()),
        ("distribution_file_variety", known.map_or(id, |(_, name, _)| name).into()),
    ];
    if let (Some(minor), "debian") = (parts.next(), id) {
        facts.push(("distribution_minor_version", minor.into()));
    }
    facts
}

fn lsb(facts: &mut Facts, release: &HashMap<String, String>) {
    let own = parse_os_release(&read("/etc/lsb-release"));
    // As elsewhere, these are the words of the LSB's own program or file.
    if own.is_empty() && !["/usr/bin/lsb_release", "/bin/lsb_release"].iter().any(|path| std::path::Path::new(path).exists()) {
        return put(facts, "lsb", Map::new());
    }
    let known = DISTRIBUTIONS.iter().find(|(id, ..)| release.get("ID").is_some_and(|i| i == id));
    let mut map = Map::new();
    let first = |a: &str, b: &str| own.get(a).or_else(|| release.get(b)).cloned();
    for (name, value) in [
        ("id", own.get("DISTRIB_ID").cloned().or_else(|| known.map(|(_, name, _)| name.to_string()))),
        ("release", first("DISTRIB_RELEASE", "VERSION_ID")),
        ("codename", first("DISTRIB_CODENAME", "VERSION_CODENAME")),
        ("description", first("DISTRIB_DESCRIPTION", "PRETTY_NAME")),
    ] {
        if let Some(value) = value {
            if name == "release" {
                put(&mut map, "major_release", value.split('.').next().unwrap_or_default());
            }
            put(&mut map, name, value);
        }
    }
    put(facts, "lsb", map);
}

/// What `systemctl --version` prints: `systemd 252 (252.39-1)`, then its features.
fn put_systemd(facts: &mut Facts) {
    let Ok(output) = std::process::Command::new("systemctl").arg("--version").stdin(std::process::Stdio::null()).output() else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    let version = lines.next().and_then(|l| l.split_whitespace().nth(1)).and_then(|v| v.parse::<i64>().ok());
    if let Some(version) = version {
        put(facts, "systemd", Value::map([("version", Value::from(version)), ("features", Value::str(lines.next().unwrap_or_default()))]));
    }
}

fn services(facts: &mut Facts) {
    let first = line("/proc/1/comm").unwrap_or_default();
    let manager = match first.as_str() {
        _ if Path::new("/run/systemd/system").is_dir() => "systemd",
        _ if Path::new("/run/openrc").is_dir() || Path::new("/sbin/openrc").exists() => "openrc",
        "runit" | "runit-init" => "runit",
        "s6-svscan" => "s6",
        "init" if Path::new("/etc/init.d").exists() => "sysvinit",
        "systemd" => "systemd",
        _ if Path::new("/etc/init.d").is_dir() => "sysvinit",
        _ => "service",
    };
    put(facts, "service_mgr", manager);
    put(facts, "pkg_mgr", Manager::detect().map_or("unknown", Manager::name));
    if manager == "systemd" {
        put_systemd(facts);
    }
    let root = |path: &str| {
        std::fs::metadata(path).ok().map(|m| (std::os::unix::fs::MetadataExt::dev(&m), std::os::unix::fs::MetadataExt::ino(&m)))
    };
    let other = matches!((root("/"), root("/proc/1/root/.")), (Some(own), Some(first)) if own != first);
    put(facts, "is_chroot", other);
}

fn keys(facts: &mut Facts) {
    for folder in ["/etc/ssh", "/etc/openssh", "/etc"] {
        let mut found = false;
        for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
            let text = read(Path::new(folder).join(format!("ssh_host_{kind}_key.pub")));
            let mut words = text.split_whitespace();
            if let (Some(name), Some(key)) = (words.next(), words.next()) {
                put(facts, &format!("ssh_host_key_{kind}_public"), key);
                put(facts, &format!("ssh_host_key_{kind}_public_keytype"), name);
                found = true;
            }
        }
        if found {
            return;
        }
    }
}

fn dns(facts: &mut Facts) {
    let mut dns = Map::new();
    let mut servers = Vec::new();
    for line in read("/etc/resolv.conf").lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.map(str::to_string)),
            Some("domain") => put(&mut dns, "domain", words.next()),
            Some("search") => put(&mut dns, "search", words.map(str::to_string).collect::<Vec<_>>()),
            Some("sortlist") => put(&mut dns, "sortlist", words.map(str::to_string).collect::<Vec<_>>()),
            Some("options") => {
                let option = |w: &str| w.split_once(':').map_or((w.to_string(), true.into()), |(k, v)| (k.to_string(), Value::str(v)));
                put(&mut dns, "options", Value::map(words.map(option)));
            }
            _ => {}
        }
    }
    if !servers.is_empty() {
        put(&mut dns, "nameservers", servers);
    }
    put(facts, "dns", dns);
}

/// The kernel's parameters; one that comes several times is a list if `all`, else its last value.
fn command_line(text: &str, all: bool) -> Map {
    let mut map = Map::new();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').map_or((word, Value::Bool(true)), |(k, v)| (k, Value::str(v)));
        let value = match map.get(key) {
            Some(Value::List(before)) if all => Value::list(before.iter().cloned().chain([value])),
            Some(before) if all => Value::list([before.clone(), value]),
            _ => value,
        };
        map.insert(Value::str(key), value);
    }
    map
}

pub(super) fn date_time(now: Duration, east: i64, zone: &str) -> Map {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    let local = Moment::at(now, east);
    let utc = Moment::at(now, 0);
    let mut map = Map::new();
    let two = |n: u32| format!("{n:02}");
    put(&mut map, "year", local.year.to_string());
    put(&mut map, "month", two(local.month));
    put(&mut map, "weekday", DAYS[local.weekday as usize % 7]);
    put(&mut map, "weekday_number", local.weekday.to_string());
    // Weeks start on Monday, as strftime's %W counts them.
    put(&mut map, "weeknumber", two((local.yearday + 6 - (local.weekday + 6) % 7) / 7));
    put(&mut map, "day", two(local.day));
    put(&mut map, "hour", two(local.hour));
    put(&mut map, "minute", two(local.minute));
    put(&mut map, "second", two(local.second));
    put(&mut map, "epoch", now.as_secs().to_string());
    put(&mut map, "epoch_int", now.as_secs().to_string());
    let stamp = local.stamp();
    let (date, time) = (&stamp[..10], &stamp[11..]);
    put(&mut map, "date", date);
    put(&mut map, "time", &time[..8]);
    let utc_stamp = utc.stamp().replace(' ', "T");
    put(&mut map, "iso8601_micro", format!("{utc_stamp}Z"));
    put(&mut map, "iso8601", format!("{}Z", &utc_stamp[..19]));
    put(&mut map, "iso8601_basic", format!("{}T{}", date.replace('-', ""), time.replace([':', '.'], "")));
    put(&mut map, "iso8601_basic_short", format!("{}T{}", date.replace('-', ""), time[..8].replace(':', "")));
    put(&mut map, "tz", zone);
    put(&mut map, "tz_dst", zone);
    put(&mut map, "tz_offset", format!("{}{:02}{:02}", if east < 0 { '-' } else { '+' }, east.abs() / 60, east.abs() % 60));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(os_release: &str, debian: Option<&str>) -> HashMap<&'static str, String> {
        distribution(&parse_os_release(os_release), debian).into_iter().map(|(k, v)| (k, v.to_string())).collect()
    }

    #[test]
    fn distributions() {
        let debian = facts(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            Some("12.5"),
        );
        assert_eq!(
            (debian["distribution"].as_str(), debian["distribution_version"].as_str(), debian["distribution_major_version"].as_str()),
            ("Debian", "12.5", "12")
        );
        assert_eq!((debian["distribution_release"].as_str(), debian["os_family"].as_str()), ("bookworm", "Debian"));
        let rocky = facts(
            "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION=\"9.3 (Blue Onyx)\"\nVERSION_ID=\"9.3\"\n",
            None,
        );
        assert_eq!(
            (rocky["distribution"].as_str(), rocky["os_family"].as_str(), rocky["distribution_release"].as_str()),
            ("Rocky", "RedHat", "Blue Onyx")
        );
        let other = facts("NAME=Foo\nID=foo\nID_LIKE=debian\nVERSION_ID=1\n", None);
        assert_eq!(
            (other["distribution"].as_str(), other["os_family"].as_str(), other["distribution_release"].as_str()),
            ("Foo", "Debian", "NA")
        );
    }

    #[test]
    fn names_and_parameters() {
        assert_eq!(full_name("a", "127.0.0.1 localhost\n10.0.0.1 a.example.org a # x\n"), "a.example.org");
        assert_eq!(full_name("a", "10.0.0.1 a b.example.org\n"), "a");
        assert_eq!(full_name("a.b", ""), "a.b");
        assert_eq!(Value::from(command_line("ro a=1 a=2 quiet\n", true)).to_string(), "{'ro': True, 'a': ['1', '2'], 'quiet': True}");
    }

    #[test]
    fn capabilities_in_words() {
        let said = |mask: &str| {
            let mut facts = Facts::new();
            capabilities(&mut facts, &format!("Name:\tx\nCapEff:\t{mask}\n"));
            let text = |name: &str| facts.get(name).map(Value::to_string).unwrap_or_default();
            format!("{} {}", text("system_capabilities"), text("system_capabilities_enforced"))
        };
        assert_eq!(said("000001ffffffffff"), "[] False");
        assert_eq!(said("000001fffeffffff"), "['ep cap_sys_resource-ep'] True");
        assert_eq!(said("0000000000000000"), "[''] True");
        assert_eq!(said("0000000000000001"), "['ep'] True");
        assert_eq!(initiator("# x\nInitiatorName=iqn.1993-08.org.debian:01:a\n"), "iqn.1993-08.org.debian:01:a");
    }

    #[test]
    fn clock() {
        let map = Value::from(date_time(Duration::new(1_709_210_096, 5000), -90, "X"));
        for (name, value) in [
            ("date", "2024-02-29"),
            ("time", "11:04:56"),
            ("weekday", "Thursday"),
            ("weeknumber", "09"),
            ("tz_offset", "-0130"),
            ("iso8601", "2024-02-29T12:34:56Z"),
            ("iso8601_basic", "20240229T110456000005"),
        ] {
            assert_eq!(map.get(name).map(Value::to_string).as_deref(), Some(value), "{name}");
        }
    }
}
