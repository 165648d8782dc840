//! Writing a file as a whole after looking at it: validated, kept aside first, links followed.

use super::Host;
use super::files::{Content, Desired, Entry, FileKind};
use crate::module::Halt;
use std::path::{Component, Path, PathBuf};

/// How many links may follow one another, as in Linux.
const LINKS: usize = 40;

impl Host {
    /// The path that `path` leads to when its last component is a link, also one that dangles.
    pub fn resolve(&mut self, path: &Path) -> Result<PathBuf, Halt> {
        let mut path = path.to_path_buf();
        for _ in 0..LINKS {
            let target = match self.files().stat(&path)? {
                Some(stat) if stat.kind == FileKind::Link => stat.target.unwrap_or_default(),
                _ => return Ok(path),
            };
            path = normal(&path.parent().unwrap_or(Path::new("/")).join(target));
        }
        Err(Halt::failed(format!("{}: too many links follow one another", path.display())))
    }

    /// Makes the file that `path` leads to hold `content`, with the attributes of `desired`. What differs is validated
    /// first and, if `backup` says so, the old file is kept aside; its path is the answer.
    pub fn edit(
        &mut self,
        path: &Path,
        content: Content,
        desired: Desired,
        backup: bool,
        validate: Option<&str>,
    ) -> Result<Option<PathBuf>, Halt> {
        let kept = match (backup || validate.is_some()) && self.differs(path, &content)? {
            true => self.prepare(path, &content, backup, validate)?,
            false => None,
        };
        self.files().converge(path, &Desired { entry: Some(Entry::File(content)), ..desired })?;
        Ok(kept)
    }

    fn differs(&mut self, path: &Path, content: &Content) -> Result<bool, Halt> {
        if self.files().stat_followed(path)?.is_none_or(|stat| stat.kind != FileKind::File) {
            return Ok(true);
        }
        Ok(match content {
            Content::Bytes(bytes) => self.files().read(path)?.as_ref() != Some(bytes),
            Content::Blob(hash) => self.files().digest(path, "sha256")?.as_ref() != Some(hash),
        })
    }

    fn prepare(&mut self, path: &Path, content: &Content, backup: bool, validate: Option<&str>) -> Result<Option<PathBuf>, Halt> {
        if let Some(validate) = validate {
            let bytes = match content {
                Content::Bytes(bytes) => bytes.clone(),
                Content::Blob(hash) => self.content(hash)?,
            };
            self.files().validate(&bytes, validate)?;
        }
        if backup && self.files().stat_followed(path)?.is_some() {
            return self.files().backup(path).map(Some);
        }
        Ok(None)
    }
}

/// The path without `.` and `..`, read as text: links in its middle are not looked at.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_paths() {
        for (path, expected) in [("/a/../b/./c", "/b/c"), ("/..", "/"), ("/a/b/", "/a/b")] {
            assert_eq!(normal(Path::new(path)), Path::new(expected));
        }
    }
}
