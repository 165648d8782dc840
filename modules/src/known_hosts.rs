//! `known_hosts`: keys of hosts that SSH clients trust.

use crate::host::Host;
use crate::host::digest;
use crate::host::files::{Content, Desired, Entry};
use crate::lineinfile::read_text;
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;

crate::choices! {
    pub enum State { Present = "present", Absent = "absent" }
}

crate::arguments! {
    pub struct Args {
        /// The host, as the file names it: `[host]:port` where the port is not 22.
        name ["host"]: String,
        /// The line as it stands in a `known_hosts` file, host included. Without it, `absent` removes all keys of the host.
        key: Option<String>,
        /// The file.
        path: PathBuf = crate::args::FromValue::from_value(&Value::str("~/.ssh/known_hosts")).unwrap_or_default(),
        /// Write the host's name as a hash.
        hash_host: bool = false,
        /// Whether the key should be there.
        state: State = State::Present,
    }
}

crate::module! {
    name: "known_hosts", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Adds or removes the key of a host in a `known_hosts` file; a host has one key of each type there.",
    examples: [
        r#"{"path": "/scratch/known_hosts", "name": "node1", "key": "node1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJNpXQLsuSoLFThzU+fEXPhMtXUrKbV/pCnF7QE8WcdI"}"#,
        r#"{"path": "/scratch/known_hosts", "name": "node2", "hash_host": true, "key": "node2 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJNpXQLsuSoLFThzU+fEXPhMtXUrKbV/pCnF7QE8WcdI"}"#,
        r#"{"path": "/scratch/known_hosts", "name": "node3", "state": "absent"}"#,
    ],
}

/// A line of the file, as sshd(8) describes it.
#[derive(Debug, PartialEq, Eq)]
struct Known<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Known<'a> {
    fn parse(line: &'a str) -> Option<Known<'a>> {
        let mut words = line.split_whitespace().peekable();
        if words.peek()?.starts_with('#') {
            return None;
        }
        let marker = words.next_if(|word| word.starts_with('@'));
        Some(Known { marker, hosts: words.next()?, kind: words.next()?, key: words.next()? })
    }

    fn is_hashed(&self) -> bool {
        self.hosts.starts_with("|1|")
    }

    /// Whether it is about this host, by the very name or its hash; patterns stand for themselves.
    fn is_of(&self, name: &str) -> bool {
        let Some((salt, hash)) = self.hosts.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) else {
            return self.hosts.split(',').any(|host| host.eq_ignore_ascii_case(name));
        };
        STANDARD.decode(salt).is_ok_and(|salt| STANDARD.encode(digest::hmac_sha1(&salt, name.as_bytes())) == hash)
    }
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let name = args.name.to_lowercase();
    if name.contains(',') {
        let message = "Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file.";
        return Err(Halt::failed(message));
    }
    let wanted = args.key.as_deref().map(str::trim).filter(|key| !key.is_empty());
    let entry = match wanted {
        None if args.state == State::Present => {
            return Err(Failure::new("No key specified when adding a host").hint("give the host's line as `key`").into());
        }
        None => None,
        Some(line) => {
            let entry = Known::parse(line).filter(|entry| entry.is_of(&name));
            let message = "Host parameter does not match hashed host field in supplied key";
            Some(entry.ok_or_else(|| Failure::new(message).hint(format!("`key` is a line that begins with `{name}`")))?)
        }
    };
    let before = read_text(host, &args.path, &args.path)?;
    let after = edited(args, &name, entry.as_ref(), before.as_deref().unwrap_or_default());
    if before.as_deref().unwrap_or_default() != after {
        let content = Content::Bytes(after.clone().into_bytes());
        host.files().converge(&args.path, &Desired { entry: Some(Entry::File(content)), follow: true, ..Desired::default() })?;
    }
    let shown = args.path.display().to_string();
    let header = |suffix: &str| Value::str(format!("{shown}{suffix}"));
    let diff = Value::map([
        ("before_header", if before.is_some() { header("") } else { Value::str("/dev/null") }),
        ("after_header", header("")),
        ("before", before.unwrap_or_default().into()),
        ("after", after.into()),
    ]);
    let outcome = Outcome::new()
        .with("name", args.name.as_str())
        .with("key", args.key.clone())
        .with("path", shown)
        .with("hash_host", args.hash_host)
        .with("state", args.state.word())
        .with("diff", diff);
    host.describe(&args.path, outcome)
}

