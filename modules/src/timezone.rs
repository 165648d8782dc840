//! Module `timezone`: the host's time zone, and that of its hardware clock.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum Clock { Utc = "UTC", Local = "local" } }

arguments! {
    pub struct Args {
        /// The zone, e.g. `Europe/Berlin`.
        name: Option<String>,
        /// Whether the hardware clock keeps UTC or local time.
        hwclock ["rtc"]: Option<Clock>,
    }
}

module! {
    name: "timezone", collection: "community.general", aliases: [], effects: Local,
    doc: "The host's time zone: /etc/localtime, and /etc/timezone where the host has that; and what time the hardware clock keeps, as \
          /etc/adjtime says.",
    examples: [r#"{"name": "Europe/Berlin"}"#, r#"{"hwclock": "UTC"}"#],
}

const ZONES: &str = "/usr/share/zoneinfo";

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.name.is_none() && args.hwclock.is_none() {
        return Err(Halt::failed("one of the following is required: hwclock, name"));
    }
    if let Some(name) = &args.name {
        zone(name, host)?;
    }
    if let Some(clock) = args.hwclock {
        hardware(clock, host)?;
    }
    Ok(Outcome::new())
}

fn zone(name: &str, host: &mut Host) -> Result<(), Halt> {
    let target = Path::new(ZONES).join(name);
    let proper = !name.is_empty() && !name.starts_with('/') && !name.split('/').any(|part| matches!(part, ".." | "." | ""));
    if !proper {
        return Err(Halt::failed(format!("`{name}` cannot be the name of a time zone")));
    }
    if host.files().stat_followed(&target)?.is_none() {
        let failure = Failure::new(format!("there is no time zone {name}: {} does not exist", target.display()));
        return Err(failure.hint("is the name right, and the package `tzdata` installed?").into());
    }
    let link = PathBuf::from("/etc/localtime");
    let now = host.files().stat(&link)?.and_then(|s| s.target);
    let leads = |to: &Path| to.to_string_lossy().trim_start_matches("..").ends_with(&format!("zoneinfo/{name}"));
    if !now.as_deref().is_some_and(leads) {
        // The same file may lie there as a copy.
        host.files().converge(&link, &Desired { entry: Some(Entry::Absent), ..Desired::default() })?;
        host.files().converge(&link, &Desired { entry: Some(Entry::Link(target)), ..Desired::default() })?;
    }
    let text = Path::new("/etc/timezone");
    if host.files().stat(text)?.is_some() {
        let entry = Some(Entry::File(Content::Bytes(format!("{name}\n").into_bytes())));
        host.files().converge(text, &Desired { entry, ..Desired::default() })?;
    }
    Ok(())
}

/// The third line of /etc/adjtime; without the file it is UTC.
fn hardware(clock: Clock, host: &mut Host) -> Result<(), Halt> {
    let file = Path::new("/etc/adjtime");
    let before = host.files().read(file)?.map(|b| String::from_utf8_lossy(&b).into_owned());
    let text = before.clone().unwrap_or_else(|| "0.0 0 0.0\n0\nUTC\n".into());
    let mut lines: Vec<&str> = text.lines().collect();
    lines.resize(lines.len().max(3), "0");
    let word = if clock == Clock::Utc { "UTC" } else { "LOCAL" };
    if lines[2] == word && (before.is_some() || clock == Clock::Utc) {
        return Ok(());
    }
    lines[2] = word;
    let entry = Some(Entry::File(Content::Bytes(lines.iter().flat_map(|l| [l, "\n"]).collect::<String>().into_bytes())));
    host.files().converge(file, &Desired { entry, ..Desired::default() })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn names_are_looked_at_first() {
        let mut bench = Bench::new();
        assert_eq!(bench.failure(&MODULE, json!({"name": "../../etc/shadow"})), "`../../etc/shadow` cannot be the name of a time zone");
        assert!(bench.failure(&MODULE, json!({"name": "Nowhere/At_All"})).starts_with("there is no time zone Nowhere/At_All"));
    }
}
