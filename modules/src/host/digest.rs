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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        assert_eq!(hex("md5", b"x").as_deref(), Some("9dd4e461268c8034f5c8564e155c67a6"));
        assert_eq!(hex("SHA1", b"x").as_deref(), Some("11f6ad8ec52a2984abaafd7c3b516503785c2072"));
        assert_eq!(hex("crc", b"x"), None);
    }
}
