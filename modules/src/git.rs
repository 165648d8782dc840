//! Module `git`: a checkout of a repository at a version.

use crate::change::{Action, Change};
use crate::host::{Command, Host, Output};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use std::path::PathBuf;

crate::arguments! {
    pub struct Args {
        /// Where the repository is: a URL, `host:path` over SSH, or a path on the host.
        repo ["name"]: String,
        /// Where the checkout goes; not needed with `clone: false`.
        dest: Option<PathBuf>,
        /// A branch, a tag, a commit's full hash, or `HEAD` for the repository's default branch.
        version: String = "HEAD".to_string(),
        /// What the remote is called.
        remote: String = "origin".to_string(),
        /// What to fetch beside branches and tags, e.g. a change under review.
        refspec: Option<String>,
        /// Give up local changes in the checkout.
        force: bool = false,
        /// Fetch only so many of the last commits.
        depth: Option<u64>,
        /// Whether to clone where nothing is yet; otherwise only the version is looked up.
        clone: bool = true,
        /// Whether to bring a checkout that is there to the version.
        update: bool = true,
        /// The program `git`, if it is not in PATH.
        executable: Option<String>,
        /// A repository without a working tree.
        bare: bool = false,
        /// Umask of the files that are made, octal.
        umask: Option<String>,
        /// Whether submodules are checked out too.
        recursive: bool = true,
        /// Clone only the history of the version.
        single_branch: bool = false,
        /// Take submodules at the tip of the branch that they track.
        track_submodules: bool = false,
        /// Require a valid signature of the version.
        verify_commit: bool = false,
        /// Fingerprints of the keys of which one must have signed.
        gpg_allowlist ["gpg_whitelist"]: Vec<String> = Vec::new(),
        /// An archive of the version to make: `.zip`, `.tar`, `.tar.gz`, `.tgz`.
        archive: Option<PathBuf>,
        /// What stands before every name in the archive.
        archive_prefix: Option<String>,
        /// Where the repository itself is kept, apart from the checkout.
        separate_git_dir: Option<PathBuf>,
        /// Accept any host key over SSH.
        accept_hostkey: bool = false,
        /// Accept the host key over SSH of a host seen for the first time.
        accept_newhostkey: bool = false,
        /// Further options of ssh.
        ssh_opts: Option<String>,
        /// The private key for SSH.
        key_file: Option<PathBuf>,
        /// A repository on the host to take objects from.
        reference: Option<String>,
    }
}

crate::module! {
    name: "git", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Checks a repository out, or brings a checkout to a version. Needs `git` on the host. A plan asks the repository for \
          the version and shows the commits before and after.",
    examples: [
        r#"{"repo": "https://git.example.org/app.git", "dest": "/srv/app", "version": "v1.2"}"#,
        r#"{"repo": "git@git.example.org:app.git", "dest": "/srv/app", "key_file": "/root/.ssh/deploy", "accept_newhostkey": true}"#,
    ],
}

/// One run: the arguments, and the checkout they are about.
struct Git<'a> {
    args: &'a Args,
    dest: PathBuf,
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let dest = match &args.dest {
        Some(dest) => dest.clone(),
        None if !args.clone => PathBuf::new(),
        None => return Err(Halt::failed("the destination directory must be specified unless clone=no")),
    };
    if args.separate_git_dir.is_some() && args.bare {
        return Err(Halt::failed("parameters are mutually exclusive: separate_git_dir|bare"));
    }
    let git = Git { args, dest };
    let config = if args.bare { git.dest.join("config") } else { git.dest.join(".git") };
    if args.dest.is_none() || host.files().stat_followed(&config)?.is_none() {
        return git.fresh(host);
    }
    let before = git.ask(host, &["rev-parse", "HEAD"])?.success_text();
    if !args.update {
        return Ok(git.outcome(before.clone(), before));
    }
    git.update(host, before)
}

