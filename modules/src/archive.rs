//! Archives in memory: tar, plain or compressed, and zip, as lists of members.

use crate::host::{Command, Host};
use crate::module::{Failure, Halt};
use std::io::{Cursor, Read};
use std::path::{Component, Path, PathBuf};

/// The most that an archive may hold unpacked; what claims more is taken for a bomb.
const LIMIT: u64 = 8 << 30;

/// What an archive holds.
#[derive(Debug)]
pub struct Archive {
    /// How it is packed, in Ansible's words: `TgzArchive`, `ZipArchive`, …
    pub handler: &'static str,
    /// Its members in order.
    pub members: Vec<Member>,
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its path, without a leading slash and without `..`.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Who owns it, if the archive says: name and id of user and group.
    pub owner: Option<Owner>,
    /// Modification time, if the archive says it with a time zone.
    pub modified: Option<f64>,
}

/// The owner of a member.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Owner {
    pub user: String,
    pub uid: u64,
    pub group: String,
    pub gid: u64,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A file with this content.
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Link(PathBuf),
    /// A hard link to this member.
    Hard(PathBuf),
}

/// What some bytes are, unpacked.
#[derive(Debug)]
pub enum Unpacked {
    /// An archive.
    Archive(Archive),
    /// One file, of which the compression was taken off if there was one.
    File(Vec<u8>),
}

/// Unpacks bytes: their beginning tells how, not their name.
///
/// # Errors
/// When they are damaged, lead out of their folder or need a program that the host lacks.
pub fn unpack(bytes: Vec<u8>, what: &str, host: &mut Host) -> Result<Unpacked, Halt> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Ok(Unpacked::Archive(Archive { handler: "ZipArchive", members: zip(bytes, what)? }));
    }
    let damaged = |e: std::io::Error| Halt::failed(format!("{what} is damaged: {e}"));
    let (handler, plain) = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => ("TgzArchive", whole(flate2::read::MultiGzDecoder::new(bytes.as_slice())).map_err(damaged)?),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            ("TarXzArchive", whole(liblzma::read::XzDecoder::new_multi_decoder(bytes.as_slice())).map_err(damaged)?)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ("TarZstdArchive", zstd::stream::read::Decoder::new(bytes.as_slice()).and_then(whole).map_err(damaged)?)
        }
        [b'B', b'Z', b'h', ..] => ("TarBzipArchive", bunzip(bytes, what, host)?),
        _ => ("TarArchive", bytes),
    };
    if is_tar(&plain) {
        return Ok(Unpacked::Archive(Archive { handler, members: tar(&plain, what)? }));
    }
    Ok(Unpacked::File(plain))
}

fn whole(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(LIMIT).read_to_end(&mut out)?;
    Ok(out)
}

fn bunzip(bytes: Vec<u8>, what: &str, host: &mut Host) -> Result<Vec<u8>, Halt> {
    let command = Command { stdin: Some(bytes), ..Command::new(["bzip2", "-dc"]) };
    match host.query(&command) {
        Ok(output) => Ok(output.require(&format!("unpacking {what} with bzip2"))?.stdout),
        Err(_) => Err(Failure::new(format!("{what} is packed with bzip2, which this host does not have"))
            .hint("install the package bzip2 before, or use an archive packed with gzip, xz or zstd")
            .into()),
    }
}

/// Whether it is a tar archive: by its magic word, or, in the oldest form, by its checksum.
fn is_tar(bytes: &[u8]) -> bool {
    let Some(header) = bytes.get(..512) else { return false };
    if &header[257..262] == b"ustar" {
        return true;
    }
    let text = String::from_utf8_lossy(&header[148..156]);
    let stored = u32::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok();
    let sum = header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum::<u32>();
    header[0] != 0 && stored == Some(sum)
}

/// A member's path beneath where it is unpacked.
fn inside(path: &Path, what: &str) -> Result<PathBuf, Halt> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Halt::failed(format!("{what} holds {}, which leads out of its folder", path.display())));
            }
        }
    }
    Ok(out)
}

fn tar(bytes: &[u8], what: &str) -> Result<Vec<Member>, Halt> {
    let damaged = |e: std::io::Error| Halt::failed(format!("{what} is damaged: {e}"));
    let mut members = Vec::new();
    for entry in tar::Archive::new(Cursor::new(bytes)).entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = inside(&entry.path().map_err(damaged)?, what)?;
        let target = entry.link_name().map_err(damaged)?.map(|target| target.into_owned()).unwrap_or_default();
        let header = entry.header();
        let text = |name: Result<Option<&str>, _>| name.ok().flatten().unwrap_or_default().to_string();
        let owner = Owner {
            user: text(header.username().map_err(drop)),
            uid: header.uid().map_err(damaged)?,
            group: text(header.groupname().map_err(drop)),
            gid: header.gid().map_err(damaged)?,
        };
        let mode = header.mode().map_err(damaged)? & 0o7777;
        let modified = header.mtime().ok().map(|seconds| seconds as f64);
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Symlink => Kind::Link(target),
            tar::EntryType::Link => Kind::Hard(inside(&target, what)?),
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(damaged)?;
                Kind::File(content)
            }
            // Devices and fifos are not made out of archives.
            _ => continue,
        };
        members.push(Member { path, kind, mode, owner: Some(owner), modified });
    }
    guarded(members, what)
}

