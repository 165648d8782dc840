//! How a host is reached: SSH through the system's `ssh`, or this machine itself.

pub mod askpass;
mod channel;
mod ssh;
mod trouble;
mod words;

pub(crate) use channel::last_lines;
pub(crate) use channel::{Channel, Ending, TAIL, Tail};
use ssh::Master;
pub(crate) use ssh::lost;
pub use words::{quote, split_args};

use crate::error::{Diagnostic, Kind, Result};
use std::path::Path;
use std::time::Duration;

/// What is known of the way to a host, from its variables, keywords and options.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Name in the inventory.
    pub host: String,
    /// How: over SSH or here.
    pub kind: ConnectionKind,
}

/// The kinds of connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConnectionKind {
    /// Processes on this machine.
    Local,
    /// The system's `ssh`.
    Ssh(Ssh),
}

/// Options of an SSH connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ssh {
    /// `ansible_host`, else the inventory name.
    pub address: String,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user`, `-u`.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`, `--private-key`.
    pub key_file: Option<String>,
    /// `ansible_password`; given to ssh through its askpass protocol, never in argv.
    pub password: Option<String>,
    /// `ansible_ssh_common_args` and `ansible_ssh_extra_args`, split as a shell would.
    pub args: Vec<String>,
    /// `ansible_ssh_host_key_checking` / `host_key_checking`; false accepts any key.
    pub host_key_checking: bool,
    /// Time to connect.
    pub timeout: Duration,
}

/// Another user on the host: `become`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Become {
    /// `sudo`, `su` or `doas`.
    pub method: String,
    /// `become_user`, `root` unless set.
    pub user: String,
    /// `become_exe`.
    pub exe: Option<String>,
    /// `become_flags`; `-H -S -n` for sudo unless set.
    pub flags: Option<String>,
    /// `become_password`, `-K`.
    pub password: Option<String>,
}

/// A check that a name cannot be mistaken for an option of ssh, nor for shell syntax where ssh hands it to a proxy command.
///
/// # Errors
/// Kind `Input` if the name is empty, starts with `-` or holds white space, control characters or shell syntax.
pub fn refuse_option_like(name: &str) -> Result<()> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "'\"`$\\;&|<>(){}".contains(c);
    let why = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.starts_with('-') {
        "ssh would read it as an option".to_owned()
    } else if let Some(c) = name.chars().find(|c| odd(*c)) {
        format!("it contains {c:?}")
    } else {
        return Ok(());
    };
    Err(Box::new(Diagnostic::input(format!("`{}` cannot be the name of a host or user: {why}", name.escape_debug()))))
}

/// An open way to a host, over which command lines are started.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    /// Processes of this machine.
    Local,
    /// A running ssh master.
    Ssh(Master),
}

impl Transport {
    /// Opens the way, or finds it open from an earlier run.
    pub(crate) async fn open(connection: &Connection, program: &Path) -> Result<Transport> {
        match &connection.kind {
            ConnectionKind::Local => Ok(Transport::Local),
            ConnectionKind::Ssh(ssh) => Master::open(&connection.host, ssh, program).await.map(Transport::Ssh),
        }
    }

    /// Starts `sh -c SCRIPT` on the host.
    pub(crate) async fn start(&self, host: &str, script: &str) -> Result<Channel> {
        match self {
            Transport::Local => Channel::local("/bin/sh".as_ref(), "sh".as_ref(), &["-c", script]).map_err(|e| cannot_start("/bin/sh", &e)),
            Transport::Ssh(master) => master.start(host, &format!("sh -c {}", quote(script))).await,
        }
    }

    /// Whether the connection stood before this run, so that it may be dead without our knowing.
    pub(crate) fn reused(&self) -> bool {
        matches!(self, Transport::Ssh(master) if master.reused)
    }

    /// Whether command lines can still be started.
    pub(crate) async fn alive(&self) -> bool {
        match self {
            Transport::Local => true,
            Transport::Ssh(master) => master.alive().await,
        }
    }

    /// Ends the connection itself.
    pub(crate) async fn shut(&self) {
        if let Transport::Ssh(master) = self {
            master.shut().await;
        }
    }
}

/// A program of this machine that does not start.
pub(crate) fn cannot_start(program: &str, error: &std::io::Error) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Kind::System, format!("cannot start `{program}`")).note(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_options_or_shell_are_refused() {
        for good in ["web1", "10.0.0.1", "fe80::1%eth0", "deploy@web1", "höst", "_x", "a-b"] {
            assert!(refuse_option_like(good).is_ok(), "{good}");
        }
        for bad in ["", "-oProxyCommand=x", "a b", "a\nb", "$(id)", "a;b", "`id`", "a|b", "a\u{7f}"] {
            assert!(refuse_option_like(bad).is_err(), "{bad}");
        }
    }
}
