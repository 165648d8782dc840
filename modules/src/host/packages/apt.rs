//! Packages through apt and dpkg.

use super::dpkg::{Installed, parse_policy, parse_simulation};
use super::{KIND, Packages, Step, Wanted, did_not_converge, no_such_package};
use crate::host::processes::PrivateFolder;
use crate::host::{Command, Output};
use crate::module::{Failure, Halt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How apt-get is to act.
#[derive(Debug, Clone, Default)]
pub struct AptOptions {
    /// Options of dpkg, e.g. `force-confold`.
    pub dpkg_options: Vec<String>,
    /// Whether recommended packages come too; `None` as the host is configured.
    pub install_recommends: Option<bool>,
    /// The release that wins.
    pub default_release: Option<String>,
    /// Options in full, e.g. `--allow-downgrades`.
    pub flags: Vec<String>,
    /// Seconds to wait for dpkg's lock.
    pub lock_timeout: u64,
    /// Whether packages are removed with their configuration.
    pub purge: bool,
    /// Whether packages that nothing needs any more go too.
    pub autoremove: bool,
    /// Upgrades only what is installed.
    pub only_upgrade: bool,
    /// What /usr/sbin/policy-rc.d answers meanwhile, so that services do not start.
    pub policy_rc_d: Option<i64>,
}

/// How often fetching the lists is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often.
    pub times: u64,
    /// Seconds at most in between.
    pub longest: u64,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { times: 5, longest: 12 }
    }
}

/// How far an upgrade goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Removes nothing.
    Safe,
    /// Removes what stands in the way.
    Full,
}

const STATUS: &str = "/var/lib/dpkg/status";
const STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";
const LISTS: &str = "/var/lib/apt/lists";

