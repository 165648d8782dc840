//! This program as what is sent to hosts: its hash, its size, its bytes.

use super::contents::hex;
use crate::error::{Diagnostic, Kind, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
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

    /// The bytes under gzip, made once.
    pub(crate) async fn packed(&self) -> Result<Arc<Vec<u8>>> {
        self.packed.get_or_try_init(|| self.with_file(|file| pack(file).map(Arc::new))).await.cloned()
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

fn pack(mut file: File) -> io::Result<Vec<u8>> {
    let level = if file.metadata()?.len() > LARGE { 1 } else { 6 };
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    io::copy(&mut file, &mut packing)?;
    packing.finish()
}
