//! Module `apt_repository`: lines of apt's sources.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, Mode};
use crate::host::packages::{AptOptions, Retries};
use crate::module::{Failure, Halt, Outcome};
use crate::openpgp;
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The source: `deb http://… SUITE COMPONENT…`, or `ppa:OWNER/NAME`.
        repo: String,
        /// Whether it is there.
        state: State = State::Present,
        /// The file in sources.list.d, without `.list`; by default named by the address.
        filename: Option<String>,
        /// Permissions of a new file.
        mode: Option<Mode>,
        /// The release's name, for a PPA.
        codename: Option<String>,
        /// Whether the package lists are fetched after a change.
        update_cache ["update-cache"]: bool = true,
        /// How often fetching the lists is tried again.
        update_cache_retries: u64 = 5,
        /// Seconds at most between the tries.
        update_cache_retry_max_delay: u64 = 12,
        /// Accepted; apt itself checks certificates.
        validate_certs: bool = true,
        /// Accepted for playbooks that ask for it; nothing of Python is needed.
        install_python_apt: bool = true,
    }
}

module! {
    name: "apt_repository", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "A line of apt's sources, in a file of /etc/apt/sources.list.d; one that is there already, in whatever file, stays there.",
    examples: [
        r#"{"repo": "deb http://archive.canonical.com/ubuntu hardy partner", "state": "present"}"#,
        r#"{"repo": "ppa:nginx/stable", "codename": "jammy"}"#,
    ],
}

const MAIN: &str = "/etc/apt/sources.list";
const FOLDER: &str = "/etc/apt/sources.list.d";

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.repo.trim().is_empty() {
        return Err(Halt::failed("Please set argument 'repo' to a non-empty value"));
    }
    let (line, default) = match args.repo.strip_prefix("ppa:") {
        Some(ppa) => personal(args, ppa, host)?,
        None => (args.repo.clone(), file_name(&args.repo)),
    };
    let Some(source) = Source::parse(&line) else {
        return Err(Halt::failed(format!("Invalid repository string: {}", args.repo)));
    };
    let files = files(host)?;
    let (added, removed) = match args.state {
        State::Present => {
            let name = args.filename.clone().map(|n| n.trim_end_matches(".list").to_string()).unwrap_or(default);
            let name = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect::<String>();
            (add(args, host, &source, &files, &Path::new(FOLDER).join(format!("{name}.list")))?, Vec::new())
        }
        State::Absent => (Vec::new(), remove(host, &source, &files)?),
    };
    if args.update_cache && host.changed() {
        let retries = Retries { times: args.update_cache_retries, longest: args.update_cache_retry_max_delay };
        host.packages().fetch_lists(0, retries, &AptOptions { lock_timeout: 60, ..AptOptions::default() }, false)?;
    }
    let outcome = Outcome::new().with("repo", args.repo.as_str()).with("state", args.state.word());
    Ok(outcome.with("sources_added", added).with("sources_removed", removed))
}

/// One source of a line, compared without its spaces and comment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    enabled: bool,
    line: String,
    comment: String,
}

impl Source {
    fn parse(text: &str) -> Option<Source> {
        let text = text.trim();
        let (enabled, text) = match text.strip_prefix('#') {
            Some(rest) => (false, rest.trim_start_matches(['#', ' ', '\t'])),
            None => (true, text),
        };
        let (text, comment) = text.split_once(" #").unwrap_or((text, ""));
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (kind, rest) = line.split_once(' ')?;
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1.trim(),
            None => rest,
        };
        let words: Vec<&str> = rest.split(' ').collect();
        let exact = words.get(1).is_some_and(|suite| suite.ends_with('/'));
        let whole = words.len() >= 3 || (words.len() == 2 && exact);
        let known = matches!(kind, "deb" | "deb-src") && whole && words[0].contains(':');
        known.then(|| Source { enabled, line, comment: comment.trim().to_string() })
    }

    fn written(&self) -> String {
        if self.comment.is_empty() { self.line.clone() } else { format!("{} # {}", self.line, self.comment) }
    }
}

fn files(host: &mut Host) -> Result<Vec<PathBuf>, Halt> {
    let names = host.files().list(Path::new(FOLDER))?.unwrap_or_default();
    let lists = names.into_iter().filter(|n| n.ends_with(".list")).map(|n| Path::new(FOLDER).join(n));
    Ok(std::iter::once(PathBuf::from(MAIN)).chain(lists).collect())
}

