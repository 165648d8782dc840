//! Addresses with their network: what `192.168.1.5/24`, `fd00::1` and `3232235781` mean.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, and the network it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::template) struct Address {
    pub(in crate::template) is_v6: bool,
    pub(in crate::template) value: u128,
    /// How many leading bits name the network.
    pub(in crate::template) prefix: u32,
    /// Whether it was written without a prefix.
    pub(in crate::template) is_bare: bool,
}

impl Address {
    /// Reads an address with or without a prefix or netmask, or a number.
    pub(in crate::template) fn parse(text: &str) -> Option<Address> {
        let (address, suffix) = text.split_once('/').map_or((text, None), |(a, s)| (a, Some(s)));
        if suffix.is_none() && !address.is_empty() && address.bytes().all(|b| b.is_ascii_digit()) {
            let value: u128 = address.parse().ok()?;
            let is_v6 = value > u32::MAX.into();
            return Some(Address { is_v6, value, prefix: if is_v6 { 128 } else { 32 }, is_bare: true });
        }
        let (is_v6, value) = match address.parse().ok()? {
            IpAddr::V4(a) => (false, u128::from(u32::from(a))),
            IpAddr::V6(a) => (true, u128::from(a)),
        };
        let mut parsed = Address { is_v6, value, prefix: if is_v6 { 128 } else { 32 }, is_bare: suffix.is_none() };
        if let Some(suffix) = suffix {
            parsed.prefix = match suffix.parse::<u32>() {
                Ok(prefix) if prefix <= parsed.bits() => prefix,
                Ok(_) => return None,
                Err(_) => parsed.prefix_of_mask(suffix)?,
            };
        }
        Some(parsed)
    }

    fn prefix_of_mask(&self, mask: &str) -> Option<u32> {
        let mask = Address::parse(mask).filter(|m| m.is_bare && m.is_v6 == self.is_v6)?.value;
        (0..=self.bits()).find(|p| Address { prefix: *p, ..*self }.mask() == mask)
    }

    /// 32 or 128.
    pub(in crate::template) fn bits(&self) -> u32 {
        if self.is_v6 { 128 } else { 32 }
    }

    /// The highest value of its kind.
    fn highest(&self) -> u128 {
        if self.is_v6 { u128::MAX } else { u32::MAX.into() }
    }

    /// The bits of the host part.
    pub(in crate::template) fn host_mask(&self) -> u128 {
        match self.prefix {
            0 => self.highest(),
            p => self.highest().checked_shr(p).unwrap_or(0),
        }
    }

    /// The bits of the network part.
    pub(in crate::template) fn mask(&self) -> u128 {
        self.highest() & !self.host_mask()
    }

    /// The first address of the network.
    pub(in crate::template) fn first(&self) -> u128 {
        self.value & self.mask()
    }

    /// The last address of the network.
    pub(in crate::template) fn last(&self) -> u128 {
        self.value | self.host_mask()
    }

    /// Whether it names a network, not a host in one.
    pub(in crate::template) fn is_network(&self) -> bool {
        !self.is_bare && self.prefix < self.bits() && self.value == self.first()
    }

    /// First and last address that a host can have.
    pub(in crate::template) fn usable(&self) -> Option<(u128, u128)> {
        match self.host_mask() {
            0 => None,
            1 => Some((self.first(), self.last())),
            _ => Some((self.first() + 1, self.last() - 1)),
        }
    }

    /// Another address of the same kind, if there is one.
    pub(in crate::template) fn moved(&self, by: i128) -> Option<Address> {
        let value = match u128::try_from(by) {
            Ok(up) => self.value.checked_add(up)?,
            Err(_) => self.value.checked_sub(by.unsigned_abs())?,
        };
        (value <= self.highest()).then_some(Address { value, ..*self })
    }

    /// The address of its network at an index; negative ones count from the end.
    pub(in crate::template) fn nth(&self, index: i64) -> Option<Address> {
        let value = match u128::try_from(index) {
            Ok(up) => self.first().checked_add(up)?,
            Err(_) => self.last().checked_sub(u128::from(index.unsigned_abs()) - 1)?,
        };
        (self.first()..=self.last()).contains(&value).then_some(Address { value, ..*self })
    }

    /// Whether all of another's network is in this one's.
    pub(in crate::template) fn holds(&self, other: &Address) -> bool {
        self.is_v6 == other.is_v6 && self.first() <= other.first() && other.last() <= self.last()
    }

    /// A value of its kind as an address.
    pub(in crate::template) fn written(&self, value: u128) -> String {
        match u32::try_from(value) {
            Ok(v4) if !self.is_v6 => Ipv4Addr::from(v4).to_string(),
            _ => Ipv6Addr::from(value).to_string(),
        }
    }

    /// The address alone.
    pub(in crate::template) fn host(&self) -> String {
        self.written(self.value)
    }

    /// With its prefix.
    pub(in crate::template) fn with_prefix(&self) -> String {
        format!("{}/{}", self.host(), self.prefix)
    }

    /// Its network, with the prefix.
    pub(in crate::template) fn subnet(&self) -> String {
        format!("{}/{}", self.written(self.first()), self.prefix)
    }

    fn is_in(&self, networks: &[&str]) -> bool {
        networks.iter().filter_map(|n| Address::parse(n)).any(|n| n.holds(&Address { prefix: self.bits(), ..*self }))
    }

    pub(in crate::template) fn is_loopback(&self) -> bool {
        self.is_in(&["127.0.0.0/8", "::1/128"])
    }

    pub(in crate::template) fn is_multicast(&self) -> bool {
        self.is_in(&["224.0.0.0/4", "ff00::/8"])
    }

    pub(in crate::template) fn is_link_local(&self) -> bool {
        self.is_in(&["169.254.0.0/16", "fe80::/10"])
    }

    pub(in crate::template) fn is_private(&self) -> bool {
        let own = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7", "fec0::/10"];
        self.is_link_local() || self.is_in(&own)
    }

    pub(in crate::template) fn is_public(&self) -> bool {
        let reserved = ["0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001:db8::/32"];
        let everywhere = !self.is_v6 || self.is_in(&["2000::/3"]);
        everywhere && !self.is_private() && !self.is_loopback() && !self.is_multicast() && !self.is_in(&reserved)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.is_bare { self.host() } else { self.with_prefix() })
    }
}
