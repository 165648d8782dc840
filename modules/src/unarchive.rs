//! `unarchive`: what an archive holds, in a directory.

use crate::archive::{self, Kind, Member, Owner, Unpacked, unpack};
use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, FileKind, Mode};
use crate::host::web::{Request, without_password};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

crate::arguments! {
    pub struct Args {
        /// The archive: on the controller, or with `remote_src` a path or an address for the host.
        src: Option<String>,
        /// The directory to unpack into; it must exist.
        dest: PathBuf,
        /// Accepted: the opposite of `remote_src`.
        copy: bool = true,
        /// `src` is on the host, or an address.
        remote_src: bool = false,
        /// Do nothing if this file exists.
        creates: Option<PathBuf>,
        /// Return the names of the members as `files`.
        list_files: bool = false,
        /// Members to leave out: names or patterns.
        exclude: Vec<String> = Vec::new(),
        /// Members to unpack alone: names or patterns.
        include: Vec<String> = Vec::new(),
        /// Leave files that are newer than the archive's.
        keep_newer: bool = false,
        /// Options of tar: `--strip-components=N` is understood, those that only concern its output are ignored.
        extra_opts: Vec<String> = Vec::new(),
        /// Whether the server's certificate is checked.
        validate_certs: bool = true,
        /// Accepted; archives are read as a whole.
        io_buffer_size: u64 = 65536,
        /// Decrypt a vaulted `src`.
        decrypt: bool = true,
        /// Set by the program: SHA-256 of the archive.
        blob as "_blob": Option<String>,
        /// Set by the program: the archive's name.
        source_name as "_source_name": Option<String>,
    } with file attributes
}

