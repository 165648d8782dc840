//! The list of modules: one line each.

use crate::module::Module;

/// Every module, by name.
pub const MODULES: &[Module] = &[crate::ping::MODULE];

/// The module with this short or full name (`file`, `ansible.builtin.file`, `systemd_service`).
pub fn find(name: &str) -> Option<&'static Module> {
    let short = name.rsplit('.').next().unwrap_or(name);
    MODULES.iter().find(|m| m.name == short || m.aliases.contains(&short))
}
