//! Module `modprobe`: modules of the kernel.

use crate::host::files::{Content, Desired, Entry};
use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent" } }
choices! { pub enum Persistent { Disabled = "disabled", Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The module.
        name: String,
        /// Whether it is loaded.
        state: State = State::Present,
        /// Its parameters.
        params: String = String::new(),
        /// Whether it is loaded at the next boot too: by files in /etc/modules-load.d and /etc/modprobe.d.
        persistent: Persistent = Persistent::Disabled,
    }
}

module! {
    name: "modprobe", collection: "community.general", aliases: [], effects: World,
    doc: "A module of the kernel: loaded now, and at the next boot where `persistent` says so.",
    examples: [r#"{"name": "8021q", "state": "present"}"#, r#"{"name": "dummy", "params": "numdummies=2", "persistent": "present"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.name.is_empty() || args.name.starts_with('-') || args.name.contains(['/', '\n', ' ']) {
        return Err(Halt::failed(format!("`{}` cannot be the name of a module of the kernel", args.name)));
    }
    let there = Value::str("loaded");
    let wanted = if args.state == State::Present { there.clone() } else { Value::Null };
    let name = args.name.replace('-', "_");
    let observe = |host: &mut Host| {
        let loaded = host.files().read(Path::new("/proc/modules"))?.unwrap_or_default();
        let loaded = String::from_utf8_lossy(&loaded).lines().any(|l| l.split(' ').next() == Some(&name));
        Ok(if loaded || built_in(host, &name)? { there.clone() } else { Value::Null })
    };
    let act = |_: &Value| {
        let words: Vec<String> = match args.state {
            State::Present => {
                ["modprobe".into(), args.name.clone()].into_iter().chain(args.params.split_whitespace().map(String::from)).collect()
            }
            State::Absent => vec!["modprobe".into(), "-r".into(), args.name.clone()],
        };
        vec![Command::new(words)]
    };
    host.converge_setting(Setting { kind: "kernel module", name: &args.name, field: "state" }, &wanted, observe, act)?;
    persist(args, host)?;
    Ok(Outcome::new().with("name", args.name.as_str()).with("params", args.params.as_str()).with("state", args.state.word()))
}

/// Whether the kernel holds it without loading.
fn built_in(host: &mut Host, name: &str) -> Result<bool, Halt> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let list = host.files().read(&PathBuf::from(format!("/lib/modules/{release}/modules.builtin")))?.unwrap_or_default();
    let is = |line: &str| line.rsplit('/').next().and_then(|f| f.strip_suffix(".ko")).is_some_and(|m| m.replace('-', "_") == name);
    Ok(String::from_utf8_lossy(&list).lines().any(is))
}

fn persist(args: &Args, host: &mut Host) -> Result<(), Halt> {
    let Args { name, params, persistent, .. } = args;
    let load = PathBuf::from(format!("/etc/modules-load.d/{name}.conf"));
    let options = PathBuf::from(format!("/etc/modprobe.d/{name}.conf"));
    let file = |text: String| Some(Entry::File(Content::Bytes(text.into_bytes())));
    let (first, second) = match persistent {
        Persistent::Disabled => return Ok(()),
        Persistent::Absent => (Some(Entry::Absent), Some(Entry::Absent)),
        Persistent::Present if params.is_empty() => (file(format!("{name}\n")), Some(Entry::Absent)),
        Persistent::Present => (file(format!("{name}\n")), file(format!("options {name} {params}\n"))),
    };
    for (path, entry) in [(load, first), (options, second)] {
        host.files().converge(&path, &Desired { entry, ..Desired::default() })?;
    }
    Ok(())
}
