//! Facts about disks: block devices with their partitions, links and holders, and LVM.

use super::{Facts, line, put};
use crate::value::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of a device by what they are made of: `ids`, `uuids`, `labels`.
type Links = BTreeMap<&'static str, BTreeMap<String, Vec<String>>>;

/// The folders of links that udev makes, by the fact's name.
const FOLDERS: [(&str, &str); 3] = [("ids", "/dev/disk/by-id"), ("uuids", "/dev/disk/by-uuid"), ("labels", "/dev/disk/by-label")];

pub(super) fn gather(facts: &mut Facts) {
    let mut links: Links = FOLDERS.into_iter().map(|(kind, folder)| (kind, linked(Path::new(folder)))).collect();
    links.insert("masters", masters());
    put(facts, "devices", devices(&links));
    let list = |names: &Vec<String>| Value::list(names.iter().map(Value::str));
    let by_kind = links.iter().map(|(kind, names)| (*kind, Value::map(names.iter().map(|(device, names)| (device, list(names))))));
    put(facts, "device_links", Value::map(by_kind));
}

/// The links of a folder by the device that they lead to.
fn linked(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let device = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.entry(device).or_default().push(entry.file_name().to_string_lossy().replace("\\x20", " "));
    }
    found.values_mut().for_each(|names| names.sort());
    found
}

/// The devices that are made of a device: RAID, device mapper.
fn masters() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for master in names_in(Path::new("/sys/block")) {
        for part in names_in(&Path::new("/sys/block").join(&master).join("slaves")) {
            found.entry(part).or_default().push(master.clone());
        }
    }
    found
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn links_of(links: &Links, device: &str) -> Value {
    let names = |kind: &str| links.get(kind).and_then(|l| l.get(device)).cloned().unwrap_or_default();
    Value::map(["ids", "labels", "masters", "uuids"].map(|kind| (kind, Value::from(names(kind)))))
}

fn devices(links: &Links) -> Map {
    let mut found = Map::new();
    for name in names_in(Path::new("/sys/block")) {
        let path = Path::new("/sys/block").join(&name);
        let place = std::fs::read_link(&path).map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        // Devices that exist in memory only are no hardware, except those that hold files or disks of others.
        let made_up = place.contains("virtual") && ["ram", "fd"].iter().any(|kind| name.starts_with(kind));
        if made_up {
            continue;
        }
        found.insert(Value::str(&name), described(&path, &name, links).into());
    }
    found
}

fn described(path: &Path, name: &str, links: &Links) -> Map {
    let text = |file: &str| line(path.join(file));
    let sectors = text("size").and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
    let mut device = Map::new();
    put(&mut device, "virtual", 1);
    put(&mut device, "links", links_of(links, name));
    for (fact, file) in [
        ("vendor", "device/vendor"),
        ("model", "device/model"),
        ("sas_address", "device/sas_address"),
        ("sas_device_handle", "device/sas_device_handle"),
    ] {
        put(&mut device, fact, text(file));
    }
    for (fact, file) in [("serial", "device/serial"), ("wwn", "device/wwid")] {
        if let Some(value) = text(file) {
            put(&mut device, fact, value);
        }
    }
    put(&mut device, "removable", text("removable"));
    put(&mut device, "support_discard", text("queue/discard_granularity"));
    put(&mut device, "rotational", text("queue/rotational"));
    put(&mut device, "scheduler_mode", scheduler(&text("queue/scheduler").unwrap_or_default()));
    put(&mut device, "sectors", sectors);
    put(&mut device, "sectorsize", text("queue/logical_block_size"));
    put(&mut device, "size", human(sectors * 512));
    put(&mut device, "host", "");
    put(&mut device, "holders", holders(path));
    put(&mut device, "partitions", partitions(path, name, links));
    device
}

/// The one in brackets of `none [mq-deadline]`.
fn scheduler(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(name, _)| name)
}

/// What is built on a device: the names that the device mapper gives, else those of the kernel.
fn holders(path: &Path) -> Vec<String> {
    let name = |holder: String| {
        let mapped = line(Path::new("/sys/block").join(&holder).join("dm/name"));
        mapped.filter(|_| holder.starts_with("dm-")).unwrap_or(holder)
    };
    names_in(&path.join("holders")).into_iter().map(name).collect()
}

fn partitions(device: &Path, name: &str, links: &Links) -> Map {
    let mut names = names_in(device);
    names.retain(|n| n.starts_with(name) && device.join(n).join("partition").exists());
    let uuids = |part: &str| links.get("uuids").and_then(|l| l.get(part)).and_then(|names| names.first()).cloned();
    let described = |part: String| {
        let path = device.join(&part);
        let number = |file: &str| line(path.join(file)).and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
        let mut map = Map::new();
        put(&mut map, "links", links_of(links, &part));
        put(&mut map, "start", number("start").to_string());
        put(&mut map, "sectors", number("size"));
        put(&mut map, "sectorsize", line(device.join("queue/logical_block_size")).and_then(|s| s.parse::<i64>().ok()));
        put(&mut map, "size", human(number("size") * 512));
        put(&mut map, "uuid", uuids(&part));
        put(&mut map, "holders", holders(&path));
        (Value::str(&part), map.into())
    };
    names.into_iter().map(described).collect()
}

/// A size as `1.00 GB`.
fn human(bytes: u64) -> String {
    let units = [("YB", 80), ("ZB", 70), ("EB", 60), ("PB", 50), ("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
    let unit = units.iter().find(|(_, power)| *power < 64 && bytes >= 1 << power);
    unit.map_or_else(|| format!("{bytes}.00 Bytes"), |(name, power)| format!("{:.2} {name}", bytes as f64 / (1u64 << power) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!((human(1 << 30).as_str(), human(1536).as_str(), human(3).as_str()), ("1.00 GB", "1.50 KB", "3.00 Bytes"));
    }

    #[test]
    fn links_and_schedulers() {
        let folder = tempfile::tempdir().unwrap();
        for (name, target) in [("a\\x20b", "../../sda1"), ("c", "../../sda1"), ("d", "../../sdb")] {
            std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        }
        let links = linked(folder.path());
        assert_eq!((links["sda1"].join("|"), links["sdb"].join("|")), ("a b|c".into(), "d".into()));
        assert_eq!((scheduler("none [mq-deadline] kyber"), scheduler("none")), ("mq-deadline", ""));
    }
}
