//! Files, directories and links: observed, compared as a whole, written atomically.

use super::Host;
use crate::module::Halt;
use std::path::{Path, PathBuf};

/// Files of a host.
pub struct Files<'a> {
    host: &'a mut Host,
}

/// What is at a path, without following a final link.
#[derive(Debug, Clone, PartialEq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with suid, sgid and sticky.
    pub mode: u32,
    /// Owner's id.
    pub uid: u32,
    /// Group's id.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Inode number; 0 in the overlay.
    pub inode: u64,
    /// Device number; 0 in the overlay.
    pub device: u64,
    /// Hard links.
    pub links: u64,
    /// Seconds since 1970: access, modification, change.
    pub times: (f64, f64, f64),
    /// Target of a link.
    pub target: Option<PathBuf>,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum FileKind {
    File,
    Directory,
    Link,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

/// What should be at a path. `None` leaves an attribute as it is (or the system's default for what is made).
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// What it should be; `None` leaves what is there and only sets attributes.
    pub entry: Option<Entry>,
    /// Owner: name or number.
    pub owner: Option<String>,
    /// Group: name or number.
    pub group: Option<String>,
    /// Permission: octal (`0644`, `"u=rw,g=r"`), as `Mode` reads it.
    pub mode: Option<Mode>,
    /// Whether attributes are those of a link's target (the default of most modules) or of the link.
    pub follow: bool,
    /// Modification and access time to set, seconds since 1970.
    pub times: (Option<f64>, Option<f64>),
    /// Hides `content` in the recorded change.
    pub secret: bool,
}

/// What should be at a path.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A file with this content.
    File(Content),
    /// A directory; parents are made with default attributes.
    Directory,
    /// A symbolic link with this target.
    Link(PathBuf),
    /// A hard link to this file.
    Hard(PathBuf),
    /// Nothing; a directory goes with all it holds.
    Absent,
}

/// Content of a file: bytes at hand, or by hash, fetched only when the host's differs.
#[derive(Debug, Clone)]
pub enum Content {
    /// At hand.
    Bytes(Vec<u8>),
    /// By SHA-256 in hex.
    Blob(String),
}

/// Permissions as tasks write them: a number or symbolic changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Exactly these bits.
    Bits(u32),
    /// `u+x,g-w,o=` and the like, applied to what is there.
    Symbolic(String),
}

impl crate::args::FromValue for Mode {
    fn kind() -> String {
        "mode".into()
    }
    fn from_value(value: &crate::value::Value) -> Result<Self, String> {
        let _ = value;
        Err("not there yet".into())
    }
}

impl<'a> Files<'a> {
    pub(super) fn of(host: &'a mut Host) -> Files<'a> {
        Files { host }
    }

    /// What is at `path`, the link itself if it is one; `None` when nothing is.
    ///
    /// # Errors
    /// `Halt::Unknown` in a plan when nothing is there but something unpredicted ran before; failures of the system.
    pub fn stat(&mut self, path: &Path) -> Result<Option<Stat>, Halt> {
        let _ = (&self.host, path);
        Err(Halt::failed("not there yet"))
    }

    /// What `path` leads to, links followed; `None` when nothing is there or a link dangles.
    pub fn stat_followed(&mut self, path: &Path) -> Result<Option<Stat>, Halt> {
        self.stat(path)
    }

    /// The content of the file that `path` leads to; `None` when nothing is there.
    pub fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, Halt> {
        let _ = path;
        Err(Halt::failed("not there yet"))
    }

    /// Hex digest of the file `path` leads to. `algorithm`: md5, sha1, sha224, sha256, sha384, sha512.
    pub fn digest(&mut self, path: &Path, algorithm: &str) -> Result<Option<String>, Halt> {
        let _ = (path, algorithm);
        Err(Halt::failed("not there yet"))
    }

    /// Names in a directory, sorted; `None` when it is not there.
    pub fn list(&mut self, path: &Path) -> Result<Option<Vec<String>>, Halt> {
        let _ = path;
        Err(Halt::failed("not there yet"))
    }

    /// Makes `path` be what is desired; records a change with every attribute that differs. True when it differed.
    pub fn converge(&mut self, path: &Path, desired: &Desired) -> Result<bool, Halt> {
        let _ = (path, desired);
        Err(Halt::failed("not there yet"))
    }

    /// Copies `path` beside itself as `NAME.PID.DATE~` and returns that path, as Ansible's `backup` does.
    pub fn backup(&mut self, path: &Path) -> Result<PathBuf, Halt> {
        let _ = path;
        Err(Halt::failed("not there yet"))
    }

    /// Writes `content` to a private temporary file, runs `validate` with `%s` replaced by its path, and fails unless it
    /// exits 0. Runs in plans too: the file is temporary.
    pub fn validate(&mut self, content: &[u8], validate: &str) -> Result<(), Halt> {
        let _ = (content, validate);
        Err(Halt::failed("not there yet"))
    }
}
