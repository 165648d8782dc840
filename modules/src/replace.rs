//! `replace`: every match of a regular expression in a file.

use crate::host::Host;
use crate::host::files::Content;
use crate::lineinfile::read_text;
use crate::module::{Failure, Halt, Outcome};
use crate::pattern::{Flags, Pattern};
use std::path::PathBuf;

crate::arguments! {
    pub struct Args {
        /// The file to edit.
        path ["dest", "destfile", "name"]: PathBuf,
        /// What to look for; `^` and `$` match at every line.
        regexp: String,
        /// What to put in its place, with `\1` and `\g<name>` for its groups.
        replace: String = String::new(),
        /// Only look behind the first match of this regular expression, where `.` matches line ends too.
        after: Option<String>,
        /// Only look before the first match of this regular expression, where `.` matches line ends too.
        before: Option<String>,
        /// Keep the old file aside before changing it.
        backup: bool = false,
        /// A command that must accept the new content before it is put in place; `%s` is its path.
        validate: Option<String>,
        /// Accepted; text is UTF-8.
        encoding: String = "utf-8".to_string(),
    } with file attributes
}

crate::module! {
    name: "replace", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Replaces every match of a regular expression in a file.",
    examples: [r#"{"path": "/etc/passwd", "regexp": "^(no-such-user:.*)/bin/sh$", "replace": "\\1/usr/sbin/nologin"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let path = host.resolve(&args.path)?;
    let Some(text) = read_text(host, &path, &args.path)? else {
        return Err(Failure::new(format!("Path {} does not exist !", args.path.display())).with("rc", 257).into());
    };
    let Some((start, end)) = section(args, &text)? else {
        let pattern = bounds(args).unwrap_or_default();
        let message = format!("Pattern for before/after params did not match the given file: {pattern}");
        return Ok(Outcome::new().with("msg", message).with("rc", 0));
    };
    let pattern = Pattern::new(&args.regexp, Flags { multiline: true, ..Flags::default() }).map_err(Halt::failed)?;
    let (replaced, count) = pattern
        .replace_all(&text[start..end], &args.replace)
        .map_err(|why| Halt::failed(format!("Unable to process replace due to error: {why}")))?;
    let message = if replaced == text[start..end] { String::new() } else { format!("{count} replacements made") };
    let content = [&text[..start], replaced.as_str(), &text[end..]].concat();
    let kept = host.edit(&path, Content::Bytes(content.into_bytes()), args.desired(), args.backup, args.validate.as_deref())?;
    let outcome = Outcome::new().with("msg", message).with("rc", 0);
    Ok(match kept {
        Some(kept) => outcome.with("backup_file", kept.display().to_string()),
        None => outcome,
    })
}

/// The pattern whose group `subsection` is the part of the file to look at; `None` for all of it.
fn bounds(args: &Args) -> Option<String> {
    match (&args.after, &args.before) {
        (Some(after), Some(before)) => Some(format!("{after}(?P<subsection>.*?){before}")),
        (Some(after), None) => Some(format!("{after}(?P<subsection>.*)")),
        (None, Some(before)) => Some(format!("(?P<subsection>.*){before}")),
        (None, None) => None,
    }
}

fn section(args: &Args, text: &str) -> Result<Option<(usize, usize)>, Halt> {
    let Some(source) = bounds(args) else {
        return Ok(Some((0, text.len())));
    };
    let pattern = Pattern::new(&source, Flags { dotall: true, ..Flags::default() }).map_err(Halt::failed)?;
    Ok(pattern.search(text).and_then(|captures| captures.name("subsection")).map(|m| (m.start(), m.end())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn replaces_within_bounds() {
        for (before, args, after, message) in [
            ("a b\na\n", json!({"regexp": "^a", "replace": "x"}), "x b\nx\n", "2 replacements made"),
            ("a b\n", json!({"regexp": "(a) (b)", "replace": r"\2 \1"}), "b a\n", "1 replacements made"),
            ("a\n#\na\n", json!({"regexp": "a", "replace": "x", "after": "#"}), "a\n#\nx\n", "1 replacements made"),
            ("a\n#\na\n", json!({"regexp": "a", "replace": "x", "before": "#"}), "x\n#\na\n", "1 replacements made"),
            ("a[a]a", json!({"regexp": "a", "after": r"\[", "before": r"\]"}), "a[]a", "1 replacements made"),
            ("a\n", json!({"regexp": "q"}), "a\n", ""),
            (
                "a\n",
                json!({"regexp": "a", "after": "q"}),
                "a\n",
                "Pattern for before/after params did not match the given file: q(?P<subsection>.*)",
            ),
        ] {
            let mut bench = Bench::new();
            bench.write("f", before);
            let mut given = args.clone();
            given["path"] = "/scratch/f".into();
            let (outcome, _) = bench.apply(&MODULE, given);
            assert_eq!(
                (bench.read("f").unwrap(), returned(&outcome, "msg")),
                (after.to_string(), message.to_string()),
                "{before:?} {args}"
            );
        }
        let mut bench = Bench::new();
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/f", "regexp": "x"})).ends_with("does not exist !"));
        let escape = json!({"path": "/dev/null", "after": "^", "before": "$", "regexp": r"\.", "replace": r"\D"});
        assert!(bench.failure(&MODULE, escape).starts_with("Unable to process replace due to error"));
        bench.write("f", "old\n");
        bench.law(&MODULE, json!({"path": "/scratch/f", "regexp": "^old$", "replace": "new", "mode": "0600"}));
    }
}
