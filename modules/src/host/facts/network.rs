//! Facts about interfaces, addresses and routes, from the kernel's netlink and /sys/class/net.

use super::{Facts, line, put, read};
use crate::value::{Map, Value};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// One address of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    index: u32,
    label: Option<String>,
    address: IpAddr,
    prefix: u8,
    broadcast: Option<Ipv4Addr>,
    scope: u8,
}

/// A default route.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    interface: String,
    gateway: IpAddr,
    metric: u32,
}

pub(super) fn gather(facts: &mut Facts) {
    let addresses = addresses().unwrap_or_default();
    let mut names: Vec<String> =
        std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|n| Path::new("/sys/class/net").join(n).is_dir());
    names.sort();
    let routes = [default_v4(&read("/proc/net/route")), default_v6(&read("/proc/net/ipv6_route"))];
    for (fact, route) in ["default_ipv4", "default_ipv6"].into_iter().zip(routes) {
        put(facts, fact, route.map(|r| default_fact(&r, &addresses)).unwrap_or_default());
    }
    let listed = |v4: bool| -> Vec<String> {
        let wanted = |a: &&Address| a.address.is_ipv4() == v4 && !a.address.is_loopback();
        addresses.iter().filter(wanted).map(|a| a.address.to_string()).collect()
    };
    put(facts, "all_ipv4_addresses", listed(true));
    put(facts, "all_ipv6_addresses", listed(false));
    put(facts, "locally_reachable_ips", reachable(&addresses, &read("/proc/net/fib_trie")));
    for name in &names {
        put(facts, &name.replace(['-', '.', ':'], "_"), interface(name, &addresses));
    }
    put(facts, "interfaces", names);
}

/// Every address that the host answers to itself: its own, and the ranges that the kernel keeps local.
fn reachable(addresses: &[Address], routes: &str) -> Value {
    let mut v4: Vec<Ipv4Addr> = addresses.iter().filter_map(|a| if let IpAddr::V4(ip) = a.address { Some(ip) } else { None }).collect();
    let mut v6: Vec<String> = addresses.iter().filter(|a| a.address.is_ipv6()).map(|a| a.address.to_string()).collect();
    let mut all: Vec<String> = Vec::new();
    v4.sort();
    v4.dedup();
    all.extend(v4.iter().map(Ipv4Addr::to_string));
    all.extend(local_ranges(routes));
    all.sort();
    all.dedup();
    v6.sort();
    v6.dedup();
    Value::map([("ipv4", Value::from(all)), ("ipv6", Value::from(v6))])
}

/// The `/x host|link LOCAL` lines of /proc/net/fib_trie that are ranges, each below its address.
fn local_ranges(routes: &str) -> Vec<String> {
    let (mut found, mut address) = (Vec::new(), "");
    for line in routes.lines().map(str::trim) {
        if let Some(ip) = line.strip_prefix("|-- ") {
            address = ip;
        } else if let Some(prefix) = line.strip_prefix('/').filter(|l| l.ends_with("LOCAL")).and_then(|l| l.split(' ').next())
            && prefix != "32"
        {
            found.push(format!("{address}/{prefix}"));
        }
    }
    found
}

fn index_of(name: &str) -> Option<u32> {
    line(format!("/sys/class/net/{name}/ifindex"))?.parse().ok()
}

fn kind_of(name: &str) -> &'static str {
    let folder = Path::new("/sys/class/net").join(name);
    match line(folder.join("type")).as_deref() {
        _ if folder.join("bridge").is_dir() => "bridge",
        _ if folder.join("bonding").is_dir() => "bonding",
        Some("1") => "ether",
        Some("32") => "infiniband",
        Some("512") => "ppp",
        Some("772") => "loopback",
        Some("65534") => "tunnel",
        _ => "unknown",
    }
}

