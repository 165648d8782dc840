//! `binary`: one program, installed from the controller, the host or the web.

use crate::archive::{self, Archive, Kind, Member, Unpacked, unpack};
use crate::get_url::Checksum;
use crate::host::files::{Content, Mode};
use crate::host::web::{Request, without_password};
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::pattern::{Flags, Pattern};
use std::path::{Path, PathBuf};
use std::time::Duration;

crate::arguments! {
    pub struct Args {
        /// The program's name; it goes to `/usr/local/bin` under it.
        name: Option<String>,
        /// Where the program goes, if not there.
        path ["dest"]: Option<PathBuf>,
        /// The program, or an archive that holds it: on the controller, or with `remote_src` on the host.
        src: Option<String>,
        /// `src` is on the host.
        remote_src: bool = false,
        /// The address of the program, or of an archive that holds it.
        url: Option<String>,
        /// Which member of the archive is the program: a path or a pattern. By default the file with the program's name.
        member: Option<String>,
        /// `ALGORITHM:HEX` of what is copied or downloaded.
        checksum: Option<String>,
        /// The version that should be there: when the installed program says it, nothing is copied or downloaded.
        version: Option<String>,
        /// The arguments that make the program say its version.
        version_command: Vec<String> = vec!["--version".to_string()],
        /// A regular expression for the version in what the program says: its first group, or all of it.
        version_regex: Option<String>,
        /// Keep the old program aside before replacing it.
        backup: bool = false,
        /// Headers to send.
        headers: Option<crate::value::Map>,
        /// Whether the server's certificate is checked.
        validate_certs: bool = true,
        /// How many seconds a download may take.
        timeout: u64 = 1800,
        /// Set by the program: SHA-256 of what is copied.
        blob as "_blob": Option<String>,
        /// Set by the program: the name of what is copied.
        source_name as "_source_name": Option<String>,
        /// Set by the program: the mode that the original has.
        source_mode as "_mode": Option<Mode>,
    } with file attributes
}

crate::module! {
    name: "binary", collection: "engine", aliases: [], effects: World,
    foresight: Declares,
    doc: "Installs one program from a file or an address, out of an archive if it is in one. The new program takes the old one's \
          place in one step, so a process that runs keeps the old file. Its mode is 0755 unless the task says otherwise.",
    examples: [r#"{"path": "/scratch/bin/true", "src": "/bin/true", "remote_src": true}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let path = match (&args.path, &args.name) {
        (Some(path), _) => path.clone(),
        (None, Some(name)) => Path::new("/usr/local/bin").join(name),
        (None, None) => return Err(Halt::failed("`binary` needs `name` or `path`")),
    };
    let checksum = Checksum::parse(args.checksum.as_deref().unwrap_or_default())?;
    let mut desired = args.desired();
    desired.mode = Some(desired.mode.unwrap_or(Mode::Bits(0o755)));
    let previous = said_version(args, host, &path)?;
    let mut outcome = Outcome::new().with("path", path.display().to_string()).with("previous_version", previous.clone());
    if args.version.is_some() && previous == args.version {
        host.files().converge(&path, &desired)?;
        return finished(args, host, &path, outcome);
    }
    let bytes = bytes(args, host)?;
    if let Some(checksum) = &checksum {
        checksum.require(&bytes, source(args)).map_err(|failure| host.premature(failure))?;
    }
    let program = program(args, host, bytes, &path)?;
    crate::lineinfile::parents(host, &path)?;
    let before = host.changed();
    if let Some(kept) = host.edit(&path, Content::Bytes(program), desired, args.backup, None)? {
        outcome = outcome.with("backup_file", kept.display().to_string());
    }
    if let (Some(version), false, false) = (&args.version, before, host.changed()) {
        let said = previous.as_deref().unwrap_or("no version");
        outcome = outcome.warn(format!(
            "{} says {said}, not {version}, though it is what the task names: `version`, `version_command` or `version_regex` do not fit it",
            path.display()
        ));
    }
    finished(args, host, &path, outcome)
}

