//! Module `selinux`: the mode and the policy of SELinux.

use crate::host::files::{Content, Desired, Entry};
use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! { pub enum State { Enforcing = "enforcing", Permissive = "permissive", Disabled = "disabled" } }

arguments! {
    pub struct Args {
        /// The mode.
        state: State,
        /// The policy, e.g. `targeted`; needed unless disabled.
        policy: Option<String>,
        /// The configuration.
        configfile ["conf", "file"]: PathBuf = PathBuf::from("/etc/selinux/config"),
        /// Accepted; the kernel's own argument is left as it is.
        update_kernel_param: bool = false,
    }
}

module! {
    name: "selinux", collection: "ansible.posix", aliases: [], effects: Local,
    doc: "The mode and the policy of SELinux: in its configuration, and in the kernel as far as that goes without a boot.",
    examples: [
        r#"{"state": "enforcing", "policy": "targeted"}"#,
        r#"{"state": "disabled"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.policy.is_none() && args.state != State::Disabled {
        return Err(Halt::failed("Policy is required if state is not 'disabled'"));
    }
    let Some(before) = host.files().read(&args.configfile)? else {
        let message = format!("Unable to find file {}", args.configfile.display());
        return Err(Failure::new(message).hint("is SELinux installed on this host?").into());
    };
    let before = String::from_utf8_lossy(&before).into_owned();
    let mut after = with(&before, "SELINUX", args.state.word());
    if let Some(policy) = &args.policy {
        after = with(&after, "SELINUXTYPE", policy);
    }
    let entry = Some(Entry::File(Content::Bytes(after.into_bytes())));
    host.files().converge(&args.configfile, &Desired { entry, follow: true, ..Desired::default() })?;
    let now = mode(host)?;
    let runs = now.as_str().is_some_and(|mode| mode != "disabled");
    let reboot = match (args.state, runs) {
        (State::Disabled, true) => true,
        (State::Disabled, false) => false,
        (_, false) => true,
        (_, true) => {
            let act = |_: &Value| vec![Command::new(["setenforce", if args.state == State::Enforcing { "1" } else { "0" }])];
            let setting = Setting { kind: "SELinux", name: "kernel", field: "mode" };
            host.converge_setting(setting, &Value::str(args.state.word()), mode, act)?;
            false
        }
    };
    let outcome = Outcome::new()
        .with("configfile", args.configfile.display().to_string())
        .with("state", args.state.word())
        .with("policy", args.policy.clone())
        .with("reboot_required", reboot)
        .with("msg", "");
    Ok(if reboot && host.changed() { outcome.warn("SELinux state change will take effect next reboot") } else { outcome })
}

/// The kernel's mode.
fn mode(host: &mut Host) -> Result<Value, Halt> {
    if !host.has_program("getenforce") {
        return Ok(Value::str("disabled"));
    }
    Ok(Value::str(host.query(&Command::new(["getenforce"]))?.text().trim().to_lowercase()))
}

/// The text with one `KEY=value`; a key that is missing comes last.
fn with(text: &str, key: &str, value: &str) -> String {
    let wanted = format!("{key}={value}");
    let is = |line: &str| line.trim_start().split_once('=').is_some_and(|(k, _)| k.trim() == key);
    let mut lines: Vec<&str> = text.lines().map(|line| if is(line) { wanted.as_str() } else { line }).collect();
    if !text.lines().any(is) {
        lines.push(&wanted);
    }
    lines.iter().flat_map(|l| [l, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_change_in_place() {
        let text = "# SELINUX= can be\nSELINUX=enforcing\nSELINUXTYPE=targeted\n";
        assert_eq!(with(text, "SELINUX", "permissive"), "# SELINUX= can be\nSELINUX=permissive\nSELINUXTYPE=targeted\n");
        assert_eq!(with("", "SELINUX", "disabled"), "SELINUX=disabled\n");
    }
}
