//! Ed25519 keys as Tendermint writes them, and the ids made from them.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Read;

/// A key pair.
#[derive(Clone)]
pub(crate) struct Key(SigningKey);

/// So many random bytes from the kernel.
pub(crate) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The id of a public key: the first 20 bytes of its SHA-256, in hexadecimal, as Tendermint does.
fn id_of(public: &[u8; 32]) -> String {
    hex(&Sha256::digest(public)[..20])
}

impl Key {
    /// A new one.
    pub(crate) fn generate() -> std::io::Result<Key> {
        Ok(Key(SigningKey::from_bytes(&random::<32>()?)))
    }

    /// The id by which peers know it.
    pub(crate) fn id(&self) -> String {
        id_of(self.0.verifying_key().as_bytes())
    }

    /// The public key in base64.
    pub(crate) fn public(&self) -> String {
        BASE64.encode(self.0.verifying_key().as_bytes())
    }

    /// `{type, value}` of the public key.
    pub(crate) fn public_json(&self) -> Value {
        json!({"type": "tendermint/PubKeyEd25519", "value": self.public()})
    }

    /// `{type, value}` of the private key: the seed and the public key.
    pub(crate) fn private_json(&self) -> Value {
        json!({"type": "tendermint/PrivKeyEd25519", "value": BASE64.encode(self.0.to_keypair_bytes())})
    }

    /// Reads back what `private_json` wrote; `None` when it is no such key.
    pub(crate) fn from_private_json(value: &Value) -> Option<Key> {
        let bytes = BASE64.decode(value.get("value")?.as_str()?).ok()?;
        SigningKey::from_keypair_bytes(bytes.as_slice().try_into().ok()?).ok().map(Key)
    }

    /// The signature of a message, in base64.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        BASE64.encode(self.0.sign(message).to_bytes())
    }
}

/// The id of who signed the message with the key of this base64; `None` when the signature or the key is wrong.
pub(crate) fn signer(public: &str, message: &[u8], signature: &str) -> Option<String> {
    let public: [u8; 32] = BASE64.decode(public).ok()?.try_into().ok()?;
    let signature = Signature::from_slice(&BASE64.decode(signature).ok()?).ok()?;
    VerifyingKey::from_bytes(&public).ok()?.verify(message, &signature).ok()?;
    Some(id_of(&public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_proves_itself() {
        let key = Key::generate().unwrap();
        let again = Key::from_private_json(&key.private_json()).unwrap();
        assert_eq!(key.id(), again.id());
        assert_eq!(key.id().len(), 40);
        assert_eq!(signer(&key.public(), b"hello", &again.sign(b"hello")), Some(key.id()));
    }

    #[test]
    fn a_wrong_proof_is_none() {
        let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        assert_eq!(signer(&key.public(), b"hello", &key.sign(b"other")), None);
        assert_eq!(signer(&key.public(), b"hello", &other.sign(b"hello")), None);
        assert_eq!(signer("no key", b"hello", &key.sign(b"hello")), None);
        assert!(Key::from_private_json(&json!({"value": "AAAA"})).is_none());
    }
}