fn finished(args: &Args, host: &mut Host, path: &Path, outcome: Outcome) -> Result<Outcome, Halt> {
    let digest = host.files().digest(path, "sha256")?;
    host.describe(path, outcome.with("checksum", digest).with("version", args.version.clone()))
}

/// The version that the installed program says; `None` without one, or if nobody asks.
fn said_version(args: &Args, host: &mut Host, path: &Path) -> Result<Option<String>, Halt> {
    let Some(version) = &args.version else {
        return Ok(None);
    };
    let source = match &args.version_regex {
        Some(regex) => regex.clone(),
        None => r"(?<![\w.])[vV]?(\d+(?:\.\d+)+(?:[-+.~]\w+)*)".to_string(),
    };
    let pattern = Pattern::new(&source, Flags { multiline: true, ..Flags::default() }).map_err(Halt::failed)?;
    if host.files().stat_followed(path)?.is_none() {
        return Ok(None);
    }
    let argv = std::iter::once(path.display().to_string()).chain(args.version_command.iter().cloned());
    let command = Command { timeout: Some(Duration::from_secs(20)), ..Command::new(argv) };
    // A program that does not start has no version: it is replaced.
    let Ok(output) = host.query(&command) else {
        return Ok(None);
    };
    let said = output.text() + "\n" + &output.errors();
    // Whatever else it says, if the version stands there as a word it is the one.
    let word = format!(r"(?<![\w.])[vV]?{}(?![\w.])", fancy_regex::escape(version));
    if args.version_regex.is_none() && Pattern::new(&word, Flags::default()).is_ok_and(|word| word.found(&said)) {
        return Ok(Some(version.clone()));
    }
    let found = pattern.search(&said).and_then(|captures| captures.get(1).or_else(|| captures.get(0)));
    Ok(found.map(|version| version.as_str().trim().to_string()))
}

fn source(args: &Args) -> &str {
    args.url.as_deref().or(args.src.as_deref()).or(args.source_name.as_deref()).unwrap_or("the program")
}

fn bytes(args: &Args, host: &mut Host) -> Result<Vec<u8>, Halt> {
    match (&args.blob, &args.url, &args.src) {
        (_, Some(_), Some(_)) => Err(Halt::failed("`src` and `url` exclude each other: give one of them")),
        (Some(hash), ..) => host.content(hash),
        (None, Some(url), None) => {
            let headers = args.headers.iter().flatten().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let timeout = Duration::from_secs(args.timeout);
            let answer = host.fetch(&Request { validate_certs: args.validate_certs, timeout, headers, ..Request::get(url) })?;
            match answer.status {
                None | Some(200..300) => Ok(answer.body),
                Some(status) => {
                    let message = format!("{} cannot be downloaded: {status} {}", without_password(url), answer.reason);
                    Err(host.premature(Failure::new(message).with("status_code", i64::from(status))))
                }
            }
        }
        (None, None, Some(src)) if args.remote_src => {
            let missing = || Halt::failed(format!("{src} does not exist on the host"));
            host.files().read(Path::new(src))?.ok_or_else(missing)
        }
        (None, None, Some(src)) => Err(Halt::failed(format!("{src} was not sent to the host"))),
        (None, None, None) => Err(Halt::failed("`binary` needs `src` or `url`")),
    }
}

