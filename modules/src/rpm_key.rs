//! Module `rpm_key`: keys in rpm's database.

use crate::host::processes::PrivateFolder;
use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::openpgp::{keys, plain_id};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::path::Path;

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The key: an address, a file on the host, or the id of one that rpm knows.
        key: String,
        /// Whether rpm knows it.
        state: State = State::Present,
        /// Fingerprints, one of which it must have.
        fingerprint: Option<Vec<String>>,
        /// Whether the certificate of an address is checked.
        validate_certs: bool = true,
    }
}

module! {
    name: "rpm_key", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Keys with which rpm checks packages. No gpg is needed.",
    examples: [r#"{"key": "https://example.com/RPM-GPG-KEY"}"#, r#"{"key": "DEADB33F", "state": "absent"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if !host.has_program("rpm") {
        return Err(host.missing_program("rpm", "is this a host of Red Hat's family?"));
    }
    let is_id = plain_id(&args.key).len() >= 8 && plain_id(&args.key).chars().all(|c| c.is_ascii_hexdigit());
    let content = match (args.key.contains("://"), is_id) {
        (true, _) => Some(host.download_from(&args.key, args.validate_certs)?),
        (false, true) => None,
        (false, false) => {
            let content = host.files().read(Path::new(&args.key))?;
            Some(content.ok_or_else(|| Failure::new(format!("Not a valid key {}", args.key)))?)
        }
    };
    let (id, fingerprint) = match &content {
        None => (plain_id(&args.key), None),
        Some(content) => {
            let found = keys(content).ok_or_else(|| Failure::new(format!("Not a public key: {}", args.key)))?;
            let fingerprint = found[0].fingerprint.clone();
            (fingerprint.clone(), Some(fingerprint))
        }
    };
    if let (Some(wanted), Some(has)) = (&args.fingerprint, &fingerprint)
        && !wanted.iter().any(|w| plain_id(w) == *has)
    {
        let wanted: Vec<String> = wanted.iter().map(|w| plain_id(w)).collect();
        let message = format!("The specified fingerprint, '{}', does not match the key fingerprint '{has}'", wanted.join(", "));
        return Err(Halt::failed(message));
    }
    let short = id.get(id.len().saturating_sub(8)..).unwrap_or_default().to_lowercase();
    let there = Value::str("present");
    let wanted = if args.state == State::Present { there.clone() } else { Value::Null };
    let observe = |host: &mut Host| {
        let said = host.query(&Command::new(["rpm", "-q", "gpg-pubkey", "--qf", "%{VERSION}\n"]))?.text();
        Ok(if said.lines().any(|l| l.trim().ends_with(&short)) { there.clone() } else { Value::Null })
    };
    let setting = Setting { kind: "rpm key", name: &id, field: "state" };
    if args.state == State::Absent {
        let act =
            |_: &Value| vec![Command::new(["rpm".to_string(), "--erase".into(), "--allmatches".into(), format!("gpg-pubkey-{short}")])];
        host.converge_setting(setting, &wanted, observe, act)?;
        return Ok(Outcome::new());
    }
    let Some(content) = content else {
        let known = host.setting(setting, observe)? != Value::Null;
        let failure = || Failure::new(format!("When importing a key, a valid file must be given: rpm knows no {}", args.key));
        return if known { Ok(Outcome::new()) } else { Err(failure().into()) };
    };
    let folder = PrivateFolder::new()?;
    let file = folder.path().join("key");
    crate::host::temporary::write(&file, &content)?;
    let act = |_: &Value| vec![Command::new(["rpm", "--import", &file.to_string_lossy()])];
    host.converge_setting(setting, &wanted, observe, act)?;
    Ok(Outcome::new())
}
