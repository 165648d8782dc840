//! Module `package`: packages through whichever manager the host has.

use crate::apt::said;
use crate::host::Host;
use crate::host::packages::{AptOptions, Manager, Retries, Wanted};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};

choices! {
    pub enum State { Present = "present" | "installed", Latest = "latest", Absent = "absent" | "removed" }
}

impl State {
    pub(crate) fn wanted(self) -> Wanted {
        match self {
            State::Present => Wanted::Present,
            State::Latest => Wanted::Latest,
            State::Absent => Wanted::Absent,
        }
    }
}

choices! {
    pub enum Use {
        Auto = "auto", Apt = "apt", Dnf = "dnf" | "dnf5", Yum = "yum", Zypper = "zypper", Apk = "apk", Pacman = "pacman",
    }
}

arguments! {
    pub struct Args {
        /// Packages, by the names they have on this distribution.
        name ["pkg", "package"]: Vec<String>,
        /// Whether they are installed.
        state: State = State::Present,
        /// The package manager; by default the one that the host has.
        manager as "use": Use = Use::Auto,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache: bool = false,
    }
}

module! {
    name: "package", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Packages through whichever manager the host has: apt, dnf, yum, zypper, apk or pacman.",
    examples: [r#"{"name": "curl"}"#, r#"{"name": ["telnet"], "state": "absent"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let manager = match args.manager {
        Use::Auto => Manager::detect().ok_or_else(|| {
            Failure::new("this host has no package manager that is known").hint("known are apt, dnf, yum, zypper, apk and pacman")
        })?,
        Use::Apt => Manager::Apt,
        Use::Dnf => Manager::Dnf,
        Use::Yum => Manager::Yum,
        Use::Zypper => Manager::Zypper,
        Use::Apk => Manager::Apk,
        Use::Pacman => Manager::Pacman,
    };
    let mut packages = host.packages();
    let output = if manager == Manager::Apt {
        let options =
            AptOptions { dpkg_options: vec!["force-confdef".into(), "force-confold".into()], lock_timeout: 60, ..AptOptions::default() };
        if args.update_cache {
            packages.fetch_lists(0, Retries::default(), &options)?;
        }
        packages.converge_apt(&args.name, args.state.wanted(), &options, args.update_cache)?
    } else {
        if args.update_cache {
            packages.fetch_lists_with(manager, &[])?;
        }
        packages.converge_with(manager, &args.name, args.state.wanted(), &[])?
    };
    Ok(said(Outcome::new(), output))
}
