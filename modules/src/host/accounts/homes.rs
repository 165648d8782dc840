//! Home folders of users.

use super::{Accounts, DesiredUser, User};
use crate::host::files::{Content, Desired, Entry, FileKind, Mode};
use crate::host::overlay::{Node, NodeKind};
use crate::module::Halt;
use std::path::{Path, PathBuf};

impl Accounts<'_> {
    /// The home folder that comes with a new user, for later tasks of the same plan.
    pub(super) fn predict_home(&mut self, user: &User, desired: &DesiredUser) -> Result<(), Halt> {
        let home = PathBuf::from(&user.entry.home);
        if self.host.files().stat(&home).is_ok_and(|s| s.is_some()) {
            return Ok(());
        }
        let mode = self.home_mode(desired)?;
        let uid = self.host.names().owner(&user.entry.name)?;
        let group = desired.group.as_deref().unwrap_or(&user.entry.name);
        let gid = self.host.names().owning_group(group)?;
        let node = Node { kind: NodeKind::Directory, mode, uid, gid, times: (0.0, 0.0) };
        self.host.overlay().nodes.insert(home, Some(node));
        Ok(())
    }

    /// The mode of a new home folder, by the task or /etc/login.defs.
    fn home_mode(&mut self, desired: &DesiredUser) -> Result<u32, Halt> {
        let defaults = self.text("/etc/login.defs")?;
        let field = |name: &str| defaults.lines().find_map(|l| l.strip_prefix(name).filter(|r| r.starts_with(char::is_whitespace)));
        let octal = |text: &str| u32::from_str_radix(text.trim(), 8).ok();
        let umask = desired.umask.as_deref().or(field("UMASK")).and_then(octal).unwrap_or(0o022);
        Ok(field("HOME_MODE").filter(|_| desired.umask.is_none()).and_then(octal).unwrap_or(0o777 & !umask))
    }

    /// Makes the home folder that a user lacks, filled as a new one is.
    pub(super) fn restore_home(&mut self, user: &User, desired: &DesiredUser) -> Result<(), Halt> {
        let home = PathBuf::from(&user.entry.home);
        if !desired.create_home || user.planned || !home.is_absolute() || self.host.files().stat_followed(&home)?.is_some() {
            return Ok(());
        }
        let mode = self.home_mode(desired)?;
        if let Some(parent) = home.parent() {
            self.host.files().converge(parent, &Desired { entry: Some(Entry::Directory), ..Desired::default() })?;
        }
        let owned = |entry: Entry, mode: Option<u32>| Desired {
            entry: Some(entry),
            owner: Some(user.entry.uid.to_string()),
            group: Some(user.entry.gid.to_string()),
            mode: mode.map(Mode::Bits),
            ..Desired::default()
        };
        let skeleton = PathBuf::from(desired.skeleton.as_deref().unwrap_or("/etc/skel"));
        self.host.files().converge(&home, &owned(Entry::Directory, Some(mode)))?;
        self.fill_home(&skeleton, &home, &owned)
    }

    fn fill_home(&mut self, from: &Path, to: &Path, owned: &dyn Fn(Entry, Option<u32>) -> Desired) -> Result<(), Halt> {
        if self.host.files().stat_followed(from)?.is_none_or(|s| s.kind != FileKind::Directory) {
            return Ok(());
        }
        for name in self.host.files().list(from)?.unwrap_or_default() {
            let (source, target) = (from.join(&name), to.join(&name));
            let Some(stat) = self.host.files().stat(&source)? else { continue };
            match stat.kind {
                FileKind::Directory => {
                    self.host.files().converge(&target, &owned(Entry::Directory, Some(stat.mode)))?;
                    self.fill_home(&source, &target, owned)?;
                }
                FileKind::Link => {
                    let link = stat.target.unwrap_or_default();
                    self.host.files().converge(&target, &owned(Entry::Link(link), None))?;
                }
                FileKind::File => {
                    let content = self.host.files().read(&source)?.unwrap_or_default();
                    self.host.files().converge(&target, &owned(Entry::File(Content::Bytes(content)), Some(stat.mode)))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
