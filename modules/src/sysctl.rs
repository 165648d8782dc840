//! Module `sysctl`: parameters of the kernel, now and for the next boot.

use crate::host::files::{Content, Desired, Entry};
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::PathBuf;

choices! { pub enum State { Present = "present", Absent = "absent" } }

arguments! {
    pub struct Args {
        /// The parameter, e.g. `net.ipv4.ip_forward`.
        name ["key"]: String,
        /// Its value.
        value ["val"]: Option<String>,
        /// Whether the file has a line for it.
        state: State = State::Present,
        /// The file.
        sysctl_file: String = "/etc/sysctl.conf".to_string(),
        /// Whether the kernel's own value is compared and set too.
        sysctl_set: bool = false,
        /// Whether the kernel reads the file again after it changed.
        reload: bool = true,
        /// Passes over parameters that this kernel does not have.
        ignoreerrors: bool = false,
    }
}

module! {
    name: "sysctl", collection: "ansible.posix", aliases: [], effects: Local,
    doc: "Parameters of the kernel: their lines in a file of sysctl, and their values now.",
    examples: [
        r#"{"name": "net.ipv4.ip_forward", "value": "1", "sysctl_set": true, "sysctl_file": "/etc/sysctl.d/90-forward.conf"}"#,
        r#"{"name": "kernel.panic", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let wanted = match (args.state, &args.value) {
        (State::Present, None) => return Err(Failure::new("`sysctl` needs the argument `value`").into()),
        (State::Present, Some(value)) => Some(words(value)),
        (State::Absent, _) => None,
    };
    if args.name.is_empty() || args.name.starts_with('-') || args.name.contains(char::is_whitespace) || args.name.contains("..") {
        return Err(Halt::failed(format!("`{}` cannot be the name of a parameter", args.name)));
    }
    let file = PathBuf::from(&args.sysctl_file);
    let before = host.files().read(&file)?;
    let text = String::from_utf8_lossy(before.as_deref().unwrap_or_default()).into_owned();
    let after = edit(&text, &args.name, wanted.as_deref());
    let mut written = false;
    if after != text || (before.is_none() && wanted.is_some()) {
        let desired = Desired { entry: Some(Entry::File(Content::Bytes(after.into_bytes()))), ..Desired::default() };
        written = host.files().converge(&file, &desired)?;
    }
    if let Some(value) = &wanted
        && (args.sysctl_set || (written && args.reload))
    {
        host.converge_parameter(&args.name, value, args.sysctl_set, args.ignoreerrors)?;
    }
    Ok(Outcome::new().with("name", args.name.as_str()).with("value", args.value.clone()))
}

/// A value as the kernel shows it: words with one space between.
fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A parameter's name with dots between its parts.
fn dotted(name: &str) -> String {
    name.trim_start_matches('-').trim().replace('/', ".")
}

/// The file's text with a value in the parameter's line, or without the line. Other lines stay as they are.
fn edit(text: &str, name: &str, value: Option<&str>) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut placed = false;
    for line in text.lines() {
        let entry = line.split_once('=').filter(|_| !line.trim_start().starts_with(['#', ';']));
        match entry.filter(|(key, _)| dotted(key.trim()) == dotted(name)) {
            None => out.push(line.to_string()),
            Some((_, old)) => {
                if let Some(value) = value.filter(|_| !placed) {
                    out.push(if words(old) == value { line.to_string() } else { format!("{name}={value}") });
                    placed = true;
                }
            }
        }
    }
    out.extend(value.filter(|_| !placed).map(|v| format!("{name}={v}")));
    if out.is_empty() { String::new() } else { out.join("\n") + "\n" }
}

impl Host {
    /// Makes the kernel have a parameter's value; recorded only if `record`, as otherwise the file's change stands for it.
    fn converge_parameter(&mut self, name: &str, value: &str, record: bool, lenient: bool) -> Result<(), Halt> {
        let now = self.query(&Command::new(["sysctl", "-n", "--", name]))?;
        if now.success() && words(&now.text()) == value {
            return Ok(());
        }
        if !now.success() && lenient {
            return Ok(());
        }
        self.set_parameter(name, &words(&now.text()), value, record)?.map(|o| o.require(&format!("cannot set {name}"))).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_file() {
        let text = "# kernel.panic=1\nkernel.panic = 5\nnet/ipv4/tcp_rmem=4096 1  2\n";
        assert_eq!(edit(text, "kernel.panic", Some("5")), text);
        assert_eq!(edit(text, "kernel.panic", Some("6")), text.replace("kernel.panic = 5", "kernel.panic=6"));
        assert_eq!(edit(text, "net.ipv4.tcp_rmem", Some("4096 1 2")), text);
        assert_eq!(edit(text, "kernel.panic", None), text.replace("kernel.panic = 5\n", ""));
        assert_eq!(edit("", "a.b", Some("1")), "a.b=1\n");
        assert_eq!(edit("", "a.b", None), "");
    }
}
