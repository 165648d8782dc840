//! `ini_file`: one option of a section of an INI file.

use crate::host::Host;
use crate::host::files::Content;
use crate::lineinfile::{parents, read_text, split};
use crate::module::{Failure, Halt, Outcome};
use std::path::PathBuf;

crate::choices! {
    pub enum State { Present = "present", Absent = "absent" }
}

crate::arguments! {
    pub struct Args {
        /// The file to edit.
        path ["dest"]: PathBuf,
        /// The section, without its brackets; without one, the options before the first section.
        section: Option<String>,
        /// The option's name; without one, the section itself.
        option: Option<String>,
        /// The option's value.
        value: Option<String>,
        /// Several values: the option stands once for each.
        values: Option<Vec<String>>,
        /// Whether the option or section should be there.
        state: State = State::Present,
        /// Remove other options of the same name.
        exclusive: bool = true,
        /// Write `option=value` without blanks.
        no_extra_spaces: bool = false,
        /// Leave out blanks around `=` that the line has not had.
        ignore_spaces: bool = false,
        /// Allow an option without a value.
        allow_no_value: bool = false,
        /// Make the file if it is not there.
        create: bool = true,
        /// Keep the old file aside before changing it.
        backup: bool = false,
        /// Take over a line of the option that is commented out.
        modify_inactive_option: bool = true,
        /// Accepted; links are followed.
        follow: bool = false,
    } with file attributes
}

crate::module! {
    name: "ini_file", collection: "community.general", aliases: [], effects: Local,
    doc: "Sets or removes an option in a section of an INI file; the rest of the file stays as it is.",
    examples: [
        r#"{"path": "/scratch/app.ini", "section": "server", "option": "port", "value": "9999", "mode": "0644"}"#,
        r#"{"path": "/scratch/app.ini", "section": "peers", "option": "peer", "values": ["a", "b"]}"#,
        r#"{"path": "/scratch/none.ini", "section": "old", "state": "absent", "create": false}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.value.is_some() && args.values.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: value|values"));
    }
    let values: Vec<String> = args.values.clone().unwrap_or_else(|| args.value.clone().into_iter().collect());
    if args.state == State::Present && args.option.is_some() && values.is_empty() && !args.allow_no_value {
        return Err(Failure::new("`value` or `values` is needed with `option`")
            .hint("`allow_no_value: true` writes the option alone")
            .into());
    }
    let path = host.resolve(&args.path)?;
    let before = read_text(host, &path, &args.path)?;
    let outcome = Outcome::new().with("path", args.path.display().to_string());
    if before.is_none() {
        if args.state == State::Absent {
            return Ok(outcome.with("msg", "OK"));
        }
        if !args.create {
            return Err(Failure::new(format!("Destination {} does not exist!", args.path.display())).with("rc", 257).into());
        }
        parents(host, &path)?;
    }
    let (lines, message) = edited(args, split(before.as_deref().unwrap_or_default()), &values);
    let content = Content::Bytes(lines.concat().into_bytes());
    let kept = host.edit(&path, content, args.desired(), args.backup, None)?;
    let outcome = outcome.with("msg", message);
    let outcome = match kept {
        Some(kept) => outcome.with("backup_file", kept.display().to_string()),
        None => outcome,
    };
    host.describe(&path, outcome)
}

fn heading(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name)
}

/// The name, the value and whether the line is commented out, if it is an option.
fn option(line: &str) -> Option<(&str, Option<&str>, bool)> {
    let text = line.trim();
    let bare = text.trim_start_matches(['#', ';']).trim_start();
    if bare.is_empty() || bare.starts_with('[') {
        return None;
    }
    let inactive = bare.len() != text.len();
    match bare.split_once('=') {
        Some((name, value)) => Some((name.trim(), Some(value.trim()), inactive)),
        None => Some((bare, None, inactive)),
    }
}

/// The lines from the first after the section's heading to the next heading.
fn range(lines: &[String], section: Option<&str>) -> Option<(usize, usize)> {
    let start = match section {
        Some(section) => lines.iter().position(|line| heading(line) == Some(section))? + 1,
        None => 0,
    };
    let end = lines[start..].iter().position(|line| heading(line).is_some()).map_or(lines.len(), |offset| start + offset);
    Some((start, end))
}

