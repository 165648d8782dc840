//! Files and directories with names of their own, which a plan cannot foretell.

use super::Host;
use crate::change::{Action, Change};
use crate::module::Halt;
use std::fs::{DirBuilder, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How often a name is tried anew when it is taken.
const TRIES: usize = 100;

impl Host {
    /// Makes a new private file or directory; `None` under the overlay, where its name is not known yet.
    pub fn temporary(&mut self, within: &Path, prefix: &str, suffix: &str, directory: bool) -> Result<Option<PathBuf>, Halt> {
        let pattern = within.join(format!("{prefix}XXXXXXXX{suffix}"));
        let kind = if directory { "directory" } else { "file" };
        self.record(Change::new(Action::Create, kind, pattern.display().to_string()));
        if !self.is_live() {
            return Ok(None);
        }
        for _ in 0..TRIES {
            // A hasher's keys are random for every one of them.
            let random = RandomState::new().build_hasher().finish() as u32;
            let path = within.join(format!("{prefix}{random:08x}{suffix}"));
            let made = match directory {
                true => DirBuilder::new().mode(0o700).create(&path),
                false => OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map(drop),
            };
            match made {
                Ok(()) => return Ok(Some(path)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Halt::failed(format!("cannot make {}: {e}", path.display()))),
            }
        }
        Err(Halt::failed(format!("every name tried in {} is taken", within.display())))
    }
}

/// Writes a file of our own, e.g. for a program that reads only files.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Halt> {
    std::fs::write(path, content).map_err(|e| Halt::failed(format!("cannot write {}: {e}", path.display())))
}
