//! What results say of a path: owner, group, mode, size and state, by Ansible's names.

use super::Host;
use super::files::{FileKind, Stat};
use crate::module::{Halt, Outcome};
use crate::value::Value;
use std::path::Path;

/// The permission bits as Ansible returns them: `0644`, `01777`.
pub fn mode_text(mode: u32) -> String {
    format!("0{:03o}", mode & 0o7777)
}

impl Host {
    /// The name of the user with this id, if one has it.
    pub fn user_name(&mut self, uid: u32) -> Result<Option<String>, Halt> {
        let name = self.names().user_name(uid)?;
        Ok((name != uid.to_string()).then_some(name))
    }

    /// The name of the group with this id, if one has it.
    pub fn group_name(&mut self, gid: u32) -> Result<Option<String>, Halt> {
        let name = self.names().group_name(gid)?;
        Ok((name != gid.to_string()).then_some(name))
    }

    /// Adds `uid`, `gid`, `owner`, `group`, `mode`, `size` and `state` of what is at `path`, if something is.
    pub fn describe(&mut self, path: &Path, outcome: Outcome) -> Result<Outcome, Halt> {
        let Some(stat) = self.files().stat(path)? else {
            return Ok(outcome);
        };
        let owner = self.user_name(stat.uid)?.unwrap_or_else(|| stat.uid.to_string());
        let group = self.group_name(stat.gid)?.unwrap_or_else(|| stat.gid.to_string());
        Ok(outcome
            .with("uid", stat.uid)
            .with("gid", stat.gid)
            .with("owner", owner)
            .with("group", group)
            .with("mode", mode_text(stat.mode))
            .with("state", state_word(&stat))
            .with("size", Value::from(stat.size)))
    }
}

fn state_word(stat: &Stat) -> &'static str {
    match stat.kind {
        FileKind::Link => "link",
        FileKind::Directory => "directory",
        _ if stat.links > 1 => "hard",
        _ => "file",
    }
}
