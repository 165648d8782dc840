//! `copy`: a file or a tree from the controller, from the task itself, or from elsewhere on the host.

use crate::args::FromValue;
use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, FileKind, Mode};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A mode, or the one that the original has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyMode {
    /// As the original.
    Preserve,
    /// This one.
    Exactly(Mode),
}

impl FromValue for CopyMode {
    fn kind() -> String {
        Mode::kind()
    }
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("preserve") => Ok(CopyMode::Preserve),
            _ => Mode::from_value(value).map(CopyMode::Exactly),
        }
    }
}

crate::arguments! {
    pub struct Args {
        /// Where the file goes. If it ends with `/` or is a directory, the file goes into it under its own name.
        dest: PathBuf,
        /// The file or directory to copy: on the controller, or on the host with `remote_src`. A directory that ends with `/`
        /// gives its content, otherwise itself.
        src: Option<String>,
        /// The file's content, instead of `src`. Dictionaries and lists are written as JSON.
        content: Option<Value>,
        /// Keep the old file aside before replacing it.
        backup: bool = false,
        /// Replace a file whose content differs; otherwise only make it when it is not there.
        force ["thirsty"]: bool = true,
        /// `src` is on the host.
        remote_src: bool = false,
        /// SHA-1 that the content must have.
        checksum: Option<String>,
        /// A command that must accept the new content before it is put in place; `%s` is its path.
        validate: Option<String>,
        /// Permissions of directories that are made.
        directory_mode: Option<Mode>,
        /// Write to the target of `dest` if that is a link, instead of replacing the link.
        follow: bool = false,
        /// Follow links inside `src`.
        local_follow: bool = true,
        /// Decrypt a vaulted `src`.
        decrypt: bool = true,
        /// Permissions: octal as text (`"0644"`), symbolic (`u+rwx,g-w`), or `preserve` for those of the original.
        mode: Option<CopyMode>,
        /// Name or number of the user who owns it.
        owner: Option<String>,
        /// Name or number of the group that owns it.
        group: Option<String>,
        /// User part of the SELinux context; without effect where SELinux is not.
        seuser: Option<String>,
        /// Role part of the SELinux context; without effect where SELinux is not.
        serole: Option<String>,
        /// Type part of the SELinux context; without effect where SELinux is not.
        setype: Option<String>,
        /// Level part of the SELinux context; without effect where SELinux is not.
        selevel: Option<String>,
        /// Attributes as `lsattr` shows them; accepted, not set.
        attributes ["attr"]: Option<String>,
        /// Accepted; every write is atomic.
        unsafe_writes: bool = false,
        /// Set by the program: SHA-256 of the content to write.
        blob as "_blob": Option<String>,
        /// Set by the program: the name of the file beneath a directory.
        source_name as "_source_name": Option<String>,
        /// Set by the program: what a directory holds, each with `path`, `kind` (`file`, `directory`, `link`), and `blob`, `mode`, `target`.
        tree as "_tree": Option<Vec<Map>>,
        /// Set by the program: the mode that the original has.
        source_mode as "_mode": Option<Mode>,
        /// Set by the program: whether the content must not be shown.
        secret as "_secret": bool = false,
    }
}

crate::module! {
    name: "copy", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Declares,
    doc: "Copies a file or a directory to the host, or writes content given in the task.",
    examples: [
        r#"{"dest": "/scratch/motd", "content": "Hello\n", "mode": "0644"}"#,
        r#"{"dest": "/scratch/config.json", "content": {"port": 9999}, "backup": true}"#,
        r#"{"dest": "/scratch/passwd", "src": "/etc/passwd", "remote_src": true, "mode": "preserve"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.src.is_some() && args.content.is_some() {
        return Err(Halt::failed("`src` and `content` exclude each other: give one of them"));
    }
    if let Some(tree) = &args.tree {
        let plan = tree.iter().map(Item::sent).collect::<Result<Vec<_>, _>>()?;
        return tree_to(args, host, &args.dest, plan);
    }
    if let Some(content) = &args.content {
        return single(args, host, Content::Bytes(text_of(content)?), args.source_name.as_deref(), None);
    }
    if let Some(blob) = &args.blob {
        return single(args, host, Content::Blob(blob.clone()), args.source_name.as_deref(), args.source_mode.clone());
    }
    match &args.src {
        Some(src) if args.remote_src => from_host(args, host, src),
        Some(src) => Err(Failure::new(format!("the content of {src} was not sent to the host"))
            .hint("`remote_src: true` copies a file that is on the host")
            .into()),
        None => Err(Halt::failed("`copy` needs `src` or `content`")),
    }
}

