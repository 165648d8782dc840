//! File content that agents may ask for, by hash.

use crate::error::{Diagnostic, Kind, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// File content that agents may ask for, by SHA-256 in hex. Shared by the whole run.
#[derive(Default)]
pub struct Contents {
    kept: Mutex<HashMap<String, Kept>>,
}

/// Where content is.
#[derive(Clone)]
enum Kept {
    Memory(Arc<Vec<u8>>),
    File(PathBuf),
}

impl Contents {
    /// Keeps bytes and returns their hash.
    pub fn keep(&self, bytes: Vec<u8>) -> String {
        let hash = hex(&Sha256::digest(&bytes));
        self.lock().entry(hash.clone()).or_insert_with(|| Kept::Memory(Arc::new(bytes)));
        hash
    }
    /// Keeps a file of the controller by its path, read again when asked for, and returns its hash.
    ///
    /// # Errors
    /// Kind `Input` when it cannot be read.
    pub fn keep_file(&self, path: &Path) -> Result<String> {
        let mut hasher = Sha256::new();
        let hashed = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher));
        hashed.map_err(|e| crate::source::unreadable(path, &e))?;
        let hash = hex(&hasher.finalize());
        self.lock().entry(hash.clone()).or_insert_with(|| Kept::File(path.to_owned()));
        Ok(hash)
    }
    /// The bytes under a hash.
    ///
    /// # Errors
    /// Kind `Input` when nothing is kept under it, or its file has changed since or cannot be read.
    pub fn bytes(&self, hash: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut reader = self.reader(hash).map_err(|why| Box::new(Diagnostic::input(why)))?;
        reader
            .read_to_end(&mut bytes)
            .map_err(|e| Box::new(Diagnostic::new(Kind::Input, "cannot read content again").note(e.to_string())))?;
        if hex(&Sha256::digest(&bytes)) != hash {
            return Err(Box::new(Diagnostic::input("a file has changed while it was used").note(format!("its SHA-256 was {hash}"))));
        }
        Ok(bytes)
    }
    /// Reads what is under a hash; a file's content may have changed, which the agent notices by the hash.
    pub(crate) fn reader(&self, hash: &str) -> Result<Box<dyn io::Read + Send>, String> {
        let kept = self.lock().get(hash).cloned().ok_or_else(|| format!("no content is kept under {hash}"))?;
        match kept {
            Kept::Memory(bytes) => Ok(Box::new(Memory { bytes, read: 0 })),
            Kept::File(path) => match File::open(&path) {
                Ok(file) => Ok(Box::new(file)),
                Err(e) => Err(format!("cannot read `{}`: {e}", path.display())),
            },
        }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads shared bytes.
struct Memory {
    bytes: Arc<Vec<u8>>,
    read: usize,
}

impl io::Read for Memory {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = io::Read::read(&mut &self.bytes[self.read..], into)?;
        self.read += length;
        Ok(length)
    }
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_back_by_its_hash() {
        let contents = Contents::default();
        let hash = contents.keep(b"abc".to_vec());
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(contents.bytes(&hash).unwrap(), b"abc");
        assert!(contents.bytes("00").is_err());
    }

    #[test]
    fn a_file_that_changes_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "one").unwrap();
        let contents = Contents::default();
        let hash = contents.keep_file(&path).unwrap();
        assert_eq!(contents.bytes(&hash).unwrap(), b"one");
        std::fs::write(&path, "two").unwrap();
        assert!(contents.bytes(&hash).unwrap_err().summary.contains("changed"));
        assert!(contents.keep_file(&dir.path().join("none")).is_err());
    }
}
