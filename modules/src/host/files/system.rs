//! Files as the system has them: plain reads, and writes that a crash at any moment leaves whole.

use super::{FileKind, Stat};
use crate::host::command::words_of;
use crate::module::{Failure, Halt};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Owner, group, permission bits and times to end with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Attributes {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    /// Access and modification time to set.
    pub(super) times: (Option<f64>, Option<f64>),
}

/// A failure at a path: what was tried, the system's words, and what to do.
pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> Halt {
    let failure = Failure::new(format!("cannot {doing} {}: {}", path.display(), words_of(error)));
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(1) => {
            "the system forbids it to this user: does it need `become: true`? Or is the file immutable (see `lsattr`)?"
        }
        io::ErrorKind::PermissionDenied => "this user may not: does it need `become: true`?",
        io::ErrorKind::StorageFull => "the disk is full; what was there before is untouched",
        io::ErrorKind::QuotaExceeded => "the disk quota is used up; what was there before is untouched",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is mounted read-only",
        io::ErrorKind::ResourceBusy => "something is mounted there or uses it",
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a directory",
        io::ErrorKind::InvalidFilename => "the name is too long for the file system",
        io::ErrorKind::NotFound => "does the directory exist? Create it first",
        _ => return failure.into(),
    };
    failure.hint(hint).into()
}

/// What is at a path, the link itself if it is one.
pub(super) fn stat(path: &Path) -> io::Result<Option<Stat>> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(e),
    };
    let of = meta.file_type();
    let kind = match of {
        _ if of.is_file() => FileKind::File,
        _ if of.is_dir() => FileKind::Directory,
        _ if of.is_symlink() => FileKind::Link,
        _ if of.is_char_device() => FileKind::CharDevice,
        _ if of.is_block_device() => FileKind::BlockDevice,
        _ if of.is_fifo() => FileKind::Fifo,
        _ => FileKind::Socket,
    };
    let seconds = |whole: i64, nanos: i64| whole as f64 + nanos as f64 / 1e9;
    Ok(Some(Stat {
        kind,
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        size: meta.size(),
        inode: meta.ino(),
        device: meta.dev(),
        links: meta.nlink(),
        times: (
            seconds(meta.atime(), meta.atime_nsec()),
            seconds(meta.mtime(), meta.mtime_nsec()),
            seconds(meta.ctime(), meta.ctime_nsec()),
        ),
        target: if kind == FileKind::Link { Some(fs::read_link(path)?) } else { None },
    }))
}

/// Opens a file for reading, without touching its access time where the system allows that.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let without_trace = rustix::fs::OFlags::NOATIME.bits() as i32;
    match OpenOptions::new().read(true).custom_flags(without_trace).open(path) {
        // Only a file's owner may leave its access time alone.
        Err(e) if e.raw_os_error() == Some(1) => File::open(path),
        other => other,
    }
}

/// The content of a file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names in a directory.
pub(super) fn list(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(open(path)?)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// The bits that new files and directories of this process lack.
pub(super) fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}

/// A new file, open for writing, that nobody else can read; taken away again unless kept.
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) file: File,
    kept: bool,
}