fn zip(bytes: Vec<u8>, what: &str) -> Result<Vec<Member>, Halt> {
    let damaged = |e: zip::result::ZipError| Halt::failed(format!("{what} cannot be unpacked: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut members = Vec::new();
    for number in 0..archive.len() {
        let mut file = archive.by_index(number).map_err(damaged)?;
        let path = inside(Path::new(file.name().map_err(damaged)?.as_ref()), what)?;
        let mode = file.unix_mode().filter(|mode| mode & 0o777 != 0).map(|mode| mode & 0o7777);
        let mut content = Vec::new();
        let (directory, link) = (file.is_dir(), file.is_symlink());
        if !directory {
            (&mut file).take(LIMIT).read_to_end(&mut content).map_err(|e| Halt::failed(format!("{what} is damaged: {e}")))?;
        }
        let kind = match (directory, link) {
            (true, _) => Kind::Directory,
            (false, true) => Kind::Link(PathBuf::from(String::from_utf8_lossy(&content).into_owned())),
            (false, false) => Kind::File(content),
        };
        let mode = mode.unwrap_or(if directory { 0o755 } else { 0o644 });
        members.push(Member { path, kind, mode, owner: None, modified: None });
    }
    guarded(members, what)
}

/// Refuses archives that write through a link which they bring along.
fn guarded(members: Vec<Member>, what: &str) -> Result<Vec<Member>, Halt> {
    let links: Vec<&PathBuf> = members.iter().filter(|m| matches!(m.kind, Kind::Link(_))).map(|m| &m.path).collect();
    for member in &members {
        let through = links.iter().find(|link| member.path != ***link && member.path.starts_with(link));
        if let Some(link) = through {
            let path = member.path.display();
            return Err(Halt::failed(format!("{what} holds {path} beneath {}, which is a link", link.display())));
        }
    }
    Ok(members)
}

/// Whether a name matches a shell pattern of `*`, `?` and `[…]`; `*` matches slashes too, as in tar.
pub fn matches(pattern: &str, name: &str) -> bool {
    let source: String = pattern
        .chars()
        .map(|c| match c {
            '*' => ".*".to_string(),
            '?' => ".".to_string(),
            '[' | ']' | '-' => c.to_string(),
            '!' => "^".to_string(),
            c => fancy_regex::escape(&c.to_string()).into_owned(),
        })
        .collect();
    // `!` means "not" inside brackets only.
    let source = if pattern.contains("[!") { source } else { source.replace('^', "!") };
    regex::RegexBuilder::new(&format!("^(?:{source})$")).dot_matches_new_line(true).build().is_ok_and(|regex| regex.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, tarball};

    #[test]
    fn tells_formats_by_their_beginning() {
        let mut bench = Bench::new();
        let tar = tarball(&[("d/", "", 0o755), ("d/f", "text", 0o600)]);
        let packed = |level: &[u8]| zstd::stream::encode_all(level, 1).unwrap();
        for (bytes, handler) in [(tar.clone(), "TarArchive"), (packed(&tar), "TarZstdArchive")] {
            let Unpacked::Archive(archive) = unpack(bytes, "x", &mut bench.host).unwrap() else { panic!("an archive") };
            assert_eq!((archive.handler, archive.members.len()), (handler, 2));
            assert_eq!(archive.members[1].kind, Kind::File(b"text".to_vec()));
        }
        assert!(matches!(unpack(packed(b"plain"), "x", &mut bench.host).unwrap(), Unpacked::File(plain) if plain == b"plain"));
        assert!(unpack(b"\x1f\x8bbroken".to_vec(), "x", &mut bench.host).is_err());
    }

    #[test]
    fn nothing_leads_out() {
        for path in ["../x", "a/../../x"] {
            assert!(inside(Path::new(path), "x").is_err());
        }
        assert_eq!(inside(Path::new("/./a/b"), "x").unwrap(), Path::new("a/b"));
        let member = |path: &str, kind| Member { path: path.into(), kind, mode: 0o644, owner: None, modified: None };
        assert!(guarded(vec![member("l", Kind::Link("/etc".into())), member("l/x", Kind::Directory)], "x").is_err());
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.txt", "a/b.txt", true),
            ("a?c", "abc", true),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[!ab]x", "cx", true),
            ("a!", "a!", true),
            ("a.c", "abc", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
