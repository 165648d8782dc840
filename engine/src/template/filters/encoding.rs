//! Filters on encodings and digests.

use super::{Pure, charset};
use crate::template::call::Call;
use crate::template::errors::refuse;
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE};
use md5::Md5;
use minijinja::Error;
use modules::value::Value;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("b64encode", |v, c| {
        let bytes = charset::encoded(&v.to_string(), &c.text(0, "encoding")?.unwrap_or_else(|| "utf-8".into()))?;
        Ok(Value::from(if c.flag(1, "urlsafe")? { URL_SAFE.encode(bytes) } else { STANDARD.encode(bytes) }))
    }),
    ("b64decode", b64decode),
    ("hash", |v, c| {
        let name = c.text(0, "hashtype")?.unwrap_or_else(|| "sha1".into());
        digest(&name, v.to_string().as_bytes()).map(Value::from)
    }),
    ("sha1", |v, _| digest("sha1", v.to_string().as_bytes()).map(Value::from)),
    ("md5", |v, _| digest("md5", v.to_string().as_bytes()).map(Value::from)),
    ("checksum", |v, _| digest("sha1", v.to_string().as_bytes()).map(Value::from)),
    ("to_uuid", to_uuid),
    ("urlencode", urlencode),
    ("urldecode", |v, _| Ok(Value::from(percent_decoded(&v.to_string())))),
    ("urlsplit", urlsplit),
];

/// Without padding, with other alphabets, with blanks: what Python reads too.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn b64decode(value: &Value, call: &Call) -> Result<Value, Error> {
    let text: String = value
        .to_string()
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let bytes = LENIENT.decode(text).map_err(|e| refuse(format!("this is not base64: {e}")))?;
    charset::decoded(&bytes, &call.text(0, "encoding")?.unwrap_or_else(|| "utf-8".into())).map(Value::from)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn digest(name: &str, data: &[u8]) -> Result<String, Error> {
    Ok(match name {
        "md5" => hex(Md5::digest(data)),
        "sha1" => hex(Sha1::digest(data)),
        "sha224" => hex(Sha224::digest(data)),
        "sha256" => hex(Sha256::digest(data)),
        "sha384" => hex(Sha384::digest(data)),
        "sha512" => hex(Sha512::digest(data)),
        other => return Err(refuse(format!("unsupported hash type {other} (md5, sha1, sha224, sha256, sha384 and sha512 are)"))),
    })
}

/// Ansible's namespace for UUIDs.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

/// A version 5 UUID (RFC 9562, section 5.5).
fn to_uuid(value: &Value, call: &Call) -> Result<Value, Error> {
    let namespace = call.text(0, "namespace")?.unwrap_or_else(|| NAMESPACE.into());
    let digits: String = namespace.chars().filter(|c| *c != '-').collect();
    let mut bytes: Vec<u8> = (0..digits.len() / 2).filter_map(|i| u8::from_str_radix(digits.get(i * 2..i * 2 + 2)?, 16).ok()).collect();
    if bytes.len() != 16 {
        return Err(refuse(format!("Invalid value '{namespace}' for 'namespace': it is not a UUID")));
    }
    bytes.extend(value.to_string().as_bytes());
    let mut id = Sha1::digest(&bytes)[..16].to_vec();
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    let h = hex(id);
    Ok(Value::from(format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])))
}

fn percent_encoded(text: &str, kept: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || kept.as_bytes().contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn urlencode(value: &Value, _: &Call) -> Result<Value, Error> {
    let plus = |v: &Value| percent_encoded(&v.to_string(), " ").replace(' ', "+");
    let pair = |k: &Value, v: &Value| format!("{}={}", plus(k), plus(v));
    Ok(Value::from(match value {
        Value::Map(m) => m.iter().map(|(k, v)| pair(k, v)).collect::<Vec<_>>().join("&"),
        Value::List(l) => {
            let pairs = l.iter().map(|p| match p.as_list() {
                Some([k, v]) => Ok(pair(k, v)),
                _ => Err(refuse("urlencode needs a text, a dictionary or a list of pairs")),
            });
            pairs.collect::<Result<Vec<_>, _>>()?.join("&")
        }
        other => percent_encoded(&other.to_string(), "/"),
    }))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let coded = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten().and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(coded.unwrap_or(if bytes[i] == b'+' { b' ' } else { bytes[i] }));
        i += if coded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn urlsplit(value: &Value, call: &Call) -> Result<Value, Error> {
    let url = value.to_string();
    let (rest, fragment) = url.split_once('#').unwrap_or((&url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((s, r)) if !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => (s, r),
        _ => ("", rest),
    };
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(r) => r.split_at(r.find('/').unwrap_or(r.len())),
        None => ("", rest),
    };
    let (user_info, host) = netloc.rsplit_once('@').map_or((None, netloc), |(u, h)| (Some(u), h));
    let (username, password) = match user_info.map(|u| u.split_once(':')) {
        Some(Some((u, p))) => (Value::str(u), Value::str(p)),
        Some(None) => (Value::from(user_info), Value::Null),
        None => (Value::Null, Value::Null),
    };
    let (hostname, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((h, p)) => (h, p.strip_prefix(':').unwrap_or("")),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let parts = Value::map([
        ("fragment", Value::str(fragment)),
        ("hostname", if hostname.is_empty() { Value::Null } else { Value::from(hostname.to_lowercase()) }),
        ("netloc", Value::str(netloc)),
        ("password", password),
        ("path", Value::str(path)),
        ("port", port.parse::<i64>().map_or(Value::Null, Value::Int)),
        ("query", Value::str(query)),
        ("scheme", Value::from(scheme.to_lowercase())),
        ("username", username),
    ]);
    match call.text(0, "query")? {
        Some(part) if !part.is_empty() => parts.get(&part).cloned().ok_or_else(|| refuse(format!("unknown URL component: {part}"))),
        _ => Ok(parts),
    }
}
