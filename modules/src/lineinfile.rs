//! `lineinfile`: one line of a text file, there or not there.

use crate::host::Host;
use crate::host::files::{Content, FileKind};
use crate::module::{Failure, Halt, Outcome};
use crate::pattern::{Flags, Pattern, expand};
use std::path::{Path, PathBuf};

crate::choices! {
    pub enum State { Present = "present", Absent = "absent" }
}

crate::arguments! {
    pub struct Args {
        /// The file to edit.
        path ["dest", "destfile", "name"]: PathBuf,
        /// Which line to look for, as a regular expression. With `state: present` the last line that matches is replaced,
        /// with `absent` every one goes.
        regexp ["regex"]: Option<String>,
        /// Which line to look for, as plain text within it.
        search_string: Option<String>,
        /// Whether the line should be there.
        state: State = State::Present,
        /// The line.
        line ["value"]: Option<String>,
        /// Fill `\1` and `\g<name>` in `line` with groups of `regexp`; a file where it matches nothing stays as it is.
        backrefs: bool = false,
        /// Where a new line goes: after the last line that matches this regular expression, `EOF` or `BOF`.
        insertafter: Option<String>,
        /// Where a new line goes: before the last line that matches this regular expression, or `BOF`.
        insertbefore: Option<String>,
        /// Make the file if it is not there.
        create: bool = false,
        /// Keep the old file aside before changing it.
        backup: bool = false,
        /// Use the first line that matches instead of the last.
        firstmatch: bool = false,
        /// A command that must accept the new content before it is put in place; `%s` is its path.
        validate: Option<String>,
    } with file attributes
}

crate::module! {
    name: "lineinfile", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Makes sure that one line is, or is not, in a text file.",
    examples: [
        r#"{"path": "/scratch/sshd_config", "regexp": "^#?PermitRootLogin", "line": "PermitRootLogin no", "create": true}"#,
        r#"{"path": "/scratch/hosts", "line": "127.0.0.1 localhost", "insertbefore": "BOF", "create": true, "mode": "0644"}"#,
        r#"{"path": "/scratch/none", "regexp": "^x", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    refuse_contradictions(args)?;
    let caret = " If this is desired, use '^' to match every line in the file and avoid this warning.";
    for (given, name, advice) in [(&args.regexp, "regular expression", caret), (&args.search_string, "search string", "")] {
        if given.as_deref() == Some("") {
            host.warn(format!(
                "The {name} is an empty string, which will match every line in the file. This may have unintended consequences, \
                 such as replacing the last line in the file rather than appending.{advice}"
            ));
        }
    }
    let path = host.resolve(&args.path)?;
    let before = read_text(host, &path, &args.path)?;
    let lines = split(before.as_deref().unwrap_or_default());
    let (after, message, found) = match (args.state, &before) {
        (State::Absent, None) => return Ok(Outcome::new().with("msg", "file not present").with("found", 0)),
        (State::Present, None) if !args.create => {
            return Err(Failure::new(format!("Destination {} does not exist !", args.path.display()))
                .hint("`create: true` makes the file")
                .with("rc", 257)
                .into());
        }
        (State::Present, _) => {
            let (after, message) = present(args, lines)?;
            (after, message.to_string(), None)
        }
        (State::Absent, _) => {
            let (after, found) = absent(args, &lines)?;
            (after, if found > 0 { format!("{found} line(s) removed") } else { String::new() }, Some(found))
        }
    };
    if args.create && before.is_none() {
        parents(host, &path)?;
    }
    let kept = host.edit(&path, Content::Bytes(after.concat().into_bytes()), args.desired(), args.backup, args.validate.as_deref())?;
    let kept = kept.map(|path| path.display().to_string()).unwrap_or_default();
    let outcome = Outcome::new().with("msg", message).with("backup", kept);
    Ok(match found {
        Some(found) => outcome.with("found", found),
        None => outcome,
    })
}

fn refuse_contradictions(args: &Args) -> Result<(), Halt> {
    let both = |a: bool, b: bool, names: &str| match a && b {
        true => Err(Halt::failed(format!("parameters are mutually exclusive: {names}"))),
        false => Ok(()),
    };
    both(args.insertbefore.is_some(), args.insertafter.is_some(), "insertbefore|insertafter")?;
    both(args.regexp.is_some(), args.search_string.is_some(), "regexp|search_string")?;
    both(args.backrefs, args.search_string.is_some(), "backrefs|search_string")?;
    match args.state {
        State::Present if args.backrefs && args.regexp.is_none() => Err(Halt::failed("regexp is required with backrefs=true")),
        State::Present if args.line.is_none() => Err(Halt::failed("line is required with state=present")),
        State::Absent if args.regexp.is_none() && args.search_string.is_none() && args.line.is_none() => {
            Err(Halt::failed("one of line, search_string, or regexp is required with state=absent"))
        }
        _ => Ok(()),
    }
}

/// The text of a file; `None` when it is not there. `shown` is the path in messages.
pub(crate) fn read_text(host: &mut Host, path: &Path, shown: &Path) -> Result<Option<String>, Halt> {
    let Some(stat) = host.files().stat_followed(path)? else {
        return Ok(None);
    };
    if stat.kind == FileKind::Directory {
        return Err(Failure::new(format!("Path {} is a directory !", shown.display())).with("rc", 256).into());
    }
    if stat.kind == FileKind::CharDevice {
        // There is no text in it; nor can one be put there.
        return Ok(Some(String::new()));
    }
    let bytes = host.files().read(path)?.unwrap_or_default();
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|e| Halt::failed(format!("{} is not UTF-8 text (byte {})", shown.display(), e.utf8_error().valid_up_to())))
}