/// JSON as Python writes it on one line: a space after commas and colons.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// What `content` puts into the file.
fn text_of(content: &Value) -> Result<Vec<u8>, Halt> {
    match content.reveal() {
        v @ (Value::Map(_) | Value::List(_)) => {
            let mut text = Vec::new();
            let mut writer = serde_json::Serializer::with_formatter(&mut text, Spaced);
            let written = v.revealed().to_json().serialize(&mut writer);
            written.map_err(|e| Halt::failed(format!("`content` cannot be written as JSON: {e}")))?;
            Ok(text)
        }
        v => Ok(v.to_string().into_bytes()),
    }
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

/// Where a single file goes: `dest`, or beneath it; makes the directories that a trailing slash asks for.
fn place(args: &Args, host: &mut Host, name: Option<&str>) -> Result<PathBuf, Halt> {
    let is_directory = host.files().stat_followed(&args.dest)?.is_some_and(|stat| stat.kind == FileKind::Directory);
    if !is_directory && ends_with_slash(&args.dest) {
        let directory = directories(args);
        let missing: Vec<PathBuf> = {
            let mut missing = Vec::new();
            for parent in args.dest.ancestors() {
                if parent.as_os_str().is_empty() || host.files().stat_followed(parent)?.is_some() {
                    break;
                }
                missing.push(parent.to_path_buf());
            }
            missing
        };
        for parent in missing.iter().rev() {
            host.files().converge(parent, &directory)?;
        }
    } else if !is_directory {
        let parent = args.dest.parent().unwrap_or(Path::new("/"));
        if host.files().stat_followed(parent)?.is_none() {
            return Err(Failure::new(format!("Destination directory {} does not exist", parent.display()))
                .hint("make it with `file: state=directory`, or end `dest` with `/`")
                .into());
        }
        return if args.follow { host.resolve(&args.dest) } else { Ok(args.dest.clone()) };
    }
    let Some(name) = name else {
        return Err(Failure::new("can not use content with a dir as dest")
            .hint(format!("name a file beneath {}", args.dest.display()))
            .into());
    };
    let path = args.dest.join(name);
    if args.follow { host.resolve(&path) } else { Ok(path) }
}

/// The attributes of directories made on the way.
fn directories(args: &Args) -> Desired {
    Desired {
        entry: Some(Entry::Directory),
        owner: args.owner.clone(),
        group: args.group.clone(),
        mode: args.directory_mode.clone(),
        follow: true,
        ..Desired::default()
    }
}

fn attributes(args: &Args, original: Option<Mode>) -> Desired {
    let mode = match &args.mode {
        Some(CopyMode::Exactly(mode)) => Some(mode.clone()),
        Some(CopyMode::Preserve) => original,
        None => None,
    };
    Desired { owner: args.owner.clone(), group: args.group.clone(), mode, follow: args.follow, secret: args.secret, ..Desired::default() }
}

fn single(args: &Args, host: &mut Host, content: Content, name: Option<&str>, original: Option<Mode>) -> Result<Outcome, Halt> {
    if let Some(expected) = &args.checksum {
        let bytes = match &content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Blob(hash) => host.content(hash)?,
        };
        let found = crate::host::digest::hex("sha1", &bytes).unwrap_or_default();
        if !found.eq_ignore_ascii_case(expected) {
            return Err(Failure::new("Copied file does not match the expected checksum. Transfer failed.")
                .with("checksum", found)
                .with("expected_checksum", expected.as_str())
                .into());
        }
    }
    let dest = place(args, host, name)?;
    let src = args.src.clone().or_else(|| name.map(str::to_string));
    let mut outcome = Outcome::new().with("dest", dest.display().to_string()).with("src", src);
    if !args.force && host.files().stat(&dest)?.is_some() {
        return host.describe(&dest, outcome.with("msg", "file already exists"));
    }
    if let Some(stat) = host.files().stat_followed(&dest)?
        && stat.kind == FileKind::Directory
    {
        return Err(Halt::failed(format!("{} is a directory, a file cannot take its place", dest.display())));
    }
    if let Some(kept) = host.edit(&dest, content, attributes(args, original), args.backup, args.validate.as_deref())? {
        outcome = outcome.with("backup_file", kept.display().to_string());
    }
    for (field, algorithm) in [("checksum", "sha1"), ("md5sum", "md5")] {
        if let Some(digest) = host.files().digest(&dest, algorithm)? {
            outcome = outcome.with(field, digest);
        }
    }
    host.describe(&dest, outcome)
}

