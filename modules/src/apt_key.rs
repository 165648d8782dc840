//! Module `apt_key`: keys that apt trusts for every repository.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry, Mode};
use crate::module::{Failure, Halt, Outcome};
use crate::openpgp::{Key, keys, plain_id};
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The key's id: the whole fingerprint, or its last 8 or 16 digits.
        id: Option<String>,
        /// The key itself.
        data: Option<String>,
        /// A file on the host that holds the key.
        file: Option<PathBuf>,
        /// Where the key is on the web.
        url: Option<String>,
        /// A server of keys that has the key `id`.
        keyserver: Option<String>,
        /// The keyring; by default /etc/apt/trusted.gpg, and any of /etc/apt/trusted.gpg.d when looking for a key.
        keyring: Option<PathBuf>,
        /// Whether apt trusts it.
        state: State = State::Present,
        /// Whether the certificate of `url` is checked.
        validate_certs: bool = true,
    }
}

module! {
    name: "apt_key", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Keys that apt trusts for every repository. Neither gpg nor apt-key is needed. Newer playbooks give a repository its own \
          key, with `deb822_repository` or `signed-by`.",
    examples: [
        r#"{"id": "36A1D7869245C8950F966E92D8576A8BA88D21E9", "state": "absent"}"#,
        r#"{"url": "https://example.com/key.asc", "keyring": "/etc/apt/trusted.gpg.d/example.gpg"}"#,
    ],
}

const TRUSTED: &str = "/etc/apt/trusted.gpg";
const FOLDER: &str = "/etc/apt/trusted.gpg.d";

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let given = [args.data.is_some(), args.file.is_some(), args.url.is_some(), args.keyserver.is_some()];
    if given.iter().filter(|g| **g).count() > 1 {
        return Err(Halt::failed("parameters are mutually exclusive: data|file|keyserver|url"));
    }
    if let Some(id) = &args.id
        && (plain_id(id).len() < 8 || !plain_id(id).chars().all(|c| c.is_ascii_hexdigit()))
    {
        return Err(Halt::failed(format!("Invalid key_id: {id}")));
    }
    let rings = rings(args, host)?;
    let before = fingerprints(host, &rings)?;
    let id = args.id.as_deref();
    if args.state == State::Absent {
        let Some(id) = id else { return Err(Halt::failed("key is required to remove a key")) };
        for ring in &rings {
            remove(host, ring, id)?;
        }
    } else if !(id.is_some() && held(host, &rings, id)?) {
        add(args, host, &rings)?;
    }
    let after = fingerprints(host, &rings)?;
    let outcome = Outcome::new().with("before", before).with("after", after.clone());
    let plain = id.map(plain_id).or_else(|| after.last().cloned()).unwrap_or_default();
    let last = |n: usize| plain.get(plain.len().saturating_sub(n)..).unwrap_or_default().to_string();
    Ok(outcome.with("id", id.unwrap_or(&plain)).with("fp", plain.as_str()).with("key_id", last(16)).with("short_id", last(8)))
}

/// The keyrings to look at.
fn rings(args: &Args, host: &mut Host) -> Result<Vec<PathBuf>, Halt> {
    if let Some(ring) = &args.keyring {
        return Ok(vec![ring.clone()]);
    }
    let mut rings = vec![PathBuf::from(TRUSTED)];
    let names = host.files().list(Path::new(FOLDER))?.unwrap_or_default();
    rings.extend(names.into_iter().filter(|n| n.ends_with(".gpg") || n.ends_with(".asc")).map(|n| Path::new(FOLDER).join(n)));
    Ok(rings)
}

fn read(host: &mut Host, ring: &Path) -> Result<Vec<Key>, Halt> {
    Ok(host.files().read(ring)?.and_then(|content| keys(&content)).unwrap_or_default())
}

fn fingerprints(host: &mut Host, rings: &[PathBuf]) -> Result<Vec<String>, Halt> {
    let mut all = Vec::new();
    for ring in rings {
        all.extend(read(host, ring)?.into_iter().map(|k| k.fingerprint));
    }
    Ok(all)
}