/// Makes the directories above a file that is made.
pub(crate) fn parents(host: &mut Host, path: &Path) -> Result<(), Halt> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let Some(parent) = parent else { return Ok(()) };
    if host.files().stat_followed(parent)?.is_none() {
        parents(host, parent)?;
        let directory = crate::host::files::Desired { entry: Some(crate::host::files::Entry::Directory), ..Default::default() };
        host.files().converge(parent, &directory)?;
    }
    Ok(())
}

/// A text in lines, each with its end.
pub(crate) fn split(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_string).collect()
}

fn compile(source: &str) -> Result<Pattern, Halt> {
    Pattern::new(source, Flags::default()).map_err(Halt::failed)
}

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// Where the wanted line stands or belongs.
enum Spot {
    /// It takes the place of this line.
    At(usize),
    /// It goes before this line.
    Before(usize),
    /// Nothing says where.
    Nowhere,
}

fn present(args: &Args, mut lines: Vec<String>) -> Result<(Vec<String>, &'static str), Halt> {
    let line = args.line.clone().unwrap_or_default();
    let ended = |text: &str| if text.ends_with('\n') { text.to_string() } else { format!("{text}\n") };
    let (spot, filled) = find(args, &lines, &line)?;
    match spot {
        Spot::At(at) => {
            let new = ended(&filled.unwrap_or_else(|| line.clone()));
            if lines[at] == new {
                return Ok((lines, ""));
            }
            lines[at] = new;
            return Ok((lines, "line replaced"));
        }
        _ if args.backrefs => return Ok((lines, "")),
        Spot::Before(at) => {
            // A line that already stands where it would go is not repeated.
            let neighbour = match args.insertafter.is_some() {
                true => lines.get(if at == lines.len() { at - 1 } else { at }),
                false => lines.get(at.saturating_sub(1)),
            };
            let searched = args.regexp.is_some() || args.search_string.is_some();
            if neighbour.is_some_and(|n| bare(n) == line) && (args.insertafter.is_some() || !searched) {
                return Ok((lines, ""));
            }
            if at == lines.len()
                && let Some(last) = lines.last_mut()
            {
                *last = ended(last);
            }
            lines.insert(at, line + "\n");
        }
        Spot::Nowhere if args.insertbefore.as_deref() == Some("BOF") || args.insertafter.as_deref() == Some("BOF") => {
            lines.insert(0, line + "\n");
        }
        Spot::Nowhere => {
            if let Some(last) = lines.last_mut().filter(|last| !last.ends_with(['\n', '\r'])) {
                last.push('\n');
            }
            lines.push(line + "\n");
        }
    }
    Ok((lines, "line added"))
}

