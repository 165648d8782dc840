//! Module `hostname`: the host's own name, now and for the next boot.

use crate::host::Host;
use crate::host::files::{Content, Desired, Entry};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, module};
use std::path::Path;

arguments! {
    pub struct Args {
        /// The name.
        name: String,
        /// Accepted for playbooks that name a way to set it; /etc/hostname and the kernel are all there is to set.
        strategy as "use": Option<String>,
    }
}

module! {
    name: "hostname", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "The host's own name: in /etc/hostname for the next boot, and the kernel's now.",
    examples: [r#"{"name": "node-1"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let label = |l: &str| {
        !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && l.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if args.name.len() > 64 || !args.name.split('.').all(label) {
        let failure = Failure::new(format!("`{}` cannot be the name of a host", args.name));
        return Err(failure.hint("letters, digits, hyphens and dots, at most 64 in all").into());
    }
    let file = Path::new("/etc/hostname");
    let before = host.files().read(file)?.unwrap_or_default();
    if String::from_utf8_lossy(&before).trim() != args.name {
        let content = Content::Bytes(format!("{}\n", args.name).into_bytes());
        host.files().converge(file, &Desired { entry: Some(Entry::File(content)), ..Desired::default() })?;
    }
    host.converge_hostname(&args.name)?;
    let short = args.name.split('.').next().unwrap_or_default();
    let domain = args.name.split_once('.').map_or("", |(_, d)| d);
    let facts = [("ansible_hostname", short), ("ansible_nodename", &args.name), ("ansible_fqdn", &args.name), ("ansible_domain", domain)];
    Ok(Outcome::new().with("name", args.name.as_str()).with("ansible_facts", Value::map(facts.map(|(k, v)| (k, Value::str(v))))))
}
