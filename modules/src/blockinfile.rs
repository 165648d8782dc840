//! `blockinfile`: a block of lines between marker lines.

use crate::host::Host;
use crate::host::files::Content;
use crate::lineinfile::{parents, read_text, split};
use crate::module::{Failure, Halt, Outcome};
use crate::pattern::{Flags, Pattern};
use std::path::PathBuf;

crate::choices! {
    pub enum State { Present = "present", Absent = "absent" }
}

crate::arguments! {
    pub struct Args {
        /// The file to edit.
        path ["dest", "destfile", "name"]: PathBuf,
        /// Whether the block should be there.
        state: State = State::Present,
        /// The marker line; `{mark}` in it becomes `marker_begin` above and `marker_end` below the block.
        marker: String = "# {mark} ANSIBLE MANAGED BLOCK".to_string(),
        /// The lines of the block; an empty block is removed.
        block ["content"]: String = String::new(),
        /// Where a new block goes: after the last line that matches this regular expression, or `EOF`.
        insertafter: Option<String>,
        /// Where a new block goes: before the last line that matches this regular expression, or `BOF`.
        insertbefore: Option<String>,
        /// Make the file if it is not there.
        create: bool = false,
        /// Keep the old file aside before changing it.
        backup: bool = false,
        /// What `{mark}` is above the block.
        marker_begin: String = "BEGIN".to_string(),
        /// What `{mark}` is below the block.
        marker_end: String = "END".to_string(),
        /// Keep a blank line after the block, unless the file ends there.
        append_newline: bool = false,
        /// Keep a blank line before the block, unless the file starts there.
        prepend_newline: bool = false,
        /// Accepted; text is UTF-8.
        encoding: String = "utf-8".to_string(),
        /// A command that must accept the new content before it is put in place; `%s` is its path.
        validate: Option<String>,
    } with file attributes
}

crate::module! {
    name: "blockinfile", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Keeps a block of lines, framed by marker lines, in a text file.",
    examples: [
        r#"{"path": "/scratch/hosts", "block": "10.0.0.1 a\n10.0.0.2 b", "create": true}"#,
        r##"{"path": "/scratch/conf/app", "marker": "; {mark} app", "block": "x = 1", "insertbefore": "BOF", "create": true, "mode": "0640"}"##,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.insertbefore.is_some() && args.insertafter.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: insertbefore|insertafter"));
    }
    let path = host.resolve(&args.path)?;
    let before = read_text(host, &path, &args.path)?;
    if before.is_none() {
        if args.state == State::Absent {
            return Ok(Outcome::new().with("msg", format!("File {} not present", args.path.display())));
        }
        if !args.create {
            return Err(Failure::new(format!("Path {} does not exist !", args.path.display()))
                .hint("`create: true` makes the file")
                .with("rc", 257)
                .into());
        }
        parents(host, &path)?;
    }
    let after = arranged(args, before.as_deref().unwrap_or_default())?;
    let message = match &before {
        Some(before) if *before == after => "",
        None => "File created",
        _ if args.block.is_empty() || args.state == State::Absent => "Block removed",
        _ => "Block inserted",
    };
    let kept = host.edit(&path, Content::Bytes(after.into_bytes()), args.desired(), args.backup, args.validate.as_deref())?;
    let outcome = Outcome::new().with("msg", message);
    Ok(match kept {
        Some(kept) => outcome.with("backup_file", kept.display().to_string()),
        None => outcome,
    })
}

/// The text with the block where it belongs.
fn arranged(args: &Args, before: &str) -> Result<String, Halt> {
    let mut lines = split(before);
    let marker = |mark: &str| args.marker.replace("{mark}", mark) + "\n";
    let (begin, end) = (marker(&args.marker_begin), marker(&args.marker_end));
    let present = args.state == State::Present;
    let block: Vec<String> = if present && !args.block.is_empty() {
        let ended = if args.block.ends_with('\n') { args.block.clone() } else { format!("{}\n", args.block) };
        [vec![begin.clone()], split(&ended), vec![end.clone()]].concat()
    } else {
        Vec::new()
    };
    let position = |lines: &[String], marker: &str| lines.iter().rposition(|line| line == marker);
    let mut at = match (position(&lines, &begin), position(&lines, &end)) {
        (Some(first), Some(last)) => {
            let (first, last) = (first.min(last), first.max(last));
            lines.drain(first..=last);
            first
        }
        _ => spot(args, before, &lines)?,
    };
    if at > 0 && !lines[at - 1].ends_with('\n') {
        lines[at - 1].push('\n');
    }
    if args.prepend_newline && present && at != 0 && lines[at - 1] != "\n" {
        lines.insert(at, "\n".to_string());
        at += 1;
    }
    let below = at + block.len();
    lines.splice(at..at, block);
    if args.append_newline && present && lines.get(below).is_some_and(|line| line != "\n") {
        lines.insert(below, "\n".to_string());
    }
    Ok(lines.concat())
}