/// Finds the spot, and the line with its back-references filled if it takes the place of a match.
fn find(args: &Args, lines: &[String], line: &str) -> Result<(Spot, Option<String>), Halt> {
    let pick = |matches: &mut dyn Iterator<Item = usize>| if args.firstmatch { matches.next() } else { matches.last() };
    let numbered = || lines.iter().enumerate();
    if let Some(regexp) = &args.regexp {
        let pattern = compile(regexp)?;
        if let Some(at) = pick(&mut numbered().filter(|(_, l)| pattern.found(l)).map(|(i, _)| i)) {
            let filled = match (args.backrefs, pattern.search(&lines[at])) {
                (true, Some(captures)) => Some(expand(&captures, line).map_err(Halt::failed)?),
                _ => None,
            };
            return Ok((Spot::At(at), filled));
        }
    }
    if let Some(text) = &args.search_string
        && let Some(at) = pick(&mut numbered().filter(|(_, l)| l.contains(text.as_str())).map(|(i, _)| i))
    {
        return Ok((Spot::At(at), None));
    }
    let (anchor, step) = match (&args.insertafter, &args.insertbefore) {
        (Some(after), _) if after != "EOF" && after != "BOF" => (Some(compile(after)?), 1),
        (None, Some(before)) if before != "BOF" => (Some(compile(before)?), 0),
        _ => (None, 0),
    };
    let (mut exact, mut near) = (None, None);
    for (at, current) in numbered() {
        if bare(current) == line {
            exact = Some(at);
        } else if anchor.as_ref().is_some_and(|anchor| anchor.found(current)) {
            near = Some(at + step);
            if args.firstmatch {
                break;
            }
        }
    }
    Ok((exact.map(Spot::At).or(near.map(Spot::Before)).unwrap_or(Spot::Nowhere), None))
}

fn absent(args: &Args, lines: &[String]) -> Result<(Vec<String>, usize), Halt> {
    let pattern = args.regexp.as_deref().map(compile).transpose()?;
    let goes = |current: &str| match (&pattern, &args.search_string, &args.line) {
        (Some(pattern), _, _) => pattern.found(current),
        (None, Some(text), _) => current.contains(text.as_str()),
        (None, None, line) => Some(bare(current)) == line.as_deref(),
    };
    let kept: Vec<String> = lines.iter().filter(|line| !goes(line)).cloned().collect();
    let found = lines.len() - kept.len();
    Ok((kept, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    fn edited(before: &str, args: serde_json::Value) -> (String, String) {
        let mut bench = Bench::new();
        bench.write("f", before);
        let mut given = json!({"path": "/scratch/f"});
        given.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
        let (outcome, _) = bench.apply(&MODULE, given.clone());
        (bench.read("f").unwrap(), returned(&outcome, "msg"))
    }

    #[test]
    fn puts_lines_where_ansible_does() {
        for (before, args, after, message) in [
            ("", json!({"line": "x"}), "x\n", "line added"),
            ("a", json!({"line": "x"}), "a\nx\n", "line added"),
            ("a\nx\n", json!({"line": "x"}), "a\nx\n", ""),
            ("a\nx", json!({"line": "x"}), "a\nx\n", "line replaced"),
            ("a\nb\n", json!({"line": "x", "insertbefore": "BOF"}), "x\na\nb\n", "line added"),
            ("a\nb\na\n", json!({"line": "x", "insertafter": "^a"}), "a\nb\na\nx\n", "line added"),
            ("a\nb\na\n", json!({"line": "x", "insertafter": "^a", "firstmatch": true}), "a\nx\nb\na\n", "line added"),
            ("a\nb\na\n", json!({"line": "x", "insertbefore": "^a"}), "a\nb\nx\na\n", "line added"),
            ("a\nb\n", json!({"line": "x", "insertbefore": "^q"}), "a\nb\nx\n", "line added"),
            ("a=1\na=2\n", json!({"line": "a=3", "regexp": "^a="}), "a=1\na=3\n", "line replaced"),
            ("a=1\na=2\n", json!({"line": "a=3", "regexp": "^a=", "firstmatch": true}), "a=3\na=2\n", "line replaced"),
            ("a=1\n", json!({"line": r"\1=2", "regexp": "^(a)=", "backrefs": true}), "a=2\n", "line replaced"),
            ("a=1\n", json!({"line": r"\1=2", "regexp": "^(b)=", "backrefs": true}), "a=1\n", ""),
            ("a=1\n", json!({"line": "b", "search_string": "a="}), "b\n", "line replaced"),
            ("a\nb\na\n", json!({"state": "absent", "regexp": "^a$"}), "b\n", "2 line(s) removed"),
            ("a\nab\n", json!({"state": "absent", "line": "a"}), "ab\n", "1 line(s) removed"),
        ] {
            assert_eq!(edited(before, args.clone()), (after.to_string(), message.to_string()), "{before:?} {args}");
        }
    }

    #[test]
    fn makes_files_only_if_asked() {
        let mut bench = Bench::new();
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/f", "line": "x"})).ends_with("does not exist !"));
        bench.law(&MODULE, json!({"path": "/scratch/d/f", "line": "x", "create": true, "mode": "0600"}));
        assert_eq!(bench.read("d/f").as_deref(), Some("x\n"));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/d", "line": "x"})).ends_with("is a directory !"));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/d/f"})).contains("line is required"));
    }
}
