//! What is on the host as this run sees it: the system, with what a plan has written in memory laid over it.

use super::system::{self, failed};
use super::{FileKind, Files, Stat};
use crate::host::overlay::{Node, NodeKind, Said};
use crate::module::Halt;
use sha2::Digest;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// How many links may stand on the way to a file, as in Linux.
const LINKS: usize = 40;

impl Files<'_> {
    /// What is at `path`, the link itself if it is one; `None` when nothing is.
    ///
    /// # Errors
    /// `Halt::Unknown` in a plan when nothing is there but something unpredicted ran before; failures of the system.
    pub fn stat(&mut self, path: &Path) -> Result<Option<Stat>, Halt> {
        let at = self.resolve(path, false)?;
        self.look_or_unknown(&at)
    }

    /// What `path` leads to, links followed; `None` when nothing is there or a link dangles.
    pub fn stat_followed(&mut self, path: &Path) -> Result<Option<Stat>, Halt> {
        let at = self.resolve(path, true)?;
        self.look_or_unknown(&at)
    }

    /// The path without links on the way: what `path` leads to, whether it exists or not.
    pub fn followed(&mut self, path: &Path) -> Result<PathBuf, Halt> {
        self.resolve(path, true)
    }

    /// The content of the file that `path` leads to; `None` when nothing is there.
    pub fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, Halt> {
        match self.stat_followed(path)? {
            Some(stat) => self.content_of(path, &stat).map(Some),
            None => Ok(None),
        }
    }

    /// As `read`, where what is missing counts as missing whatever ran before.
    pub(crate) fn read_now(&mut self, path: &Path) -> Result<Option<Vec<u8>>, Halt> {
        let at = self.resolve(path, true)?;
        match self.look(&at)? {
            Some(stat) => self.content_of(path, &stat).map(Some),
            None => Ok(None),
        }
    }

    fn content_of(&mut self, path: &Path, stat: &Stat) -> Result<Vec<u8>, Halt> {
        require_file(path, stat)?;
        let at = self.resolve(path, true)?;
        if !self.host.live
            && let Said::There(Node { kind: NodeKind::File(bytes), .. }) = self.host.overlay.say(&at)
        {
            return Ok(bytes.clone());
        }
        system::read(&at).map_err(|e| failed("read", path, &e))
    }

    /// Hex digest of the file `path` leads to. `algorithm`: md5, sha1, sha224, sha256, sha384, sha512.
    pub fn digest(&mut self, path: &Path, algorithm: &str) -> Result<Option<String>, Halt> {
        let Some(stat) = self.stat_followed(path)? else { return Ok(None) };
        require_file(path, &stat)?;
        let at = self.resolve(path, true)?;
        let in_memory = !self.host.live && matches!(self.host.overlay.say(&at), Said::There(Node { kind: NodeKind::File(_), .. }));
        let source: Box<dyn Read> = if in_memory {
            Box::new(io::Cursor::new(self.content_of(path, &stat)?))
        } else {
            Box::new(system::open(&at).map_err(|e| failed("read", path, &e))?)
        };
        hash(source, algorithm).map_err(|e| failed("read", path, &e)).map(Some)
    }

    /// Names in a directory, sorted; `None` when it is not there.
    pub fn list(&mut self, path: &Path) -> Result<Option<Vec<String>>, Halt> {
        let Some(stat) = self.stat_followed(path)? else { return Ok(None) };
        if stat.kind != FileKind::Directory {
            return Err(Halt::failed(format!("cannot list {}: it is a {}, not a directory", path.display(), stat.kind.word())));
        }
        let at = self.resolve(path, true)?;
        let real = |at: &Path| system::list(at).map_err(|e| failed("list", path, &e));
        if self.host.live {
            let mut names = real(&at)?;
            names.sort();
            return Ok(Some(names));
        }
        let own = match self.host.overlay.say(&at) {
            Said::There(Node { kind: NodeKind::Directory, .. }) => Vec::new(),
            _ => real(&at)?,
        };
        Ok(Some(self.host.overlay.names_in(&at, own).into_iter().collect()))
    }

    /// As `look`; in a plan, what is missing but may have been made by something that ran is unknown.
    pub(super) fn look_or_unknown(&mut self, at: &Path) -> Result<Option<Stat>, Halt> {
        let found = self.look(at)?;
        if found.is_some() || self.host.live {
            return Ok(found);
        }
        let overlay = &self.host.overlay;
        match &overlay.unpredicted {
            Some(what) if !matches!(overlay.say(at), Said::Missing(true)) => {
                Err(Halt::Unknown(format!("{} may be made by {what}", at.display())))
            }
            _ => Ok(None),
        }
    }

    /// What is at a path that has no link on the way to it.
    pub(super) fn look(&self, at: &Path) -> Result<Option<Stat>, Halt> {
        let real = || system::stat(at).map_err(|e| failed("look at", at, &e));
        if self.host.live {
            return real();
        }
        match self.host.overlay.say(at) {
            Said::Nothing => real(),
            Said::Missing(_) => Ok(None),
            Said::There(node) => {
                let (mode, uid, gid, times) = (node.mode, node.uid, node.gid, (node.times.0, node.times.1, node.times.1));
                let made = |kind, size, target| Stat { kind, mode, uid, gid, size, inode: 0, device: 0, links: 1, times, target };
                Ok(match &node.kind {
                    NodeKind::Kept => real()?.map(|real| Stat { mode, uid, gid, times, ..real }),
                    NodeKind::File(bytes) => Some(made(FileKind::File, bytes.len() as u64, None)),
                    NodeKind::Directory => Some(made(FileKind::Directory, 0, None)),
                    NodeKind::Link(target) => Some(made(FileKind::Link, target.as_os_str().len() as u64, Some(target.clone()))),
                })
            }
        }
    }

    /// The absolute path without links on the way, and without a final one if `follow`. What does not exist stays as written.
    pub(super) fn resolve(&self, path: &Path, follow: bool) -> Result<PathBuf, Halt> {
        let mut pending: Vec<OsString> = Vec::new();
        let push = |pending: &mut Vec<OsString>, path: &Path| {
            let parts = path.components().filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir));
            pending.extend(parts.map(|c| c.as_os_str().to_os_string()).collect::<Vec<_>>().into_iter().rev());
        };
        push(&mut pending, path);
        if path.is_relative() {
            let here = std::env::current_dir().map_err(|e| failed("find the directory of", path, &e))?;
            push(&mut pending, &here);
        }
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        while let Some(part) = pending.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            at.push(part);
            if pending.is_empty() && !follow {
                break;
            }
            let Some(Stat { target: Some(target), .. }) = self.look(&at)? else { continue };
            links += 1;
            if links > LINKS {
                return Err(Halt::failed(format!("cannot follow {}: too many links, or a link that leads to itself", path.display())));
            }
            push(&mut pending, &target);
            if target.is_absolute() {
                at = PathBuf::from("/");
            } else {
                at.pop();
            }
        }
        Ok(at)
    }
}

/// Refuses what has no content, and what would wait for a writer for ever.
fn require_file(path: &Path, stat: &Stat) -> Result<(), Halt> {
    match stat.kind {
        FileKind::File => Ok(()),
        other => Err(Halt::failed(format!("cannot read {}: it is a {}", path.display(), other.word()))),
    }
}

/// The hex digest of what can be read.
pub(super) fn hash(source: impl Read, algorithm: &str) -> io::Result<String> {
    fn of<D: Digest + io::Write>(mut source: impl Read) -> io::Result<String> {
        let mut digest = D::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => digest.write_all(&buffer[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
    match algorithm {
        "md5" => of::<md5::Md5>(source),
        "sha1" => of::<sha1::Sha1>(source),
        "sha224" => of::<sha2::Sha224>(source),
        "sha256" => of::<sha2::Sha256>(source),
        "sha384" => of::<sha2::Sha384>(source),
        "sha512" => of::<sha2::Sha512>(source),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("there is no digest `{algorithm}`: use md5, sha1, sha224, sha256, sha384 or sha512"),
        )),
    }
}
