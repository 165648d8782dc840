//! The list of modules: one line each.

use crate::module::Module;

/// Every module, by name.
pub const MODULES: &[Module] = &[
    crate::apt::MODULE,
    crate::command::MODULE,
    crate::dnf::MODULE,
    crate::group::MODULE,
    crate::package::MODULE,
    crate::ping::MODULE,
    crate::script::MODULE,
    crate::service::MODULE,
    crate::shell::MODULE,
    crate::systemd::MODULE,
    crate::systemd_unit::MODULE,
    crate::user::MODULE,
];

/// The module with this short or full name (`file`, `ansible.builtin.file`, `systemd_service`).
pub fn find(name: &str) -> Option<&'static Module> {
    let short = name.rsplit('.').next().unwrap_or(name);
    MODULES.iter().find(|m| m.name == short || m.aliases.contains(&short))
}
