//! What programs of tasks need around them: the task's environment, home folders, scripts sent along, the host's clock.

use super::{Command, Host, Output};
use crate::change::{Action, Change};
use crate::module::Halt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

impl Host {
    /// A variable of the environment that the task's programs see.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone()).or_else(|| std::env::var(name).ok())
    }

    /// What this plan expects of a resource by now; `None` when live.
    pub(crate) fn remembered(&mut self, kind: &str, name: &str) -> Option<crate::value::Value> {
        if self.is_live() { None } else { self.overlay().state(kind, name).cloned() }
    }

    /// Whether this user may read what is at a path; what only the plan has made counts as readable.
    pub fn may_read(&self, path: &Path) -> bool {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        !matches!(accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS), Err(rustix::io::Errno::ACCESS))
    }

    /// A path with `~` and `~user` replaced by the home folder.
    pub fn expand_home(&self, path: &str) -> PathBuf {
        let Some(rest) = path.strip_prefix('~') else { return PathBuf::from(path) };
        let (user, tail) = rest.split_once('/').map_or((rest, None), |(u, t)| (u, Some(t)));
        let passwd = || super::accounts::parse_passwd(&std::fs::read_to_string("/etc/passwd").unwrap_or_default());
        let home = if user.is_empty() {
            let uid = rustix::process::geteuid().as_raw();
            self.variable("HOME").or_else(|| passwd().into_iter().find(|u| u.uid == uid).map(|u| u.home))
        } else {
            passwd().into_iter().find(|u| u.name == user).map(|u| u.home)
        };
        match (home, tail) {
            (Some(home), Some(tail)) => Path::new(&home).join(tail),
            (Some(home), None) => PathBuf::from(home),
            (None, _) => PathBuf::from(path),
        }
    }

    /// Runs a script that came along as content: written to a private folder, run with `arguments` (after `interpreter`,
    /// if there is one), and removed. Recorded as `script NAME`; `None` under the overlay, as with `execute`.
    pub fn execute_script(
        &mut self,
        name: &str,
        blob: &str,
        interpreter: &[String],
        arguments: &[String],
        cwd: Option<PathBuf>,
    ) -> Result<Option<Output>, Halt> {
        let shown = std::iter::once(name.to_string()).chain(arguments.iter().cloned()).collect::<Vec<_>>().join(" ");
        self.record(Change::new(Action::Run, "command", format!("script {shown}")));
        if !self.is_live() {
            self.overlay().run_unpredicted(&format!("the script `{shown}`"));
            return Ok(None);
        }
        let content = self.content(blob)?;
        let folder = PrivateFolder::new()?;
        let file = folder.0.join(Path::new(name).file_name().unwrap_or("script".as_ref()));
        write_program(&file, &content)?;
        let argv = interpreter.iter().cloned().chain([file.to_string_lossy().into_owned()]).chain(arguments.iter().cloned());
        self.perform(&Command { cwd, ..Command::new(argv) })
    }

    /// Carries a change out by programs, each of which must succeed. A plan records the change, and does not know any more
    /// what is missing on the host: the programs may make it.
    pub(crate) fn carry_out(&mut self, change: Change, steps: &[Command]) -> Result<(), Halt> {
        if !self.is_live() && !steps.is_empty() {
            self.overlay().run_unpredicted(&format!("the {} {}", change.kind, change.name));
        }
        self.record(change);
        self.carry_out_quietly(steps)
    }

    /// Runs programs that are part of a change recorded elsewhere, or of none if they find nothing to do.
    pub(crate) fn carry_out_quietly(&mut self, steps: &[Command]) -> Result<(), Halt> {
        for step in steps {
            if let Some(output) = self.perform(step)? {
                output.require(&format!("`{}` failed", step.line()))?;
            }
        }
        Ok(())
    }

    /// Minutes east of UTC and the zone's abbreviation, as the host's clock shows time.
    pub fn time_zone(&mut self) -> (i64, String) {
        let zone = std::fs::read_link("/etc/localtime").ok();
        let utc = zone.as_ref().is_none_or(|z| ["UTC", "Etc/UTC", "UCT", "Universal", "Zulu"].iter().any(|n| z.ends_with(n)));
        if utc && self.variable("TZ").is_none() && (zone.is_some() || !Path::new("/etc/localtime").exists()) {
            return (0, "UTC".into());
        }
        let said = self.query(&Command::new(["date", "+%z %Z"])).map(|o| o.text()).unwrap_or_default();
        parse_zone(said.trim()).unwrap_or((0, "UTC".into()))
    }
}