/// The program itself, out of its archive or compression.
fn program(args: &Args, host: &mut Host, bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, Halt> {
    let what = without_password(source(args));
    match unpack(bytes, &what, host)? {
        Unpacked::File(_) if args.member.is_some() => {
            Err(Failure::new(format!("{what} is not an archive, so it has no members")).hint("leave out `member`").into())
        }
        Unpacked::File(program) => Ok(program),
        Unpacked::Archive(archive) => chosen(args, archive, path, &what),
    }
}

fn chosen(args: &Args, archive: Archive, path: &Path, what: &str) -> Result<Vec<u8>, Halt> {
    let name = args.name.clone().or_else(|| path.file_name().map(|name| name.to_string_lossy().into_owned())).unwrap_or_default();
    let fits = |member: &Member| match &args.member {
        Some(pattern) => archive::matches(pattern.trim_start_matches("./"), &member.path.display().to_string()),
        None => member.path.file_name().is_some_and(|file| file.to_string_lossy() == name),
    };
    let files = |member: &&Member| matches!(member.kind, Kind::File(_));
    let found: Vec<&Member> = archive.members.iter().filter(files).filter(|member| fits(member)).collect();
    match found.as_slice() {
        [Member { kind: Kind::File(content), .. }] => Ok(content.clone()),
        several => {
            let named = if several.is_empty() { archive.members.iter().filter(files).collect() } else { several.to_vec() };
            let names: Vec<String> = named.iter().take(8).map(|member| member.path.display().to_string()).collect();
            let looked = args.member.clone().unwrap_or(name);
            let message = match several.len() {
                0 => format!("{what} holds no file {looked}"),
                n => format!("{what} holds {n} files {looked}"),
            };
            Err(Failure::new(message).hint(format!("name one with `member`: {}", names.join(", "))).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Server, returned, tarball};
    use serde_json::json;

    #[test]
    fn installs_out_of_archives() {
        let mut bench = Bench::new();
        let tar = tarball(&[("x-1.0/", "", 0o755), ("x-1.0/x", "program", 0o644), ("x-1.0/doc/y", "text", 0o644)]);
        let blob = bench.blob(&tar);
        let (outcome, _) = bench.law(&MODULE, json!({"path": "/scratch/bin/x", "_blob": blob, "src": "x.tar"}));
        assert_eq!((bench.read("bin/x").as_deref(), returned(&outcome, "mode")), (Some("program"), "0755".into()));
        bench.law(&MODULE, json!({"path": "/scratch/bin/z", "_blob": blob, "member": "*/doc/*", "mode": "0700"}));
        assert_eq!(bench.read("bin/z").as_deref(), Some("text"));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/q", "_blob": blob})).ends_with("holds no file q"));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/q", "_blob": blob, "member": "*"})).contains("holds 2 files"));
        assert!(
            bench
                .failure(&MODULE, json!({"path": "/scratch/q", "_blob": blob, "checksum": format!("sha256:{}", "0".repeat(64))}))
                .contains("did not match")
        );
        assert!(bench.failure(&MODULE, json!({"src": "x"})).contains("needs `name` or `path`"));
    }

    #[test]
    fn asks_the_installed_program_first() {
        let script = |version: &str| format!("#!/bin/sh\necho tool version v{version} built today\n");
        let new = script("1.10.0");
        let server = Server::start(&[("/tool", "200 OK", &new)]);
        let mut bench = Bench::new();
        let args = json!({"path": "/scratch/tool", "url": format!("{}/tool", server.url), "version": "1.10.0"});
        bench.law(&MODULE, args.clone());
        // The plan and the first apply download, the second apply does not.
        assert_eq!(server.seen().len(), 2);
        bench.write("tool", script("1.1"));
        let (outcome, _) = bench.apply(&MODULE, args);
        assert_eq!((returned(&outcome, "previous_version"), returned(&outcome, "version")), ("1.1".into(), "1.10.0".into()));
        assert_eq!(bench.read("tool"), Some(new.clone()));
        let odd = json!({"path": "/scratch/tool", "url": format!("{}/tool", server.url), "version": "3"});
        let (outcome, changes) = bench.apply(&MODULE, odd);
        assert!(changes.is_empty() && outcome.warnings[0].contains("says 1.10.0, not 3"), "{:?}", outcome.warnings);
    }
}
