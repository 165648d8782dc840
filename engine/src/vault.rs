//! Ansible Vault: files and texts that only those who know a password can read, in its formats 1.1 and 1.2.

mod cipher;
mod envelope;
mod password;

use crate::error::{Diagnostic, Kind, Result};
use crate::source::{Place, Source};
use envelope::Envelope;
pub use password::{Ask, Wanted, collect};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The vault id of passwords that were given without one.
pub const DEFAULT_ID: &str = "default";

/// Starts every encrypted text.
const MARK: &str = "$ANSIBLE_VAULT;";

/// A password and the vault id it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The vault id.
    pub id: String,
    /// The password.
    pub password: Vec<u8>,
}

/// Passwords are never shown, not even by accident.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}

/// The passwords of a run, and what they have opened so far.
#[derive(Default)]
pub struct Vault {
    secrets: Vec<Secret>,
    opened: Mutex<HashMap<String, Arc<[u8]>>>,
    texts: Mutex<BTreeSet<Arc<str>>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.secrets).finish()
    }
}

/// Whether these bytes are a text that vault encrypted.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK.as_bytes())
}

/// Encrypts for a vault id; a text of several lines, the last one ended.
///
/// # Errors
/// A system that has no random numbers.
pub fn seal(plain: &[u8], secret: &Secret) -> Result<String> {
    seal_with(plain, secret, None)
}

/// The same with a salt of the caller's, if there is one: the same text each time.
///
/// # Errors
/// As for [`seal`].
pub fn seal_with(plain: &[u8], secret: &Secret, salt: Option<&[u8]>) -> Result<String> {
    if let Some(salt) = salt {
        return Ok(sealed(plain, secret, salt));
    }
    let salt = cipher::salt().map_err(|e| Box::new(Diagnostic::new(Kind::System, "cannot read random numbers").note(e.to_string())))?;
    Ok(sealed(plain, secret, &salt))
}

fn sealed(plain: &[u8], secret: &Secret, salt: &[u8]) -> String {
    let (text, digest) = cipher::encrypt(plain, &secret.password, salt);
    let id = Some(secret.id.clone()).filter(|id| id != DEFAULT_ID);
    Envelope { id, salt: salt.to_vec(), digest, text }.to_string()
}

impl Vault {
    /// With these passwords; the first ones are tried first.
    pub fn new(secrets: Vec<Secret>) -> Vault {
        Vault { secrets, ..Vault::default() }
    }

    /// The passwords.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Decrypts a text that stands at `place`. The password of its own vault id is tried first, then all others.
    ///
    /// # Errors
    /// A damaged text, and no password that fits.
    pub fn open(&self, text: &str, place: &Place) -> Result<Arc<[u8]>> {
        if let Some(known) = locked(&self.opened).get(text) {
            return Ok(known.clone());
        }
        let (plain, _) = self.opened_by(text, place)?;
        locked(&self.opened).insert(text.to_owned(), plain.clone());
        Ok(plain)
    }

    /// Decrypts, and says which password fits.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub fn opened_by(&self, text: &str, place: &Place) -> Result<(Arc<[u8]>, &Secret)> {
        if self.secrets.is_empty() {
            return Err(Box::new(self.locked_out(Vault::id_of(text).as_deref()).at(place)));
        }
        let envelope: Envelope = text.parse().map_err(|why| Box::new(envelope::damaged(why).at(place)))?;
        let own = |s: &&Secret| envelope.id.as_deref() == Some(s.id.as_str());
        let others = self.secrets.iter().filter(|s| !own(s));
        for secret in self.secrets.iter().filter(own).chain(others) {
            match cipher::decrypt(&envelope.text, &envelope.digest, &secret.password, &envelope.salt) {
                Ok(plain) => return Ok((plain.into(), secret)),
                Err(cipher::Refused::Password) => {}
                Err(cipher::Refused::Padding) => {
                    return Err(Box::new(envelope::damaged(envelope::Damage("its padding is wrong")).at(place)));
                }
            }
        }
        Err(Box::new(self.locked_out(envelope.id.as_deref()).at(place)))
    }

    /// The vault id that an encrypted text names.
    pub fn id_of(text: &str) -> Option<String> {
        text.parse::<Envelope>().ok()?.id
    }

    /// Decrypts a text in UTF-8 and remembers that it is to be hidden.
    ///
    /// # Errors
    /// As for [`Vault::open`], and what is not text.
    pub fn text(&self, text: &str, place: &Place) -> Result<Arc<str>> {
        let plain = self.open(text, place)?;
        let plain =
            std::str::from_utf8(&plain).map_err(|_| Box::new(Diagnostic::input("what this decrypts to is not UTF-8 text").at(place)))?;
        let plain: Arc<str> = plain.into();
        self.remember(plain.clone());
        Ok(plain)
    }

    /// Remembers a text out of an encrypted file, so that results which repeat it can be hidden.
    pub fn remember(&self, text: Arc<str>) {
        locked(&self.texts).insert(text);
    }

    /// The remembered texts that occur in `text`.
    pub fn within(&self, text: &str) -> Vec<Arc<str>> {
        locked(&self.texts).iter().filter(|t| !t.is_empty() && text.contains(t.as_ref())).cloned().collect()
    }

    /// Reads a file of text, decrypted if need be; the source knows whether it is secret.
    ///
    /// # Errors
    /// As for [`Source::read`] and [`Vault::open`].
    pub fn source(&self, path: impl AsRef<Path>) -> Result<Source> {
        self.plain(Source::read(path)?)
    }

    /// A text decrypted if need be; the source knows whether it is secret.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub fn plain(&self, source: Source) -> Result<Source> {
        if !is_encrypted(source.text().as_bytes()) {
            return Ok(source);
        }
        let plain = self.open(source.text(), &start(&source))?;
        let text = std::str::from_utf8(&plain)
            .map_err(|_| Box::new(Diagnostic::input(format!("`{}` does not decrypt to UTF-8 text", source.path().display()))))?;
        Ok(Source::secret(source.path(), text))
    }

    /// Decrypts the content of a file, if it is encrypted.
    ///
    /// # Errors
    /// As for [`Vault::open`].
    pub fn content(&self, path: &Path, bytes: &[u8]) -> Result<Option<Arc<[u8]>>> {
        if !is_encrypted(bytes) {
            return Ok(None);
        }
        let source = Source::new(path, String::from_utf8_lossy(bytes));
        self.open(source.text(), &start(&source)).map(Some)
    }

    fn locked_out(&self, id: Option<&str>) -> Diagnostic {
        let hint = match id {
            Some(id) => format!("give its password: `--vault-id {id}@FILE`, or `--vault-id {id}@prompt`"),
            None => "give the password: `--vault-password-file FILE`, or `--ask-vault-pass`".to_owned(),
        };
        if self.secrets.is_empty() {
            return Diagnostic::input("this is encrypted, and no vault password was given").hint(hint);
        }
        let error = Diagnostic::input("none of the vault passwords fits");
        let ids: Vec<String> = self.secrets.iter().map(|s| format!("`{}`", s.id)).collect();
        let error = match id.filter(|id| self.secrets.iter().all(|s| s.id != *id)) {
            Some(id) => error.note(format!("it is encrypted for the vault id `{id}`, which none of the passwords is for")),
            None => error,
        };
        error.note(format!("tried {}", ids.join(", "))).hint(hint)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(source: &Source) -> Place {
    Place { source: source.clone(), line: 1, column: 1, length: u32::try_from(MARK.len() - 1).unwrap_or_default() }
}

#[cfg(test)]
mod tests;
