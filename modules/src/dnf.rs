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
        state: Option<State>,
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
        /// Takes nothing but the best version; `false` leaves out what cannot be had in it.
        best: Option<bool>,
        /// The opposite of `best`.
        nobest: Option<bool>,
        /// Leaves out packages whose dependencies cannot be met.
        skip_broken: bool = false,
        /// The release to install from.
        releasever: Option<String>,
        /// Another root folder.
        installroot: String = "/".to_string(),
        /// Removes packages that nothing needs any more.
        autoremove: bool = false,
        /// With `state: latest`: only what mends errors.
        bugfix: bool = false,
        /// With `state: latest`: only what mends holes.
        security: bool = false,
        /// With `state: latest`: only packages that are installed already.
        update_only: bool = false,
        /// Uses what was fetched before, and fetches nothing.
        cacheonly: bool = false,
        /// Which excludes of the configuration do not count: `all`, `main` or a repository.
        disable_excludes: Option<String>,
        /// Plugins not to use.
        disable_plugin: Option<Vec<String>>,
        /// Plugins to use.
        enable_plugin: Option<Vec<String>>,
        /// Where packages are put that are only fetched.
        download_dir: Option<String>,
        /// Fetches packages and does not install them.
        download_only: bool = false,
        /// Whether certificates of repositories are checked.
        sslverify: bool = true,
        /// Whether certificates are checked where packages come by their address.
        validate_certs: bool = true,
        /// Accepted for playbooks that ask for it.
        install_repoquery: bool = true,
        /// The program; by default the one that the host has.
        backend as "use_backend": Option<String>,
        /// The same by its older name.
        older as "use": Option<String>,
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

pub(crate) fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.backend.is_some() && args.older.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: ('use', 'use_backend')"));
    }
    let all = args.name.iter().flatten().any(|n| n == "*") && args.state == Some(State::Latest);
    let manager = match Manager::detect() {
        Some(manager @ (Manager::Dnf | Manager::Yum)) => manager,
        _ => {
            return Err(Failure::new("this host has neither dnf nor yum")
                .hint("use the module `package`, which takes what the host has")
                .into());
        }
    };
    let options = options(args);
    let state = args.state.unwrap_or(if args.autoremove { State::Absent } else { State::Present });
    let mut packages = host.packages();
    if args.update_cache {
        packages.fetch_lists_with(manager, &options)?;
    }
    let wanted: Wanted = state.wanted();
    let names = args.name.clone().unwrap_or_default();
    let output = match all {
        true => packages.upgrade_with(manager, &options)?,
        false => packages.converge_with(manager, &names, wanted, &options)?,
    };
    Ok(said(Outcome::new(), output))
}

fn options(args: &Args) -> Vec<String> {
    let mut options = Vec::new();
    for (name, values) in [
        ("enablerepo", &args.enablerepo),
        ("disablerepo", &args.disablerepo),
        ("exclude", &args.exclude),
        ("enableplugin", &args.enable_plugin),
        ("disableplugin", &args.disable_plugin),
    ] {
        options.extend(values.iter().flatten().map(|v| format!("--{name}={v}")));
    }
    for (name, value) in [
        ("releasever", &args.releasever),
        ("config", &args.conf_file),
        ("disableexcludes", &args.disable_excludes),
        ("downloaddir", &args.download_dir),
    ] {
        options.extend(value.iter().map(|v| format!("--{name}={v}")));
    }
    for (given, flag) in [
        (args.disable_gpg_check, "--nogpgcheck"),
        (!args.install_weak_deps, "--setopt=install_weak_deps=False"),
        (args.allowerasing, "--allowerasing"),
        (args.nobest == Some(true) || args.best == Some(false), "--nobest"),
        (args.best == Some(true) || args.nobest == Some(false), "--best"),
        (args.bugfix, "--bugfix"),
        (args.security, "--security"),
        (args.cacheonly, "--cacheonly"),
        (args.download_only, "--downloadonly"),
        (!args.sslverify, "--setopt=sslverify=False"),
        (args.skip_broken, "--skip-broken"),
    ] {
        options.extend(given.then(|| flag.to_string()));
    }
    options.extend((args.installroot != "/").then(|| format!("--installroot={}", args.installroot)));
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use crate::value::Value;

    #[test]
    fn one_backend_is_enough() {
        let mut bench = crate::testing::Bench::new();
        let message = bench.failure(&MODULE, serde_json::json!({"name": "at", "use": "dnf", "use_backend": "dnf"}));
        assert_eq!(message, "parameters are mutually exclusive: ('use', 'use_backend')");
    }

    #[test]
    fn options_of_dnf() {
        let json = serde_json::json!({"name": "x", "enablerepo": "a,b", "install_weak_deps": false, "releasever": 9});
        let args = Args::parse("dnf", Value::from_json(&json).as_map().unwrap()).unwrap();
        assert_eq!(options(&args), ["--enablerepo=a", "--enablerepo=b", "--releasever=9", "--setopt=install_weak_deps=False"]);
    }
}