fn edited(args: &Args, mut lines: Vec<String>, values: &[String]) -> (Vec<String>, &'static str) {
    let section = args.section.as_deref().filter(|section| !section.is_empty());
    let found = range(&lines, section);
    let Some(name) = &args.option else {
        return match (args.state, found, section) {
            (State::Absent, Some((start, end)), Some(_)) => {
                lines.drain(start - 1..end);
                (lines, "section removed")
            }
            (State::Present, None, Some(section)) => {
                open(&mut lines, section);
                (lines, "only section added")
            }
            _ => (lines, "OK"),
        };
    };
    let written = |value: Option<&String>| match value {
        Some(value) if args.no_extra_spaces => format!("{name}={value}\n"),
        Some(value) => format!("{name} = {value}\n"),
        None => format!("{name}\n"),
    };
    let (start, end) = match (found, args.state) {
        (Some(range), _) => range,
        (None, State::Absent) => return (lines, "OK"),
        (None, State::Present) => {
            open(&mut lines, section.unwrap_or_default());
            lines.extend(if values.is_empty() { vec![written(None)] } else { values.iter().map(|v| written(Some(v))).collect() });
            return (lines, "section and option added");
        }
    };
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push('\n');
    }
    let wanted: Vec<Option<&String>> = if values.is_empty() { vec![None] } else { values.iter().map(Some).collect() };
    let mut missing = wanted.clone();
    let (mut body, mut spare) = (Vec::new(), None);
    let mut message = "OK";
    for line in lines.drain(start..end).collect::<Vec<_>>() {
        let Some((_, value, inactive)) = option(&line).filter(|(found, ..)| found == name) else {
            body.push(line);
            continue;
        };
        let same = missing.iter().position(|wanted| wanted.map(String::as_str) == value);
        match (args.state, inactive, same) {
            (State::Present, false, Some(at)) => {
                missing.remove(at);
                let text = written(wanted.iter().find(|w| w.map(String::as_str) == value).copied().flatten());
                body.push(if args.ignore_spaces { line } else { text });
            }
            (State::Present, true, _) if args.modify_inactive_option => {
                spare.get_or_insert(body.len());
                body.push(line);
            }
            (_, true, _) => body.push(line),
            (State::Absent, false, _) if !args.exclusive && !wanted.iter().any(|w| w.map(String::as_str) == value) => body.push(line),
            (State::Present, false, None) if !args.exclusive => body.push(line),
            // Its place is where the wanted one goes.
            (_, false, _) => {
                message = "option changed";
                spare.get_or_insert(body.len());
            }
        }
    }
    if args.state == State::Present && !missing.is_empty() {
        message = if message == "OK" { "option added" } else { message };
        let blank = body.iter().rev().take_while(|line| line.trim().is_empty()).count();
        let at = spare.unwrap_or(body.len() - blank);
        if body.get(at).is_some_and(|line| option(line).is_some_and(|(found, _, inactive)| inactive && found == name)) {
            body.remove(at);
        }
        let new: Vec<String> = missing.into_iter().map(written).collect();
        body.splice(at..at, new);
    }
    lines.splice(start..start, body);
    (lines, message)
}

/// Adds a section's heading at the end.
fn open(lines: &mut Vec<String>, section: &str) {
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push('\n');
    }
    if lines.last().is_some_and(|last| !last.trim().is_empty()) {
        lines.push("\n".to_string());
    }
    lines.push(format!("[{section}]\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn edits_options_in_their_sections() {
        let ini = "x = 0\n[a]\n# port = 1\nhost = h\n\n[b]\nhost = h\n";
        for (before, args, after) in [
            ("", json!({"section": "a", "option": "o", "value": 1}), "[a]\no = 1\n"),
            (ini, json!({"section": "a", "option": "port", "value": 2}), "x = 0\n[a]\nport = 2\nhost = h\n\n[b]\nhost = h\n"),
            (ini, json!({"section": "b", "option": "host", "value": "i"}), "x = 0\n[a]\n# port = 1\nhost = h\n\n[b]\nhost = i\n"),
            (
                ini,
                json!({"section": "a", "option": "new", "value": "1", "no_extra_spaces": true}),
                "x = 0\n[a]\n# port = 1\nhost = h\nnew=1\n\n[b]\nhost = h\n",
            ),
            (ini, json!({"section": "a", "option": "host", "state": "absent"}), "x = 0\n[a]\n# port = 1\n\n[b]\nhost = h\n"),
            (ini, json!({"section": "a", "state": "absent"}), "x = 0\n[b]\nhost = h\n"),
            (ini, json!({"option": "x", "value": "5"}), "x = 5\n[a]\n# port = 1\nhost = h\n\n[b]\nhost = h\n"),
            ("[a]\np = 1\np = 2\n", json!({"section": "a", "option": "p", "values": ["2", "3"]}), "[a]\np = 3\np = 2\n"),
            ("[a]\np = 1\n", json!({"section": "a", "option": "p", "values": ["2"], "exclusive": false}), "[a]\np = 1\np = 2\n"),
        ] {
            let mut bench = Bench::new();
            bench.write("f", before);
            let mut given = args.clone();
            given["path"] = "/scratch/f".into();
            bench.law(&MODULE, given);
            assert_eq!(bench.read("f").as_deref(), Some(after), "{before:?} {args}");
        }
    }
}
