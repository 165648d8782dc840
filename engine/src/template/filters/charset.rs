//! Text in encodings by Python's names.

use crate::template::errors::refuse;
use minijinja::Error;

/// The encodings that are known.
enum Charset {
    Utf8,
    Utf16 { big: bool, marked: bool },
    Utf32 { big: bool },
    Latin1,
    Windows1252,
    Ascii,
}

/// What the bytes 0x80 to 0x9f mean in Windows-1252 (encoding.spec.whatwg.org); zero is undefined.
const WINDOWS_1252: [u16; 32] = [
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0, 0, 0x2018, 0x2019,
    0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
];

fn named(name: &str) -> Result<Charset, Error> {
    Ok(match name.to_lowercase().replace(['_', ' '], "-").as_str() {
        "" | "utf-8" | "utf8" => Charset::Utf8,
        "utf-16" | "utf16" => Charset::Utf16 { big: false, marked: true },
        "utf-16-le" | "utf-16le" => Charset::Utf16 { big: false, marked: false },
        "utf-16-be" | "utf-16be" => Charset::Utf16 { big: true, marked: false },
        "utf-32-le" | "utf-32le" => Charset::Utf32 { big: false },
        "utf-32-be" | "utf-32be" => Charset::Utf32 { big: true },
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => Charset::Latin1,
        "windows-1252" | "cp1252" | "1252" => Charset::Windows1252,
        "ascii" | "us-ascii" => Charset::Ascii,
        _ => return Err(refuse(format!("unknown encoding: {name}"))),
    })
}

/// The bytes of a text in an encoding.
///
/// # Errors
/// Unknown encodings, and characters that one does not have.
pub(in crate::template) fn encoded(text: &str, name: &str) -> Result<Vec<u8>, Error> {
    let lacks = |c: char| refuse(format!("the encoding {name} has no character {c:?}"));
    let single = |pick: fn(char) -> Option<u8>| text.chars().map(|c| pick(c).ok_or_else(|| lacks(c))).collect();
    match named(name)? {
        Charset::Utf8 => Ok(text.as_bytes().to_vec()),
        Charset::Utf16 { big, marked } => {
            let units = marked.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            Ok(units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect())
        }
        Charset::Utf32 { big } => {
            Ok(text.chars().flat_map(|c| if big { (c as u32).to_be_bytes() } else { (c as u32).to_le_bytes() }).collect())
        }
        Charset::Latin1 => single(|c| u8::try_from(c as u32).ok()),
        Charset::Ascii => single(|c| u8::try_from(c as u32).ok().filter(u8::is_ascii)),
        Charset::Windows1252 => single(|c| match WINDOWS_1252.iter().position(|u| u32::from(*u) == c as u32 && *u != 0) {
            Some(i) => u8::try_from(i + 0x80).ok(),
            None => u8::try_from(c as u32).ok().filter(|b| !(0x80..0xa0).contains(b)),
        }),
    }
}

/// The text that bytes mean in an encoding.
///
/// # Errors
/// Unknown encodings, and bytes that mean nothing.
pub(in crate::template) fn decoded(bytes: &[u8], name: &str) -> Result<String, Error> {
    let wrong = || refuse(format!("these bytes are no text in {name}"));
    match named(name)? {
        Charset::Utf8 => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Charset::Utf16 { big, marked } => {
            let units: Vec<u16> = bytes
                .chunks(2)
                .map(|p| [p[0], p.get(1).copied().unwrap_or(0)])
                .map(|p| if big { u16::from_be_bytes(p) } else { u16::from_le_bytes(p) })
                .collect();
            let from = usize::from(marked && units.first() == Some(&0xfeff));
            String::from_utf16(&units[from..]).map_err(|_| wrong())
        }
        Charset::Utf32 { big } => {
            let word = |p: &[u8]| <[u8; 4]>::try_from(p).ok().map(|p| if big { u32::from_be_bytes(p) } else { u32::from_le_bytes(p) });
            bytes.chunks(4).map(|p| word(p).and_then(char::from_u32).ok_or_else(wrong)).collect()
        }
        Charset::Latin1 => Ok(bytes.iter().map(|b| char::from(*b)).collect()),
        Charset::Ascii => bytes.iter().map(|b| b.is_ascii().then_some(char::from(*b)).ok_or_else(wrong)).collect(),
        Charset::Windows1252 => bytes
            .iter()
            .map(|b| match b {
                0x80..0xa0 => char::from_u32(WINDOWS_1252[usize::from(*b) - 0x80].into()).filter(|c| *c != '\0').ok_or_else(wrong),
                b => Ok(char::from(*b)),
            })
            .collect(),
    }
}