fn held(host: &mut Host, rings: &[PathBuf], id: Option<&str>) -> Result<bool, Halt> {
    for ring in rings {
        if read(host, ring)?.iter().any(|key| id.is_some_and(|id| key.is(id))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts the keys that are not trusted yet into the first keyring.
fn add(args: &Args, host: &mut Host, rings: &[PathBuf]) -> Result<(), Halt> {
    let content = source(args, host)?;
    let new = keys(&content).ok_or_else(|| Failure::new("the data given holds no key of OpenPGP").hint("is the address right?"))?;
    if let Some(id) = args.id.as_deref().filter(|id| !new.iter().any(|key| key.is(id))) {
        return Err(Failure::new(format!("the key given is not {id} but {}", new[0].fingerprint)).into());
    }
    let known = fingerprints(host, rings)?;
    let more: Vec<u8> = new.into_iter().filter(|key| !known.contains(&key.fingerprint)).flat_map(|key| key.packets).collect();
    let Some(ring) = rings.first().filter(|_| !more.is_empty()) else { return Ok(()) };
    let own: Vec<u8> = read(host, ring)?.into_iter().flat_map(|key| key.packets).chain(more).collect();
    write(host, ring, own)
}

fn remove(host: &mut Host, ring: &Path, id: &str) -> Result<(), Halt> {
    let all = read(host, ring)?;
    let left: Vec<Key> = all.iter().filter(|key| !key.is(id)).cloned().collect();
    if left.len() == all.len() {
        return Ok(());
    }
    if left.is_empty() {
        host.files().converge(ring, &Desired { entry: Some(Entry::Absent), ..Desired::default() })?;
        return Ok(());
    }
    write(host, ring, left.into_iter().flat_map(|key| key.packets).collect())
}

fn write(host: &mut Host, ring: &Path, packets: Vec<u8>) -> Result<(), Halt> {
    let entry = Some(Entry::File(Content::Bytes(packets)));
    host.files().converge(ring, &Desired { entry, mode: Some(Mode::Bits(0o644)), follow: true, ..Desired::default() })?;
    Ok(())
}

fn source(args: &Args, host: &mut Host) -> Result<Vec<u8>, Halt> {
    if let Some(data) = &args.data {
        return Ok(data.clone().into_bytes());
    }
    if let Some(file) = &args.file {
        return host.files().read(file)?.ok_or_else(|| Halt::failed(format!("there is no file {} on the host", file.display())));
    }
    if let Some(url) = &args.url {
        return host.download_from(url, args.validate_certs);
    }
    match (&args.keyserver, &args.id) {
        (Some(server), Some(id)) => host.download(&lookup(server, id)),
        (Some(_), None) => Err(Halt::failed("the argument `keyserver` needs the key's `id`")),
        (None, _) => Err(Failure::new("missing what to add: give `data`, `file`, `url` or `keyserver`").into()),
    }
}

/// Where a server of keys answers over HTTP what it has under an id.
pub(crate) fn lookup(server: &str, id: &str) -> String {
    let host = server.split("://").last().unwrap_or(server).trim_end_matches('/').split(':').next().unwrap_or(server);
    format!("https://{host}/pks/lookup?op=get&options=mr&search=0x{}", plain_id(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openpgp::tests::{ARMORED, FINGERPRINT};
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn keys_come_and_go_without_gpg() {
        let mut bench = Bench::new();
        let ring = "/scratch/ring.gpg";
        let (outcome, changes) = bench.law(&MODULE, json!({"data": ARMORED, "keyring": ring}));
        assert_eq!(changes.len(), 1);
        assert_eq!(returned(&outcome, "fp"), FINGERPRINT.trim());
        let id = &FINGERPRINT.trim()[24..];
        let (_, changes) = bench.law(&MODULE, json!({"id": id, "url": "http://no.example/x", "keyring": ring}));
        assert!(changes.is_empty(), "what is there is not fetched");
        let (outcome, _) = bench.law(&MODULE, json!({"id": id, "state": "absent", "keyring": ring}));
        assert_eq!(returned(&outcome, "after"), "[]");
        assert_eq!(bench.read("ring.gpg"), None);
    }

    #[test]
    fn refuses_what_is_no_key_or_another() {
        let mut bench = Bench::new();
        let ring = "/scratch/ring.gpg";
        assert_eq!(bench.failure(&MODULE, json!({"data": "xx", "keyring": ring})), "the data given holds no key of OpenPGP");
        let message = bench.failure(&MODULE, json!({"data": ARMORED, "id": "DEADBEEF", "keyring": ring}));
        assert!(message.starts_with("the key given is not DEADBEEF but "), "{message}");
        assert_eq!(bench.failure(&MODULE, json!({"id": "nope", "state": "absent"})), "Invalid key_id: nope");
        assert_eq!(
            lookup("hkp://keyserver.ubuntu.com:80", "0xab12"),
            "https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0xAB12"
        );
    }
}
