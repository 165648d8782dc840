//! Crontabs: of users through the program `crontab`, and the files in /etc/cron.d.

use super::files::{Content, Desired, Entry, Mode};
use super::{Command, Host};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::PathBuf;

const KIND: &str = "crontab";

/// Which crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crontab {
    /// A user's; `None` is the user who runs this.
    User(Option<String>),
    /// A file whose lines name their user.
    File(PathBuf),
}

impl Crontab {
    fn command(user: Option<&str>, option: &str) -> Command {
        let user = user.iter().flat_map(|u| ["-u", u]);
        Command::new(["crontab"].into_iter().chain(user).chain([option]))
    }

    fn name(user: Option<&str>) -> String {
        user.map_or_else(|| format!("uid {}", rustix::process::geteuid().as_raw()), str::to_string)
    }
}

impl Host {
    /// The text of a crontab; empty when there is none.
    pub fn crontab(&mut self, of: &Crontab) -> Result<String, Halt> {
        match of {
            Crontab::File(path) => {
                let bytes = self.files().read(path)?.unwrap_or_default();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Crontab::User(user) => {
                if let Some(text) = self.remembered(KIND, &Crontab::name(user.as_deref())) {
                    return Ok(text.to_string());
                }
                match self.query(&Crontab::command(user.as_deref(), "-l")) {
                    Ok(output) if output.success() => Ok(without_header(&output.text())),
                    // It says 1 when there is none yet.
                    Ok(output) if output.code == 1 => Ok(String::new()),
                    Ok(output) => Err(output.require("cannot read the crontab").err().unwrap_or_else(|| Halt::failed("no crontab"))),
                    Err(halt) => match self.may_still_come() {
                        Some(why) => Err(Halt::Unknown(format!("the crontab ({why})"))),
                        None => Err(halt),
                    },
                }
            }
        }
    }

    /// Makes a crontab hold this text; a file without any entry goes. The path of the copy, if one is kept.
    pub fn converge_crontab(&mut self, of: &Crontab, text: &str, backup: bool) -> Result<Option<PathBuf>, Halt> {
        let before = self.crontab(of)?;
        if before == text {
            return Ok(None);
        }
        let kept = if backup { self.keep_crontab(&before)? } else { None };
        match of {
            Crontab::File(path) => {
                let entry = match text.trim().is_empty() {
                    true => Entry::Absent,
                    false => Entry::File(Content::Bytes(text.as_bytes().to_vec())),
                };
                let new = self.files().stat_followed(path)?.is_none() && !text.trim().is_empty();
                let mode = new.then_some(Mode::Bits(0o644));
                self.files().converge(path, &Desired { entry: Some(entry), mode, follow: true, ..Desired::default() })?;
            }
            Crontab::User(user) => self.install_crontab(user.as_deref(), &before, text)?,
        }
        Ok(kept)
    }

    fn install_crontab(&mut self, user: Option<&str>, before: &str, text: &str) -> Result<(), Halt> {
        let name = Crontab::name(user);
        let action = if before.is_empty() { Action::Create } else { Action::Update };
        self.record(Change::new(action, KIND, &*name).field("content", before, text));
        if !self.is_live() {
            self.overlay().set_state(KIND, &name, Value::str(text));
            return Ok(());
        }
        let command = Command { stdin: Some(text.as_bytes().to_vec()), ..Crontab::command(user, "-") };
        if let Some(output) = self.perform(&command)?.filter(|o| !o.success()) {
            let failure = Failure::new(format!("Failed to install new cronfile: {}", output.errors().trim()));
            let failure = failure.with("rc", output.code).with("stdout", output.text()).with("stderr", output.errors());
            return Err(failure.into());
        }
        if self.crontab(&Crontab::User(user.map(str::to_string)))? != text {
            return Err(Halt::failed(format!("the crontab of {name} did not converge, though crontab reported no error")));
        }
        Ok(())
    }

    /// A copy of the old text, outside of the folders that cron reads. As with other copies, it is no change of its own.
    fn keep_crontab(&mut self, text: &str) -> Result<Option<PathBuf>, Halt> {
        if !self.is_live() {
            return Ok(None);
        }
        let recorded = self.changes.len();
        let path = self.temporary(&std::env::temp_dir(), "crontab", "", false)?;
        self.changes.truncate(recorded);
        if let Some(path) = &path {
            std::fs::write(path, text).map_err(|e| Halt::failed(format!("cannot write {}: {e}", path.display())))?;
        }
        Ok(path)
    }
}

/// Without the lines that some versions of cron print first and would add again and again.
fn without_header(text: &str) -> String {
    let header = |line: &str| {
        line.starts_with("# DO NOT EDIT THIS FILE - edit the master and reinstall.")
            || (line.starts_with("# (/tmp/") && line.contains(" installed on "))
            || (line.starts_with("# (") && line.contains("Cron version"))
    };
    text.split_inclusive('\n').enumerate().filter(|(at, line)| *at > 2 || !header(line)).map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let text = "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n# (/tmp/crontab.x installed on Mon)\n# (Cron version -- $Id$)\nA=b\n";
        assert_eq!(without_header(text), "A=b\n");
        assert_eq!(without_header("# (mine)\n"), "# (mine)\n");
    }
}
