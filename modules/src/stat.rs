//! `stat`: what is at a path.

use crate::host::Host;
use crate::host::attributes::mode_text;
use crate::host::files::{FileKind, Stat, attribute_names};
use crate::module::{Halt, Outcome};
use crate::value::{Map, Value};
use std::path::{Path, PathBuf};

crate::choices! {
    pub enum Algorithm {
        Md5 = "md5",
        Sha1 = "sha1",
        Sha224 = "sha224",
        Sha256 = "sha256",
        Sha384 = "sha384",
        Sha512 = "sha512",
    }
}

crate::arguments! {
    pub struct Args {
        /// The path to look at.
        path ["dest", "name"]: PathBuf,
        /// Look at what a link leads to instead of the link.
        follow: bool = false,
        /// Whether `checksum` is returned for files.
        get_checksum: bool = true,
        /// The digest that `checksum` holds.
        checksum_algorithm ["checksum", "checksum_algo"]: Algorithm = Algorithm::Sha1,
        /// Whether `mimetype` and `charset` are returned.
        get_mime ["mime", "mime_type", "mime-type"]: bool = true,
        /// Whether attributes as `lsattr` shows them are returned.
        get_attributes ["attr", "attributes"]: bool = true,
        /// Accepted; SELinux contexts are not looked up.
        get_selinux_context: bool = false,
    }
}