/// One entry of a tree, relative to where the tree goes.
struct Item {
    path: PathBuf,
    entry: Entry,
    mode: Option<Mode>,
}

impl Item {
    /// Reads what the program sent; a path that leaves the tree is refused.
    fn sent(item: &Map) -> Result<Item, Halt> {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let path = PathBuf::from(text("path").unwrap_or_default());
        if path.as_os_str().is_empty() || path.components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
            return Err(Halt::failed(format!("the path {:?} in a copied tree leads out of it", path.display().to_string())));
        }
        let entry = match (text("kind"), text("blob"), text("target")) {
            (Some("directory"), ..) => Entry::Directory,
            (Some("link"), _, Some(target)) => Entry::Link(PathBuf::from(target)),
            (_, Some(blob), _) => Entry::File(Content::Blob(blob.to_string())),
            _ => return Err(Halt::failed(format!("the entry {} of a copied tree has no content", path.display()))),
        };
        let mode = item.get("mode").filter(|v| !matches!(v, Value::Null)).map(Mode::from_value).transpose();
        Ok(Item { path, entry, mode: mode.map_err(|why| Halt::failed(format!("`mode` in a copied tree {why}")))? })
    }
}

fn tree_to(args: &Args, host: &mut Host, dest: &Path, items: Vec<Item>) -> Result<Outcome, Halt> {
    let directory = directories(args);
    host.files().converge(dest, &directory)?;
    for item in items {
        let path = dest.join(&item.path);
        if !args.force && host.files().stat(&path)?.is_some() {
            continue;
        }
        let desired = match item.entry {
            Entry::Directory => directory.clone(),
            entry @ Entry::Link(_) => Desired { entry: Some(entry), mode: None, ..attributes(args, None) },
            Entry::File(content) => {
                host.edit(&path, content, attributes(args, item.mode), args.backup, args.validate.as_deref())?;
                continue;
            }
            entry => Desired { entry: Some(entry), ..attributes(args, item.mode) },
        };
        host.files().converge(&path, &desired)?;
    }
    let src = args.src.clone();
    host.describe(dest, Outcome::new().with("dest", dest.display().to_string()).with("src", src))
}

