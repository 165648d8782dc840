//! Module `pacman`: packages of Arch.

use crate::apt::said;
use crate::host::Host;
use crate::host::packages::{Manager, Wanted};
use crate::module::{Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! { pub enum State { Present = "present" | "installed", Latest = "latest", Absent = "absent" | "removed" } }

arguments! {
    pub struct Args {
        /// Packages.
        name ["package", "pkg"]: Option<Vec<String>>,
        /// Whether they are installed.
        state: State = State::Present,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache: Option<bool>,
        /// Options for fetching the lists.
        update_cache_extra_args: String = String::new(),
        /// Upgrades all that is installed.
        upgrade: bool = false,
        /// Options for the upgrade.
        upgrade_extra_args: String = String::new(),
        /// Removes packages though others need them.
        force: bool = false,
        /// Removes packages with their configuration.
        remove_nosave: bool = false,
        /// Options for installing and removing.
        extra_args: String = String::new(),
        /// Another program.
        executable: PathBuf = PathBuf::from("pacman"),
        /// Why they are kept: `explicit` or `dependency`; accepted, not set.
        reason: Option<String>,
        /// Of which the reason is set; accepted.
        reason_for: Option<String>,
    }
}

module! {
    name: "pacman", collection: "community.general", aliases: [], effects: Local,
    doc: "Packages of Arch and its relatives: installed, upgraded or removed.",
    examples: [r#"{"name": ["foo", "bar"], "update_cache": true}"#, r#"{"name": "foo", "state": "absent"}"#],
}

pub(crate) fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let update = args.update_cache == Some(true);
    if args.name.is_none() && !args.upgrade && !update {
        return Err(Halt::failed("one of the following is required: name, update_cache, upgrade"));
    }
    if args.name.is_some() && args.upgrade {
        return Err(Halt::failed("parameters are mutually exclusive: name|upgrade"));
    }
    if !host.has_program("pacman") {
        return Err(host.missing_program("pacman", "the module `package` takes what the host has"));
    }
    let mut options: Vec<String> = args.extra_args.split_whitespace().map(str::to_string).collect();
    let wanted = match args.state {
        State::Present => Wanted::Present,
        State::Latest => Wanted::Latest,
        State::Absent => Wanted::Absent,
    };
    if wanted == Wanted::Absent {
        options.extend(args.force.then(|| "--nodeps".to_string()));
        options.extend(args.remove_nosave.then(|| "--nosave".to_string()));
    }
    let mut packages = host.packages();
    if update {
        let own: Vec<String> = args.update_cache_extra_args.split_whitespace().map(str::to_string).collect();
        packages.fetch_lists_with(Manager::Pacman, &own)?;
    }
    let output = match &args.name {
        Some(names) => packages.converge_with(Manager::Pacman, names, wanted, &options)?,
        None if args.upgrade => {
            let own: Vec<String> = args.upgrade_extra_args.split_whitespace().map(str::to_string).collect();
            packages.upgrade_with(Manager::Pacman, &own)?
        }
        None => None,
    };
    Ok(said(Outcome::new(), output))
}
