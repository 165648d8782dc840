//! Module `dnf`: packages of Fedora, RHEL and their relatives.

use crate::apt::said;
use crate::host::Host;
use crate::host::packages::{Manager, Wanted};
use crate::module::{Failure, Halt, Outcome};
use crate::package::State;
use crate::{arguments, module};

arguments! {
    pub struct Args {
        /// Packages, or paths of package files on the host.
        name ["pkg"]: Option<Vec<String>>,
        /// Whether they are installed.
        state: State = State::Present,
        /// Repositories to use beside those enabled.
        enablerepo: Option<Vec<String>>,
        /// Repositories not to use.
        disablerepo: Option<Vec<String>>,
        /// Packages to leave alone.
        exclude: Option<Vec<String>>,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache ["expire-cache"]: bool = false,
        /// Accepts packages that cannot be verified.
        disable_gpg_check: bool = false,
        /// Whether weak dependencies come too.
        install_weak_deps: bool = true,
        /// Accepts older versions than those installed.
        allow_downgrade: bool = false,
        /// Replaces packages that stand in the way.
        allowerasing: bool = false,
        /// Leaves out what cannot be had in its best version.
        nobest: bool = false,
        /// Leaves out packages whose dependencies cannot be met.
        skip_broken: bool = false,
        /// The release to install from.
        releasever: Option<String>,
        /// Another root folder.
        installroot: Option<String>,
        /// Another configuration file.
        conf_file: Option<String>,
        /// Seconds to wait for the lock.
        lock_timeout: u64 = 30,
    }
}

module! {
    name: "dnf", collection: "ansible.builtin", aliases: ["yum", "dnf5"], effects: Local,
    doc: "Packages of Fedora, RHEL and their relatives, through dnf or, where there is none, yum.",
    examples: [r#"{"name": ["curl", "tar"]}"#, r#"{"name": "telnet", "state": "absent"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let manager = match Manager::detect() {
        Some(manager @ (Manager::Dnf | Manager::Yum)) => manager,
        _ => {
            return Err(Failure::new("this host has neither dnf nor yum")
                .hint("use the module `package`, which takes what the host has")
                .into());
        }
    };
    let options = options(args);
    let mut packages = host.packages();
    if args.update_cache {
        packages.fetch_lists_with(manager, &options)?;
    }
    let wanted: Wanted = args.state.wanted();
    let names = args.name.clone().unwrap_or_default();
    let output = packages.converge_with(manager, &names, wanted, &options)?;
    Ok(said(Outcome::new(), output))
}

fn options(args: &Args) -> Vec<String> {
    let mut options = Vec::new();
    for (name, values) in [("enablerepo", &args.enablerepo), ("disablerepo", &args.disablerepo), ("exclude", &args.exclude)] {
        options.extend(values.iter().flatten().map(|v| format!("--{name}={v}")));
    }
    for (name, value) in [("releasever", &args.releasever), ("installroot", &args.installroot), ("config", &args.conf_file)] {
        options.extend(value.iter().map(|v| format!("--{name}={v}")));
    }
    for (given, flag) in [
        (args.disable_gpg_check, "--nogpgcheck"),
        (!args.install_weak_deps, "--setopt=install_weak_deps=False"),
        (args.allowerasing, "--allowerasing"),
        (args.nobest, "--nobest"),
        (args.skip_broken, "--skip-broken"),
    ] {
        options.extend(given.then(|| flag.to_string()));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use crate::value::Value;

    #[test]
    fn options_of_dnf() {
        let json = serde_json::json!({"name": "x", "enablerepo": "a,b", "install_weak_deps": false, "releasever": 9});
        let args = Args::parse("dnf", Value::from_json(&json).as_map().unwrap()).unwrap();
        assert_eq!(options(&args), ["--enablerepo=a", "--enablerepo=b", "--releasever=9", "--setopt=install_weak_deps=False"]);
    }
}
