//! Filters on network addresses, as the collection `ansible.utils` has them.

pub(in crate::template) mod address;
mod forms;
mod hardware;
mod queries;

use super::Pure;
use crate::template::call::{Call, int};
use crate::template::errors::refuse;
use address::Address;
use minijinja::Error;
use modules::value::Value;

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("ipaddr", |v, c| asked(v, c, None)),
    ("ipv4", |v, c| asked(v, c, Some(false))),
    ("ipv6", |v, c| asked(v, c, Some(true))),
    ("ipwrap", |v, _| Ok(wrapped(v))),
    ("nthhost", nthhost),
    ("ipsubnet", ipsubnet),
    ("ipmath", |v, c| {
        let by = c.needs(0, "amount")?;
        let by = int(&by).ok_or_else(|| refuse(format!("ipmath adds a whole number, not {by}")))?;
        let sum = needed(v)?.moved(by.into()).ok_or_else(|| refuse(format!("{v} and {by} is no address")))?;
        Ok(Value::from(sum.host()))
    }),
    ("next_nth_usable", |v, c| Ok(stepped(v, c, 1)?.map_or(Value::Null, Value::from))),
    ("previous_nth_usable", |v, c| Ok(stepped(v, c, -1)?.map_or(Value::Null, Value::from))),
    ("network_in_network", |v, c| Ok(Value::Bool(needed(v)?.holds(&needed(&c.needs(0, "test")?)?)))),
    ("network_in_usable", |v, c| Ok(Value::Bool(usable_in(&needed(v)?, &needed(&c.needs(0, "test")?)?)))),
    ("reduce_on_network", |v, c| {
        let network = needed(&c.needs(0, "network")?)?;
        let inside = |v: &&Value| parsed(v).is_some_and(|a| network.holds(&a));
        Ok(Value::list(v.as_list().unwrap_or_default().iter().filter(inside).cloned()))
    }),
    ("cidr_merge", cidr_merge),
    ("ip4_hex", |v, c| {
        let address = needed(v)?;
        let delimiter = c.text(0, "delimiter")?.unwrap_or_default();
        let bytes = [24, 16, 8, 0].map(|shift| format!("{:02x}", (address.value >> shift) & 255));
        Ok(Value::from(bytes.join(&delimiter)))
    }),
    ("usable_range", forms::usable_range),
    ("ipcut", forms::ipcut),
    ("ipv6form", forms::ipv6form),
    ("slaac", hardware::slaac),
    ("hwaddr", hardware::hwaddr),
    ("macaddr", hardware::hwaddr),
];

fn parsed(value: &Value) -> Option<Address> {
    match value {
        Value::Int(_) | Value::Str(_) => Address::parse(&value.to_string()),
        _ => None,
    }
}

fn needed(value: &Value) -> Result<Address, Error> {
    parsed(value).ok_or_else(|| refuse(format!("{value} is neither an address nor a network")))
}

/// `ipaddr(query)` and its kin, of one address or of each in a list; `v6` is the only kind that counts.
fn asked(value: &Value, call: &Call, v6: Option<bool>) -> Result<Value, Error> {
    let query = call.text(0, "query")?.unwrap_or_default();
    if let Some(items) = value.as_list() {
        let answers = items.iter().map(|v| one(v, &query, v6)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Value::list(answers.into_iter().filter(|a| !matches!(a, Value::Null | Value::Bool(false)))));
    }
    one(value, &query, v6)
}

fn one(value: &Value, query: &str, v6: Option<bool>) -> Result<Value, Error> {
    match parsed(value).filter(|a| v6.is_none_or(|v6| a.is_v6 == v6)) {
        Some(address) => queries::answer(&address, query),
        None => Ok(Value::Bool(false)),
    }
}

/// Brackets around IPv6 addresses; all else as it is.
fn wrapped(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::list(items.iter().map(wrapped)),
        _ => match parsed(value).filter(|a| a.is_v6) {
            Some(a) if a.is_bare => Value::from(format!("[{}]", a.host())),
            Some(a) => Value::from(format!("[{}]/{}", a.host(), a.prefix)),
            None => value.clone(),
        },
    }
}

fn nthhost(value: &Value, call: &Call) -> Result<Value, Error> {
    let index = call.int(0, "query")?.unwrap_or(0);
    Ok(parsed(value).and_then(|a| a.nth(index)).map_or(Value::Bool(false), |a| Value::from(a.host())))
}