impl Packages<'_> {
    /// When the package lists were last fetched, in seconds since 1970; 0 if never.
    pub fn lists_fetched(&mut self) -> u64 {
        let age = |path: &str| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let newest = [STAMP, LISTS].iter().filter_map(|p| age(p)).max();
        newest.and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs())
    }

    /// Fetches the package lists unless they are younger than this; true when it did, or would. A plan leaves them as they
    /// are. It is a change of its own where the task asks for nothing else.
    pub fn fetch_lists(&mut self, valid_for: u64, retries: Retries, options: &AptOptions, record: bool) -> Result<bool, Halt> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if valid_for > 0 && self.lists_fetched() + valid_for > now {
            return Ok(false);
        }
        if record {
            let change = crate::change::Change::new(crate::change::Action::Update, "package lists", LISTS);
            let fetched = self.lists_fetched();
            self.host.record(change.field("fetched", fetched, crate::value::Value::unknown("when the lists are fetched")));
        }
        let command = self.apt_get(options, &["update"]);
        let mut tries = 0;
        loop {
            let Some(output) = self.host.perform(&command)? else { return Ok(true) };
            let said = output.errors();
            // apt-get update exits 0 when some lists could not be fetched, with lines that start with W: or E:.
            if output.success() && !said.lines().any(|l| l.starts_with("E:") || l.contains("Failed to fetch")) {
                break;
            }
            if tries >= retries.times {
                return Err(Failure::new(format!("Failed to update apt cache: {}", said.trim()))
                    .hint("can the host reach the package sources in /etc/apt?")
                    .into());
            }
            std::thread::sleep(Duration::from_secs((1 << tries.min(16)).min(retries.longest)));
            tries += 1;
        }
        let _ =
            std::fs::File::options().create(true).truncate(true).write(true).open(STAMP).and_then(|f| f.set_modified(SystemTime::now()));
        Ok(true)
    }

    /// Makes packages be as wanted. A name may carry a version: `nginx=1.22.1-9`, `nginx=1.22.*`, or `nginx>=1.22`.
    pub fn converge_apt(
        &mut self,
        names: &[String],
        wanted: Wanted,
        options: &AptOptions,
        lists_to_come: bool,
    ) -> Result<Option<Output>, Halt> {
        let specs = self.specs(names, wanted)?;
        let todo = self.todo(&specs, wanted, options)?;
        if todo.is_empty() {
            return Ok(None);
        }
        let mut words = vec![if wanted == Wanted::Absent { "remove" } else { "install" }.to_string()];
        words.extend((wanted == Wanted::Absent && options.purge).then(|| "--purge".to_string()));
        words.extend((options.autoremove && wanted == Wanted::Absent).then(|| "--auto-remove".to_string()));
        words.extend((options.only_upgrade && wanted != Wanted::Absent).then(|| "--only-upgrade".to_string()));
        words.push("--".into());
        words.extend(todo.iter().map(|s| s.argument()));
        let output = self.transaction(&words, options, &todo, lists_to_come)?;
        if output.is_some() && self.host.is_live() {
            let installed = self.dpkg()?;
            let held_back = |s: &&Spec| s.installed(&installed).is_some() == (wanted == Wanted::Absent) && !options.only_upgrade;
            let left: Vec<String> = todo.iter().filter(held_back).map(|s| s.name.clone()).collect();
            if !left.is_empty() {
                return Err(did_not_converge(&left, wanted));
            }
        }
        Ok(output)
    }

    /// The packages that names mean; `hel?o` and the like mean all that fit.
    fn specs(&mut self, names: &[String], wanted: Wanted) -> Result<Vec<Spec>, Halt> {
        let mut specs: Vec<Spec> = Vec::new();
        for spec in names.iter().map(|n| Spec::parse(n)) {
            if !spec.name.contains(['*', '?', '[']) {
                specs.push(spec);
                continue;
            }
            let known: Vec<String> = match wanted {
                Wanted::Absent => self.dpkg()?.versions.into_keys().filter(|n| !n.contains(':')).collect(),
                _ => {
                    let command = Command { environment: plain(), ..Command::new(["apt-cache", "pkgnames"]) };
                    self.host.query(&command)?.text().lines().map(str::to_string).collect()
                }
            };
            let mut fitting: Vec<String> = known.into_iter().filter(|n| crate::command::fits(&spec.name, n)).collect();
            fitting.sort();
            if fitting.is_empty() && wanted != Wanted::Absent {
                return Err(no_such_package(&spec.name).into());
            }
            let more = fitting.into_iter().filter(|name| !specs.iter().any(|s| s.name == *name)).collect::<Vec<_>>();
            specs.extend(more.into_iter().map(|name| Spec { name, version: spec.version.clone() }));
        }
        Ok(specs)
    }

    /// Which of the packages are not as wanted.
    fn todo(&mut self, specs: &[Spec], wanted: Wanted, options: &AptOptions) -> Result<Vec<Spec>, Halt> {
        let installed = self.dpkg()?;
        let mut todo: Vec<Spec> = Vec::new();
        let mut asked = Vec::new();
        for spec in specs {
            let has = match self.planned(&spec.name) {
                Some(planned) => planned,
                None => spec.installed(&installed),
            };
            // Its version is known only after apply where it is empty: it was just installed, or it is provided.
            match (wanted, &has) {
                (Wanted::Absent, None) if !(options.purge && installed.configured.contains(&spec.name)) => {}
                (Wanted::Absent, _) => todo.push(spec.clone()),
                (_, None) if options.only_upgrade => {}
                (_, None) if !spec.asks_at_least() => todo.push(spec.clone()),
                (_, None) => asked.push((spec.clone(), None)),
                (_, Some(version)) if version.is_empty() => {}
                (Wanted::Present, Some(version)) if spec.accepts(version) => {}
                (Wanted::Present, Some(_)) if !spec.asks_at_least() => todo.push(spec.clone()),
                (_, Some(version)) => asked.push((spec.clone(), Some(version.clone()))),
            }
        }
        if !asked.is_empty() {
            todo.extend(self.newer(asked, options)?);
        }
        Ok(todo)
    }

    /// Those of the packages, each with the version it has, for which apt has a version that is wanted more.
    fn newer(&mut self, asked: Vec<(Spec, Option<String>)>, options: &AptOptions) -> Result<Vec<Spec>, Halt> {
        let mut argv = vec!["apt-cache".to_string()];
        argv.extend(options.default_release.iter().flat_map(|r| ["-o".to_string(), format!("APT::Default-Release={r}")]));
        argv.extend(["policy".into(), "--".into()]);
        argv.extend(asked.iter().map(|(s, _)| s.name.clone()));
        let policy = parse_policy(&self.host.query(&Command { environment: plain(), ..Command::new(argv) })?.text());
        let mut newer = Vec::new();
        for (spec, version) in asked {
            let known = policy.get(&spec.name).cloned().unwrap_or_default();
            let candidate = match &spec.version {
                // The highest version that fits, whatever apt would choose by itself.
                Some((true, _)) => known.versions.iter().filter(|v| spec.accepts(v)).max_by(|a, b| super::others::compare(a, b)).cloned(),
                _ => known.candidate,
            };
            let Some(candidate) = candidate else {
                newer.extend(version.is_none().then_some(spec));
                continue;
            };
            if !spec.accepts(&candidate) {
                return Err(no_candidate(&spec).into());
            }
            if version.as_ref() != Some(&candidate) {
                let exact = spec.version.as_ref().is_some_and(|(exact, _)| *exact);
                newer.push(if exact { Spec { version: Some((true, candidate)), ..spec } } else { spec });
            }
        }
        Ok(newer)
    }

    /// Simulates, records the steps, performs.
    fn transaction(&mut self, words: &[String], options: &AptOptions, todo: &[Spec], lists_to_come: bool) -> Result<Option<Output>, Halt> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut simulation = self.apt_get(options, &words);
        simulation.argv.insert(1, "--simulate".into());
        let said = self.host.query(&simulation)?;
        let steps = match said.success() {
            true => self.not_planned_yet(parse_simulation(&said.text())),
            // The lists that would be fetched first, or what ran before, may bring it.
            false if !self.host.is_live() && (lists_to_come || self.host.overlay().unpredicted.is_some()) => {
                let steps: Vec<Step> =
                    todo.iter().map(|s| Step { name: s.name.clone(), before: None, after: None, unknown: true }).collect();
                self.record(&steps);
                return Ok(None);
            }
            false => return Err(refused(&said, todo)),
        };
        self.record(&steps);
        let command = self.apt_get(options, &words);
        let _policy = match options.policy_rc_d {
            Some(code) if self.host.is_live() => Some(PolicyRcD::set(code)?),
            _ => None,
        };
        let output = self.perform(&command, &format!("apt-get {} failed", words.first().unwrap_or(&"")))?;
        // A plan answers with what the simulation told.
        Ok(output.or(Some(said)))
    }

    /// Leaves out what earlier tasks of the same plan would have done already.
    fn not_planned_yet(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let planned = |s: &Step, this: &mut Self| this.host.remembered(KIND, &s.name).is_some_and(|v| v == s.after.clone().into());
        steps.into_iter().filter(|s| !planned(s, self)).collect()
    }

    /// Upgrades all that is installed.
    pub fn upgrade_apt(&mut self, how: Upgrade, options: &AptOptions) -> Result<Option<Output>, Halt> {
        let verb = if how == Upgrade::Full { "dist-upgrade" } else { "upgrade" };
        let mut words = vec![verb.to_string()];
        words.extend((how == Upgrade::Safe).then(|| "--with-new-pkgs".to_string()));
        words.extend(options.autoremove.then(|| "--auto-remove".to_string()));
        self.whole(&words, options)
    }

    /// Removes packages that nothing needs any more.
    pub fn autoremove_apt(&mut self, options: &AptOptions) -> Result<Option<Output>, Halt> {
        let mut words = vec!["autoremove".to_string()];
        words.extend(options.purge.then(|| "--purge".to_string()));
        self.whole(&words, options)
    }

    /// Installs what a source package needs to be built.
    pub fn build_dependencies(&mut self, names: &[String], options: &AptOptions) -> Result<Option<Output>, Halt> {
        let words: Vec<String> = ["build-dep".to_string(), "--".into()].into_iter().chain(names.iter().cloned()).collect();
        self.whole(&words, options)
    }

    /// Mends what an interrupted installation left.
    pub fn fix_apt(&mut self, options: &AptOptions) -> Result<Option<Output>, Halt> {
        self.whole(&["install".to_string(), "--fix-broken".into()], options)
    }

    /// Removes downloaded package files: `clean` all, `autoclean` those that cannot be had any more.
    pub fn clean_apt(&mut self, verb: &str, options: &AptOptions) -> Result<(), Halt> {
        let command = self.apt_get(options, &[verb]);
        self.perform(&command, &format!("apt-get {verb} failed")).map(|_| ())
    }

    fn whole(&mut self, words: &[String], options: &AptOptions) -> Result<Option<Output>, Halt> {
        let mut simulation = self.apt_get(options, &words.iter().map(String::as_str).collect::<Vec<_>>());
        simulation.argv.insert(1, "--simulate".into());
        let said = self.host.query(&simulation)?.require(&format!("apt-get {} failed", words[0]))?;
        let steps = self.not_planned_yet(parse_simulation(&said.text()));
        if steps.is_empty() {
            return Ok(Some(said));
        }
        self.record(&steps);
        let command = self.apt_get(options, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let output = self.perform(&command, &format!("apt-get {} failed", words[0]))?;
        Ok(output.or(Some(said)))
    }

    /// Installs a package file from the host or from the web.
    pub fn converge_deb_from(&mut self, place: &str, options: &AptOptions) -> Result<Option<Output>, Halt> {
        if !place.contains("://") {
            return self.converge_deb(Path::new(place), options);
        }
        if !self.host.is_live() {
            return Err(Halt::Unknown(format!("what the package file {place} holds")));
        }
        let content = self.host.download(place)?;
        let folder = PrivateFolder::new()?;
        let name = place.split(['?', '#']).next().and_then(|p| p.rsplit('/').next()).filter(|n| n.ends_with(".deb"));
        let file = folder.path().join(name.unwrap_or("package.deb"));
        std::fs::write(&file, content).map_err(|e| Halt::failed(format!("cannot write {}: {e}", file.display())))?;
        self.converge_deb(&file, options)
    }

    /// Installs a package file that lies on the host.
    pub fn converge_deb(&mut self, file: &Path, options: &AptOptions) -> Result<Option<Output>, Halt> {
        if self.host.files().stat_followed(file)?.is_none() {
            return Err(Failure::new(format!("Unable to install package: there is no file {}", file.display()))
                .hint("`deb` is a path on the host; fetch it first with `copy` or `get_url`")
                .into());
        }
        if !self.host.is_live() && self.host.overlay().nodes.contains_key(file) {
            return Err(Halt::Unknown(format!("what the package file {} holds", file.display())));
        }
        let path = file.to_string_lossy().into_owned();
        let fields = self.host.query(&Command::new(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", &path]))?;
        let text = fields.require(&format!("cannot read the package file {path}"))?.text();
        let (name, version) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let installed = self.dpkg()?.versions.get(name).cloned();
        let downgrade = options.flags.iter().any(|f| f == "--allow-downgrades");
        let enough = |has: &String| has == version || (!downgrade && super::others::compare(has, version).is_gt());
        if installed.as_ref().is_some_and(enough) {
            return Ok(None);
        }
        let absolute = std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file));
        let words = ["install".to_string(), "--".into(), absolute.to_string_lossy().into_owned()];
        self.transaction(&words, options, &[Spec::parse(name)], false)
    }

    fn dpkg(&mut self) -> Result<Installed, Halt> {
        let text =
            std::fs::read(STATUS).map_err(|e| Failure::new(format!("cannot read {STATUS}: {e}")).hint("is this a Debian-like host?"))?;
        Ok(Installed::parse(&String::from_utf8_lossy(&text)))
    }

    fn apt_get(&self, options: &AptOptions, words: &[&str]) -> Command {
        let mut argv: Vec<String> = ["apt-get", "-y", "-q"].map(String::from).to_vec();
        argv.extend(["-o".into(), format!("DPkg::Lock::Timeout={}", options.lock_timeout)]);
        for option in &options.dpkg_options {
            argv.extend(["-o".into(), format!("Dpkg::Options::=--{option}")]);
        }
        match options.install_recommends {
            Some(true) => argv.extend(["-o".into(), "APT::Install-Recommends=yes".into()]),
            Some(false) => argv.push("--no-install-recommends".into()),
            None => {}
        }
        argv.extend(options.default_release.iter().flat_map(|r| ["-t".to_string(), r.clone()]));
        argv.extend(options.flags.iter().cloned());
        argv.extend(words.iter().map(|w| w.to_string()));
        let mut environment = plain();
        environment.extend(
            [
                ("DEBIAN_FRONTEND", "noninteractive"),
                ("DEBIAN_PRIORITY", "critical"),
                ("APT_LISTCHANGES_FRONTEND", "none"),
                ("NEEDRESTART_MODE", "l"),
            ]
            .map(|(k, v)| (k.to_string(), v.to_string())),
        );
        Command { environment, ..Command::new(argv) }
    }
}

