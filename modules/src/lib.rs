//! What travels to the host: modules, host access, agent and wire format.

pub mod agent;
pub mod args;
pub mod blockinfile;
pub mod change;
pub mod copy;
pub mod file;
pub mod host;
pub mod lineinfile;
pub mod module;
pub mod pattern;
pub mod ping;
pub mod registry;
pub mod replace;
pub mod slurp;
pub mod stat;
#[cfg(test)]
mod testing;
pub mod value;
pub mod wire;
