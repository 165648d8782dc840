//! SSH keys of users.

use super::{Accounts, User};
use crate::change::{Action, Change};
use crate::host::Command;
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::path::{Path, PathBuf};

/// An SSH key of a user.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// Where the private key is, absolute or relative to the home folder.
    pub file: PathBuf,
    /// `rsa`, `ed25519`, …
    pub kind: String,
    /// Bits; 0 for the kind's default.
    pub bits: u64,
    /// Comment of the public key.
    pub comment: String,
    /// Passphrase.
    pub passphrase: Option<String>,
    /// Whether one that exists is replaced.
    pub force: bool,
}

/// A key that a user has; its public half is known once it is there.
#[derive(Debug, Clone, Default)]
pub struct KeyFound {
    /// The private key.
    pub file: PathBuf,
    /// The public key, a line.
    pub public: Option<String>,
    /// `BITS HASH COMMENT (TYPE)`.
    pub fingerprint: Option<String>,
}

impl Accounts<'_> {
    /// Makes the user have an SSH key.
    pub fn converge_key(&mut self, user: &User, key: &KeyPair) -> Result<KeyFound, Halt> {
        let file = Path::new(&user.entry.home).join(&key.file);
        let public = PathBuf::from(format!("{}.pub", file.display()));
        if key.force || self.host.files().stat(&file)?.is_none() {
            if !key.force && self.host.files().stat(&public)?.is_some() {
                let failure = Failure::new(format!("there is a public key {} without its private key", public.display()));
                return Err(failure.hint("`force: true` replaces it").into());
            }
            self.host.record(Change::new(Action::Create, "ssh_key", file.to_string_lossy()).field("type", Value::Null, key.kind.as_str()));
            if !self.host.is_live() {
                return Ok(KeyFound { file, ..KeyFound::default() });
            }
            self.generate(user, key, &file)?;
        }
        let text = self.host.files().read(&public)?.map(|b| String::from_utf8_lossy(&b).trim().to_string());
        let said = self.host.query(&Command::new(["ssh-keygen", "-l", "-f", &public.to_string_lossy()])).ok();
        let fingerprint = said.filter(|o| o.success()).map(|o| o.text().trim().to_string());
        Ok(KeyFound { file, public: text, fingerprint })
    }

    fn generate(&mut self, user: &User, key: &KeyPair, file: &Path) -> Result<(), Halt> {
        let failed = |what: &Path, e: std::io::Error| Halt::failed(format!("cannot make {}: {e}", what.display()));
        if let Some(folder) = file.parent().filter(|f| !f.exists()) {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(|e| failed(folder, e))?;
            give(folder, user)?;
        }
        let path = file.to_string_lossy().into_owned();
        let public = PathBuf::from(format!("{path}.pub"));
        if key.force {
            // ssh-keygen would write through a link that stands there.
            let _ = std::fs::remove_file(file);
            let _ = std::fs::remove_file(&public);
        }
        let mut argv: Vec<String> = ["ssh-keygen", "-q", "-t", &key.kind, "-C", &key.comment, "-f", &path].map(String::from).to_vec();
        if key.bits > 0 {
            argv.extend(["-b".into(), key.bits.to_string()]);
        }
        argv.extend(["-N".into(), key.passphrase.clone().unwrap_or_default()]);
        self.act(argv, None, &format!("cannot generate the key {path}"))?;
        give(file, user)?;
        give(&public, user)
    }
}

fn give(path: &Path, user: &User) -> Result<(), Halt> {
    std::os::unix::fs::lchown(path, Some(user.entry.uid), Some(user.entry.gid))
        .map_err(|e| Halt::failed(format!("cannot give {} to {}: {e}", path.display(), user.entry.name)))
}
