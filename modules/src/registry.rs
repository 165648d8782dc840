//! The list of modules: one line each.

use crate::module::Module;

/// Every module, by name.
pub const MODULES: &[Module] = &[
    crate::acl::MODULE,
    crate::apt::MODULE,
    crate::assemble::MODULE,
    crate::async_status::MODULE,
    crate::authorized_key::MODULE,
    crate::binary::MODULE,
    crate::blockinfile::MODULE,
    crate::command::MODULE,
    crate::copy::MODULE,
    crate::dnf::MODULE,
    crate::file::MODULE,
    crate::find::MODULE,
    crate::firewall::MODULE,
    crate::foreign::MODULE,
    crate::genesis::MODULE,
    crate::get_url::MODULE,
    crate::getent::MODULE,
    crate::git::MODULE,
    crate::group::MODULE,
    crate::hostname::MODULE,
    crate::ini_file::MODULE,
    crate::known_hosts::MODULE,
    crate::lineinfile::MODULE,
    crate::make::MODULE,
    crate::mount::MODULE,
    crate::package::MODULE,
    crate::ping::MODULE,
    crate::replace::MODULE,
    crate::script::MODULE,
    crate::service::MODULE,
    crate::setup::MODULE,
    crate::shell::MODULE,
    crate::slurp::MODULE,
    crate::stat::MODULE,
    crate::sysctl::MODULE,
    crate::systemd::MODULE,
    crate::systemd_unit::MODULE,
    crate::tempfile::MODULE,
    crate::unarchive::MODULE,
    crate::uri::MODULE,
    crate::user::MODULE,
    crate::wait_for::MODULE,
];

/// The module with this short or full name (`file`, `ansible.builtin.file`, `systemd_service`).
pub fn find(name: &str) -> Option<&'static Module> {
    let short = name.rsplit('.').next().unwrap_or(name);
    MODULES.iter().find(|m| m.name == short || m.aliases.contains(&short))
}