fn plain() -> Vec<(String, String)> {
    vec![("LC_ALL".into(), "C.UTF-8".into())]
}

fn refused(output: &Output, todo: &[Spec]) -> Halt {
    let said = output.errors();
    let missing = todo.iter().find(|s| {
        said.contains(&format!("Unable to locate package {}", s.name))
            || said.contains(&format!("'{}' has no installation candidate", s.name))
    });
    let unfit = todo.iter().find(|s| said.contains(&format!("for '{}' was not found", s.name)));
    let failure = match (missing, unfit) {
        (Some(spec), _) => no_such_package(&spec.name),
        (None, Some(spec)) => no_candidate(spec),
        (None, None) => Failure::new(format!("apt-get refuses: {}", said.trim())),
    };
    failure.with("rc", output.code).with("stderr", said.as_str()).with("stdout", output.text()).into()
}

/// The failure when no version of a package fits.
fn no_candidate(spec: &Spec) -> Failure {
    Failure::new(format!("no available installation candidate for {}", spec.written()))
        .hint("`apt-cache policy` on the host shows what there is")
}

/// A package as a task names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    name: String,
    /// What follows `=` (may hold `*`) or `>=`.
    version: Option<(bool, String)>,
}

impl Spec {
    fn parse(text: &str) -> Spec {
        if let Some((name, version)) = text.split_once(">=") {
            return Spec { name: name.trim().into(), version: Some((false, version.trim().into())) };
        }
        match text.split_once('=') {
            Some((name, version)) => Spec { name: name.trim().into(), version: Some((true, version.trim().into())) },
            None => Spec { name: text.trim().into(), version: None },
        }
    }

