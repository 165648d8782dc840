//! Module `package`: packages through whichever manager the host has.

use crate::args::{self, Argument, ArgumentError, Arguments};
use crate::host::Host;
use crate::host::packages::{Manager, Wanted};
use crate::module::{Effects, Failure, Foresight, Halt, Module, Outcome, converge_with};
use crate::value::{Map, Value};
use crate::{arguments, choices};

choices! {
    pub enum State { Present = "present" | "installed", Latest = "latest", Absent = "absent" | "removed" }
}

impl State {
    pub(crate) fn wanted(self) -> Wanted {
        match self {
            State::Present => Wanted::Present,
            State::Latest => Wanted::Latest,
            State::Absent => Wanted::Absent,
        }
    }
}

arguments! {
    /// What every manager knows.
    pub struct Common {
        /// Packages, by the names they have on this distribution.
        name ["pkg", "package"]: Vec<String>,
        /// Whether they are installed.
        state: State = State::Present,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache ["update-cache"]: bool = false,
    }
}

/// The module as the registry lists it: its arguments are those of the manager's own module.
pub const MODULE: Module = Module {
    name: "package",
    collection: "ansible.builtin",
    aliases: &[],
    doc: "Packages through whichever manager the host has: apt, dnf, yum, zypper, apk or pacman. Arguments of the manager's own \
          module are handed to it.",
    examples: &[r#"{"name": "curl"}"#, r#"{"name": ["telnet"], "state": "absent"}"#],
    effects: Effects::Local,
    foresight: Foresight::Depends,
    arguments: declared,
    check,
    converge,
};

/// What any of the managers' modules takes, each name once.
fn declared() -> Vec<Argument> {
    let mut all = vec![Argument {
        name: "use",
        aliases: &[],
        kind: "string".into(),
        required: false,
        default: Some("auto"),
        choices: &[],
        doc: "The module of the package manager; by default that of the one that the host has.".into(),
    }];
    for argument in Common::declared()
        .into_iter()
        .chain(crate::apt::Args::declared())
        .chain(crate::dnf::Args::declared())
        .chain(crate::zypper::Args::declared())
        .chain(crate::apk::Args::declared())
        .chain(crate::pacman::Args::declared())
    {
        if !all.iter().any(|known| known.name == argument.name) {
            all.push(argument);
        }
    }
    let names: Vec<&str> = all.iter().map(|a| a.name).collect();
    let mut seen: Vec<&str> = Vec::new();
    for argument in &mut all {
        // Defaults and aliases of one manager need not be another's.
        argument.default = argument.default.filter(|_| matches!(argument.name, "use" | "state"));
        if argument.aliases.iter().any(|alias| names.contains(alias) || seen.contains(alias)) {
            argument.aliases = &[];
        }
        seen.extend(argument.aliases);
    }
    all
}

fn check(given: &Map) -> Result<(), ArgumentError> {
    let declared = declared();
    args::refuse_unknown("package", given, &declared)?;
    declared.iter().filter(|a| a.required).try_for_each(|a| args::read::<Vec<String>>("package", given, a, None).map(|_| ()))
}

fn converge(given: &Map, host: &mut Host) -> Result<Outcome, Halt> {
    let mut rest = given.clone();
    let wanted =
        rest.shift_remove(&Value::str("use")).filter(|v| !matches!(v, Value::Null)).map_or_else(|| "auto".to_string(), |v| v.to_string());
    let manager = match wanted.rsplit('.').next().unwrap_or_default() {
        "auto" => Manager::detect().ok_or_else(|| {
            Failure::new("Could not detect which package manager to use. Try gathering facts or setting the \"use\" option.")
                .hint("known are apt, dnf, yum, zypper, apk and pacman")
        })?,
        "apt" => Manager::Apt,
        "dnf" | "dnf5" | "dnf4" => Manager::Dnf,
        "yum" => Manager::Yum,
        "zypper" => Manager::Zypper,
        "apk" => Manager::Apk,
        "pacman" => Manager::Pacman,
        _ => {
            let message = format!("Could not find a matching action for the \"{wanted}\" package manager.");
            return Err(Failure::new(message).hint("known are apt, dnf, yum, zypper, apk and pacman").into());
        }
    };
    match manager {
        Manager::Apt => converge_with("apt", &rest, host, crate::apt::converge),
        Manager::Dnf | Manager::Yum => converge_with("dnf", &rest, host, crate::dnf::converge),
        Manager::Zypper => converge_with("zypper", &rest, host, crate::zypper::converge),
        Manager::Apk => converge_with("apk", &rest, host, crate::apk::converge),
        Manager::Pacman => converge_with("pacman", &rest, host, crate::pacman::converge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn an_unknown_manager_is_named() {
        let mut bench = Bench::new();
        let message = bench.failure(&MODULE, json!({"name": "x", "use": "lola"}));
        assert_eq!(message, "Could not find a matching action for the \"lola\" package manager.");
    }

    #[test]
    fn the_own_module_refuses_what_it_does_not_know() {
        let mut bench = Bench::new();
        let message = bench.failure(&MODULE, json!({"name": "x", "use": "ansible.builtin.apt", "enablerepo": "y"}));
        assert_eq!(message, "`apt` has no argument `enablerepo`");
    }
}
