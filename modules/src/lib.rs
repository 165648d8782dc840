//! What travels to the host: modules, host access, agent and wire format.

pub mod agent;
pub mod args;
pub mod change;
pub mod host;
pub mod module;
pub mod ping;
pub mod registry;
#[cfg(test)]
mod testing;
pub mod value;
pub mod wire;