/// Where a block goes that is not there yet, as an index into the lines.
fn spot(args: &Args, text: &str, lines: &[String]) -> Result<usize, Halt> {
    let (source, after) = match (&args.insertafter, &args.insertbefore) {
        (Some(after), _) if after != "EOF" => (after, true),
        (None, Some(before)) if before != "BOF" => (before, false),
        (None, Some(_)) => return Ok(0),
        _ => return Ok(lines.len()),
    };
    let pattern = Pattern::new(source, Flags::default()).map_err(Halt::failed)?;
    let whole = source
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(flags, _)| flags.contains('m') && flags.chars().all(|c| c.is_ascii_alphabetic()));
    let matched = if whole {
        // A pattern with the flag `m` may span lines, so it is matched against the whole text.
        let range = pattern.search(text).and_then(|captures| captures.get(0)).map(|m| m.range());
        range.map(|range| text[..if after { range.end } else { range.start }].matches('\n').count())
    } else {
        lines.iter().rposition(|line| pattern.found(line))
    };
    Ok(matched.map_or(lines.len(), |line| line + usize::from(after)).min(lines.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn puts_blocks_where_ansible_does() {
        let block = "# BEGIN ANSIBLE MANAGED BLOCK\nx\n# END ANSIBLE MANAGED BLOCK\n";
        for (before, args, after, message) in [
            ("a\n", json!({"block": "x"}), format!("a\n{block}"), "Block inserted"),
            ("a", json!({"block": "x\n"}), format!("a\n{block}"), "Block inserted"),
            ("a\nb\n", json!({"block": "x", "insertafter": "a"}), format!("a\n{block}b\n"), "Block inserted"),
            ("a\nb\na\n", json!({"block": "x", "insertbefore": "a"}), format!("a\nb\n{block}a\n"), "Block inserted"),
            ("a\n", json!({"block": "x", "insertbefore": "BOF"}), format!("{block}a\n"), "Block inserted"),
            (&format!("a\n{block}b\n"), json!({"block": ""}), "a\nb\n".into(), "Block removed"),
            (&format!("a\n{block}b\n"), json!({"state": "absent", "block": "x"}), "a\nb\n".into(), "Block removed"),
            (&format!("{block}b\n"), json!({"block": "x"}), format!("{block}b\n"), ""),
            (&block.replace('x', "y"), json!({"block": "x"}), block.to_string(), "Block inserted"),
            (
                "a\nb\n",
                json!({"block": "x", "insertafter": "a", "append_newline": true, "prepend_newline": true}),
                format!("a\n\n{block}\nb\n"),
                "Block inserted",
            ),
        ] {
            let mut bench = Bench::new();
            bench.write("f", before);
            let mut given = args.clone();
            given["path"] = "/scratch/f".into();
            let (outcome, _) = bench.law(&MODULE, given);
            assert_eq!((bench.read("f").unwrap(), returned(&outcome, "msg")), (after, message.to_string()), "{before:?} {args}");
        }
    }

    #[test]
    fn makes_files_only_if_asked() {
        let mut bench = Bench::new();
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/f", "block": "x"})).ends_with("does not exist !"));
        let (outcome, _) = bench.law(&MODULE, json!({"path": "/scratch/f", "block": "x", "create": true}));
        assert_eq!(returned(&outcome, "msg"), "File created");
        let (outcome, changes) = bench.law(&MODULE, json!({"path": "/scratch/no", "state": "absent"}));
        assert!(returned(&outcome, "msg").ends_with("not present") && changes.is_empty());
    }
}
