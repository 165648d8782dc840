//! How an encrypted text is written: a header line, then hexadecimal in lines of 80 columns.

use super::MARK;
use crate::error::Diagnostic;
use std::fmt;
use std::str::FromStr;

/// Columns of a line of the body.
const WIDTH: usize = 80;

/// The parts of an encrypted text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The vault id; only format 1.2 has one.
    pub(super) id: Option<String>,
    /// What the keys are derived with.
    pub(super) salt: Vec<u8>,
    /// HMAC of the encrypted bytes.
    pub(super) digest: Vec<u8>,
    /// The encrypted bytes.
    pub(super) text: Vec<u8>,
}

/// What keeps a text from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Damage(pub(super) &'static str);

/// The error for a text that no password can open.
pub(super) fn damaged(why: Damage) -> Diagnostic {
    Diagnostic::input("this encrypted text is damaged").label(why.0).hint("take it from a copy, or encrypt it again")
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => writeln!(f, "{MARK}1.2;AES256;{id}")?,
            None => writeln!(f, "{MARK}1.1;AES256")?,
        }
        let inner = format!("{}\n{}\n{}", hex(&self.salt), hex(&self.digest), hex(&self.text));
        let body = hex(inner.as_bytes());
        for line in body.as_bytes().chunks(WIDTH) {
            writeln!(f, "{}", String::from_utf8_lossy(line))?;
        }
        Ok(())
    }
}

impl FromStr for Envelope {
    type Err = Damage;

    fn from_str(text: &str) -> Result<Envelope, Damage> {
        let mut lines = text.trim().lines().map(str::trim);
        let header = lines.next().and_then(|l| l.strip_prefix(MARK)).ok_or(Damage("it does not start with `$ANSIBLE_VAULT;`"))?;
        let parts: Vec<&str> = header.split(';').map(str::trim).collect();
        let id = match parts.as_slice() {
            ["1.1", "AES256", ..] => None,
            ["1.2", "AES256"] => None,
            ["1.2", "AES256", id @ ..] => Some(id.join(";")),
            ["1.1" | "1.2", ..] => return Err(Damage("its cipher is not AES256")),
            _ => return Err(Damage("its format is neither 1.1 nor 1.2")),
        };
        let inner = unhex(&lines.collect::<String>())?;
        let mut parts = inner.splitn(3, |b| *b == b'\n').map(|part| unhex(&String::from_utf8_lossy(part)));
        let mut part = || parts.next().unwrap_or(Err(Damage("it ends too early")));
        Ok(Envelope { id, salt: part()?, digest: part()?, text: part()? })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>, Damage> {
    let digit = |b: u8| {
        char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(Damage("it holds other characters than hexadecimal ones"))
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Damage("it ends too early"));
    }
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}
