//! This program as what is sent to hosts: its hash, its size, its bytes.

use super::contents::hex;
use crate::error::{Diagnostic, Kind, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// From this size on (debug builds) speed counts more than size.
const LARGE: u64 = 40 << 20;

/// An executable `engine`.
pub(crate) struct Program {
    /// Its path, for messages and for ssh.
    pub(crate) path: PathBuf,
    /// What to open and start: for the running program the kernel's own link, which holds even if the file is replaced.
    pub(crate) file: PathBuf,
    identity: OnceCell<Identity>,
    packed: OnceCell<Arc<Vec<u8>>>,
}

/// What tells one program from another.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// SHA-256 in hex.
    pub(crate) hash: String,
    /// Bytes.
    pub(crate) size: u64,
}

impl Program {
    /// The running program.
    pub(crate) fn own() -> Program {
        let file = PathBuf::from("/proc/self/exe");
        let path = std::env::current_exe().unwrap_or_else(|_| file.clone());
        Program { path, file, identity: OnceCell::new(), packed: OnceCell::new() }
    }

    /// Another executable.
    pub(crate) fn at(path: &Path) -> Program {
        Program { path: path.to_owned(), file: path.to_owned(), identity: OnceCell::new(), packed: OnceCell::new() }
    }

    /// Hash and size, read once.
    pub(crate) async fn identity(&self) -> Result<&Identity> {
        self.identity.get_or_try_init(|| self.with_file(identify)).await
    }

    /// The bytes under gzip: those of an earlier run, else made now and kept for the next.
    pub(crate) async fn packed(&self) -> Result<Arc<Vec<u8>>> {
        let identity = self.identity().await?.clone();
        let work = move |file| packed_before(store().as_deref(), &identity, file).map(Arc::new);
        self.packed.get_or_try_init(|| self.with_file(work)).await.cloned()
    }

    /// The bytes as they are.
    pub(crate) async fn bytes(&self) -> Result<Arc<Vec<u8>>> {
        let read = |mut file: File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| Arc::new(bytes))
        };
        self.with_file(read).await
    }

    async fn with_file<T: Send + 'static>(&self, work: impl FnOnce(File) -> io::Result<T> + Send + 'static) -> Result<T> {
        let file = self.file.clone();
        let done = tokio::task::spawn_blocking(move || work(File::open(file)?)).await.unwrap_or_else(|e| Err(io::Error::other(e)));
        done.map_err(|e| Box::new(Diagnostic::new(Kind::System, format!("cannot read `{}`", self.path.display())).note(e.to_string())))
    }
}

fn identify(mut file: File) -> io::Result<Identity> {
    let mut hasher = Sha256::new();
    let size = io::copy(&mut file, &mut hasher)?;
    Ok(Identity { hash: hex(&hasher.finalize()), size })
}

/// Where packed programs are kept: the user's cache folder.
fn store() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("engine/packed"))
}

/// Packing takes longer than all else that a first run does; so it is done once for a program, if it can be kept.
fn packed_before(store: Option<&Path>, identity: &Identity, file: File) -> io::Result<Vec<u8>> {
    let Some(store) = store else { return pack(file) };
    if let Some(bytes) = kept(store, identity) {
        return Ok(bytes);
    }
    let bytes = pack(file)?;
    // Without a cache the next run packs again, no more.
    let _ = keep(store, &store.join(kept_name(identity, &bytes)), &bytes);
    Ok(bytes)
}

/// What an earlier run packed, if it is still what it was.
fn kept(store: &Path, identity: &Identity) -> Option<Vec<u8>> {
    let start = format!("{}-", identity.hash);
    let names = std::fs::read_dir(store).ok()?.flatten().map(|entry| entry.file_name());
    let name = names.filter_map(|name| name.into_string().ok()).find(|name| name.starts_with(&start))?;
    let bytes = std::fs::read(store.join(&name)).ok()?;
    (kept_name(identity, &bytes) == name).then_some(bytes)
}

/// A packed program's file: the program's hash, and that of the packed bytes.
fn kept_name(identity: &Identity, packed: &[u8]) -> String {
    format!("{}-{}.gz", identity.hash, hex(&Sha256::digest(packed)))
}

/// Keeps a packed program, and one older.
fn keep(store: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(store)?;
    let others = std::fs::read_dir(store)?.flatten().filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
    let mut others: Vec<_> = others.collect();
    others.sort();
    others.pop();
    for (_, old) in others {
        std::fs::remove_file(old)?;
    }
    let mut new = tempfile::NamedTempFile::new_in(store)?;
    new.write_all(bytes)?;
    new.persist(path)?;
    Ok(())
}

fn pack(mut file: File) -> io::Result<Vec<u8>> {
    let level = if file.metadata()?.len() > LARGE { 1 } else { 6 };
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    io::copy(&mut file, &mut packing)?;
    packing.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_program_is_packed_once() {
        let dir = tempfile::tempdir().unwrap();
        let (store, program) = (dir.path().join("a/packed"), dir.path().join("program"));
        let open = |text: &str| {
            std::fs::write(&program, text).unwrap();
            (identify(File::open(&program).unwrap()).unwrap(), File::open(&program).unwrap())
        };
        let (identity, file) = open("one");
        let first = packed_before(Some(&store), &identity, file).unwrap();
        assert_eq!(unpacked(&first), "one");
        // From now on the file itself is not read.
        let second = packed_before(Some(&store), &identity, open("two").1).unwrap();
        assert_eq!(second, first);
        let kept = store.join(kept_name(&identity, &first));
        std::fs::write(&kept, &first[..first.len() - 3]).unwrap();
        assert_eq!(unpacked(&packed_before(Some(&store), &identity, open("one").1).unwrap()), "one");
        for text in ["two", "three", "four"] {
            let (identity, file) = open(text);
            assert_eq!(unpacked(&packed_before(Some(&store), &identity, file).unwrap()), text);
        }
        assert_eq!(std::fs::read_dir(&store).unwrap().count(), 2);
        assert_eq!(unpacked(&packed_before(None, &identity, open("one").1).unwrap()), "one");
    }
}
