//! Digests of bytes by the names that tasks use.

use sha2::Digest;

/// The digest of `bytes` in hex; `None` for an algorithm that is not known.
pub fn hex(algorithm: &str, bytes: &[u8]) -> Option<String> {
    let digest: Vec<u8> = match algorithm.to_ascii_lowercase().as_str() {
        "md5" => md5::Md5::digest(bytes).to_vec(),
        "sha1" => sha1::Sha1::digest(bytes).to_vec(),
        "sha224" => sha2::Sha224::digest(bytes).to_vec(),
        "sha256" => sha2::Sha256::digest(bytes).to_vec(),
        "sha384" => sha2::Sha384::digest(bytes).to_vec(),
        "sha512" => sha2::Sha512::digest(bytes).to_vec(),
        _ => return None,
    };
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The keyed digest HMAC-SHA1 (RFC 2104).
pub fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let key = if key.len() > BLOCK { sha1::Sha1::digest(key).to_vec() } else { key.to_vec() };
    let pad = |with: u8| (0..BLOCK).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = sha1::Sha1::digest([pad(0x36).as_slice(), message].concat());
    sha1::Sha1::digest([pad(0x5c).as_slice(), inner.as_slice()].concat()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        assert_eq!(hex("md5", b"x").as_deref(), Some("9dd4e461268c8034f5c8564e155c67a6"));
        assert_eq!(hex("SHA1", b"x").as_deref(), Some("11f6ad8ec52a2984abaafd7c3b516503785c2072"));
        assert_eq!(hex("crc", b"x"), None);
        let keyed: String = hmac_sha1(b"Jefe", b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(keyed, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }
}
