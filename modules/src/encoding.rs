//! Text in other encodings than UTF-8, by the names that Python knows them by.

use encoding_rs::Encoding;

/// Why text cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such encoding.
    Unknown,
    /// The text does not fit it.
    Unfit,
}

/// The encoding of a name, and whether it is Latin-1, where every byte is the character of its number.
fn find(name: &str) -> Result<Option<&'static Encoding>, Trouble> {
    let label = name.trim().to_ascii_lowercase().replace('_', "-");
    if ["latin-1", "latin1", "iso-8859-1", "iso8859-1", "8859", "l1"].contains(&label.as_str()) {
        return Ok(None);
    }
    let label = match label.strip_prefix("cp125") {
        Some(rest) => format!("windows-125{rest}"),
        None if label == "utf8" || label == "u8" || label == "ascii" => "utf-8".to_string(),
        None => label,
    };
    Encoding::for_label(label.as_bytes()).map(Some).ok_or(Trouble::Unknown)
}

/// Bytes as text.
///
/// # Errors
/// An unknown encoding, or bytes that mean nothing in it.
pub fn decode(bytes: &[u8], name: &str) -> Result<String, Trouble> {
    match find(name)? {
        None => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Some(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Into::into).ok_or(Trouble::Unfit),
    }
}

/// Text as bytes.
///
/// # Errors
/// An unknown encoding, or characters that it does not have.
pub fn encode(text: &str, name: &str) -> Result<Vec<u8>, Trouble> {
    match find(name)? {
        None => text.chars().map(|c| u8::try_from(u32::from(c)).map_err(|_| Trouble::Unfit)).collect(),
        Some(encoding) => match encoding.encode(text) {
            (bytes, _, false) => Ok(bytes.into_owned()),
            _ => Err(Trouble::Unfit),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (name, text, bytes) in [
            ("utf-8", "\u{e9}", &b"\xc3\xa9"[..]),
            ("latin-1", "\u{e9}\u{80}", b"\xe9\x80"),
            ("cp1252", "\u{20ac}", b"\x80"),
            ("gbk", "\u{4f60}", b"\xc4\xe3"),
            ("koi8-r", "\u{44f}", b"\xd1"),
        ] {
            assert_eq!((decode(bytes, name).as_deref(), encode(text, name).as_deref()), (Ok(text), Ok(bytes)), "{name}");
        }
        assert_eq!(decode(b"\xc4\xe3", "utf-8"), Err(Trouble::Unfit));
        assert_eq!(encode("\u{4f60}", "latin-1"), Err(Trouble::Unfit));
        assert_eq!(decode(b"", "no such"), Err(Trouble::Unknown));
    }
}
