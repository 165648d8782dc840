//! What a file's content is: MIME type and character set, told from its first bytes as `file` tells them.

use super::system::{self, failed};
use super::{FileKind, Files, Stat};
use crate::module::Halt;
use std::io::Read;
use std::path::Path;

/// How much of a file is looked at.
const LOOKED_AT: u64 = 64 << 10;

/// Beginnings that name a type.
const MAGIC: [(&[u8], &str); 26] = [
    (b"\x7fELF", "application/x-executable"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"\xed\xab\xee\xdb", "application/x-rpm"),
    (b"!<arch>\ndebian", "application/vnd.debian.binary-package"),
    (b"!<arch>\n", "application/x-archive"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\xca\xfe\xba\xbe", "application/x-java-applet"),
    (b"<?xml", "text/xml"),
    (b"<!DOCTYPE html", "text/html"),
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"#!/usr/bin/python", "text/x-script.python"),
    (b"#!/usr/bin/env python", "text/x-script.python"),
    (b"#!/usr/bin/perl", "text/x-perl"),
    (b"#!/usr/bin/env bash", "text/x-shellscript"),
    (b"-----BEGIN ", "text/plain"),
];

impl Files<'_> {
    /// The MIME type and character set of what `stat` found at `path`; nothing where this user may not read it.
    ///
    /// # Errors
    /// Failures of the system.
    pub fn nature(&mut self, path: &Path, stat: &Stat) -> Result<Option<(&'static str, &'static str)>, Halt> {
        let plain = |mimetype| Ok(Some((mimetype, "binary")));
        match stat.kind {
            FileKind::File => {}
            FileKind::Directory => return plain("inode/directory"),
            FileKind::Link => return plain("inode/symlink"),
            FileKind::CharDevice => return plain("inode/chardevice"),
            FileKind::BlockDevice => return plain("inode/blockdevice"),
            FileKind::Fifo => return plain("inode/fifo"),
            FileKind::Socket => return plain("inode/socket"),
        }
        if stat.inode == 0 {
            return Ok(self.read(path)?.map(|bytes| of(&bytes)));
        }
        let at = self.followed(path)?;
        let mut bytes = Vec::new();
        match system::open(&at).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(of(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(failed("read", path, &error)),
        }
    }

    /// The attributes of a file or directory as `lsattr` shows them, in letters; nothing where its file system has none.
    pub fn letters(&mut self, path: &Path, stat: &Stat) -> Option<String> {
        if !matches!(stat.kind, FileKind::File | FileKind::Directory) || stat.inode == 0 {
            return None;
        }
        let at = self.followed(path).ok()?;
        let flags = rustix::fs::ioctl_getflags(system::open(&at).ok()?).ok()?.bits();
        Some(LETTERS.iter().filter(|(_, bit, _)| flags & bit != 0).map(|(letter, ..)| *letter).collect())
    }
}

/// Letters of `lsattr`, their bits in the kernel and their names in results, in the order in which `lsattr` shows them.
const LETTERS: [(char, u32, &str); 14] = [
    ('s', 0x1, "secdel"),
    ('u', 0x2, "undelete"),
    ('S', 0x8, "synchronous"),
    ('D', 0x1_0000, "dirsync"),
    ('i', 0x10, "immutable"),
    ('a', 0x20, "appendonly"),
    ('d', 0x40, "nodump"),
    ('A', 0x80, "noatime"),
    ('c', 0x4, "compressed"),
    ('j', 0x4000, "journalled"),
    ('t', 0x8000, "notail"),
    ('T', 0x2_0000, "topdir"),
    ('e', 0x8_0000, "extents"),
    ('C', 0x80_0000, "nocow"),
];

/// The names of attributes given by letters.
pub(crate) fn names(letters: &str) -> Vec<&'static str> {
    letters.chars().filter_map(|c| LETTERS.iter().find(|(letter, ..)| *letter == c)).map(|(.., name)| *name).collect()
}

/// The MIME type and character set of content that begins so.
fn of(bytes: &[u8]) -> (&'static str, &'static str) {
    let charset = charset(bytes);
    if bytes.is_empty() {
        return ("inode/x-empty", charset);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return ("application/x-tar", charset);
    }
    if let Some((_, mimetype)) = MAGIC.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (mimetype, charset);
    }
    let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_script = first_line.starts_with(b"#!") && (first_line.ends_with(b"sh") || first_line.windows(3).any(|w| w == b"sh "));
    let trimmed = bytes.trim_ascii();
    let is_json = trimmed.first().is_some_and(|c| b"{[".contains(c)) && serde_json::from_slice::<serde::de::IgnoredAny>(trimmed).is_ok();
    match charset {
        "binary" => ("application/octet-stream", charset),
        _ if is_script => ("text/x-shellscript", charset),
        _ if is_json => ("application/json", charset),
        _ => ("text/plain", charset),
    }
}

fn charset(bytes: &[u8]) -> &'static str {
    let is_text = |byte: &u8| matches!(byte, 7..=13 | 27 | 32..=126 | 128..=255);
    // The end of what was read may cut a character in two.
    let utf8 = std::str::from_utf8(bytes).map_or_else(|e| e.error_len().is_none() && e.valid_up_to() + 4 > bytes.len(), |_| true);
    match bytes {
        [] => "binary",
        [0xff, 0xfe, ..] => "utf-16le",
        [0xfe, 0xff, ..] => "utf-16be",
        _ if !bytes.iter().all(is_text) => "binary",
        _ if bytes.is_ascii() => "us-ascii",
        _ if utf8 => "utf-8",
        _ if bytes.iter().any(|byte| (0x80..0xa0).contains(byte)) => "unknown-8bit",
        _ => "iso-8859-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_content_by_its_beginning() {
        for (bytes, mimetype, charset) in [
            (&b"hello world"[..], "text/plain", "us-ascii"),
            ("caf\u{e9}\n".as_bytes(), "text/plain", "utf-8"),
            (b"caf\xe9\n", "text/plain", "iso-8859-1"),
            (b"", "inode/x-empty", "binary"),
            (b"\0\x01", "application/octet-stream", "binary"),
            (b"#!/bin/sh\necho\n", "text/x-shellscript", "us-ascii"),
            (b"{\"a\": 1}\n", "application/json", "us-ascii"),
            (b"\x1f\x8b\x08\0", "application/gzip", "binary"),
        ] {
            assert_eq!(of(bytes), (mimetype, charset), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn names_attributes() {
        assert_eq!(names("ie"), ["immutable", "extents"]);
    }
}
