//! Files, directories and links: observed, compared as a whole, written atomically.

mod beside;
mod converge;
mod mode;
mod nature;
mod system;
mod view;

#[cfg(test)]
mod tests;

use super::Host;
pub(crate) use nature::names as attribute_names;
use std::path::PathBuf;
pub(crate) use system::sync_directories;

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
    /// Inode number; 0 for what only the plan has made.
    pub inode: u64,
    /// Device number; 0 for what only the plan has made.
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

impl FileKind {
    /// The word for it in messages, changes and results.
    pub fn word(self) -> &'static str {
        match self {
            FileKind::File => "file",
            FileKind::Directory => "directory",
            FileKind::Link => "link",
            FileKind::CharDevice => "character device",
            FileKind::BlockDevice => "block device",
            FileKind::Fifo => "named pipe",
            FileKind::Socket => "socket",
        }
    }
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
    /// A directory; the parents it lacks are made with the same attributes.
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

impl<'a> Files<'a> {
    pub(super) fn of(host: &'a mut Host) -> Files<'a> {
        Files { host }
    }
}
