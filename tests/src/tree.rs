//! The state of a host as a value: every file's path, owner, mode, time and content, and every unit's state.

use crate::Hosts;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is compared: where configuration, programs and data live.
const FOLDERS: [&str; 8] = ["etc", "usr/local", "home", "root", "opt", "srv", "var/lib", "var/spool"];

/// What a host writes by itself: seeds, clocks, timers' stamps, sudo's lecture.
const OWN: [&str; 4] = ["var/lib/systemd", "var/lib/private", "var/lib/sudo", "var/lib/dhcp"];

/// Units that come and go with every login.
const LOGINS: [&str; 4] = ["session-", "user@", "user-runtime-dir@", "run-user-"];

/// A host's files and units; equal when nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State(BTreeMap<String, String>);

impl State {
    /// A host's state now, without the folders named (relative to `/`).
    pub fn of(hosts: &Hosts, index: usize, without: &[&str]) -> State {
        let mut entries = files(hosts.root(index), without);
        for row in hosts.sh(index, UNITS).lines() {
            if let Some((unit, state)) = row.split_once(' ').filter(|(unit, _)| !LOGINS.iter().any(|l| unit.starts_with(l))) {
                entries.insert(format!("unit {unit}"), state.to_owned());
            }
        }
        State(entries)
    }

    /// The same without times: what two hosts can have in common.
    #[must_use]
    pub fn lasting(self) -> State {
        let untimed = |(name, row): (String, String)| {
            let words = row.split(' ').enumerate();
            let is_time = |(at, word): &(usize, &str)| (name.starts_with('/') && *at == 2) || word.starts_with("ExecMainStart");
            let row = words.filter(|word| !is_time(word)).map(|(_, word)| word).collect::<Vec<_>>().join(" ");
            (name, row)
        };
        State(self.0.into_iter().map(untimed).collect())
    }

    /// What changed, a line each with what is there now: `+` new, `-` gone, `~` other.
    pub fn changes(&self, after: &State) -> Vec<String> {
        let gone = self.0.keys().filter(|k| !after.0.contains_key(*k)).map(|k| format!("- {k}"));
        let now = after.0.iter().filter(|(k, now)| self.0.get(*k) != Some(now));
        let now = now.map(|(k, now)| format!("{} {k}: {now}", if self.0.contains_key(k) { '~' } else { '+' }));
        gone.chain(now).collect()
    }

    /// What differs, a line each: `+` new, `-` gone, `~` other.
    pub fn difference(&self, after: &State) -> Vec<String> {
        let gone = self.0.keys().filter(|k| !after.0.contains_key(*k)).map(|k| format!("- {k}"));
        let new = after.0.iter().filter_map(|(k, now)| match self.0.get(k) {
            None => Some(format!("+ {k}")),
            Some(was) if was != now => Some(format!("~ {k}: {was} -> {now}")),
            Some(_) => None,
        });
        gone.chain(new).collect()
    }
}

/// One line a unit: its name, whether it is enabled, active, and since when its main process runs.
const UNITS: &str = "systemctl show --property=Id,UnitFileState,ActiveState,ExecMainStartTimestampMonotonic,Where '*.service' '*.timer' '*.socket' '*.mount' \
    | awk -F= '/^$/ {print id, rest; rest = \"\"; next} $1 == \"Id\" {id = $2; next} {rest = rest $0 \" \"} END {print id, rest}'";

/// Every file below the compared folders of a root.
fn files(root: &Path, without: &[&str]) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    for folder in FOLDERS {
        walk(root, Path::new(folder), without, &mut entries);
    }
    entries
}

fn walk(root: &Path, path: &Path, without: &[&str], entries: &mut BTreeMap<String, String>) {
    if OWN.iter().chain(without).any(|w| Path::new(w) == path) {
        return;
    }
    let full = root.join(path);
    // A file may vanish between listing and reading: then it is not part of the state.
    let Ok(meta) = std::fs::symlink_metadata(&full) else { return };
    let content = if meta.is_symlink() {
        std::fs::read_link(&full).map(|to| to.to_string_lossy().into_owned()).unwrap_or_default()
    } else if meta.is_file() {
        std::fs::read(&full).map(|text| Sha256::digest(text).iter().take(8).map(|b| format!("{b:02x}")).collect()).unwrap_or_default()
    } else {
        String::new()
    };
    let row = format!("{:o} {}:{} {}.{:09} {content}", meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec());
    entries.insert(format!("/{}", path.display()), row);
    if meta.is_dir() {
        let names = std::fs::read_dir(&full).into_iter().flatten().flatten();
        for name in names.map(|e| e.file_name()) {
            walk(root, &path.join(name), without, entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::create_dir_all(root.path().join("var/lib/systemd")).unwrap();
        std::fs::write(etc.join("a"), "1").unwrap();
        std::fs::write(etc.join("b"), "1").unwrap();
        let state = || State(files(root.path(), &["etc/own"]));
        let before = state();
        std::fs::create_dir(etc.join("own")).unwrap();
        std::fs::write(root.path().join("var/lib/systemd/random-seed"), "x").unwrap();
        let ignored: Vec<String> = before.difference(&state()).into_iter().filter(|l| !l.starts_with("~ /etc:")).collect();
        assert_eq!(ignored, Vec::<String>::new());
        std::fs::write(etc.join("a"), "2").unwrap();
        std::fs::remove_file(etc.join("b")).unwrap();
        std::os::unix::fs::symlink("a", etc.join("c")).unwrap();
        let lines = before.difference(&state());
        let starts: Vec<&str> = lines.iter().map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(starts, ["- /etc/b", "~ /etc", "~ /etc/a", "+ /etc/c"]);
        let before = state();
        let file = std::fs::File::options().append(true).open(etc.join("a")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(before.difference(&state()).len(), 1, "a changed time alone is a change");
    }
}