crate::module! {
    name: "stat", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Reads,
    doc: "Returns what is at a path as `stat`: `stat.exists`, kind, mode, owner, size, times and checksum.",
    examples: [r#"{"path": "/etc/passwd", "checksum_algorithm": "sha256"}"#, r#"{"path": "/scratch/none"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let stat = if args.follow { host.files().stat_followed(&args.path)? } else { host.files().stat(&args.path)? };
    let Some(stat) = stat else {
        return Ok(Outcome::new().with("stat", Value::map([("exists", Value::Bool(false))])));
    };
    let mut found = Map::new();
    let mut add = |name: &str, value: Value| found.insert(Value::str(name), value);
    add("exists", true.into());
    add("path", args.path.display().to_string().into());
    for (name, value) in fields(&stat) {
        add(name, value);
    }
    for (name, bit) in [("readable", 4), ("writeable", 2), ("executable", 1)] {
        add(name, accessible(&stat, bit).into());
    }
    if let Some(target) = &stat.target {
        let source = host.resolve(&args.path)?;
        found.insert(Value::str("lnk_source"), source.display().to_string().into());
        found.insert(Value::str("lnk_target"), target.display().to_string().into());
    }
    names(host, &stat, &mut found)?;
    if args.get_checksum && stat.kind == FileKind::File {
        let digest = host.files().digest(&args.path, args.checksum_algorithm.word())?;
        found.insert(Value::str("checksum"), digest.into());
    }
    if args.get_mime {
        let (mimetype, charset) = host.files().nature(&args.path, &stat)?.unwrap_or(("unknown", "unknown"));
        found.insert(Value::str("mimetype"), mimetype.into());
        found.insert(Value::str("charset"), charset.into());
    }
    if args.get_attributes {
        let letters = host.files().letters(&args.path, &stat).unwrap_or_default();
        found.insert(Value::str("attributes"), Value::list(attribute_names(&letters).into_iter().map(Value::str)));
        found.insert(Value::str("attr_flags"), letters.into());
    }
    Ok(Outcome::new().with("stat", found))
}

/// Adds the names of owner and group, where the host has them.
pub(crate) fn names(host: &mut Host, stat: &Stat, found: &mut Map) -> Result<(), Halt> {
    if let Some(name) = host.user_name(stat.uid)? {
        found.insert(Value::str("pw_name"), name.into());
    }
    if let Some(name) = host.group_name(stat.gid)? {
        found.insert(Value::str("gr_name"), name.into());
    }
    Ok(())
}

/// The fields that come from the inode alone, by Ansible's names.
pub(crate) fn fields(stat: &Stat) -> Vec<(&'static str, Value)> {
    let kind = |kind: FileKind| Value::Bool(stat.kind == kind);
    let bit = |bit: u32| Value::Bool(stat.mode & bit != 0);
    vec![
        ("mode", mode_text(stat.mode).into()),
        ("isdir", kind(FileKind::Directory)),
        ("ischr", kind(FileKind::CharDevice)),
        ("isblk", kind(FileKind::BlockDevice)),
        ("isreg", kind(FileKind::File)),
        ("isfifo", kind(FileKind::Fifo)),
        ("islnk", kind(FileKind::Link)),
        ("issock", kind(FileKind::Socket)),
        ("uid", stat.uid.into()),
        ("gid", stat.gid.into()),
        ("size", stat.size.into()),
        ("inode", stat.inode.into()),
        ("dev", stat.device.into()),
        ("nlink", stat.links.into()),
        ("atime", stat.times.0.into()),
        ("mtime", stat.times.1.into()),
        ("ctime", stat.times.2.into()),
        ("wusr", bit(0o200)),
        ("rusr", bit(0o400)),
        ("xusr", bit(0o100)),
        ("wgrp", bit(0o020)),
        ("rgrp", bit(0o040)),
        ("xgrp", bit(0o010)),
        ("woth", bit(0o002)),
        ("roth", bit(0o004)),
        ("xoth", bit(0o001)),
        ("isuid", bit(0o4000)),
        ("isgid", bit(0o2000)),
    ]
}

/// Whether the permission bits let this user do it; root reads and writes all, and executes what anyone may.
fn accessible(stat: &Stat, bit: u32) -> bool {
    let user = rustix::process::geteuid().as_raw();
    if user == 0 {
        return bit != 1 || stat.mode & 0o111 != 0;
    }
    let group = rustix::process::getegid().as_raw();
    let in_group = group == stat.gid || rustix::process::getgroups().is_ok_and(|all| all.iter().any(|g| g.as_raw() == stat.gid));
    let shift = match (user == stat.uid, in_group) {
        (true, _) => 6,
        (false, true) => 3,
        (false, false) => 0,
    };
    stat.mode >> shift & bit != 0
}

/// What `path` is called in results of `find`.
pub(crate) fn listed(path: &Path, stat: &Stat) -> Map {
    let mut found = Map::new();
    found.insert(Value::str("path"), path.display().to_string().into());
    found.extend(fields(stat).into_iter().map(|(name, value)| (Value::str(name), value)));
    found
}

#[cfg(test)]
mod tests {
    use super::MODULE;
    use crate::testing::Bench;
    use crate::value::Value;
    use serde_json::json;

    #[test]
    fn shows_files_and_links() {
        let mut bench = Bench::new();
        bench.write("f", "x");
        std::os::unix::fs::symlink("f", bench.path("l")).unwrap();
        let mut stat = |args| bench.law(&MODULE, args).0.returns.get("stat").cloned().unwrap();
        let file = stat(json!({"path": "/scratch/f", "checksum_algorithm": "md5"}));
        assert_eq!(file.get("checksum"), Some(&Value::str("9dd4e461268c8034f5c8564e155c67a6")));
        assert_eq!((file.get("mimetype"), file.get("charset")), (Some(&Value::str("text/plain")), Some(&Value::str("us-ascii"))));
        assert_eq!((file.get("isreg"), file.get("size")), (Some(&Value::Bool(true)), Some(&Value::Int(1))));
        let link = stat(json!({"path": "/scratch/l"}));
        assert_eq!((link.get("lnk_target"), link.get("islnk")), (Some(&Value::str("f")), Some(&Value::Bool(true))));
        assert!(link.get("lnk_source").unwrap().to_string().ends_with("/f"));
        assert_eq!(stat(json!({"path": "/scratch/l", "follow": true})).get("isreg"), Some(&Value::Bool(true)));
        assert_eq!(stat(json!({"path": "/scratch/no"})).to_string(), "{'exists': False}");
    }
}
