//! Module `apk`: packages of Alpine.

use crate::apt::said;
use crate::host::Host;
use crate::host::packages::{Manager, Wanted};
use crate::module::{Halt, Outcome};
use crate::{arguments, choices, module};

choices! { pub enum State { Present = "present" | "installed", Latest = "latest", Absent = "absent" | "removed" } }

arguments! {
    pub struct Args {
        /// Packages.
        name: Option<Vec<String>>,
        /// Whether they are installed.
        state: State = State::Present,
        /// Repositories to use in place of those configured.
        repository: Option<Vec<String>>,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache: bool = false,
        /// Whether nothing is taken from the cache.
        no_cache: bool = false,
        /// Accepted; what it says on upgrades is left to apk.
        available: bool = false,
        /// Upgrades all that is installed.
        upgrade: bool = false,
        /// Another list of what is wanted.
        world: String = "/etc/apk/world".to_string(),
    }
}

module! {
    name: "apk", collection: "community.general", aliases: [], effects: Local,
    doc: "Packages of Alpine: installed, upgraded or removed, one transaction for all that are named.",
    examples: [r#"{"name": ["foo", "bar"], "update_cache": true}"#, r#"{"name": "foo", "state": "absent"}"#],
}

pub(crate) fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.name.is_none() && !args.upgrade && !args.update_cache {
        return Err(Halt::failed("one of the following is required: name, update_cache, upgrade"));
    }
    if args.name.is_some() && args.upgrade {
        return Err(Halt::failed("parameters are mutually exclusive: name|upgrade"));
    }
    if !host.has_program("apk") {
        return Err(host.missing_program("apk", "the module `package` takes what the host has"));
    }
    let mut options: Vec<String> = args.repository.iter().flatten().flat_map(|r| ["--repository".to_string(), r.clone()]).collect();
    options.extend((args.repository.is_some()).then(|| "--repositories-file=/dev/null".to_string()));
    options.extend(args.no_cache.then(|| "--no-cache".to_string()));
    let wanted = match args.state {
        State::Present => Wanted::Present,
        State::Latest => Wanted::Latest,
        State::Absent => Wanted::Absent,
    };
    let mut packages = host.packages();
    if args.update_cache {
        packages.fetch_lists_with(Manager::Apk, &options)?;
    }
    let output = match &args.name {
        Some(names) => packages.converge_with(Manager::Apk, names, wanted, &options)?,
        None if args.upgrade => packages.upgrade_with(Manager::Apk, &options)?,
        None => None,
    };
    Ok(said(Outcome::new(), output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refuses_what_does_not_go_together() {
        let mut bench = crate::testing::Bench::new();
        assert_eq!(bench.failure(&MODULE, json!({"name": "x", "upgrade": true})), "parameters are mutually exclusive: name|upgrade");
    }
}
