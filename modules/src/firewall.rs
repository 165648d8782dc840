//! Module `firewall`: ports opened or closed in whichever firewall runs the host.

use crate::host::Host;
use crate::host::firewall::{Backend, Opening};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};

choices! {
    pub enum State { Present = "present" | "open" | "opened" | "enabled", Absent = "absent" | "closed" | "disabled" }
}

choices! {
    pub enum Use { Auto = "auto", Firewalld = "firewalld", Ufw = "ufw", Nftables = "nftables" | "nft", Iptables = "iptables" }
}

arguments! {
    pub struct Args {
        /// Ports: `22/tcp`, `46656-46658/tcp`, `53/udp`; without a protocol tcp is meant.
        ports ["port"]: Vec<String>,
        /// Addresses or networks that may come in; by default all.
        sources ["source"]: Option<Vec<String>>,
        /// Whether the ports are open.
        state: State = State::Present,
        /// Whether it holds after the next boot too.
        permanent: bool = true,
        /// The zone, for firewalld; by default its default zone.
        zone: Option<String>,
        /// Which firewall; by default the one that runs.
        backend: Use = Use::Auto,
    }
}

module! {
    name: "firewall", collection: "engine", aliases: [], effects: World,
    doc: "Opens or closes ports in the firewall that runs the host: firewalld, ufw, a ruleset of nftables, or iptables, now and for \
          the next boot. Where no firewall runs every port is open, so nothing is changed and a warning says so.",
    examples: [
        r#"{"ports": ["9999/tcp", "46656-46658/tcp"]}"#,
        r#"{"ports": "5432/tcp", "sources": ["10.0.0.0/8"]}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let openings = openings(args)?;
    let backend = match args.backend {
        Use::Auto => host.firewall().detect()?,
        Use::Firewalld => Some(Backend::Firewalld),
        Use::Ufw => Some(Backend::Ufw),
        Use::Nftables => Some(Backend::Nftables),
        Use::Iptables => Some(Backend::Iptables),
    };
    let ports: Vec<String> = openings.iter().map(Opening::to_string).collect();
    let outcome = Outcome::new().with("ports", ports).with("state", args.state.word()).with("backend", backend.map(Backend::name));
    let Some(backend) = backend else {
        let told = "no firewall runs on this host; every port is open";
        return Ok(outcome.with("msg", told).warn(told));
    };
    host.firewall().converge(backend, &openings, args.state == State::Present, args.permanent, args.zone.as_deref())?;
    Ok(outcome)
}

fn openings(args: &Args) -> Result<Vec<Opening>, Halt> {
    let sources: Vec<Option<&str>> = match args.sources.as_deref() {
        None | Some([]) => vec![None],
        Some(sources) => sources.iter().map(|s| Some(s.as_str())).collect(),
    };
    let mut openings: Vec<Opening> = Vec::new();
    for port in &args.ports {
        for source in &sources {
            let opening = Opening::parse(port, *source).map_err(|why| {
                Failure::new(format!("argument `ports` of `firewall`: {why}")).hint("write `22/tcp` or `46656-46658/tcp`")
            })?;
            if !openings.contains(&opening) {
                openings.push(opening);
            }
        }
    }
    Ok(openings)
}
