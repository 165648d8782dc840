//! Reads public keys of OpenPGP (RFC 4880, RFC 9580) as far as fingerprints, so that no gpg is needed on hosts.

use base64::Engine;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// One key of a keyring: its packets as they are, from the public key to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The packets.
    pub(crate) packets: Vec<u8>,
    /// Fingerprint of the primary key, upper case hex.
    pub(crate) fingerprint: String,
    /// Fingerprints of its subkeys.
    pub(crate) subkeys: Vec<String>,
}

impl Key {
    /// Whether an id names it: the end of a fingerprint, with or without `0x`, of itself or of a subkey.
    pub(crate) fn is(&self, id: &str) -> bool {
        let id = plain_id(id);
        id.len() >= 8 && (self.fingerprint.ends_with(&id) || self.subkeys.iter().any(|s| s.ends_with(&id)))
    }
}

/// An id without `0x` and spaces, in upper case.
pub(crate) fn plain_id(id: &str) -> String {
    let id: String = id.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
    id.strip_prefix("0X").unwrap_or(&id).to_string()
}

/// The keys in a file of keys, armored or not; `None` when it is neither.
pub(crate) fn keys(content: &[u8]) -> Option<Vec<Key>> {
    let text = String::from_utf8_lossy(content);
    if text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        let mut found = Vec::new();
        for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
            found.extend(parse(&dearmored(block)?)?);
        }
        return Some(found).filter(|f| !f.is_empty());
    }
    parse(content).filter(|f| !f.is_empty())
}

/// Whether a file of keys is armored.
pub(crate) fn is_armored(content: &[u8]) -> bool {
    content.windows(35).any(|w| w == b"-----BEGIN PGP PUBLIC KEY BLOCK----")
}

/// The bytes of one armored block, given from after its first line.
fn dearmored(block: &str) -> Option<Vec<u8>> {
    let body = block.split("-----END").next()?;
    // Headers (`Version: …`) end with an empty line; the checksum starts with `=`.
    let lines: Vec<&str> = body.lines().map(str::trim).skip(1).collect();
    let start = lines.iter().position(|l| !l.contains(':')).unwrap_or(0);
    let data: String = lines[start..].iter().filter(|l| !l.starts_with('=')).copied().collect();
    base64::engine::general_purpose::STANDARD
        .decode(data.trim_end_matches('=').to_string() + &"=".repeat((4 - data.trim_end_matches('=').len() % 4) % 4))
        .ok()
}

fn parse(content: &[u8]) -> Option<Vec<Key>> {
    const PUBLIC: u8 = 6;
    const SUBKEY: u8 = 14;
    let mut found: Vec<Key> = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let packet = Packet::read(&content[at..])?;
        let whole = &content[at..at + packet.length];
        match (packet.tag, found.last_mut()) {
            (PUBLIC, _) => {
                let fingerprint = fingerprint(packet.body)?;
                found.push(Key { packets: whole.to_vec(), fingerprint, subkeys: Vec::new() });
            }
            (tag, Some(key)) => {
                key.packets.extend_from_slice(whole);
                key.subkeys.extend((tag == SUBKEY).then(|| fingerprint(packet.body)).flatten());
            }
            (_, None) => return None,
        }
        at += packet.length;
    }
    Some(found)
}

struct Packet<'a> {
    tag: u8,
    body: &'a [u8],
    /// With the header.
    length: usize,
}

impl Packet<'_> {
    fn read(from: &[u8]) -> Option<Packet<'_>> {
        let first = *from.first()?;
        if first & 0x80 == 0 {
            return None;
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |n, b| (n << 8) | usize::from(*b));
        let (tag, header, size) = if first & 0x40 == 0 {
            let width = match first & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None,
            };
            ((first >> 2) & 15, 1 + width, number(from.get(1..1 + width)?))
        } else {
            match *from.get(1)? {
                short @ 0..=191 => (first & 63, 2, usize::from(short)),
                high @ 192..=223 => (first & 63, 3, ((usize::from(high) - 192) << 8) + usize::from(*from.get(2)?) + 192),
                255 => (first & 63, 6, number(from.get(2..6)?)),
                _ => return None,
            }
        };
        Some(Packet { tag, body: from.get(header..header.checked_add(size)?)?, length: header + size })
    }
}

/// The fingerprint of a public key's packet, by its version.
fn fingerprint(body: &[u8]) -> Option<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
    match body.first()? {
        4 => {
            let length = u16::try_from(body.len()).ok()?.to_be_bytes();
            Some(hex(&Sha1::new().chain_update([0x99]).chain_update(length).chain_update(body).finalize()))
        }
        version @ (5 | 6) => {
            let start = if *version == 5 { 0x9a } else { 0x9b };
            let length = u32::try_from(body.len()).ok()?.to_be_bytes();
            Some(hex(&Sha256::new().chain_update([start]).chain_update(length).chain_update(body).finalize()))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key made for these tests.
    pub(crate) const ARMORED: &str = include_str!("openpgp/key.asc");
    pub(crate) const FINGERPRINT: &str = include_str!("openpgp/key.fingerprint");

    #[test]
    fn reads_what_gpg_exports() {
        let found = keys(ARMORED.as_bytes()).expect("a key");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fingerprint, FINGERPRINT.trim());
        assert_eq!(found[0].subkeys.len(), 1);
        let short = &FINGERPRINT.trim()[32..];
        assert!(found[0].is(short) && found[0].is(&format!("0x{}", short.to_lowercase())) && !found[0].is("DEADBEEF"));
        assert_eq!(keys(&found[0].packets).expect("binary"), found);
        assert!(is_armored(ARMORED.as_bytes()) && !is_armored(&found[0].packets));
    }

    #[test]
    fn refuses_what_is_no_key() {
        for content in [&b"xx"[..], b"", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END", b"<html>"] {
            assert_eq!(keys(content), None);
        }
    }
}
