//! Openings in the firewall that runs the host: firewalld, ufw, nftables or iptables.

mod firewalld;
mod iptables;
mod nftables;
mod ufw;

use super::{Command, Host};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

const KIND: &str = "port";

/// Which firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Backend {
    Firewalld,
    Ufw,
    Nftables,
    Iptables,
}

impl Backend {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Firewalld => "firewalld",
            Backend::Ufw => "ufw",
            Backend::Nftables => "nftables",
            Backend::Iptables => "iptables",
        }
    }
}

/// Ports of one protocol, for all or for one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// `tcp`, `udp`, `sctp` or `dccp`.
    pub protocol: String,
    /// The address or network that may come in; `None` for all.
    pub source: Option<String>,
}

impl Opening {
    /// Reads `22/tcp`, `46656-46658/tcp`, `9999` (tcp).
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str, source: Option<&str>) -> Result<Opening, String> {
        let (ports, protocol) = text.trim().split_once('/').unwrap_or((text.trim(), "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !["tcp", "udp", "sctp", "dccp"].contains(&protocol.as_str()) {
            return Err(format!("`{text}` names the protocol `{protocol}`; known are tcp, udp, sctp and dccp"));
        }
        let (first, last) = ports.split_once(['-', ':']).unwrap_or((ports, ports));
        let port = |p: &str| {
            p.trim().parse::<u16>().ok().filter(|p| *p > 0).ok_or(format!("`{text}` is no port from 1 to 65535, nor a range of them"))
        };
        let (first, last) = (port(first)?, port(last)?);
        if last < first {
            return Err(format!("`{text}` ends before it starts"));
        }
        let source = source.map(str::trim).filter(|s| !s.is_empty() && !matches!(*s, "0.0.0.0/0" | "any")).map(network).transpose()?;
        Ok(Opening { first, last, protocol, source })
    }

    /// The ports with a sign between first and last.
    fn ports(&self, between: char) -> String {
        if self.first == self.last { self.first.to_string() } else { format!("{}{between}{}", self.first, self.last) }
    }

    /// Whether the source is an IPv6 network; `None` when all may come in.
    fn ipv6(&self) -> Option<bool> {
        self.source.as_ref().map(|s| s.contains(':'))
    }

    /// Whether rules for these sources and ports let all of it in.
    fn covered(&self, rules: &[Rule]) -> bool {
        let fits = |r: &&Rule| (r.protocol == self.protocol || r.protocol == "any") && (r.source.is_none() || r.source == self.source);
        let rules: Vec<&Rule> = rules.iter().filter(fits).collect();
        (self.first..=self.last).all(|port| rules.iter().any(|r| (r.first..=r.last).contains(&port)))
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ports('-'), self.protocol)?;
        self.source.iter().try_for_each(|s| write!(f, " from {s}"))
    }
}

/// An address or network in one spelling.
fn network(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no address or network");
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let full = if address.is_ipv6() { 128 } else { 32 };
    let length: u8 = length.map_or(Ok(full), |l| l.parse().map_err(|_| wrong()))?;
    match length {
        l if l > full => Err(wrong()),
        l if l == full => Ok(address.to_string()),
        l => Ok(format!("{address}/{l}")),
    }
}

/// A rule that lets ports in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    first: u16,
    last: u16,
    /// `any` for all protocols.
    protocol: String,
    source: Option<String>,
}

/// Whether an opening is there now, and after the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Now.
    pub open: bool,
    /// After the next boot.
    pub permanent: bool,
}

/// The firewall of a host.
pub struct Firewall<'a> {
    host: &'a mut Host,
}

impl Host {
    /// The firewall.
    pub fn firewall(&mut self) -> Firewall<'_> {
        Firewall { host: self }
    }
}

