//! Other ways to write an address: parts of its bits, IPv6 in full, and every address of a network.

use crate::template::call::Call;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

/// More addresses than this are not listed.
const MOST: u128 = 1 << 16;

/// Every address of a network, and how many they are.
pub(super) fn usable_range(value: &Value, _: &Call) -> Result<Value, Error> {
    let a = super::needed(value)?;
    let (first, last) = (a.first(), a.last());
    if last - first >= MOST {
        return Err(refuse(format!("{value} has more than {MOST} addresses, too many to list")));
    }
    let addresses: Vec<Value> = (first..=last).map(|n| Value::from(a.written(n))).collect();
    Ok(Value::map([("number_of_ips", Value::from(addresses.len())), ("usable_ips", Value::list(addresses))]))
}

/// The first bits of an address, or the last ones for a number below zero, in its usual groups.
pub(super) fn ipcut(value: &Value, call: &Call) -> Result<Value, Error> {
    let a = super::needed(value)?;
    let amount = call.int(0, "amount")?.ok_or_else(|| refuse("ipcut needs a number of bits"))?;
    let (all, group) = if a.is_v6 { (128, 16) } else { (32, 8) };
    let wanted = u32::try_from(amount.unsigned_abs()).unwrap_or(u32::MAX);
    if wanted == 0 || wanted > all {
        return Err(refuse(format!("{value} has {all} bits, not {amount}")));
    }
    let from = if amount < 0 { all - wanted } else { 0 };
    let mut parts = Vec::new();
    let mut at = from;
    while at < from + wanted {
        let size = group.min(from + wanted - at);
        let part = (a.value >> (all - at - size)) & ((1 << size) - 1);
        parts.push(if a.is_v6 { format!("{part:x}") } else { part.to_string() });
        at += size;
    }
    Ok(Value::from(parts.join(if a.is_v6 { ":" } else { "." })))
}

/// An IPv6 address in full (`expand`), as short as can be (`compress`), or as certificates have it (`x509`).
pub(super) fn ipv6form(value: &Value, call: &Call) -> Result<Value, Error> {
    let a = super::needed(value)?;
    if !a.is_v6 {
        return Ok(value.clone());
    }
    let groups = (0..8u32).map(|i| (a.value >> (112 - 16 * i)) & 0xffff);
    Ok(Value::from(match call.text(0, "format")?.as_deref() {
        Some("expand") => groups.map(|g| format!("{g:04x}")).collect::<Vec<_>>().join(":"),
        Some("x509") => groups.map(|g| format!("{g:x}")).collect::<Vec<_>>().join(":"),
        Some("compress") | None => a.host(),
        Some(other) => return Err(refuse(format!("ipv6form knows compress, expand and x509, not {other}"))),
    }))
}
