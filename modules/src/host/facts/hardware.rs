//! Facts about processors, memory, mounts, disks and the machine.

use super::{Facts, disks, line, put, read};
use crate::host::mounts::{Mounted, parse_mountinfo};
use crate::value::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::Path;

pub(super) fn gather(facts: &mut Facts) {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    for (name, value) in processors(&read("/proc/cpuinfo"), allowed) {
        put(facts, name, value);
    }
    memory(facts, &read("/proc/meminfo"));
    put(facts, "mounts", mounts());
    disks::gather(facts);
    machine(facts);
    let uptime = read("/proc/uptime");
    put(facts, "uptime_seconds", uptime.split('.').next().and_then(|s| s.parse::<i64>().ok()).unwrap_or_default());
}

fn processors(cpuinfo: &str, allowed: usize) -> Vec<(&'static str, Value)> {
    let mut described = Vec::new();
    let mut sockets = HashSet::new();
    let (mut cores, mut siblings, mut vcpus) = (1, 1, 0);
    let mut flags = Vec::new();
    for entry in cpuinfo.lines() {
        let Some((key, value)) = entry.split_once(':').map(|(k, v)| (k.trim(), v.trim())) else { continue };
        match key {
            "processor" => {
                vcpus += 1;
                described.push(Value::str(value));
            }
            "vendor_id" | "model name" | "Processor" | "cpu" => described.push(Value::str(value)),
            "physical id" => {
                sockets.insert(value.to_string());
            }
            "flags" | "Features" if flags.is_empty() => flags = value.split_whitespace().map(Value::str).collect(),
            "cpu cores" => cores = value.parse().unwrap_or(1),
            "siblings" => siblings = value.parse().unwrap_or(1),
            _ => {}
        }
    }
    let count = if sockets.is_empty() { vcpus } else { sockets.len() };
    let threads = (siblings / cores.max(1)).max(1);
    vec![
        ("processor", Value::list(described)),
        ("processor_count", count.into()),
        ("processor_cores", cores.into()),
        ("processor_threads_per_core", threads.into()),
        ("processor_vcpus", (threads * count * cores).into()),
        ("processor_nproc", allowed.into()),
        ("flags", Value::list(flags)),
    ]
}

fn memory(facts: &mut Facts, meminfo: &str) {
    let kib: HashMap<&str, i64> = meminfo
        .lines()
        .filter_map(|l| l.split_once(':'))
        .filter_map(|(k, v)| Some((k, v.split_whitespace().next()?.parse().ok()?)))
        .collect();
    let mib = |name: &str| kib.get(name).copied().unwrap_or(0) / 1024;
    for (name, key) in [("memtotal_mb", "MemTotal"), ("memfree_mb", "MemFree"), ("swaptotal_mb", "SwapTotal"), ("swapfree_mb", "SwapFree")]
    {
        put(facts, name, mib(key));
    }
    let free_without_caches = mib("MemFree") + mib("Cached") + mib("Buffers");
    let numbers = |pairs: &[(&str, i64)]| Value::map(pairs.iter().map(|(k, v)| (*k, Value::Int(*v))));
    let (total, free) = (mib("MemTotal"), mib("MemFree"));
    put(
        facts,
        "memory_mb",
        Value::map([
            ("real", numbers(&[("total", total), ("used", total - free), ("free", free)])),
            ("nocache", numbers(&[("free", free_without_caches), ("used", total - free_without_caches)])),
            (
                "swap",
                numbers(&[
                    ("total", mib("SwapTotal")),
                    ("free", mib("SwapFree")),
                    ("used", mib("SwapTotal") - mib("SwapFree")),
                    ("cached", mib("SwapCached")),
                ]),
            ),
        ]),
    );
}

fn mounts() -> Vec<Value> {
    let table = parse_mountinfo(&read("/proc/self/mountinfo"));
    let uuids = uuids();
    let real = |m: &&Mounted| (m.source.starts_with('/') || m.source.contains(":/")) && m.fstype != "none";
    let mut seen = HashSet::new();
    table.iter().filter(real).filter(|m| seen.insert(m.path.clone())).map(|m| described(m, &uuids)).collect()
}

fn described(mount: &Mounted, uuids: &HashMap<String, String>) -> Value {
    let mut map = Map::new();
    put(&mut map, "mount", mount.path.as_str());
    put(&mut map, "device", mount.source.as_str());
    put(&mut map, "fstype", mount.fstype.as_str());
    put(&mut map, "options", mount.options.as_str());
    put(&mut map, "dump", 0);
    put(&mut map, "passno", 0);
    // A network file system whose server is away would not answer.
    if !mount.source.contains(":/")
        && let Ok(s) = rustix::fs::statvfs(&*mount.path)
    {
        put(&mut map, "size_total", s.f_frsize * s.f_blocks);
        put(&mut map, "size_available", s.f_frsize * s.f_bavail);
        put(&mut map, "block_size", s.f_bsize);
        put(&mut map, "block_total", s.f_blocks);
        put(&mut map, "block_available", s.f_bavail);
        put(&mut map, "block_used", s.f_blocks.saturating_sub(s.f_bavail));
        put(&mut map, "inode_total", s.f_files);
        put(&mut map, "inode_available", s.f_favail);
        put(&mut map, "inode_used", s.f_files.saturating_sub(s.f_favail));
    }
    put(&mut map, "uuid", uuids.get(&mount.source).map_or("N/A", String::as_str));
    map.into()
}

/// File system ids by device, as udev links them.
fn uuids() -> HashMap<String, String> {
    let entries = std::fs::read_dir("/dev/disk/by-uuid").into_iter().flatten().flatten();
    entries
        .filter_map(|e| {
            let device = std::fs::canonicalize(e.path()).ok()?;
            Some((device.to_string_lossy().into_owned(), e.file_name().to_string_lossy().into_owned()))
        })
        .collect()
}

fn machine(facts: &mut Facts) {
    for (name, file) in [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("form_factor", "chassis_type"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ] {
        put(facts, name, line(Path::new("/sys/class/dmi/id").join(file)).unwrap_or_else(|| "NA".into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_facts() {
        let info = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: X\nphysical id\t: 0\nsiblings\t: 4\ncpu cores\t: 2\nflags\t\t: fpu vme\n\nprocessor\t: 1\nvendor_id\t: GenuineIntel\nmodel name\t: X\nphysical id\t: 0\nsiblings\t: 4\ncpu cores\t: 2\n";
        let found: HashMap<_, _> = processors(info, 2).into_iter().map(|(k, v)| (k, v.to_string())).collect();
        assert_eq!(found["processor"], "['0', 'GenuineIntel', 'X', '1', 'GenuineIntel', 'X']");
        assert_eq!(
            (found["processor_count"].as_str(), found["processor_cores"].as_str(), found["processor_vcpus"].as_str()),
            ("1", "2", "4")
        );
        assert_eq!(found["flags"], "['fpu', 'vme']");
    }

    #[test]
    fn memory_facts() {
        let mut facts = Facts::new();
        memory(&mut facts, "MemTotal:       4096 kB\nMemFree:        1024 kB\nBuffers: 1024 kB\nCached: 1024 kB\nSwapTotal: 0 kB\n");
        assert_eq!(facts.get("memtotal_mb"), Some(&Value::Int(4)));
        assert_eq!(facts.get("memory_mb").map(|m| m.get("nocache").map(Value::to_string)), Some(Some("{'free': 3, 'used': 1}".into())));
    }
}