impl Firewall<'_> {
    /// The firewall that runs; `None` when nothing filters what comes in.
    ///
    /// # Errors
    /// `Halt::Unknown` in a plan that would install one.
    pub fn detect(&mut self) -> Result<Option<Backend>, Halt> {
        if firewalld::runs() {
            return Ok(Some(Backend::Firewalld));
        }
        if self.ufw_enabled()? {
            return Ok(Some(Backend::Ufw));
        }
        if self.nftables_filters()? {
            return Ok(Some(Backend::Nftables));
        }
        if self.iptables_filters()? {
            return Ok(Some(Backend::Iptables));
        }
        let overlay = self.host.overlay();
        let planned = overlay
            .states_of(super::packages::KIND)
            .find(|(name, state)| ["firewalld", "ufw", "nftables", "iptables-persistent"].contains(name) && !matches!(state, Value::Null));
        match planned.map(|(name, _)| name.to_string()) {
            Some(name) if !self.host.is_live() => Err(Halt::Unknown(format!("the firewall ({name} is installed first)"))),
            _ => Ok(None),
        }
    }

    /// Makes the openings be there, or not; records one change for each that differs.
    pub fn converge(
        &mut self,
        backend: Backend,
        openings: &[Opening],
        open: bool,
        permanent: bool,
        zone: Option<&str>,
    ) -> Result<(), Halt> {
        let states = self.observe(backend, openings, zone)?;
        let mut todo = Vec::new();
        for (opening, state) in openings.iter().zip(states) {
            if state.open == open && (!permanent || state.permanent == open) {
                continue;
            }
            let action = if open && !state.open {
                Action::Create
            } else if open {
                Action::Update
            } else {
                Action::Delete
            };
            let mut change = Change::new(action, KIND, opening.to_string());
            if state.open != open {
                change = change.field("open", state.open, open);
            }
            if permanent && state.permanent != open {
                change = change.field("permanent", state.permanent, open);
            }
            self.host.record(change);
            todo.push((opening.clone(), state));
        }
        if todo.is_empty() {
            return Ok(());
        }
        match backend {
            Backend::Firewalld => self.change_firewalld(&todo, open, permanent, zone)?,
            Backend::Ufw => self.change_ufw(&todo, open)?,
            Backend::Nftables => self.change_nftables(&todo, open, permanent)?,
            Backend::Iptables => self.change_iptables(&todo, open, permanent)?,
        }
        if !self.host.is_live() {
            for (opening, state) in &todo {
                let after = Value::map([("open", open.into()), ("permanent", (if permanent { open } else { state.permanent }).into())]);
                self.host.overlay().set_state(KIND, &key(backend, opening, zone), after);
            }
            return Ok(());
        }
        let wanted: Vec<Opening> = todo.into_iter().map(|(o, _)| o).collect();
        let now = self.observe(backend, &wanted, zone)?;
        match wanted.iter().zip(now).find(|(_, s)| s.open != open || (permanent && s.permanent != open)) {
            None => Ok(()),
            Some((opening, _)) => {
                let failure = Failure::new(format!(
                    "{opening} did not converge: {} reported no error, but it is still {}",
                    backend.name(),
                    if open { "closed" } else { "open" }
                ));
                Err(failure.hint("another rule of this host's firewall decides about it").into())
            }
        }
    }

    fn observe(&mut self, backend: Backend, openings: &[Opening], zone: Option<&str>) -> Result<Vec<State>, Halt> {
        let observed = match backend {
            Backend::Firewalld => self.observe_firewalld(openings, zone)?,
            Backend::Ufw => self.observe_ufw(openings)?,
            Backend::Nftables => self.observe_nftables(openings)?,
            Backend::Iptables => self.observe_iptables(openings)?,
        };
        let planned = |(opening, state): (&Opening, State)| {
            let Some(value) = self.host.remembered(KIND, &key(backend, opening, zone)) else { return state };
            let is = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or_default();
            State { open: is("open"), permanent: is("permanent") }
        };
        Ok(openings.iter().zip(observed).map(planned).collect())
    }

    fn act<S: Into<String>>(&mut self, argv: impl IntoIterator<Item = S>, doing: &str) -> Result<(), Halt> {
        self.host.perform(&Command::new(argv))?.map(|o| o.require(doing)).transpose().map(|_| ())
    }

    fn text(&mut self, path: &str) -> Result<String, Halt> {
        let bytes = self.host.files().read(Path::new(path)).or_else(unknown_is_none)?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    }
}

/// A file that may still be made by something is not there for the firewall that runs now.
fn unknown_is_none(halt: Halt) -> Result<Option<Vec<u8>>, Halt> {
    match halt {
        Halt::Unknown(_) => Ok(None),
        failed => Err(failed),
    }
}

fn key(backend: Backend, opening: &Opening, zone: Option<&str>) -> String {
    format!("{} {} {opening}", backend.name(), zone.unwrap_or_default())
}

fn has(program: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for (text, shown) in [("22/tcp", "22/tcp"), ("9999", "9999/tcp"), ("46656-46658/TCP", "46656-46658/tcp"), ("1:2/udp", "1-2/udp")] {
            assert_eq!(Opening::parse(text, None).unwrap().to_string(), shown);
        }
        assert_eq!(Opening::parse("22", Some("10.0.0.0/8")).unwrap().to_string(), "22/tcp from 10.0.0.0/8");
        assert_eq!(Opening::parse("22", Some("10.0.0.1/32")).unwrap().source.as_deref(), Some("10.0.0.1"));
        for wrong in ["0", "x", "5-2", "70000", "22/icmp", "-", ""] {
            assert!(Opening::parse(wrong, None).is_err(), "{wrong}");
        }
        assert!(Opening::parse("22", Some("10.0.0.0/33")).is_err());
    }

    #[test]
    fn covering() {
        let rule = |first, last, source: Option<&str>| Rule { first, last, protocol: "tcp".into(), source: source.map(str::to_string) };
        let opening = Opening::parse("10-12", None).unwrap();
        assert!(opening.covered(&[rule(10, 11, None), rule(12, 12, None)]));
        assert!(!opening.covered(&[rule(10, 11, None)]));
        assert!(!opening.covered(&[rule(1, 99, Some("10.0.0.1"))]));
        assert!(!Opening::parse("10/udp", None).unwrap().covered(&[rule(1, 99, None)]));
    }
}