fn interface(name: &str, addresses: &[Address]) -> Map {
    let folder = Path::new("/sys/class/net").join(name);
    let mut map = Map::new();
    put(&mut map, "device", name);
    if let Some(mac) = line(folder.join("address")).filter(|m| m != "00:00:00:00:00:00") {
        put(&mut map, "macaddress", mac);
    }
    put(&mut map, "mtu", line(folder.join("mtu")).and_then(|m| m.parse::<i64>().ok()));
    put(&mut map, "active", line(folder.join("operstate")).is_some_and(|s| s != "down"));
    put(&mut map, "type", kind_of(name));
    let entries = std::fs::read_dir(folder.join("brif")).into_iter().flatten().flatten();
    let mut members: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    members.sort();
    if kind_of(name) == "bridge" {
        put(&mut map, "interfaces", members);
        put(&mut map, "id", line(folder.join("bridge/bridge_id")).unwrap_or_default());
        put(&mut map, "stp", line(folder.join("bridge/stp_state")).as_deref() == Some("1"));
    }
    if let Ok(device) = std::fs::read_link(folder.join("device")) {
        put(&mut map, "pciid", device.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    let flags = line(folder.join("flags")).and_then(|f| u32::from_str_radix(f.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
    put(&mut map, "promisc", flags & 0x100 != 0);
    if let Some(speed) = line(folder.join("speed")).and_then(|s| s.parse::<i64>().ok()) {
        put(&mut map, "speed", speed);
    }
    if let Some(module) =
        std::fs::read_link(folder.join("device/driver/module")).ok().and_then(|l| l.file_name().map(|n| n.to_string_lossy().into_owned()))
    {
        put(&mut map, "module", module);
    }
    let index = index_of(name);
    let own: Vec<&Address> = addresses.iter().filter(|a| Some(a.index) == index).collect();
    let v4: Vec<Map> = own.iter().filter_map(|a| ipv4(a)).collect();
    if let Some((first, rest)) = v4.split_first() {
        put(&mut map, "ipv4", first.clone());
        if !rest.is_empty() {
            put(&mut map, "ipv4_secondaries", rest.iter().cloned().map(Value::from).collect::<Vec<_>>());
        }
    }
    let v6: Vec<Value> = own.iter().filter(|a| a.address.is_ipv6()).map(|a| ipv6(a).into()).collect();
    if !v6.is_empty() {
        put(&mut map, "ipv6", v6);
    }
    map
}

fn ipv4(address: &Address) -> Option<Map> {
    let IpAddr::V4(ip) = address.address else { return None };
    let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(address.prefix.min(32))).unwrap_or(0));
    let mut map = Map::new();
    put(&mut map, "address", ip.to_string());
    put(&mut map, "broadcast", address.broadcast.map_or(String::new(), |b| b.to_string()));
    put(&mut map, "netmask", mask.to_string());
    put(&mut map, "network", Ipv4Addr::from(u32::from(ip) & u32::from(mask)).to_string());
    put(&mut map, "prefix", address.prefix.to_string());
    Some(map)
}

fn ipv6(address: &Address) -> Map {
    let scope = match address.scope {
        0 => "global",
        200 => "site",
        253 => "link",
        254 => "host",
        _ => "nowhere",
    };
    let mut map = Map::new();
    put(&mut map, "address", address.address.to_string());
    put(&mut map, "prefix", address.prefix.to_string());
    put(&mut map, "scope", scope);
    map
}

fn default_fact(route: &Route, addresses: &[Address]) -> Map {
    let folder = Path::new("/sys/class/net").join(&route.interface);
    let index = index_of(&route.interface);
    let mut map = Map::new();
    put(&mut map, "gateway", route.gateway.to_string());
    put(&mut map, "interface", route.interface.as_str());
    let fits = |a: &&Address| Some(a.index) == index && a.address.is_ipv4() == route.gateway.is_ipv4() && a.scope == 0;
    if let Some(own) = addresses.iter().find(fits) {
        map.extend(ipv4(own).unwrap_or_else(|| ipv6(own)));
    }
    put(&mut map, "macaddress", line(folder.join("address")));
    put(&mut map, "mtu", line(folder.join("mtu")).and_then(|m| m.parse::<i64>().ok()));
    put(&mut map, "type", kind_of(&route.interface));
    if route.gateway.is_ipv4() {
        put(&mut map, "alias", route.interface.as_str());
    }
    map
}

/// Reads /proc/net/route: destination and mask 0, little-endian hexadecimal.
fn default_v4(text: &str) -> Option<Route> {
    let route = |l: &str| {
        let f: Vec<&str> = l.split_whitespace().collect();
        let number = |i: usize| u32::from_str_radix(f.get(i)?, 16).ok();
        let up_with_gateway = number(3)? & 3 == 3;
        (up_with_gateway && number(1)? == 0 && number(7)? == 0).then_some(())?;
        let gateway = Ipv4Addr::from(number(2)?.swap_bytes());
        Some(Route { interface: f[0].to_string(), gateway: gateway.into(), metric: f.get(6)?.parse().ok()? })
    };
    text.lines().skip(1).filter_map(route).min_by_key(|r| r.metric)
}

/// Reads /proc/net/ipv6_route: destination, its length, …, next hop, metric, …, interface.
fn default_v6(text: &str) -> Option<Route> {
    let route = |l: &str| {
        let f: Vec<&str> = l.split_whitespace().collect();
        let gateway = u128::from_str_radix(f.get(4)?, 16).ok()?;
        let flags = u32::from_str_radix(f.get(8)?, 16).ok()?;
        (f[1] == "00" && gateway != 0 && flags & 3 == 3).then_some(())?;
        let metric = u32::from_str_radix(f.get(5)?, 16).ok()?;
        Some(Route { interface: f.get(9)?.to_string(), gateway: Ipv6Addr::from(gateway).into(), metric })
    };
    text.lines().filter_map(route).min_by_key(|r| r.metric)
}

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLMSG_DONE: u16 = 3;
/// NLM_F_REQUEST and NLM_F_DUMP.
const DUMP: u16 = 0x301;

/// All addresses, asked of the kernel (rtnetlink(7)).
fn addresses() -> rustix::io::Result<Vec<Address>> {
    // The protocol 0, which is the default, is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut request = Vec::new();
    request.extend(24u32.to_ne_bytes());
    request.extend(RTM_GETADDR.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.extend([0; 16]);
    sendto(&socket, &request, SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
    let mut found = Vec::new();
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if length == 0 || parse_messages(&buffer[..length], &mut found) {
            return Ok(found);
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Reads the messages of one datagram; true when the kernel has no more, or what it says makes no sense.
fn parse_messages(mut bytes: &[u8], found: &mut Vec<Address>) -> bool {
    while let (Some(length), Some(kind)) = (number(bytes, 0), short(bytes, 4)) {
        let length = length as usize;
        if kind <= NLMSG_DONE || length < 16 || length > bytes.len() {
            return true;
        }
        if kind == RTM_NEWADDR {
            found.extend(parse_address(&bytes[16..length]));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// Reads one `ifaddrmsg` with its attributes.
fn parse_address(message: &[u8]) -> Option<Address> {
    let (prefix, scope, index) = (*message.get(1)?, *message.get(3)?, number(message, 4)?);
    let (mut address, mut local, mut label, mut broadcast) = (None, None, None, None);
    let mut attributes = message.get(8..)?;
    while let (Some(length), Some(kind)) = (short(attributes, 0), short(attributes, 2)) {
        let data = attributes.get(4..usize::from(length))?;
        match kind {
            1 => address = ip(data),
            2 => local = ip(data),
            3 => label = Some(String::from_utf8_lossy(data).trim_end_matches('\0').to_string()),
            4 => broadcast = ip(data),
            _ => {}
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    let broadcast = broadcast.and_then(|b| if let IpAddr::V4(b) = b { Some(b) } else { None });
    Some(Address { index, label, address: local.or(address)?, prefix, broadcast, scope })
}

fn ip(data: &[u8]) -> Option<IpAddr> {
    match data.len() {
        4 => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let v4 = default_v4(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\nwlan0\t00000000\t0202A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n",
        );
        assert_eq!(v4, Some(Route { interface: "eth0".into(), gateway: Ipv4Addr::new(192, 168, 1, 1).into(), metric: 100 }));
        let zero = "0".repeat(32);
        let v6 = default_v6(&format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        ));
        assert_eq!(v6.map(|r| (r.interface, r.gateway.to_string())), Some(("eth0".into(), "fe80::1".into())));
    }

    #[test]
    fn ranges_that_are_local() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.0\n           /8 host LOCAL\n        |-- 127.0.0.1\n           /32 host LOCAL\n        |-- 127.255.255.255\n           /32 link BROADCAST\n";
        assert_eq!(local_ranges(trie), ["127.0.0.0/8"]);
    }

    #[test]
    fn one_address() {
        let mut message = vec![2, 24, 0x80, 0];
        message.extend(5u32.to_ne_bytes());
        for (kind, data) in [(1u16, &[10, 0, 0, 9][..]), (2, &[10, 0, 0, 9]), (4, &[10, 0, 0, 255]), (3, b"eth0\0")] {
            message.extend((4 + data.len() as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(data);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let address = parse_address(&message).unwrap();
        assert_eq!((address.index, address.label.as_deref(), address.prefix), (5, Some("eth0"), 24));
        let map = Value::from(ipv4(&address).unwrap());
        assert_eq!(
            map.to_string(),
            "{'address': '10.0.0.9', 'broadcast': '10.0.0.255', 'netmask': '255.255.255.0', 'network': '10.0.0.0', 'prefix': '24'}"
        );
    }

    #[test]
    fn the_loopback_is_there() {
        assert!(addresses().unwrap().iter().any(|a| a.address.is_loopback()));
    }
}