impl Temporary {
    /// Makes one in a directory, named after `name`.
    pub(super) fn beside(directory: &Path, name: &str) -> io::Result<Temporary> {
        // Room for the ornaments within the 255 bytes a name may have.
        let name: String = name.chars().take(50).collect();
        let mut tries = 0;
        loop {
            let path = directory.join(OsString::from(format!(".{name}.engine-{:08x}", random())));
            match OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Temporary { path, file, kept: false }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// Moves it to its place, whole, in one step.
    fn rename(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a temporary file that will not go.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn random() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds each of these from the system's source of randomness.
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}

/// Writes a file: old or new content stands at `path` at every moment, never a mixture, and never with wrong permissions.
///
/// A device is not replaced: a file in the place of `/dev/null` breaks the whole host.
pub(super) fn write(path: &Path, content: &[u8], attributes: &Attributes) -> io::Result<()> {
    refuse_device(path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut temporary = Temporary::beside(directory, &name)?;
    temporary.file.write_all(content)?;
    let made = temporary.file.metadata()?;
    if (made.uid(), made.gid()) != (attributes.uid, attributes.gid) {
        std::os::unix::fs::fchown(&temporary.file, Some(attributes.uid), Some(attributes.gid))?;
    }
    keep_lists(path, &temporary.file);
    temporary.file.set_permissions(fs::Permissions::from_mode(attributes.mode))?;
    set_times(&temporary.file, attributes.times)?;
    temporary.file.sync_all()?;
    temporary.rename(path)?;
    sync_later(directory);
    Ok(())
}

fn refuse_device(path: &Path) -> io::Result<()> {
    let is_device = |kind: fs::FileType| kind.is_char_device() || kind.is_block_device();
    match fs::symlink_metadata(path) {
        Ok(metadata) if is_device(metadata.file_type()) => Err(io::Error::other("it is a device, which no file may replace")),
        _ => Ok(()),
    }
}

/// Gives a file the access control list of the one whose place it takes, where that has one and the file system keeps them.
fn keep_lists(path: &Path, file: &File) {
    const LIST: &str = "system.posix_acl_access";
    let mut list = vec![0; 4 << 10];
    if let Ok(length) = rustix::fs::lgetxattr(path, LIST, &mut list[..]) {
        // A list that cannot be set leaves the plain permissions, which are stricter.
        let _ = rustix::fs::fsetxattr(file, LIST, &list[..length], rustix::fs::XattrFlags::empty());
    }
}

fn set_times(file: &File, (accessed, modified): (Option<f64>, Option<f64>)) -> io::Result<()> {
    if accessed.is_none() && modified.is_none() {
        return Ok(());
    }
    let mut times = fs::FileTimes::new();
    if let Some(at) = accessed {
        times = times.set_accessed(moment(at));
    }
    if let Some(at) = modified {
        times = times.set_modified(moment(at));
    }
    file.set_times(times)
}

fn moment(seconds: f64) -> SystemTime {
    let distance = Duration::try_from_secs_f64(seconds.abs()).unwrap_or_default();
    let at = if seconds < 0.0 { SystemTime::UNIX_EPOCH.checked_sub(distance) } else { SystemTime::UNIX_EPOCH.checked_add(distance) };
    at.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Directories whose entries have changed since they were last synced.
static CHANGED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Remembers that a directory's new entry is to outlast a power failure.
fn sync_later(directory: &Path) {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_path_buf());
}

/// Makes what was renamed outlast a power failure: once for all files of a directory, at the end of a run. Until then a failure
/// leaves the old content, whole. File systems that cannot sync a directory are left to their own ways.
pub(crate) fn sync_directories() {
    for directory in std::mem::take(&mut *CHANGED.lock().unwrap_or_else(PoisonError::into_inner)) {
        if let Ok(open) = File::open(directory) {
            let _ = open.sync_all();
        }
    }
}

/// Makes a directory with its attributes.
pub(super) fn make_directory(path: &Path, attributes: &Attributes) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    // Closed until it has its owner and mode.
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // Several hosts of an inventory may be this one machine, and make the same parent at the same time.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) => {}
        other => other?,
    }
    set_attributes(path, attributes, false)
}

/// Puts a symbolic link at a path, in place of a link or file that may be there.
pub(super) fn make_link(path: &Path, target: &Path) -> io::Result<()> {
    put(path, |beside| std::os::unix::fs::symlink(target, beside))
}

/// Puts a hard link at a path, in place of a file that may be there.
pub(super) fn make_hard_link(path: &Path, source: &Path) -> io::Result<()> {
    put(path, |beside| fs::hard_link(source, beside))
}

fn put(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    refuse_device(path)?;
    match make(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    if fs::symlink_metadata(path)?.is_dir() {
        // Only an empty one goes, and only then.
        fs::remove_dir(path)?;
        return make(path);
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = directory.join(format!(".{}.engine-{:08x}", name.chars().take(50).collect::<String>(), random()));
    make(&beside)?;
    fs::rename(&beside, path).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })?;
    sync_later(directory);
    Ok(())
}

/// Removes what is at a path; a directory goes with all it holds, links in it are not followed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => gone(fs::remove_dir_all(path)),
        Ok(_) => gone(fs::remove_file(path)),
        Err(e) => gone(Err(e)),
    }
}

fn is_now(time: Option<f64>) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    time.is_some_and(|time| (time - now).abs() < 2.0)
}

/// Sets owner, group, mode and times of what is there. A link's mode cannot be set.
pub(super) fn set_attributes(path: &Path, attributes: &Attributes, is_link: bool) -> io::Result<()> {
    let now = fs::symlink_metadata(path)?;
    if (now.uid(), now.gid()) != (attributes.uid, attributes.gid) {
        std::os::unix::fs::lchown(path, Some(attributes.uid), Some(attributes.gid))?;
    }
    // After the owner: changing that clears suid and sgid.
    if !is_link && fs::symlink_metadata(path)?.mode() & 0o7777 != attributes.mode {
        fs::set_permissions(path, fs::Permissions::from_mode(attributes.mode))?;
    }
    let (accessed, modified) = attributes.times;
    if accessed.is_some() || modified.is_some() {
        let spec = |at: Option<f64>| match at {
            Some(seconds) => rustix::fs::Timespec { tv_sec: seconds.floor() as i64, tv_nsec: ((seconds - seconds.floor()) * 1e9) as _ },
            None => rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT as _ },
        };
        let times = rustix::fs::Timestamps { last_access: spec(accessed), last_modification: spec(modified) };
        let set = |times| rustix::fs::utimensat(rustix::fs::CWD, path, times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        match set(&times) {
            // Who may write a file may renew its times, but set them only to now.
            Err(rustix::io::Errno::PERM) if is_now(accessed) && is_now(modified) => {
                let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW as _ };
                set(&rustix::fs::Timestamps { last_access: now, last_modification: now })?;
            }
            other => other?,
        }
    }
    Ok(())
}
