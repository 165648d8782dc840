//! Lets a manager read its unit files again, where something may have changed since it last did.
//!
//! A reload runs every generator and reads every unit: a tenth of a second of processor time, more than all else that starting a
//! service takes. So the system's manager is asked when it last began one (`UnitsLoadTimestampMonotonic`, systemd 250), and left
//! alone if nothing that it or its generators read is newer. Whatever is in doubt leads to a reload.

use super::{Command, DesiredUnit, KIND, Scope, Unit, Units};
use crate::change::{Action, Change};
use crate::module::Halt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What generators make of `/etc`, and unit files, besides the manager's own list of folders.
const READ: [&str; 6] =
    ["/etc", "/lib/systemd", "/usr/lib/systemd", "/usr/local/lib/systemd", "/usr/share/containers/systemd", "/boot/loader"];
/// Written by the manager itself and its generators.
const WRITTEN: [&str; 2] = ["/run/systemd/generator", "/run/systemd/transient"];
/// More entries than this take as long to look at as a reload.
const MOST: usize = 20_000;
/// A file's time is that of the last tick of the kernel's clock.
const TICK: f64 = 0.012;

impl Units<'_> {
    /// Lets the manager read its unit files again, unless it has read all there is. Nothing of the host's state changes by it, so
    /// nothing is recorded.
    pub fn reload_manager(&mut self) -> Result<(), Halt> {
        if self.host.is_live() && self.scope == Scope::System && self.is_up_to_date()? {
            return Ok(());
        }
        self.read_anew()
    }

    /// Lets the manager read its unit files again on the way to what is desired.
    ///
    /// Enabling ends with the same: a unit that is to be enabled is not read twice.
    pub fn reload_manager_for(&mut self, name: &str, desired: &DesiredUnit) -> Result<(), Halt> {
        let plainly = desired.enabled == Some(true) && desired.masked.is_none() && !desired.force;
        // What `is-enabled` says comes from the files, not from what the manager has read.
        if self.host.is_live() && plainly && self.systemctl(&["is-enabled", name])?.text().trim() == "disabled" {
            self.host.record(Change::new(Action::Update, KIND, name).field("enabled", false, true));
            return self.act(&["enable", name], &format!("cannot enable {name}"));
        }
        self.reload_manager()
    }

    /// Lets the manager read its unit files again, whatever it has read.
    pub(super) fn read_anew(&mut self) -> Result<(), Halt> {
        self.act(&["daemon-reload"], "cannot reload the manager's unit files")
    }

    /// Whether nothing that the system's manager reads changed since it last began to read.
    fn is_up_to_date(&mut self) -> Result<bool, Halt> {
        let names = ["UnitsLoadTimestamp", "UnitsLoadTimestampMonotonic", "UnitPath"];
        let mut command = Command::new(["systemctl", "show", "--timestamp=unix"]);
        command.argv.extend(names.iter().map(|name| format!("--property={name}")));
        command.environment.push(("LC_ALL".into(), "C".into()));
        let output = self.host.query(&command)?;
        let manager = Unit::parse(&output.text());
        let Some(read) = last_read(&manager).filter(|_| output.success()) else { return Ok(false) };
        let folders = manager.property("UnitPath").split_whitespace().map(PathBuf::from);
        let mut left = MOST;
        Ok(folders.chain(READ.iter().map(PathBuf::from)).all(|folder| older(&folder, read - TICK, &mut left, 0)))
    }
}

/// When the manager last began to read, in seconds of this host's clock; `None` if it does not say, or the clock was set since.
fn last_read(manager: &Unit) -> Option<f64> {
    let since_boot = Duration::from_micros(manager.property("UnitsLoadTimestampMonotonic").parse().ok().filter(|&at| at > 0)?);
    let told: f64 = manager.property("UnitsLoadTimestamp").strip_prefix('@')?.parse().ok()?;
    let clock = |id| {
        let t = rustix::time::clock_gettime(id);
        t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
    };
    let age = clock(rustix::time::ClockId::Monotonic) - since_boot.as_secs_f64();
    let read = clock(rustix::time::ClockId::Realtime) - age;
    (told - 0.1..told + 1.1).contains(&read).then_some(read)
}

/// Whether a file, or all below a folder, was last changed before a time; links are followed.
fn older(path: &Path, time: f64, left: &mut usize, depth: u32) -> bool {
    if WRITTEN.iter().any(|own| path.as_os_str().as_encoded_bytes().starts_with(own.as_bytes())) {
        return true;
    }
    let Ok(own) = path.symlink_metadata() else { return true };
    if *left == 0 || depth > 12 || changed(&own) >= time {
        return false;
    }
    *left -= 1;
    let target = if own.is_symlink() { path.metadata() } else { Ok(own) };
    // A link to nowhere, or to /dev/null, says all it has to say itself.
    let Ok(target) = target else { return true };
    if !target.is_dir() {
        return !target.is_file() || changed(&target) < time;
    }
    if changed(&target) >= time {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    entries.into_iter().all(|entry| entry.is_ok_and(|entry| older(&entry.path(), time, left, depth + 1)))
}

/// When anything of it last changed, as its file system noted it: no program can set this time.
fn changed(metadata: &std::fs::Metadata) -> f64 {
    metadata.ctime() as f64 + metadata.ctime_nsec() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> f64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
    }

    #[test]
    fn what_changed_below_a_folder_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (units, elsewhere) = (dir.path().join("units"), dir.path().join("elsewhere"));
        std::fs::create_dir_all(units.join("a.service.d")).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, units.join("b.service.d")).unwrap();
        std::os::unix::fs::symlink("/nowhere", units.join("c.service")).unwrap();
        let pause = || std::thread::sleep(Duration::from_millis(30));
        let unchanged = |time| older(&units, time, &mut 100, 0);
        pause();
        let start = now();
        assert!(unchanged(start - TICK));
        assert!(!older(&units, start, &mut 2, 0), "too many to look at");
        pause();
        std::fs::write(elsewhere.join("x.conf"), "").unwrap();
        assert!(!unchanged(start), "a file behind a link");
        pause();
        let start = now();
        assert!(unchanged(start - TICK));
        pause();
        std::fs::remove_file(units.join("c.service")).unwrap();
        assert!(!unchanged(start), "something is gone");
    }

    #[test]
    fn a_clock_that_was_set_is_not_believed() {
        let uptime = {
            let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
        };
        let manager = |told: f64| {
            let text = format!("UnitsLoadTimestamp=@{}\nUnitsLoadTimestampMonotonic={}", told.floor(), ((uptime - 0.01) * 1e6) as u64);
            last_read(&Unit::parse(&text))
        };
        assert!(manager(now()).is_some_and(|read| now() - read < 1.0));
        assert_eq!(manager(now() - 60.0), None);
        assert_eq!(manager(now() + 60.0), None);
        assert_eq!(last_read(&Unit::parse("UnitsLoadTimestampMonotonic=0")), None, "an older systemd");
    }
}
