//! What `ipaddr` can be asked about an address.

use super::address::Address;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;

/// A number of any size: text where it does not fit.
pub(super) fn number(value: u128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value.to_string()), Value::Int)
}

/// Answers a query; null is "it is not that".
pub(super) fn answer(a: &Address, query: &str) -> Result<Value, Error> {
    let text = |given: Option<String>| given.map_or(Value::Null, Value::from);
    let host = (!a.is_network()).then_some(a);
    let same = |holds: bool| text(holds.then(|| a.to_string()));
    Ok(match query {
        "" => Value::from(a.to_string()),
        "address" | "ip" => text(host.map(Address::host)),
        "host" | "address/prefix" | "ip/prefix" | "gateway" | "gw" | "hostnet" | "router" => text(host.map(Address::with_prefix)),
        "host/prefix" => host.map_or(Value::Bool(false), |h| Value::from(h.with_prefix())),
        "ip_netmask" => text(host.map(|h| format!("{} {}", h.host(), h.written(h.mask())))),
        "cidr" => Value::from(a.with_prefix()),
        "net" => text(a.is_network().then(|| a.subnet())),
        "subnet" | "network/prefix" => Value::from(a.subnet()),
        "network" | "network_id" => Value::from(a.written(a.first())),
        "network_netmask" => Value::from(format!("{} {}", a.written(a.first()), a.written(a.mask()))),
        "network_wildcard" => Value::from(format!("{} {}", a.written(a.first()), a.written(a.host_mask()))),
        "netmask" => Value::from(a.written(a.mask())),
        "hostmask" | "wildcard" => Value::from(a.written(a.host_mask())),
        "prefix" => Value::from(i64::from(a.prefix)),
        "broadcast" => text((a.host_mask() > 1).then(|| a.written(a.last()))),
        "peer" => Value::from(peer(a)?),
        "size" => match a.host_mask().checked_add(1) {
            Some(size) => number(size),
            None => Value::str("340282366920938463463374607431768211456"),
        },
        "size_usable" => number(a.usable().map_or(0, |(from, to)| to - from + 1)),
        "first_usable" => text(a.usable().map(|(from, _)| a.written(from))),
        "last_usable" => text(a.usable().map(|(_, to)| a.written(to))),
        "range_usable" => text(a.usable().map(|(from, to)| format!("{}-{}", a.written(from), a.written(to)))),
        "next_usable" => text(beside(a, 1)),
        "previous_usable" => text(beside(a, -1)),
        "type" => Value::str(if a.is_network() { "network" } else { "address" }),
        "version" => Value::Int(if a.is_v6 { 6 } else { 4 }),
        "bool" => Value::Bool(true),
        "int" if a.is_bare => number(a.value),
        "int" => Value::from(format!("{}/{}", a.value, a.prefix)),
        "revdns" => Value::from(reverse_name(a)),
        "6to4" => text((!a.is_v6).then(|| format!("2002:{:04x}:{:04x}::1/48", a.value >> 16, a.value & 0xffff))),
        "ipv4" => text(as_v4(a)),
        "ipv6" if a.is_v6 => Value::from(a.with_prefix()),
        "ipv6" => Value::from(format!("::ffff:{}/{}", a.host(), a.prefix + 96)),
        "private" => same(a.is_private()),
        "public" => same(a.is_public()),
        "loopback" | "lo" => same(a.is_loopback()),
        "multicast" => same(a.is_multicast()),
        "unicast" => same(!a.is_multicast()),
        "link-local" | "lla" => same(a.is_link_local()),
        other => return outside(a, other),
    })
}

/// Queries by number or by a network.
fn outside(a: &Address, query: &str) -> Result<Value, Error> {
    if let Ok(index) = query.parse::<i64>() {
        return Ok(a.nth(index).map_or(Value::Bool(false), |n| Value::from(n.with_prefix())));
    }
    let network = Address::parse(query).ok_or_else(|| refuse(format!("ipaddr has no query `{query}`, and it is no network")))?;
    Ok(if network.holds(&Address { prefix: a.prefix, ..*a }) { Value::from(a.to_string()) } else { Value::Null })
}

/// The address a number of steps away, if a host can have it.
pub(super) fn beside(a: &Address, by: i128) -> Option<String> {
    let (from, to) = a.usable().filter(|_| !a.is_bare)?;
    let found = a.moved(by)?;
    (from..=to).contains(&found.value).then(|| found.host())
}

fn peer(a: &Address) -> Result<String, Error> {
    match a.bits() - a.prefix {
        1 => Ok(a.written(a.value ^ 1)),
        2 if a.value & 3 == 1 || a.value & 3 == 2 => Ok(a.written(a.value ^ 3)),
        _ => Err(refuse(format!("{a} is not an address of a point-to-point network"))),
    }
}

fn as_v4(a: &Address) -> Option<String> {
    if !a.is_v6 {
        return Some(a.with_prefix());
    }
    let fits = matches!(a.value >> 32, 0 | 0xffff) && a.prefix >= 96;
    let v4 = Address { is_v6: false, value: a.value & 0xffff_ffff, prefix: a.prefix.saturating_sub(96), is_bare: false };
    fits.then(|| v4.with_prefix())
}

fn reverse_name(a: &Address) -> String {
    if a.is_v6 {
        let digits = (0..32).map(|i| format!("{:x}.", (a.value >> (4 * i)) & 15)).collect::<String>();
        return format!("{digits}ip6.arpa.");
    }
    let parts = (0..4).map(|i| format!("{}.", (a.value >> (8 * i)) & 255)).collect::<String>();
    format!("{parts}in-addr.arpa.")
}
