//! Packages: which are installed in which version, through the manager that the host has.

mod apt;
mod dpkg;
mod others;

use super::{Command, Host, Output};
use crate::change::{Action, Change};
use crate::module::{Failure, Halt};
use crate::value::Value;
pub use apt::{AptOptions, Retries, Upgrade};
use std::path::Path;

/// The kind's name in the overlay's memory; the state is the version, null once removed.
pub(crate) const KIND: &str = "package";

/// Packages of a host.
pub struct Packages<'a> {
    host: &'a mut Host,
}

impl Host {
    /// Packages.
    pub fn packages(&mut self) -> Packages<'_> {
        Packages { host: self }
    }
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Manager {
    Apt,
    Dnf,
    Yum,
    Zypper,
    Apk,
    Pacman,
}

impl Manager {
    /// Its name as `ansible_pkg_mgr` has it.
    pub fn name(self) -> &'static str {
        match self {
            Manager::Apt => "apt",
            Manager::Dnf => "dnf",
            Manager::Yum => "yum",
            Manager::Zypper => "zypper",
            Manager::Apk => "apk",
            Manager::Pacman => "pacman",
        }
    }

    /// The one that the host has.
    pub fn detect() -> Option<Manager> {
        let program = |paths: &[&str]| paths.iter().any(|p| Path::new(p).exists());
        // Tools of other distributions may lie around: what dpkg keeps its status in is Debian's, whatever else is there.
        if Path::new("/var/lib/dpkg/status").exists() && Path::new("/etc/debian_version").exists() && program(&["/usr/bin/apt-get"]) {
            return Some(Manager::Apt);
        }
        [
            (Manager::Dnf, &["/usr/bin/dnf", "/usr/bin/dnf5", "/usr/bin/microdnf"][..]),
            (Manager::Yum, &["/usr/bin/yum"]),
            (Manager::Zypper, &["/usr/bin/zypper"]),
            (Manager::Apk, &["/sbin/apk", "/usr/sbin/apk"]),
            (Manager::Pacman, &["/usr/bin/pacman"]),
            (Manager::Apt, &["/usr/bin/apt-get"]),
        ]
        .into_iter()
        .find_map(|(manager, paths)| program(paths).then_some(manager))
    }
}

/// What should be true of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Installed, in any version unless one is named.
    Present,
    /// Installed, in the newest version there is.
    Latest,
    /// Not installed.
    Absent,
}

/// One package that a transaction touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The package.
    pub name: String,
    /// The version installed, if any.
    pub before: Option<String>,
    /// The version afterwards; `None` when it goes.
    pub after: Option<String>,
    /// Whether the version afterwards is known only once it is there.
    pub unknown: bool,
}

impl Step {
    fn change(&self) -> Change {
        let action = match (&self.before, &self.after, self.unknown) {
            (_, None, false) => Action::Delete,
            (None, _, _) => Action::Create,
            _ => Action::Update,
        };
        let after = if self.unknown { Value::unknown(format!("version of {}", self.name)) } else { self.after.clone().into() };
        Change::new(action, KIND, &*self.name).field("version", self.before.clone(), after)
    }
}

impl Packages<'_> {
    /// Records each step, and remembers it in a plan. What a new package brings with it is not predicted: files, users, units.
    fn record(&mut self, steps: &[Step]) {
        let new: Vec<&str> = steps.iter().filter(|s| s.before.is_none() && (s.after.is_some() || s.unknown)).map(|s| &*s.name).collect();
        // Managers name what is needed before what needs it.
        if let Some(name) = new.last().filter(|_| !self.host.is_live()) {
            let others = if new.len() > 1 { " or one that it needs" } else { "" };
            self.host.overlay().run_unpredicted(&format!("the package {name}{others}"));
        }
        for step in steps {
            let change = step.change();
            let after = change.fields.first().map_or(Value::Null, |f| f.after.clone());
            self.host.record(change);
            if !self.host.is_live() {
                self.host.overlay().set_state(KIND, &step.name, after);
            }
        }
    }

    /// The version that this plan would leave installed: `Some(None)` when it would remove it.
    fn planned(&mut self, name: &str) -> Option<Option<String>> {
        match self.host.remembered(KIND, name)? {
            Value::Null => Some(None),
            Value::Unknown(_) => Some(Some(String::new())),
            v => Some(Some(v.to_string())),
        }
    }

    fn perform(&mut self, command: &Command, doing: &str) -> Result<Option<Output>, Halt> {
        self.host.perform(command)?.map(|o| o.require(doing)).transpose()
    }
}

/// The program's failure when no package has this name.
fn no_such_package(name: &str) -> Failure {
    Failure::new(format!("No package matching '{name}' is available"))
        .hint("is the name right for this distribution, and are the package lists there (`update_cache`)?")
}

fn did_not_converge(names: &[String], wanted: Wanted) -> Halt {
    let is = if wanted == Wanted::Absent { "are still installed" } else { "are still missing" };
    Halt::failed(format!("packages did not converge: {} {is}, though the package manager reported no error", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_package_brings_is_unknown_and_what_an_update_brings_is_not() {
        let step = |name: &str, before: Option<&str>, after: Option<&str>| Step {
            name: name.into(),
            before: before.map(Into::into),
            after: after.map(Into::into),
            unknown: false,
        };
        let missing = Path::new("/etc/no-such-package/conf.d");
        let mut bench = crate::testing::Bench::new();
        let host = &mut bench.host;
        host.packages().record(&[step("old", Some("1"), Some("2")), step("gone", Some("1"), None)]);
        assert_eq!(host.files().stat(missing).expect("known"), None);
        host.packages().record(&[step("libx", None, Some("1")), step("x", None, Some("1"))]);
        let Err(Halt::Unknown(why)) = host.files().stat(missing) else { panic!("known") };
        assert_eq!(why, "/etc/no-such-package/conf.d may be made by the package x or one that it needs");
    }
}