fn text(host: &mut Host, file: &Path) -> Result<String, Halt> {
    let bytes = host.files().read(file)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn add(args: &Args, host: &mut Host, source: &Source, files: &[PathBuf], own: &Path) -> Result<Vec<String>, Halt> {
    let mut disabled = None;
    for file in files {
        for (at, line) in text(host, file)?.lines().enumerate() {
            match Source::parse(line).filter(|s| s.line == source.line) {
                Some(found) if found.enabled => return Ok(Vec::new()),
                Some(_) => disabled = disabled.or(Some((file.clone(), at))),
                None => {}
            }
        }
    }
    let (file, content) = match disabled {
        Some((file, at)) => {
            let old = text(host, &file)?;
            let lines = old.lines().enumerate().map(|(n, line)| if n == at { source.written() } else { line.to_string() });
            let content = lines.map(|l| l + "\n").collect::<String>();
            (file, content)
        }
        None => {
            let old = text(host, own)?;
            let end = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
            (own.to_path_buf(), format!("{old}{end}{}\n", source.written()))
        }
    };
    let existed = host.files().stat_followed(&file)?.is_some();
    let mode = args.mode.clone().filter(|_| !existed).or((!existed).then_some(Mode::Bits(0o644)));
    let entry = Some(Entry::File(Content::Bytes(content.into_bytes())));
    host.files().converge(&file, &Desired { entry, mode, follow: true, ..Desired::default() })?;
    Ok(vec![file.display().to_string()])
}

fn remove(host: &mut Host, source: &Source, files: &[PathBuf]) -> Result<Vec<String>, Halt> {
    let mut removed = Vec::new();
    for file in files {
        let old = text(host, file)?;
        let is = |line: &&str| Source::parse(line).is_some_and(|s| s.enabled && s.line == source.line);
        if !old.lines().any(|line| is(&line)) {
            continue;
        }
        let left: String = old.lines().filter(|line| !is(line)).map(|l| format!("{l}\n")).collect();
        let gone = left.trim().is_empty() && file != Path::new(MAIN);
        let entry = if gone { Entry::Absent } else { Entry::File(Content::Bytes(left.into_bytes())) };
        host.files().converge(file, &Desired { entry: Some(entry), follow: !gone, ..Desired::default() })?;
        if gone {
            removed.push(file.display().to_string());
        }
    }
    Ok(removed)
}

/// The file's name for a source: its address with `_` for what is neither letter nor digit.
fn file_name(line: &str) -> String {
    let address = line.split_whitespace().find(|w| w.contains("://")).unwrap_or(line);
    let bare = address.split("://").last().unwrap_or(address);
    let bare = bare.split_once('@').map_or(bare, |(_, host)| host).trim_end_matches('/');
    bare.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A PPA's source line and file name; its key is put among those that apt trusts.
fn personal(args: &Args, ppa: &str, host: &mut Host) -> Result<(String, String), Halt> {
    let (owner, name) = ppa.split_once('/').unwrap_or((ppa, "ppa"));
    let codename = match &args.codename {
        Some(codename) => codename.clone(),
        None => {
            let release = text(host, Path::new("/etc/os-release"))?;
            let field = release.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME=")).map(|v| v.trim_matches('"').to_string());
            field.ok_or_else(|| Failure::new("the release of this host has no name").hint("give `codename`"))?
        }
    };
    let line = format!("deb https://ppa.launchpadcontent.net/{owner}/{name}/ubuntu {codename} main");
    let plain = |s: &str| s.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    let file = format!("ppa_{}_{}_{codename}", plain(owner), plain(name));
    let ring = PathBuf::from(format!("/etc/apt/trusted.gpg.d/{}_{}.gpg", plain(owner), plain(name)));
    if args.state == State::Present && host.files().read(&ring)?.is_none() {
        let about = host.download(&format!("https://launchpad.net/api/1.0/~{owner}/+archive/{name}"));
        let about = about.map_err(|halt| match halt {
            Halt::Failed(f) => Halt::failed(format!("failed to fetch PPA information, error was: {}", f.message)),
            other => other,
        })?;
        let about: serde_json::Value = serde_json::from_slice(&about).unwrap_or_default();
        let Some(fingerprint) = about.get("signing_key_fingerprint").and_then(serde_json::Value::as_str) else {
            return Err(Halt::failed(format!("failed to fetch PPA information: {ppa} has no key")));
        };
        let answer = host.download(&crate::apt_key::lookup("keyserver.ubuntu.com", fingerprint))?;
        let keys = openpgp::keys(&answer).unwrap_or_default();
        let Some(key) = keys.into_iter().find(|k| k.is(fingerprint)) else {
            return Err(Halt::failed(format!("the key server does not have the key {fingerprint} of {ppa}")));
        };
        let entry = Some(Entry::File(Content::Bytes(key.packets)));
        host.files().converge(&ring, &Desired { entry, mode: Some(Mode::Bits(0o644)), ..Desired::default() })?;
    }
    Ok((line, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sources() {
        for (line, known) in [
            ("deb http://x.example/debian bookworm main", true),
            ("deb-src [arch=amd64 signed-by=/k] http://x.example/debian bookworm main contrib", true),
            ("deb http://x.example/deb ./", true),
            ("deb http://x.example/deb stable", false),
            ("xx yy", false),
            ("# a comment", false),
        ] {
            assert_eq!(Source::parse(line).is_some(), known, "{line}");
        }
        let off = Source::parse("#  deb   http://x.example/a b c # why").unwrap();
        assert_eq!((off.enabled, off.written().as_str()), (false, "deb http://x.example/a b c # why"));
    }

    #[test]
    fn names_of_files() {
        for (line, name) in [
            ("deb http://example.com/debian bookworm main", "example_com_debian"),
            ("deb [arch=amd64] https://artifacts.elastic.co/packages/6.x/apt stable main", "artifacts_elastic_co_packages_6_x_apt"),
            ("deb https://user:pass@x.example/deb/ ./", "x_example_deb"),
        ] {
            assert_eq!(file_name(line), name);
        }
    }
}
