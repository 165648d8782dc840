//! Vault's cipher AES256: keys by PBKDF2, text by AES in counter mode, and an HMAC over what is encrypted.

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read};

const ROUNDS: u32 = 10_000;
const BLOCK: usize = 16;

/// Why a text does not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The password does not fit, or the text was changed.
    Password,
    /// What it decrypts to does not end as it must.
    Padding,
}

struct Keys {
    cipher: [u8; 32],
    digest: [u8; 64],
    start: [u8; BLOCK],
}

impl Keys {
    fn new(password: &[u8], salt: &[u8]) -> Keys {
        let mut derived = [0; 80];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut derived);
        let mut keys = Keys { cipher: [0; 32], digest: [0; 64], start: [0; BLOCK] };
        keys.cipher.copy_from_slice(&derived[..32]);
        // HMAC fills its key up with zeros.
        keys.digest[..32].copy_from_slice(&derived[32..64]);
        keys.start.copy_from_slice(&derived[64..]);
        keys
    }

    /// Encrypts what is plain and decrypts what is encrypted.
    fn apply(&self, bytes: &mut [u8]) {
        Ctr128BE::<Aes256>::new(&self.cipher.into(), &self.start.into()).apply_keystream(bytes);
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new(&self.digest.into()).chain_update(bytes)
    }
}

/// 32 random bytes.
pub(super) fn salt() -> io::Result<[u8; 32]> {
    let mut salt = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
}

/// The encrypted bytes and their HMAC.
pub(super) fn encrypt(plain: &[u8], password: &[u8], salt: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let keys = Keys::new(password, salt);
    // PKCS #7: as many bytes as are missing to a whole block, each saying how many.
    let missing = BLOCK - plain.len() % BLOCK;
    let mut text = plain.to_vec();
    text.resize(plain.len() + missing, missing as u8);
    keys.apply(&mut text);
    let digest = keys.mac(&text).finalize().into_bytes().to_vec();
    (text, digest)
}

/// The plain bytes.
pub(super) fn decrypt(text: &[u8], digest: &[u8], password: &[u8], salt: &[u8]) -> Result<Vec<u8>, Refused> {
    let keys = Keys::new(password, salt);
    keys.mac(text).verify_slice(digest).map_err(|_| Refused::Password)?;
    let mut plain = text.to_vec();
    keys.apply(&mut plain);
    let missing = plain.last().copied().map_or(0, usize::from);
    let length = plain.len().checked_sub(missing).filter(|_| (1..=BLOCK).contains(&missing)).ok_or(Refused::Padding)?;
    if plain[length..].iter().any(|b| usize::from(*b) != missing) {
        return Err(Refused::Padding);
    }
    plain.truncate(length);
    Ok(plain)
}