impl Git<'_> {
    fn words<'w>(&self, inside: bool, words: impl IntoIterator<Item = &'w str>) -> Command {
        let program = self.args.executable.as_deref().unwrap_or("git");
        let argv = std::iter::once(program.to_string()).chain(words.into_iter().map(str::to_string));
        let mut environment = vec![("GIT_TERMINAL_PROMPT".to_string(), "0".to_string()), ("LC_ALL".into(), "C".into())];
        environment.push(("GIT_SSH_COMMAND".into(), self.ssh()));
        Command { cwd: inside.then(|| self.dest.clone()), environment, ..Command::new(argv) }
    }

    fn ssh(&self) -> String {
        let mut line = "ssh -o BatchMode=yes".to_string();
        match (self.args.accept_hostkey, self.args.accept_newhostkey) {
            (true, _) => line.push_str(" -o StrictHostKeyChecking=no"),
            (_, true) => line.push_str(" -o StrictHostKeyChecking=accept-new"),
            _ => {}
        }
        if let Some(key) = &self.args.key_file {
            line.push_str(&format!(" -i {} -o IdentitiesOnly=yes", crate::host::command::quoted(&key.display().to_string())));
        }
        if let Some(options) = &self.args.ssh_opts {
            line.push_str(&format!(" {options}"));
        }
        line
    }

    /// Asks about the checkout; changes nothing.
    fn ask(&self, host: &mut Host, words: &[&str]) -> Result<Output, Halt> {
        host.query(&self.words(true, words.iter().copied()))
    }

    /// The names and commits that the repository has.
    fn remote(&self, host: &mut Host, inside: bool) -> Result<Vec<(String, String)>, Halt> {
        let output = host.query(&self.words(inside, ["ls-remote", "--", self.args.repo.as_str()]))?;
        let output = output.require(&format!("cannot ask the repository {}", self.args.repo))?;
        let pair = |line: &str| line.split_once('\t').map(|(commit, name)| (name.to_string(), commit.to_string()));
        Ok(output.text().lines().filter_map(pair).collect())
    }

    /// The commit of the version, and whether it is a branch.
    fn wanted(&self, names: &[(String, String)]) -> Result<(String, bool), Halt> {
        let version = self.args.version.as_str();
        let of = |name: String| names.iter().find(|(known, _)| *known == name).map(|(_, commit)| commit.clone());
        if version == "HEAD" {
            return of("HEAD".into()).map(|commit| (commit, true)).ok_or_else(|| self.unknown_version());
        }
        if let Some(commit) = of(format!("refs/heads/{version}")) {
            return Ok((commit, true));
        }
        let tag =
            of(format!("refs/tags/{version}^{{}}")).or_else(|| of(format!("refs/tags/{version}"))).or_else(|| of(version.to_string()));
        let is_commit = version.len() >= 7 && version.chars().all(|c| c.is_ascii_hexdigit());
        tag.or_else(|| is_commit.then(|| version.to_string())).map(|commit| (commit, false)).ok_or_else(|| self.unknown_version())
    }

    fn unknown_version(&self) -> Halt {
        let Args { version, repo, .. } = self.args;
        Failure::new(format!("the repository {repo} has no branch, tag or commit `{version}`"))
            .with("msg", format!("Could not determine remote revision for {version}"))
            .into()
    }

    /// The branch that HEAD stands for.
    fn default_branch(names: &[(String, String)]) -> Option<String> {
        let head = &names.iter().find(|(name, _)| name == "HEAD")?.1;
        let heads = names.iter().filter(|(_, commit)| commit == head).filter_map(|(name, _)| name.strip_prefix("refs/heads/"));
        let heads: Vec<&str> = heads.collect();
        let usual = ["main", "master", "trunk", "devel"].into_iter().find(|name| heads.contains(name));
        usual.or(heads.first().copied()).map(str::to_string)
    }

    /// Where nothing is yet.
    fn fresh(&self, host: &mut Host) -> Result<Outcome, Halt> {
        let args = self.args;
        let names = self.remote(host, false)?;
        let (after, is_branch) = self.wanted(&names)?;
        let change = Change::new(Action::Create, "checkout", self.shown()).field("version", Value::Null, after.as_str());
        if !args.clone || args.dest.is_none() {
            host.carry_out(change, &[])?;
            return Ok(self.outcome(None, Some(after)));
        }
        let dest = self.shown();
        let depth = args.depth.map(|depth| depth.to_string());
        let separate = args.separate_git_dir.as_ref().map(|path| format!("--separate-git-dir={}", path.display()));
        let named = args.version != "HEAD"
            && names
                .iter()
                .any(|(name, _)| name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/")) == Some(args.version.as_str()));
        let mut words = vec!["clone", "--origin", &args.remote];
        words.extend(args.bare.then_some("--bare"));
        words.extend(args.single_branch.then_some("--single-branch"));
        words.extend(separate.as_deref());
        if let Some(depth) = depth.as_deref().filter(|_| named || args.version == "HEAD") {
            words.extend(["--depth", depth]);
        }
        if let Some(reference) = &args.reference {
            words.extend(["--reference", reference]);
        }
        if named {
            words.extend(["--branch", &args.version]);
        }
        words.extend(["--", &args.repo, &dest]);
        let mut steps = vec![self.words(false, words)];
        if let Some(parent) = self.dest.parent() {
            steps.insert(0, Command::new(["mkdir", "-p", &parent.display().to_string()]));
        }
        steps.extend(args.refspec.as_ref().map(|refspec| self.words(true, ["fetch", args.remote.as_str(), refspec.as_str()])));
        if !args.bare && !is_branch && !named {
            steps.push(self.words(true, ["checkout", "--force", args.version.as_str()]));
        }
        steps.extend(self.last_steps(host)?);
        host.carry_out(change, &steps)?;
        self.submodules(host)?;
        self.archive(host, &after, true)?;
        Ok(self.outcome(None, Some(after)))
    }

    /// Where a checkout is.
    fn update(&self, host: &mut Host, before: Option<String>) -> Result<Outcome, Halt> {
        let args = self.args;
        let status = self.ask(host, &["status", "--porcelain", "--untracked-files=no"])?;
        let modified = !args.bare && !status.text().trim().is_empty();
        if modified && !args.force {
            return Err(Failure::new(format!("Local modifications exist in the destination: {} (force=no).", self.shown()))
                .hint("`force: true` gives them up")
                .with("before", before)
                .into());
        }
        let url = self.ask(host, &["config", "--get", &format!("remote.{}.url", args.remote)])?.success_text();
        let moved = url.as_deref() != Some(args.repo.as_str());
        let names = self.remote(host, true)?;
        let (after, is_branch) = self.wanted(&names)?;
        let same = before.as_deref() == Some(after.as_str());
        if same && !modified && !moved {
            self.submodules(host)?;
            self.archive(host, &after, false)?;
            return Ok(self.outcome(before, Some(after)));
        }
        let mut change = Change::new(Action::Update, "checkout", self.shown());
        if !same {
            change = change.field("version", before.clone(), after.as_str());
        }
        if modified {
            change = change.field("local changes", true, false);
        }
        if moved {
            change = change.field("remote", url.clone(), args.repo.as_str());
        }
        let mut steps = Vec::new();
        if moved {
            let how = if url.is_some() { "set-url" } else { "add" };
            steps.push(self.words(true, ["remote", how, args.remote.as_str(), args.repo.as_str()]));
        }
        steps.extend(self.to_version(&names, is_branch, &after));
        steps.extend(self.last_steps(host)?);
        host.carry_out(change, &steps)?;
        self.submodules(host)?;
        self.archive(host, &after, true)?;
        Ok(self.outcome(before, Some(after)).with("remote_url_changed", moved))
    }

    /// Fetches and checks out.
    fn to_version(&self, names: &[(String, String)], is_branch: bool, commit: &str) -> Vec<Command> {
        let args = self.args;
        let depth = args.depth.map(|depth| format!("--depth={depth}"));
        let mut words = vec!["fetch", "--force"];
        words.extend(depth.as_deref());
        if args.bare {
            words.extend([args.remote.as_str(), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
            words.extend(args.refspec.as_deref());
            return vec![self.words(true, words)];
        }
        let tracking = format!("+refs/heads/*:refs/remotes/{}/*", args.remote);
        words.extend(["--tags", args.remote.as_str(), &tracking]);
        words.extend(args.refspec.as_deref());
        let mut steps = vec![self.words(true, words)];
        let branch = if args.version == "HEAD" { Self::default_branch(names) } else { Some(args.version.clone()) };
        match branch.filter(|_| is_branch) {
            Some(branch) => {
                steps.push(self.words(true, ["checkout", "--force", "-B", &branch, &format!("refs/remotes/{}/{branch}", args.remote)]));
            }
            None => steps.push(self.words(true, ["checkout", "--force", if is_branch { commit } else { &args.version }])),
        }
        steps.push(self.words(true, ["reset", "--hard", commit]));
        steps
    }

    /// The check of the signature.
    fn last_steps(&self, host: &mut Host) -> Result<Option<Command>, Halt> {
        let args = self.args;
        if !args.verify_commit {
            return Ok(None);
        }
        if !args.gpg_allowlist.is_empty() && host.files().stat_followed(&self.dest)?.is_some() {
            let said = self.ask(host, &["verify-commit", "--raw", "HEAD"])?.errors();
            if said.contains("VALIDSIG") && !args.gpg_allowlist.iter().any(|key| said.contains(key.as_str())) {
                return Err(Halt::failed("the version is signed with a key that is not in `gpg_allowlist`"));
            }
        }
        Ok(Some(self.words(true, ["verify-commit", "HEAD"])))
    }

    fn submodules(&self, host: &mut Host) -> Result<(), Halt> {
        let args = self.args;
        let listed = self.dest.join(".gitmodules");
        if !args.recursive || args.bare || !matches!(host.files().stat_followed(&listed), Ok(Some(_))) {
            return Ok(());
        }
        let status = self.ask(host, &["submodule", "status", "--recursive"])?.text();
        let behind = args.track_submodules || status.lines().any(|line| line.starts_with(['-', '+', 'U']));
        if !behind {
            return Ok(());
        }
        let mut words = vec!["submodule", "update", "--init", "--recursive", "--force"];
        words.extend(args.track_submodules.then_some("--remote"));
        let steps = [self.words(true, ["submodule", "sync", "--recursive"]), self.words(true, words)];
        if args.track_submodules {
            host.carry_out_quietly(&steps)?;
            let now = self.ask(host, &["submodule", "status", "--recursive"])?.text();
            if now != status {
                let change = Change::new(Action::Update, "submodules", self.shown()).field("versions", status, now);
                host.carry_out(change, &[])?;
            }
            return Ok(());
        }
        host.carry_out(Change::new(Action::Update, "submodules", self.shown()).field("state", "behind", "checked out"), &steps)
    }

    /// Writes the archive where it is missing or the version is another.
    fn archive(&self, host: &mut Host, after: &str, changed: bool) -> Result<(), Halt> {
        let Some(path) = &self.args.archive else { return Ok(()) };
        if !changed && host.files().stat_followed(path)?.is_some() {
            return Ok(());
        }
        let shown = path.display().to_string();
        let output = format!("--output={shown}");
        let prefix = self.args.archive_prefix.as_ref().map(|prefix| format!("--prefix={prefix}"));
        let mut words = vec!["archive", output.as_str()];
        words.extend(prefix.as_deref());
        words.push(after);
        let change = Change::new(Action::Update, "archive", shown.as_str()).field("version", Value::Null, after);
        host.carry_out(change, &[self.words(true, words)])
    }

    fn shown(&self) -> String {
        self.dest.display().to_string()
    }

    fn outcome(&self, before: Option<String>, after: Option<String>) -> Outcome {
        Outcome::new().with("before", before).with("after", after)
    }
}

impl Output {
    /// What it wrote, trimmed, if it exited with 0.
    fn success_text(&self) -> Option<String> {
        self.success().then(|| self.text().trim().to_string()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::MODULE;
    use crate::testing::{Bench, returned};
    use serde_json::json;
    use std::path::Path;
    use std::process::Command;

    fn git(dir: &Path, line: &str) {
        let done = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e@x", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"])
            .args(line.split(' '))
            .current_dir(dir)
            .output()
            .expect("git runs");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn clones_updates_and_keeps_local_changes() {
        let mut bench = Bench::new();
        bench.write("origin/f", "1");
        let origin = bench.path("origin");
        for line in ["init -q", "add f", "commit -q -m one", "tag v1"] {
            git(&origin, line);
        }
        bench.write("origin/f", "2");
        git(&origin, "commit -q -a -m two");
        let args = |version: &str| json!({"repo": "/scratch/origin", "dest": "/scratch/here", "version": version});
        let (outcome, changes) = bench.law(&MODULE, args("v1"));
        assert_eq!((bench.read("here/f").as_deref(), returned(&outcome, "before"), changes.len()), (Some("1"), "None".into(), 1));
        let (outcome, _) = bench.law(&MODULE, args("HEAD"));
        assert_eq!(bench.read("here/f").as_deref(), Some("2"));
        assert_ne!(returned(&outcome, "before"), returned(&outcome, "after"));
        bench.write("here/f", "mine");
        assert!(bench.failure(&MODULE, args("v1")).starts_with("Local modifications exist"));
        let mut forced = args("v1");
        forced["force"] = true.into();
        bench.law(&MODULE, forced);
        assert_eq!(bench.read("here/f").as_deref(), Some("1"));
        assert!(bench.failure(&MODULE, args("no-such")).contains("has no branch, tag or commit `no-such`"));
        bench.law(&MODULE, json!({"repo": "/scratch/origin", "dest": "/scratch/bare", "bare": true}));
    }
}
