//! Module `zypper`: packages of SUSE.

use crate::apt::said;
use crate::host::Host;
use crate::host::packages::{Manager, Wanted};
use crate::module::{Halt, Outcome};
use crate::{arguments, choices, module};

choices! {
    pub enum State { Present = "present" | "installed", Latest = "latest" | "dist-upgrade", Absent = "absent" | "removed" }
}

arguments! {
    pub struct Args {
        /// Packages; `*` with `state: latest` means all that is installed.
        name ["pkg"]: Vec<String>,
        /// Whether they are installed.
        state: State = State::Present,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache ["refresh"]: bool = false,
        /// Accepts packages that cannot be verified.
        disable_gpg_check: bool = false,
        /// Whether recommended packages stay away.
        disable_recommends: bool = true,
        /// Replaces what stands in the way.
        force: bool = false,
        /// Accepts another vendor's packages and other versions where nothing else helps.
        force_resolution: bool = false,
        /// Accepts older versions.
        oldpackage: bool = false,
        /// Removes what nothing needs any more.
        clean_deps: bool = false,
        /// Options for zypper itself.
        extra_args_precommand: Option<String>,
        /// Options for the command.
        extra_args: Option<String>,
        /// Agrees to licenses.
        auto_import_keys: bool = false,
    }
}

module! {
    name: "zypper", collection: "community.general", aliases: [], effects: Local,
    doc: "Packages of SUSE and openSUSE.",
    examples: [r#"{"name": "nmap", "update_cache": true}"#, r#"{"name": "nmap", "state": "absent"}"#],
}

pub(crate) fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if !host.has_program("zypper") {
        return Err(host.missing_program("zypper", "the module `package` takes what the host has"));
    }
    let mut options: Vec<String> = Vec::new();
    options.extend(args.disable_gpg_check.then(|| "--no-gpg-checks".to_string()));
    options.extend(args.auto_import_keys.then(|| "--gpg-auto-import-keys".to_string()));
    options.extend(args.extra_args_precommand.iter().flat_map(|a| a.split_whitespace()).map(str::to_string));
    let wanted = match args.state {
        State::Present => Wanted::Present,
        State::Latest => Wanted::Latest,
        State::Absent => Wanted::Absent,
    };
    let mut packages = host.packages();
    if args.update_cache {
        packages.fetch_lists_with(Manager::Zypper, &options)?;
    }
    let output = match wanted == Wanted::Latest && args.name.iter().any(|n| n == "*") {
        true => packages.upgrade_with(Manager::Zypper, &options)?,
        false => packages.converge_with(Manager::Zypper, &args.name, wanted, &options)?,
    };
    Ok(said(Outcome::new(), output))
}
