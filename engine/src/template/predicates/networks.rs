//! Tests of network addresses, as the collection `ansible.utils` has them; what is no address fails them all.

use super::{Test, text};
use crate::template::call::Call;
use crate::template::filters::network::address::Address;
use minijinja::Error;
use modules::value::Value;

pub(super) const TESTS: &[(&str, Test)] = &[
    ("in_network", |c| within(c, |a, network| network.holds(a))),
    ("subnet_of", |c| within(c, |a, network| network.holds(a))),
    ("supernet_of", |c| within(c, |network, a| network.holds(a))),
    ("in_any_network", |c| among(c, |count| count > 0)),
    ("in_one_network", |c| among(c, |count| count == 1)),
    ("private", |c| single(c, Address::is_private)),
    ("public", |c| single(c, Address::is_public)),
    ("loopback", |c| single(c, Address::is_loopback)),
    ("multicast", |c| single(c, Address::is_multicast)),
    ("unspecified", |c| single(c, |a| a.value == 0)),
    ("reserved", |c| single(c, |a| !a.is_v6 && a.value >> 28 == 15)),
    ("ipv6_ipv4_mapped", |c| single(c, |a| a.is_v6 && a.value >> 32 == 0xffff)),
    ("ipv6_sixtofour", |c| single(c, |a| a.is_v6 && a.value >> 112 == 0x2002)),
    ("ipv6_teredo", |c| single(c, |a| a.is_v6 && a.value >> 96 == 0x2001_0000)),
    ("ipv4_netmask", |c| single(c, |a| !a.is_v6 && a.value != 0 && is_run(!(a.value as u32)))),
    ("ipv4_hostmask", |c| single(c, |a| !a.is_v6 && is_run(a.value as u32))),
    ("mac", mac),
];

fn addressed(call: &Call) -> Result<Option<Address>, Error> {
    text(call).map(|t| Address::parse(&t))
}

/// An address alone, not a network.
fn single(call: &Call, holds: fn(&Address) -> bool) -> Result<bool, Error> {
    Ok(addressed(call)?.is_some_and(|a| a.is_bare && holds(&a)))
}

fn within(call: &Call, holds: fn(&Address, &Address) -> bool) -> Result<bool, Error> {
    let other = Address::parse(&call.needs(0, "network")?.to_string());
    Ok(matches!((addressed(call)?, other), (Some(a), Some(b)) if holds(&a, &b)))
}

fn among(call: &Call, enough: fn(usize) -> bool) -> Result<bool, Error> {
    let Some(a) = addressed(call)? else { return Ok(false) };
    let networks = call.needs(0, "networks")?;
    let parsed = networks.as_list().unwrap_or_default().iter().map(Value::to_string).filter_map(|n| Address::parse(&n));
    Ok(enough(parsed.filter(|n| n.holds(&a)).count()))
}

/// Ones from the right, without a gap.
fn is_run(bits: u32) -> bool {
    bits & bits.wrapping_add(1) == 0
}

/// Twelve hexadecimal digits, alone or in groups of two or four.
fn mac(call: &Call) -> Result<bool, Error> {
    let text = text(call)?;
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    let groups = |separator: char, size: usize| text.split(separator).all(|g| g.len() == size && g.chars().all(|c| c.is_ascii_hexdigit()));
    Ok(digits == 12 && (groups(':', 2) || groups('-', 2) || groups('.', 4) || groups('-', 4) || text.len() == 12))
}