crate::module! {
    name: "unarchive", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Unpacks an archive (tar; with gzip, xz, zstd or bzip2; zip) into a directory. Only what differs is written.",
    examples: [r#"{"src": "/nowhere.tar.gz", "dest": "/scratch", "remote_src": true, "creates": "/etc/passwd"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if let Some(path) = &args.creates
        && host.files().stat_followed(path)?.is_some()
    {
        let mut outcome = Outcome::new().with("msg", format!("skipped, since {} exists", path.display()));
        outcome.skipped = true;
        return Ok(outcome);
    }
    if !args.include.is_empty() && !args.exclude.is_empty() {
        return Err(Halt::failed("parameters are mutually exclusive: include|exclude"));
    }
    let strip = strip(&args.extra_opts)?;
    let what = without_password(source(args));
    let bytes = bytes(args, host)?;
    if host.files().stat_followed(&args.dest)?.is_none_or(|stat| stat.kind != FileKind::Directory) {
        return Err(Failure::new(format!("dest '{}' must be an existing dir", args.dest.display()))
            .hint("make it with `file: state=directory` before")
            .into());
    }
    let Unpacked::Archive(archive) = unpack(bytes, &what, host)? else {
        return Err(Failure::new(format!("{what} is not an archive"))
            .hint("tar, plain or packed with gzip, xz, zstd or bzip2, and zip can be unpacked")
            .into());
    };
    let members: Vec<Member> = archive.members.into_iter().filter(|member| wanted(args, member)).collect();
    let names: Vec<Value> = members.iter().map(|member| Value::str(name(member))).collect();
    for member in members {
        place(args, host, member, strip)?;
    }
    let outcome = Outcome::new().with("handler", archive.handler).with("dest", args.dest.display().to_string()).with("src", what);
    let outcome = if args.list_files { outcome.with("files", Value::list(names)) } else { outcome };
    host.describe(&args.dest, outcome)
}

/// How many leading parts of every name go, from the options of tar.
fn strip(options: &[String]) -> Result<usize, Halt> {
    let mut strip = 0;
    let mut rest = options.iter().flat_map(|option| option.split_whitespace());
    while let Some(option) = rest.next() {
        let number = match option.split_once('=') {
            Some(("--strip-components" | "--strip", number)) => number,
            None if matches!(option, "--strip-components" | "--strip") => rest.next().unwrap_or_default(),
            None if matches!(option, "-v" | "--verbose" | "-o" | "--overwrite" | "--no-same-owner" | "--same-owner" | "-p") => continue,
            _ => {
                return Err(Failure::new(format!("the option {option} in `extra_opts` is not understood"))
                    .hint("archives are unpacked without tar and unzip; `--strip-components=N` is understood")
                    .into());
            }
        };
        strip = number.parse().map_err(|_| Halt::failed(format!("{option} in `extra_opts` needs a number")))?;
    }
    Ok(strip)
}

/// What the archive is called in messages and results.
fn source(args: &Args) -> &str {
    args.src.as_deref().or(args.source_name.as_deref()).unwrap_or("the archive")
}

fn bytes(args: &Args, host: &mut Host) -> Result<Vec<u8>, Halt> {
    if let Some(hash) = &args.blob {
        return host.content(hash);
    }
    let Some(src) = &args.src else {
        return Err(Halt::failed("`unarchive` needs the argument `src`"));
    };
    if src.contains("://") {
        let request = Request { validate_certs: args.validate_certs, timeout: Duration::from_secs(1800), ..Request::get(src) };
        let answer = host.fetch(&request)?;
        return match answer.status {
            None | Some(200..300) => Ok(answer.body),
            Some(status) => {
                let message = format!("Failure downloading {}: {status} {}", without_password(src), answer.reason);
                Err(host.premature(Failure::new(message).with("status_code", i64::from(status))))
            }
        };
    }
    let missing =
        || Failure::new(format!("Source '{src}' does not exist")).hint("with `remote_src: true`, `src` is a path on the host").into();
    host.files().read(Path::new(src))?.ok_or_else(missing)
}

fn name(member: &Member) -> String {
    let slash = if member.kind == Kind::Directory { "/" } else { "" };
    format!("{}{slash}", member.path.display())
}

fn wanted(args: &Args, member: &Member) -> bool {
    let name = member.path.display().to_string();
    // A pattern speaks of what is beneath a directory too.
    let ancestors = || member.path.ancestors().map(|path| path.display().to_string()).filter(|path| !path.is_empty());
    let speaks = |pattern: &String| {
        let pattern = pattern.trim_end_matches('/');
        ancestors().any(|path| archive::matches(pattern, &path))
    };
    // As in tar, what is left out may be named from any of its parts on.
    let anywhere = |pattern: &String| {
        let pattern = pattern.trim_end_matches('/');
        ancestors().any(|path| {
            let tails = path.match_indices('/').map(|(at, _)| &path[at + 1..]).chain([path.as_str()]);
            tails.into_iter().any(|tail| archive::matches(pattern, tail))
        })
    };
    !name.is_empty() && (args.include.is_empty() || args.include.iter().any(speaks)) && !args.exclude.iter().any(anywhere)
}

fn stripped(path: &Path, strip: usize) -> Option<PathBuf> {
    let rest: PathBuf = path.components().skip(strip).collect();
    (!rest.as_os_str().is_empty()).then_some(rest)
}

fn place(args: &Args, host: &mut Host, member: Member, strip: usize) -> Result<(), Halt> {
    let Some(path) = stripped(&member.path, strip) else {
        return Ok(());
    };
    let path = args.dest.join(path);
    if args.keep_newer
        && let (Some(stat), Some(modified)) = (host.files().stat(&path)?, member.modified)
        && stat.times.1 > modified
        && stat.kind == FileKind::File
    {
        return Ok(());
    }
    let mut desired = Desired { follow: false, ..args.desired() };
    if let Some(owner) = member.owner.as_ref().filter(|_| rustix::process::geteuid().is_root()) {
        own(host, &mut desired, owner)?;
    }
    if !matches!(member.kind, Kind::Link(_)) {
        // What a symbolic mode leaves open is as in the archive.
        let bits = desired.mode.as_ref().map(|mode| mode.apply(member.mode, member.kind == Kind::Directory, 0o022));
        desired.mode = Some(Mode::Bits(bits.unwrap_or(member.mode)));
    }
    desired.entry = Some(match member.kind {
        Kind::Directory => Entry::Directory,
        Kind::File(content) => {
            desired.times.1 = member.modified;
            Entry::File(Content::Bytes(content))
        }
        Kind::Link(target) => {
            desired.mode = None;
            Entry::Link(target)
        }
        Kind::Hard(target) => {
            let Some(target) = stripped(&target, strip) else { return Ok(()) };
            desired = Desired::default();
            Entry::Hard(args.dest.join(target))
        }
    });
    host.files().converge(&path, &desired)?;
    Ok(())
}

/// Root gives files to who owns them in the archive, by name where the host has it; the task's word is above that.
fn own(host: &mut Host, desired: &mut Desired, owner: &Owner) -> Result<(), Halt> {
    if desired.owner.is_none() {
        let known = !owner.user.is_empty() && host.names().user_id(&owner.user)?.is_some();
        desired.owner = Some(if known { owner.user.clone() } else { owner.uid.to_string() });
    }
    if desired.group.is_none() {
        let known = !owner.group.is_empty() && host.names().group_id(&owner.group)?.is_some();
        desired.group = Some(if known { owner.group.clone() } else { owner.gid.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Server, returned, tarball};
    use serde_json::json;

    fn archive() -> Vec<u8> {
        tarball(&[("top/", "", 0o755), ("top/bin/", "", 0o755), ("top/bin/run", "#!", 0o755), ("top/README", "hi", 0o644)])
    }

    #[test]
    fn a_symbolic_mode_changes_that_of_the_archive() {
        let mut bench = Bench::new();
        let blob = bench.blob(&archive());
        bench.law(&MODULE, json!({"src": "a.tar", "_blob": blob, "dest": "/scratch", "mode": "u+rwX,g-r,o="}));
        assert_eq!(bench.tree(), ["top/ 710", "top/README 600 hi", "top/bin/ 710", "top/bin/run 710 #!"]);
    }

    #[test]
    fn unpacks_what_differs() {
        let mut bench = Bench::new();
        let blob = bench.blob(&archive());
        let args = json!({"src": "a.tar", "_blob": blob, "dest": "/scratch", "list_files": true});
        let (outcome, changes) = bench.law(&MODULE, args.clone());
        assert_eq!(bench.tree(), ["top/ 755", "top/README 644 hi", "top/bin/ 755", "top/bin/run 755 #!"]);
        assert_eq!((changes.len(), returned(&outcome, "handler")), (4, "TarArchive".into()));
        assert_eq!(returned(&outcome, "files"), "['top/', 'top/bin/', 'top/bin/run', 'top/README']");
        bench.write("top/README", "edited");
        let (_, changes) = bench.law(&MODULE, args);
        assert_eq!(changes.len(), 1, "{changes:#?}");
    }

    #[test]
    fn strips_and_chooses() {
        let mut bench = Bench::new();
        bench.write("a.tar", archive());
        let path = json!("/scratch/a.tar");
        bench.write("out/x", "");
        bench.law(
            &MODULE,
            json!({"src": path, "remote_src": true, "dest": "/scratch/out", "extra_opts": ["--strip-components=1"], "exclude": ["bin"]}),
        );
        assert_eq!((bench.read("out/README").as_deref(), bench.read("out/bin/run")), (Some("hi"), None));
        bench.law(&MODULE, json!({"src": path, "remote_src": true, "dest": "/scratch/out", "include": ["top/bin"], "mode": "0700"}));
        assert!(bench.read("out/top/bin/run").is_some() && bench.read("out/top/README").is_none());
        assert!(
            bench
                .failure(&MODULE, json!({"src": path, "remote_src": true, "dest": "/scratch/out", "extra_opts": "--transform=x"}))
                .contains("not understood")
        );
        assert!(
            bench.failure(&MODULE, json!({"src": path, "remote_src": true, "dest": "/scratch/no"})).ends_with("must be an existing dir")
        );
        assert!(bench.failure(&MODULE, json!({"src": "/scratch/no", "remote_src": true, "dest": "/scratch"})).ends_with("does not exist"));
        let (outcome, _) = bench.law(&MODULE, json!({"src": "/no", "remote_src": true, "dest": "/scratch", "creates": "/scratch/out"}));
        assert!(outcome.skipped);
    }

    #[test]
    fn downloads_archives() {
        let server = Server::start(&[("/plain", "200 OK", "not an archive")]);
        let mut bench = Bench::new();
        let args = json!({"src": format!("{}/plain", server.url), "dest": "/scratch", "remote_src": true});
        assert!(bench.failure(&MODULE, args).ends_with("is not an archive"));
    }
}
