//! What travels to the host: modules, host access, agent and wire format.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests look at the real system beside the host they test"))]

pub mod acl;
pub mod agent;
pub mod apt;
pub mod archive;
pub mod args;
pub mod assemble;
pub mod async_status;
pub mod authorized_key;
pub mod binary;
pub mod blockinfile;
pub mod change;
pub mod command;
pub mod copy;
pub mod dnf;
pub mod encoding;
pub mod file;
pub mod find;
pub mod firewall;
pub mod foreign;
pub mod genesis;
pub mod get_url;
pub mod getent;
pub mod git;
pub mod group;
#[cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "this is the code that touches the system"))]
pub mod host;
pub mod hostname;
pub mod ini_file;
pub mod known_hosts;
#[cfg(test)]
mod laws;
pub mod lineinfile;
pub mod make;
pub mod module;
pub mod mount;
pub mod package;
pub mod pattern;
pub mod ping;
pub mod registry;
pub mod replace;
pub mod script;
pub mod service;
pub mod setup;
pub mod shell;
pub mod slurp;
pub mod stat;
pub mod sysctl;
pub mod systemd;
pub mod systemd_unit;
pub mod tempfile;
#[cfg(test)]
mod testing;
pub mod unarchive;
pub mod uri;
pub mod user;
pub mod value;
pub mod wait_for;
pub mod wire;