    fn asks_at_least(&self) -> bool {
        matches!(self.version, Some((false, _)))
    }

    /// As the task wrote it.
    fn written(&self) -> String {
        match &self.version {
            Some((exact, version)) => format!("{}{}{version}", self.name, if *exact { "=" } else { ">=" }),
            None => self.name.clone(),
        }
    }

    fn argument(&self) -> String {
        match &self.version {
            Some((true, version)) => format!("{}={version}", self.name),
            _ => self.name.clone(),
        }
    }

    fn accepts(&self, version: &str) -> bool {
        match &self.version {
            None => true,
            Some((true, pattern)) => crate::command::fits(pattern, version),
            Some((false, least)) => super::others::compare(version, least).is_ge(),
        }
    }

    fn installed(&self, installed: &Installed) -> Option<String> {
        let provided = self.version.is_none() && installed.provided.contains(&self.name);
        installed.versions.get(&self.name).cloned().or_else(|| provided.then(String::new))
    }
}

/// /usr/sbin/policy-rc.d replaced for a while.
struct PolicyRcD(Option<(Vec<u8>, std::fs::Permissions)>);

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl PolicyRcD {
    fn set(code: i64) -> Result<PolicyRcD, Halt> {
        use std::os::unix::fs::PermissionsExt;
        let before = std::fs::read(POLICY).ok().zip(std::fs::metadata(POLICY).ok().map(|m| m.permissions()));
        let written = std::fs::write(POLICY, format!("#!/bin/sh\nexit {code}\n"))
            .and_then(|()| std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755)));
        written.map_err(|e| Halt::failed(format!("cannot write {POLICY}: {e}")))?;
        Ok(PolicyRcD(before))
    }
}

impl Drop for PolicyRcD {
    fn drop(&mut self) {
        let _ = match &self.0 {
            Some((content, permissions)) => {
                std::fs::write(POLICY, content).and_then(|()| std::fs::set_permissions(POLICY, permissions.clone()))
            }
            None => std::fs::remove_file(POLICY),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_versions() {
        assert_eq!(Spec::parse("curl").argument(), "curl");
        let spec = Spec::parse("nginx=1.22.*");
        assert_eq!(spec.argument(), "nginx=1.22.*");
        assert!(spec.accepts("1.22.1-9") && !spec.accepts("1.24.0"));
        let least = Spec::parse("nginx>=1.22");
        assert!(least.accepts("1.22.1-9") && !least.accepts("1.9"));
        assert_eq!(least.argument(), "nginx");
    }
}