fn from_host(args: &Args, host: &mut Host, src: &str) -> Result<Outcome, Halt> {
    let path = PathBuf::from_value(&Value::str(src)).map_err(|why| Halt::failed(format!("argument `src` of `copy` {why}")))?;
    let Some(stat) = host.files().stat_followed(&path)? else {
        return Err(Failure::new(format!("Source {src} not found")).hint("with `remote_src: true`, `src` is a path on the host").into());
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    if !matches!(stat.kind, FileKind::Directory | FileKind::File) {
        return Err(Halt::failed(format!("Cannot copy invalid source '{src}': not a file")));
    }
    if stat.kind == FileKind::File {
        let bytes = host.files().read(&path)?.unwrap_or_default();
        return single(args, host, Content::Bytes(bytes), name.as_deref(), Some(Mode::Bits(stat.mode)));
    }
    let dest = match name {
        Some(name) if !src.ends_with('/') => args.dest.join(name),
        _ => args.dest.clone(),
    };
    let mut items = Vec::new();
    walk(host, &path, Path::new(""), args.local_follow, &mut items)?;
    tree_to(args, host, &dest, items)
}

fn walk(host: &mut Host, base: &Path, beneath: &Path, follow: bool, items: &mut Vec<Item>) -> Result<(), Halt> {
    for name in host.files().list(&base.join(beneath))?.unwrap_or_default() {
        let relative = beneath.join(name);
        let path = base.join(&relative);
        let stat = if follow { host.files().stat_followed(&path)? } else { None };
        let Some(stat) = stat.map_or_else(|| host.files().stat(&path), |stat| Ok(Some(stat)))? else { continue };
        let mode = Some(Mode::Bits(stat.mode));
        let entry = match stat.kind {
            FileKind::Directory => Entry::Directory,
            FileKind::Link => Entry::Link(stat.target.unwrap_or_default()),
            FileKind::File => Entry::File(Content::Bytes(host.files().read(&path)?.unwrap_or_default())),
            _ => continue,
        };
        let descend = matches!(entry, Entry::Directory);
        items.push(Item { path: relative.clone(), entry, mode });
        if descend {
            walk(host, base, &relative, follow, items)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn writes_content_and_json() {
        let mut bench = Bench::new();
        let (outcome, changes) = bench.law(&MODULE, json!({"dest": "/scratch/a", "content": "x", "mode": "0600"}));
        assert_eq!(returned(&outcome, "checksum"), "11f6ad8ec52a2984abaafd7c3b516503785c2072");
        assert_eq!((returned(&outcome, "mode"), returned(&outcome, "size"), changes.len()), ("0600".into(), "1".into(), 1));
        bench.law(&MODULE, json!({"dest": "/scratch/b", "content": {"a": [1, true]}}));
        assert_eq!(bench.read("b").as_deref(), Some(r#"{"a": [1, true]}"#));
    }

    #[test]
    fn copies_no_devices() {
        let mut bench = Bench::new();
        let why = bench.failure(&MODULE, json!({"src": "/dev/null", "dest": "/scratch/x", "remote_src": true}));
        assert_eq!(why, "Cannot copy invalid source '/dev/null': not a file");
    }

    #[test]
    fn goes_beneath_directories() {
        let mut bench = Bench::new();
        let blob = bench.blob(b"text");
        let args = json!({"dest": "/scratch/d/e/", "_blob": blob, "_source_name": "f", "src": "f", "directory_mode": "0700"});
        bench.law(&MODULE, args);
        assert_eq!(bench.read("d/e/f").as_deref(), Some("text"));
        let (outcome, _) =
            bench.law(&MODULE, json!({"dest": "/scratch/d", "_blob": blob, "_source_name": "g", "_mode": "0640", "mode": "preserve"}));
        assert!(returned(&outcome, "dest").ends_with("/d/g"));
        assert_eq!(returned(&outcome, "mode"), "0640");
        assert_eq!(bench.failure(&MODULE, json!({"dest": "/scratch/d", "content": "x"})), "can not use content with a dir as dest");
        assert!(bench.failure(&MODULE, json!({"dest": "/scratch/no/x", "content": "x"})).starts_with("Destination directory"));
    }

    #[test]
    fn keeps_what_is_not_forced_and_checks_checksums() {
        let mut bench = Bench::new();
        bench.write("a", "old");
        assert!(bench.apply(&MODULE, json!({"dest": "/scratch/a", "content": "new", "force": false})).1.is_empty());
        assert!(bench.failure(&MODULE, json!({"dest": "/scratch/a", "content": "new", "checksum": "00"})).contains("expected checksum"));
        let (outcome, _) = bench.apply(&MODULE, json!({"dest": "/scratch/a", "content": "new", "backup": true}));
        assert!(returned(&outcome, "backup_file").contains("/a."));
        assert!(bench.run(true, &MODULE, json!({"dest": "/scratch/a", "content": "x", "validate": "false %s"})).result.is_err());
        assert_eq!(bench.read("a").as_deref(), Some("new"));
    }

    #[test]
    fn copies_trees() {
        let mut bench = Bench::new();
        bench.write("from/x/y", "1");
        bench.law(&MODULE, json!({"dest": "/scratch/to", "src": "/scratch/from", "remote_src": true}));
        assert_eq!(bench.read("to/from/x/y").as_deref(), Some("1"));
        let blob = bench.blob(b"2");
        let tree = json!([{"path": "p", "kind": "directory"}, {"path": "p/q", "blob": blob, "mode": "0600"}, {"path": "l", "kind": "link", "target": "p"}]);
        bench.law(&MODULE, json!({"dest": "/scratch/tree", "_tree": tree, "mode": "preserve"}));
        assert_eq!(bench.read("tree/l/q").as_deref(), Some("2"));
        let out = json!([{"path": "../p", "kind": "directory"}]);
        assert!(bench.failure(&MODULE, json!({"dest": "/scratch/tree", "_tree": out})).contains("leads out of it"));
    }

    #[test]
    fn replaces_links_unless_following() {
        let mut bench = Bench::new();
        bench.write("target", "old");
        std::os::unix::fs::symlink("target", bench.path("l")).unwrap();
        bench.law(&MODULE, json!({"dest": "/scratch/l", "content": "new", "follow": true}));
        assert_eq!(bench.read("target").as_deref(), Some("new"));
        bench.law(&MODULE, json!({"dest": "/scratch/l", "content": "newer"}));
        assert_eq!((bench.read("target").as_deref(), bench.read("l").as_deref()), (Some("new"), Some("newer")));
    }
}