fn stepped(value: &Value, call: &Call, sign: i128) -> Result<Option<String>, Error> {
    let steps = i128::from(call.int(0, "offset")?.unwrap_or(1));
    Ok(queries::beside(&needed(value)?, sign * steps))
}

fn usable_in(network: &Address, tested: &Address) -> bool {
    let (from, to) = network.usable().unwrap_or((network.first(), network.last()));
    network.is_v6 == tested.is_v6 && from <= tested.first() && tested.last() <= to
}

/// `ipsubnet(prefix)` counts subnets, `ipsubnet(prefix, index)` names one, `ipsubnet(network)` gives the position in it.
fn ipsubnet(value: &Value, call: &Call) -> Result<Value, Error> {
    let Some(a) = parsed(value) else { return Ok(Value::Bool(false)) };
    let query = call.text(0, "query")?.unwrap_or_default();
    if query.is_empty() {
        return Ok(Value::from(a.subnet()));
    }
    let Ok(prefix) = query.parse::<u32>() else {
        let network = needed(&Value::from(query))?;
        if !network.holds(&a) {
            return Err(refuse(format!("{} is not in the subnet {}", a.subnet(), network.subnet())));
        }
        let position = (a.first() - network.first()).checked_shr(a.bits() - a.prefix).unwrap_or(0);
        return Ok(Value::from((position + 1).to_string()));
    };
    if prefix > a.bits() {
        return Ok(Value::Bool(false));
    }
    let index = call.int(1, "index")?;
    if prefix < a.prefix {
        let prefix = i64::from(prefix) + index.map_or(0, |i| if i < 0 { i64::from(a.prefix - prefix) + i } else { i });
        let wider = u32::try_from(prefix).ok().filter(|p| *p < a.prefix);
        return Ok(wider.map_or(Value::Bool(false), |prefix| Value::from(Address { prefix, ..a }.subnet())));
    }
    let count = 1u128.checked_shl(prefix - a.prefix).unwrap_or(u128::MAX);
    let Some(index) = index else { return Ok(Value::from(count.to_string())) };
    let at = if index < 0 { count.checked_sub(index.unsigned_abs().into()) } else { u128::try_from(index).ok() };
    let Some(at) = at.filter(|at| *at < count) else { return Ok(Value::Bool(false)) };
    let first = a.first() + at.checked_shl(a.bits() - prefix).unwrap_or(0);
    Ok(Value::from(Address { value: first, prefix, ..a }.subnet()))
}

/// The fewest networks that hold exactly what is listed, or with `span` the one that holds it all.
fn cidr_merge(value: &Value, call: &Call) -> Result<Value, Error> {
    let mut all = value.as_list().unwrap_or_default().iter().map(needed).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|a| (a.is_v6, a.first(), a.prefix));
    match call.text(0, "action")?.as_deref() {
        None | Some("merge") => {}
        Some("span") => return span(&all).map(Value::from),
        Some(other) => return Err(refuse(format!("cidr_merge does `merge` or `span`, not `{other}`"))),
    }
    let mut merged: Vec<Address> = Vec::new();
    for next in all {
        if merged.last().is_some_and(|last| last.holds(&next)) {
            continue;
        }
        merged.push(Address { value: next.first(), is_bare: false, ..next });
        while let [.., left, right] = merged.as_slice() {
            let wider = Address { prefix: left.prefix.saturating_sub(1), ..*left };
            let halves = left.prefix == right.prefix && left.prefix > 0 && left.first() != right.first();
            if !(halves && wider.first() == left.first() && wider.holds(right)) {
                break;
            }
            merged.truncate(merged.len() - 2);
            merged.push(wider);
        }
    }
    Ok(Value::list(merged.iter().map(|a| Value::from(a.subnet()))))
}

fn span(sorted: &[Address]) -> Result<String, Error> {
    let (Some(first), Some(last)) = (sorted.first(), sorted.iter().max_by_key(|a| a.last())) else {
        return Err(refuse("cidr_merge needs networks to span"));
    };
    let holding = (0..=first.prefix).rev().map(|prefix| Address { prefix, ..*first }).find(|wider| wider.holds(last));
    holding.map(|a| a.subnet()).ok_or_else(|| refuse("cidr_merge cannot span IPv4 and IPv6 at once"))
}