/// The file's text as it should be.
fn edited(args: &Args, name: &str, entry: Option<&Known<'_>>, text: &str) -> String {
    let own = |line: &str| Known::parse(line).is_some_and(|there| there.is_of(name));
    // A host has one key of each type, but may have several authorities and revoked keys.
    let same_place = |there: &Known<'_>, entry: &Known<'_>| {
        (there.marker, there.kind) == (entry.marker, entry.kind) && (there.marker.is_none() || there.key == entry.key)
    };
    let mut found = false;
    let keeps = |line: &&str| {
        let Some(there) = Known::parse(line).filter(|_| own(line)) else { return true };
        match (entry, args.state) {
            (None, _) => false,
            (Some(entry), State::Absent) => !(same_place(&there, entry) && there.key == entry.key),
            (Some(entry), State::Present) => {
                let is_it = same_place(&there, entry) && there.key == entry.key && there.is_hashed() == args.hash_host && !found;
                found |= is_it;
                is_it || !same_place(&there, entry)
            }
        }
    };
    let mut out: String = text.split_inclusive('\n').filter(keeps).collect();
    if let Some(entry) = entry.filter(|_| args.state == State::Present && !found) {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&written(args, name, entry));
        out.push('\n');
    }
    out
}

/// The line to add.
fn written(args: &Args, name: &str, entry: &Known<'_>) -> String {
    let line = args.key.as_deref().unwrap_or_default().trim();
    if !args.hash_host || entry.is_hashed() {
        return line.to_string();
    }
    // A salt that comes from the key, so that what was planned is what is written.
    let salt = digest::hmac_sha1(entry.key.as_bytes(), name.as_bytes());
    let hash = digest::hmac_sha1(&salt, name.as_bytes());
    line.replacen(entry.hosts, &format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash)), 1)
}

#[cfg(test)]
mod tests {
    use super::MODULE;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn adds_hashes_and_removes() {
        let mut bench = Bench::new();
        bench.write("kh", "other ssh-rsa AAAA\n# host ssh-rsa XXXX");
        let args = |key: &str, hash: bool, state: &str| json!({"path": "/scratch/kh", "name": "Host", "key": key, "hash_host": hash, "state": state});
        bench.law(&MODULE, args("host ssh-rsa BBBB me\n", false, "present"));
        assert_eq!(bench.read("kh").as_deref(), Some("other ssh-rsa AAAA\n# host ssh-rsa XXXX\nhost ssh-rsa BBBB me\n"));
        bench.law(&MODULE, args("host ssh-ed25519 CCCC", false, "absent"));
        bench.law(&MODULE, args("host ssh-rsa BBBB", true, "present"));
        let text = bench.read("kh").unwrap_or_default();
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("|1|") && line.ends_with(" ssh-rsa BBBB")), "{text}");
        bench.law(&MODULE, args("host ssh-rsa DDDD", false, "present"));
        assert_eq!(bench.read("kh").as_deref(), Some("other ssh-rsa AAAA\n# host ssh-rsa XXXX\nhost ssh-rsa DDDD\n"));
        bench.law(&MODULE, json!({"path": "/scratch/kh", "name": "host", "state": "absent"}));
        assert_eq!(bench.read("kh").as_deref(), Some("other ssh-rsa AAAA\n# host ssh-rsa XXXX\n"));
        assert!(bench.failure(&MODULE, args("you ssh-rsa BBBB", false, "present")).starts_with("Host parameter does not match"));
        assert!(bench.failure(&MODULE, json!({"name": "host"})).starts_with("No key"));
    }
}
