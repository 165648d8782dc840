//! Module `group`: groups of users.

use crate::host::Host;
use crate::host::accounts::DesiredGroup;
use crate::module::{Halt, Outcome};
use crate::{arguments, choices, module};

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The group.
        name: String,
        /// Whether it exists.
        state: State = State::Present,
        /// Its number.
        gid: Option<u64>,
        /// Lowest number the system may choose.
        gid_min: Option<u64>,
        /// Highest number the system may choose.
        gid_max: Option<u64>,
        /// Whether the number may be another group's too.
        non_unique: bool = false,
        /// Whether it is one of the system's own, when it is made.
        system: bool = false,
        /// Uses the programs that change local files only.
        local: bool = false,
        /// With `state: absent`: removes it even if it is a user's primary group.
        force: bool = false,
    }
}

module! {
    name: "group", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Groups of users and their numbers.",
    examples: [r#"{"name": "engine-example", "system": true}"#, r#"{"name": "engine-example", "state": "absent"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.name.is_empty() || args.name.starts_with('-') || args.name.contains([':', '/', '\n']) {
        return Err(Halt::failed(format!("`{}` cannot be the name of a group", args.name)));
    }
    if args.non_unique && args.gid.is_none() {
        return Err(Halt::failed("non_unique is True but all of the following are missing: gid"));
    }
    let ranges = [("gid_min", args.gid_min), ("gid_max", args.gid_max)];
    if let Some((name, _)) = ranges.iter().find(|(_, given)| args.local && given.is_some()) {
        return Err(Halt::failed(format!("'{name}' can not be used with 'local'")));
    }
    let number =
        |value: Option<u64>| value.map(u32::try_from).transpose().map_err(|_| Halt::failed("a group's number must be below 4294967296"));
    let desired = DesiredGroup {
        gid: number(args.gid)?,
        system: args.system,
        non_unique: args.non_unique,
        range: (number(args.gid_min)?, number(args.gid_max)?),
        local: args.local,
        force: args.force,
    };
    let outcome = Outcome::new().with("name", args.name.as_str());
    if args.state == State::Absent {
        host.accounts().remove_group(&args.name, &desired)?;
        return Ok(outcome.with("state", "absent"));
    }
    let group = host.accounts().converge_group(&args.name, &desired)?;
    let outcome = outcome.with("state", "present").with("system", args.system);
    Ok(match group.gid {
        Some(gid) => outcome.with("gid", gid),
        None => outcome.with_unknown("gid"),
    })
}
