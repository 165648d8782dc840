//! `assemble`: one file out of the fragments in a directory.

use crate::host::Host;
use crate::host::files::{Content, FileKind};
use crate::module::{Failure, Halt, Outcome};
use crate::pattern::{Flags, Pattern};
use crate::value::{Map, Value};
use std::path::PathBuf;

crate::arguments! {
    pub struct Args {
        /// The directory of the fragments, on the host.
        src: PathBuf,
        /// The file to write.
        dest: PathBuf,
        /// Keep the old file aside before replacing it.
        backup: bool = false,
        /// What stands between two fragments.
        delimiter: Option<String>,
        /// Fragments are on the host.
        remote_src: bool = true,
        /// A regular expression that a fragment's name must match.
        regexp: Option<String>,
        /// Leave out fragments whose name begins with a dot.
        ignore_hidden: bool = false,
        /// Decrypt vaulted fragments.
        decrypt: bool = true,
        /// A command that must accept the new content before it is put in place; `%s` is its path.
        validate: Option<String>,
        /// The fragments of the controller, by path and SHA-256; set by `engine`.
        _tree: Option<Vec<Map>>,
    } with file attributes
}

crate::module! {
    name: "assemble", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Joins the files of a directory, in the order of their names, into one file.",
    examples: [r#"{"src": "/scratch/app.conf.d", "dest": "/scratch/app.conf", "regexp": "\\.conf$", "mode": "0644"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let shown = args.src.display().to_string();
    let pattern = args.regexp.as_deref().map(|source| Pattern::new(source, Flags::default()));
    let pattern = pattern.transpose().map_err(|why| Failure::new(format!("Invalid Regexp ({why})")))?;
    let mut out: Vec<u8> = Vec::new();
    for (name, content) in fragments(args, host)? {
        let hidden = args.ignore_hidden && name.starts_with('.');
        if hidden || pattern.as_ref().is_some_and(|pattern| !pattern.found(&name)) {
            continue;
        }
        let bytes = match content {
            Content::Bytes(bytes) => bytes,
            Content::Blob(hash) => host.content(&hash)?,
        };
        append(&mut out, &bytes, args.delimiter.as_deref());
    }
    let kept = host.edit(&args.dest, Content::Bytes(out), args.desired(), args.backup, args.validate.as_deref())?;
    let mut outcome = Outcome::new().with("src", shown).with("dest", args.dest.display().to_string()).with("msg", "OK");
    if let Some(kept) = kept {
        outcome = outcome.with("backup_file", kept.display().to_string());
    }
    for (field, algorithm) in [("checksum", "sha1"), ("md5sum", "md5")] {
        if let Some(digest) = host.files().digest(&args.dest, algorithm)? {
            outcome = outcome.with(field, digest);
        }
    }
    host.describe(&args.dest, outcome)
}

/// The fragments with their names, in the order of these.
fn fragments(args: &Args, host: &mut Host) -> Result<Vec<(String, Content)>, Halt> {
    if let Some(tree) = &args._tree {
        let text = |item: &Map, key: &str| item.get(key).and_then(Value::as_str).map(str::to_string);
        let file = |item: &Map| Some((text(item, "path")?, Content::Blob(text(item, "blob")?)));
        return Ok(tree.iter().filter_map(file).filter(|(name, _)| !name.contains('/')).collect());
    }
    let shown = args.src.display().to_string();
    match host.files().stat_followed(&args.src)? {
        None => return Err(Halt::failed(format!("Source ({shown}) does not exist"))),
        Some(stat) if stat.kind != FileKind::Directory => return Err(Halt::failed(format!("Source ({shown}) is not a directory"))),
        Some(_) => {}
    }
    let mut found = Vec::new();
    for name in host.files().list(&args.src)?.unwrap_or_default() {
        let path = args.src.join(&name);
        if host.files().stat_followed(&path)?.is_some_and(|stat| stat.kind == FileKind::File) {
            found.push((name, Content::Bytes(host.files().read(&path)?.unwrap_or_default())));
        }
    }
    Ok(found)
}

/// Adds a fragment; each begins on a line of its own, and the delimiter stands on one between two of them.
fn append(out: &mut Vec<u8>, fragment: &[u8], delimiter: Option<&str>) {
    let end_line = |out: &mut Vec<u8>| {
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
    };
    if out.is_empty() {
        out.extend_from_slice(fragment);
        return;
    }
    end_line(out);
    if let Some(delimiter) = delimiter {
        // As in Ansible, `\n` and its like in a delimiter are escapes.
        let text = delimiter.replace("\\n", "\n").replace("\\t", "\t");
        out.extend_from_slice(text.as_bytes());
        end_line(out);
    }
    out.extend_from_slice(fragment);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn joins_in_order() {
        let mut bench = Bench::new();
        bench.write("parts/b", "2\n");
        bench.write("parts/a", "1");
        bench.write("parts/.c", "3\n");
        let (outcome, _) = bench.law(&MODULE, json!({"src": "/scratch/parts", "dest": "/scratch/out", "mode": "0600"}));
        assert_eq!((bench.read("out").as_deref(), returned(&outcome, "mode")), (Some("3\n1\n2\n"), "0600".into()));
        bench.law(&MODULE, json!({"src": "/scratch/parts", "dest": "/scratch/out", "ignore_hidden": true, "delimiter": "# --"}));
        assert_eq!(bench.read("out").as_deref(), Some("1\n# --\n2\n"));
        bench.law(&MODULE, json!({"src": "/scratch/parts", "dest": "/scratch/out", "regexp": "^a$"}));
        assert_eq!(bench.read("out").as_deref(), Some("1"));
        let tree = json!([{"path": "a", "blob": bench.blob(b"x")}, {"path": "b", "blob": bench.blob(b"y")}]);
        bench.law(&MODULE, json!({"src": "parts", "dest": "/scratch/out", "remote_src": false, "_tree": tree}));
        assert_eq!(bench.read("out").as_deref(), Some("x\ny"));
        assert!(bench.failure(&MODULE, json!({"src": "/scratch/no", "dest": "/scratch/out"})).ends_with("does not exist"));
    }
}
