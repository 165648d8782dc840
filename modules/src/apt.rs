//! Module `apt`: packages of Debian and its relatives.

use crate::host::packages::{AptOptions, Retries, Upgrade, Wanted};
use crate::host::{Host, Output};
use crate::module::{Halt, Outcome};
use crate::{arguments, choices, module};

choices! {
    pub enum State {
        Present = "present" | "installed", Latest = "latest", Absent = "absent" | "removed", BuildDep = "build-dep", Fixed = "fixed",
    }
}

choices! {
    pub enum UpgradeOf { No = "no" | "false" | "False", Yes = "yes" | "true" | "True" | "safe", Full = "full", Dist = "dist" }
}

arguments! {
    pub struct Args {
        /// Packages; `name=1.2*` and `name>=1.2` ask for a version.
        name ["package", "pkg"]: Option<Vec<String>>,
        /// Whether they are installed.
        state: State = State::Present,
        /// Whether the package lists are fetched first. A plan does not.
        update_cache ["update-cache"]: Option<bool>,
        /// Seconds for which fetched lists are good enough.
        cache_valid_time: u64 = 0,
        /// How often fetching the lists is tried again.
        update_cache_retries: u64 = 5,
        /// Seconds at most between the tries.
        update_cache_retry_max_delay: u64 = 12,
        /// Whether packages are removed with their configuration.
        purge: bool = false,
        /// The release that wins.
        default_release ["default-release"]: Option<String>,
        /// Whether recommended packages come too.
        install_recommends ["install-recommends"]: Option<bool>,
        /// Accepts unsigned packages and downgrades.
        force: bool = false,
        /// Only apt-get is ever used; accepted for playbooks that ask for it.
        force_apt_get: bool = false,
        /// Accepts packages that cannot be verified.
        allow_unauthenticated ["allow-unauthenticated"]: bool = false,
        /// Accepts older versions than those installed.
        allow_downgrade ["allow-downgrade", "allow_downgrades", "allow-downgrades"]: bool = false,
        /// Changes packages that are held at their version.
        allow_change_held_packages: bool = false,
        /// Upgrades all that is installed.
        upgrade: UpgradeOf = UpgradeOf::No,
        /// Options of dpkg, comma separated.
        dpkg_options: String = "force-confdef,force-confold".to_string(),
        /// A package file on the host, or its address on the web.
        deb: Option<String>,
        /// Removes packages that nothing needs any more.
        autoremove: bool = false,
        /// Removes downloaded package files that cannot be had any more.
        autoclean: bool = false,
        /// Removes all downloaded package files.
        clean: bool = false,
        /// Only upgrades what is installed already.
        only_upgrade: bool = false,
        /// Fails rather than remove any package.
        fail_on_autoremove: bool = false,
        /// What /usr/sbin/policy-rc.d answers meanwhile; 101 keeps services from starting.
        policy_rc_d: Option<i64>,
        /// Seconds to wait for dpkg's lock.
        lock_timeout: u64 = 60,
        /// Accepted for playbooks that ask for it; nothing of Python is needed.
        auto_install_module_deps: bool = true,
    }
}

module! {
    name: "apt", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Packages of Debian, Ubuntu and their relatives. The plan shows each package that would come or go, with versions, as \
          apt-get's own simulation tells.",
    examples: [
        r#"{"name": ["curl", "ca-certificates"], "update_cache": true, "cache_valid_time": 3600}"#,
        r#"{"name": "telnetd", "state": "absent", "purge": true}"#,
    ],
}

pub(crate) fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    check(args)?;
    let options = options(args);
    let names: Vec<String> = args.name.iter().flatten().map(|n| n.trim().to_string()).filter(|n| !n.is_empty()).collect();
    let all = args.state == State::Latest && names.iter().any(|n| n == "*");
    if all && names.len() > 1 {
        return Err(Halt::failed("unable to install additional packages when upgrading all installed packages"));
    }
    let upgrade = if all { UpgradeOf::Yes } else { args.upgrade };
    let update = args.update_cache.unwrap_or(args.cache_valid_time > 0);
    let retries = Retries { times: args.update_cache_retries, longest: args.update_cache_retry_max_delay };
    let alone = names.is_empty() && args.deb.is_none() && upgrade == UpgradeOf::No;
    let mut packages = host.packages();
    let updated = update && packages.fetch_lists(args.cache_valid_time, retries, &options, alone)?;
    let mut output = match upgrade {
        UpgradeOf::No => None,
        UpgradeOf::Yes => packages.upgrade_apt(Upgrade::Safe, &options)?,
        UpgradeOf::Full | UpgradeOf::Dist => packages.upgrade_apt(Upgrade::Full, &options)?,
    };
    if let Some(deb) = &args.deb {
        output = host.packages().converge_deb_from(deb, &options)?.or(output);
    }
    let mut packages = host.packages();
    let done = match args.state {
        State::Fixed => packages.fix_apt(&options)?,
        _ if names.is_empty() || all => None,
        State::BuildDep => packages.build_dependencies(&names, &options)?,
        State::Present => packages.converge_apt(&names, Wanted::Present, &options, updated)?,
        State::Latest => packages.converge_apt(&names, Wanted::Latest, &options, updated)?,
        State::Absent => packages.converge_apt(&names, Wanted::Absent, &options, false)?,
    };
    output = done.or(output);
    if args.autoremove && args.state != State::Absent {
        output = packages.autoremove_apt(&options)?.or(output);
    }
    if args.autoclean {
        packages.clean_apt("autoclean", &options)?;
    }
    if args.clean {
        packages.clean_apt("clean", &options)?;
    }
    let fetched = packages.lists_fetched();
    Ok(said(Outcome::new().with("cache_updated", updated).with("cache_update_time", fetched), output))
}

fn check(args: &Args) -> Result<(), Halt> {
    let given = [("deb", args.deb.is_some()), ("package", args.name.is_some()), ("upgrade", args.upgrade != UpgradeOf::No)];
    if given.iter().filter(|(_, given)| *given).count() > 1 {
        return Err(Halt::failed("parameters are mutually exclusive: deb|package|upgrade"));
    }
    Ok(())
}

fn options(args: &Args) -> AptOptions {
    let mut flags = Vec::new();
    for (given, flag) in [
        (args.allow_unauthenticated || args.force, "--allow-unauthenticated"),
        (args.allow_downgrade || args.force, "--allow-downgrades"),
        (args.allow_change_held_packages || args.force, "--allow-change-held-packages"),
        (args.force, "--allow-remove-essential"),
        (args.fail_on_autoremove, "--no-remove"),
    ] {
        flags.extend(given.then(|| flag.to_string()));
    }
    AptOptions {
        dpkg_options: args.dpkg_options.split(',').map(str::trim).filter(|o| !o.is_empty()).map(str::to_string).collect(),
        install_recommends: args.install_recommends,
        default_release: args.default_release.clone(),
        flags,
        lock_timeout: args.lock_timeout,
        purge: args.purge,
        autoremove: args.autoremove,
        only_upgrade: args.only_upgrade,
        policy_rc_d: args.policy_rc_d,
    }
}

/// Adds what the package manager said, if it ran.
pub(crate) fn said(outcome: Outcome, output: Option<Output>) -> Outcome {
    let Some(output) = output else { return outcome };
    let mut outcome = outcome;
    outcome.returns.extend(crate::command::texts(&output, true));
    outcome
}
