//! What goes with a write: a copy of what was there, and a check of what will be there.

use super::system::{self, Attributes, Temporary, failed};
use super::{FileKind, Files};
use crate::host::command::{Command, words};
use crate::host::overlay::{Node, NodeKind};
use crate::module::{Failure, Halt};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

impl Files<'_> {
    /// Copies `path` beside itself as `NAME.PID.DATE~` (UTC) and returns that path, as Ansible's `backup` does.
    /// It is no change of its own: its name differs from run to run.
    ///
    /// # Errors
    /// When `path` is not a file, or cannot be copied.
    pub fn backup(&mut self, path: &Path) -> Result<PathBuf, Halt> {
        let at = self.resolve(path, true)?;
        let Some(stat) = self.look_or_unknown(&at)?.filter(|stat| stat.kind == FileKind::File) else {
            return Err(Halt::failed(format!("cannot back up {}: it is not a file", path.display())));
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut name = at.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.{}~", std::process::id(), date(now)));
        let copy = at.with_file_name(name);
        let content = self.read(&at)?.unwrap_or_default();
        let (uid, gid, mode) = (stat.uid, stat.gid, stat.mode);
        if self.host.live {
            let attributes = Attributes { uid, gid, mode, times: (Some(stat.times.0), Some(stat.times.1)) };
            system::write(&copy, &content, &attributes).map_err(|e| failed("back up", path, &e))?;
        } else {
            let node = Node { kind: NodeKind::File(content), mode, uid, gid, times: (stat.times.0, stat.times.1) };
            self.host.overlay.put(copy.clone(), node);
        }
        Ok(copy)
    }

    /// Writes `content` to a private temporary file, runs `validate` with `%s` replaced by its path, and fails unless it
    /// exits 0. Runs in plans too: the file is temporary. But a plan whose earlier tasks would have changed the host
    /// cannot believe a refusal: what the program wants may be what they make.
    ///
    /// # Errors
    /// When the program refuses the content, or `validate` has no `%s`.
    pub fn validate(&mut self, content: &[u8], validate: &str) -> Result<(), Halt> {
        if !validate.contains("%s") {
            return Err(Failure::new(format!("`validate` must contain %s, the place of the file to check: {validate}"))
                .with("msg", format!("validate must contain %s: {validate}"))
                .into());
        }
        let argv = words(validate).map_err(|why| Halt::failed(format!("cannot split `validate` into words: {why}: {validate}")))?;
        let directory = std::env::temp_dir();
        let mut temporary = Temporary::beside(&directory, "validate").map_err(|e| failed("write a temporary file in", &directory, &e))?;
        temporary.file.write_all(content).map_err(|e| failed("write", &temporary.path, &e))?;
        let place = temporary.path.display().to_string();
        let command = Command::new(argv.iter().map(|word| word.replace("%s", &place)));
        let verdict = self.host.query(&command).and_then(|output| output.require(&format!("`{validate}` refuses the new content")));
        if !self.host.live && !self.host.overlay.is_pristine() {
            return Ok(());
        }
        verdict.map(drop)
    }
}

/// `2026-01-31@23:59:59` of seconds since 1970.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days, counted in eras of 400 years from the 1st of March 0000.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}@{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01@00:00:00"),
            (951_782_400, "2000-02-29@00:00:00"),
            (1_735_689_599, "2024-12-31@23:59:59"),
            (1_735_689_600, "2025-01-01@00:00:00"),
        ] {
            assert_eq!(super::date(seconds), text);
        }
    }
}
