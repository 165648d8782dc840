//! Hardware addresses: `hwaddr`, `macaddr`, and `slaac` that makes an IPv6 address of one.

use super::address::Address;
use super::{needed, parsed};
use crate::template::call::Call;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

/// Six bytes, in any of the usual spellings.
fn bytes(text: &str) -> Option<[u8; 6]> {
    let groups: Vec<&str> = text.split([':', '-', '.']).collect();
    let width = match groups.len() {
        1 => 12,
        2 => 6,
        3 => 4,
        6 => 2,
        _ => return None,
    };
    let fits = |g: &&str| !g.is_empty() && g.len() <= width && g.bytes().all(|b| b.is_ascii_hexdigit());
    if !groups.iter().all(fits) || (width == 12 && text.len() != 12) {
        return None;
    }
    let digits: String = groups.iter().map(|g| format!("{g:0>width$}")).collect();
    let value = u64::from_str_radix(&digits, 16).ok()?;
    let [_, _, six @ ..] = value.to_be_bytes();
    Some(six)
}

/// `hwaddr(style)`; null for what is none.
pub(super) fn hwaddr(value: &Value, call: &Call) -> Result<Value, Error> {
    let style = call.text(0, "query")?.unwrap_or_default();
    let Some(bytes) = bytes(&value.to_string()) else {
        return Ok(if style == "bool" { Value::Bool(false) } else { Value::Null });
    };
    let joined = |separator: &str, size: usize| -> String {
        let hex = bytes.map(|b| format!("{b:02x}")).concat();
        let groups: Vec<&str> = (0..12).step_by(size).map(|i| &hex[i..i + size]).collect();
        groups.join(separator)
    };
    Ok(match style.as_str() {
        "" => value.clone(),
        "bool" => Value::Bool(true),
        "int" => Value::Int(bytes.iter().fold(0, |n, b| (n << 8) | i64::from(*b))),
        "linux" => Value::from(joined(":", 2)),
        "unix" => Value::from(bytes.map(|b| format!("{b:x}")).join(":")),
        "cisco" => Value::from(joined(".", 4)),
        "pgsql" | "postgresql" | "psql" => Value::from(joined(":", 6)),
        "win" | "eui48" => Value::from(joined("-", 2).to_uppercase()),
        "bare" => Value::from(joined("", 2).to_uppercase()),
        other => return Err(refuse(format!("hwaddr has no style `{other}` (bare, bool, int, cisco, eui48, linux, pgsql, unix, win)"))),
    })
}

/// The address that a host with a hardware address gives itself (RFC 4862, RFC 4291 appendix A).
pub(super) fn slaac(value: &Value, call: &Call) -> Result<Value, Error> {
    let Some(network) = parsed(value).filter(|a| a.is_v6) else { return Ok(Value::Bool(false)) };
    let given = call.needs(0, "query")?.to_string();
    let [a, b, c, d, e, f] = bytes(&given).ok_or_else(|| refuse(format!("{given} is no hardware address")))?;
    let host = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    let sum = Address { value: network.first(), ..network }.moved(host.into());
    Ok(Value::from(sum.map_or(needed(value)?.host(), |s| s.host())))
}