/// A folder of this user alone, removed with what is in it.
pub(crate) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn new() -> Result<PrivateFolder, Halt> {
        use std::os::unix::fs::DirBuilderExt;
        let base = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = base.join(format!("engine-{}-{now}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|e| Halt::failed(format!("cannot make the folder {}: {e}", folder.display())))?;
        Ok(PrivateFolder(folder))
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn write_program(file: &Path, content: &[u8]) -> Result<(), Halt> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(file).and_then(|mut f| f.write_all(content));
    written.map_err(|e| Halt::failed(format!("cannot write {}: {e}", file.display())))
}

/// Reads what `date "+%z %Z"` prints.
fn parse_zone(text: &str) -> Option<(i64, String)> {
    let (offset, name) = text.split_once(' ')?;
    let (sign, digits) = (if offset.starts_with('-') { -1 } else { 1 }, offset.get(1..)?);
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4)?.parse().ok()?;
    Some((sign * (hours * 60 + minutes), name.to_string()))
}

/// A moment of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Year, e.g. 2026.
    pub year: i64,
    /// Month from 1.
    pub month: u32,
    /// Day of the month from 1.
    pub day: u32,
    /// Hour.
    pub hour: u32,
    /// Minute.
    pub minute: u32,
    /// Second.
    pub second: u32,
    /// Microsecond.
    pub micro: u32,
    /// Day of the week, Sunday is 0.
    pub weekday: u32,
    /// Day of the year from 1.
    pub yearday: u32,
}

impl Moment {
    /// The moment `since` 1970 in a zone so many minutes east of UTC.
    pub fn at(since: std::time::Duration, east: i64) -> Moment {
        let seconds = since.as_secs() as i64 + east * 60;
        let (days, rest) = (seconds.div_euclid(86400), seconds.rem_euclid(86400) as u32);
        let (year, month, day) = civil(days);
        let first = days_before(year);
        Moment {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            micro: since.subsec_micros(),
            weekday: (days + 4).rem_euclid(7) as u32,
            yearday: (days - first + 1) as u32,
        }
    }

    /// `2026-11-21 04:54:01.123456`.
    pub fn stamp(&self) -> String {
        let Moment { year, month, day, hour, minute, second, micro, .. } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micro:06}")
    }
}

/// Year, month and day of a count of days since 1970 (Howard Hinnant's `civil_from_days`).
pub fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Days from 1970 to the first of January of a year.
fn days_before(year: i64) -> i64 {
    let y = year - 1;
    365 * (year - 1970) + (y.div_euclid(4) - 492) - (y.div_euclid(100) - 19) + (y.div_euclid(400) - 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn calendar() {
        let m = Moment::at(Duration::new(1_709_210_096, 5000), 0);
        assert_eq!(m.stamp(), "2024-02-29 12:34:56.000005");
        assert_eq!((m.weekday, m.yearday), (4, 60));
        assert_eq!(Moment::at(Duration::from_secs(0), -60).stamp(), "1969-12-31 23:00:00.000000");
        assert_eq!(Moment::at(Duration::from_secs(1_735_689_599), 60).yearday, 1);
    }

    #[test]
    fn zones() {
        assert_eq!(parse_zone("+0200 CEST"), Some((120, "CEST".into())));
        assert_eq!(parse_zone("-0330 NST"), Some((-210, "NST".into())));
        assert_eq!(parse_zone(""), None);
    }
}
