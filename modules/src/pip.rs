//! Module `pip`: packages of Python, in the system or in a virtual environment.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::Value;
use crate::{arguments, choices, module};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent", Latest = "latest", ForceReinstall = "forcereinstall" } }

arguments! {
    pub struct Args {
        /// Packages, with versions where need be (`bottle==0.11`), or addresses of version control.
        name: Option<Vec<String>>,
        /// The version, where `name` is one package.
        version: Option<String>,
        /// A file of requirements on the host.
        requirements: Option<String>,
        /// A folder of a virtual environment; made when it is missing.
        virtualenv: Option<PathBuf>,
        /// Whether a new environment sees the system's packages.
        virtualenv_site_packages: bool = false,
        /// What makes the environment.
        virtualenv_command: String = "virtualenv".to_string(),
        /// The Python of a new environment.
        virtualenv_python: Option<String>,
        /// Whether the packages are installed.
        state: State = State::Present,
        /// Options for pip.
        extra_args: Option<String>,
        /// Whether packages are installed in place.
        editable: bool = false,
        /// The folder in which pip runs.
        chdir: Option<PathBuf>,
        /// The pip to use, e.g. `pip3.11`.
        executable: Option<PathBuf>,
        /// The umask that pip runs with.
        umask: Option<String>,
        /// Whether pip may change a Python that the distribution manages.
        break_system_packages: bool = false,
    }
}

module! {
    name: "pip", collection: "ansible.builtin", aliases: [], effects: World,
    doc: "Packages of Python, through the host's pip. The version that pip chooses for a name without one is known after apply.",
    examples: [
        r#"{"name": "bottle==0.12"}"#,
        r#"{"requirements": "/my_app/requirements.txt", "virtualenv": "/my_app/venv", "virtualenv_command": "python3 -m venv"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    check(args)?;
    let fresh = match &args.virtualenv {
        Some(folder) => make_environment(args, folder, host)?,
        None => false,
    };
    let mut specs = specs(args);
    if let Some(file) = &args.requirements {
        specs.extend(required(args, file, host)?);
    }
    let outcome = Outcome::new()
        .with("name", args.name.clone())
        .with("version", args.version.clone())
        .with("requirements", args.requirements.clone())
        .with("virtualenv", args.virtualenv.as_ref().map(|v| v.display().to_string()))
        .with("state", args.state.word());
    if specs.is_empty() {
        return Ok(outcome);
    }
    // In a plan, a new environment has no pip to ask, and nothing installed.
    let unborn = fresh && !host.is_live();
    let pip = if unborn { vec!["pip".to_string()] } else { pip(args, host)? };
    let before = if unborn { Some(BTreeMap::new()) } else { installed(&pip, host)? };
    let Some(before) = before else { return Err(Halt::Unknown("what pip has installed".into())) };
    let steps = steps(args, &specs, &before, &pip, host)?;
    let command = command(args, &pip, &specs);
    let outcome = outcome.with("cmd", command.argv.clone());
    if steps.is_empty() {
        return Ok(outcome.with("stdout", "").with("stderr", ""));
    }
    let said = host.converge_together(("python package", "version"), &steps, &command, &format!("{} failed", pip.join(" ")))?;
    if said.is_some() {
        verify(args, &specs, &pip, host)?;
    }
    Ok(match said {
        Some(output) => outcome.with("stdout", output.text()).with("stderr", output.errors()),
        None => outcome,
    })
}

fn check(args: &Args) -> Result<(), Halt> {
    if args.name.is_none() && args.requirements.is_none() && args.virtualenv.is_none() {
        return Err(Halt::failed("one of the following is required: name, requirements, virtualenv"));
    }
    if args.name.is_some() && args.requirements.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: name|requirements"));
    }
    if args.executable.is_some() && args.virtualenv.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: executable|virtualenv"));
    }
    if args.state == State::Latest && args.version.is_some() {
        return Err(Halt::failed("version is incompatible with state=latest"));
    }
    if args.version.is_some() && args.name.as_ref().is_some_and(|n| n.len() != 1) {
        return Err(Halt::failed(
            "'version' argument is ambiguous when installing multiple package distributions. Please specify version restrictions next to each package in 'name' argument.",
        ));
    }
    Ok(())
}

/// Makes a virtual environment that is missing; whether it was.
fn make_environment(args: &Args, folder: &Path, host: &mut Host) -> Result<bool, Halt> {
    let activate = folder.join("bin/activate");
    let there = Value::str("present");
    let observe = |host: &mut Host| Ok(if host.files().stat_followed(&activate)?.is_some() { there.clone() } else { Value::Null });
    let words = crate::host::command::words(&args.virtualenv_command).map_err(Halt::failed)?;
    let program = words.first().cloned().unwrap_or_default();
    let name = folder.display().to_string();
    let setting = Setting { kind: "virtual environment", name: &name, field: "state" };
    if host.setting(setting, observe)? != Value::Null {
        return Ok(false);
    }
    if !program.contains('/') && !host.has_program(&program) {
        return Err(host.missing_program(&program, "`virtualenv_command: python3 -m venv` needs no further program"));
    }
    let mut argv = words.clone();
    argv.extend(args.virtualenv_site_packages.then(|| "--system-site-packages".to_string()));
    let venv = words.iter().any(|w| w == "venv" || w.ends_with("pyvenv"));
    argv.extend(args.virtualenv_python.iter().filter(|_| !venv).map(|python| format!("-p{python}")));
    argv.push(name.clone());
    let command = Command { cwd: args.chdir.clone(), ..Command::new(argv) };
    host.converge_setting(setting, &there, observe, |_| vec![command])?;
    Ok(true)
}

/// The pip that does it, with its arguments.
fn pip(args: &Args, host: &mut Host) -> Result<Vec<String>, Halt> {
    if let Some(folder) = &args.virtualenv {
        return Ok(vec![folder.join("bin/pip").display().to_string()]);
    }
    if let Some(executable) = &args.executable {
        let name = executable.display().to_string();
        if !name.contains('/') && !host.has_program(&name) {
            return Err(match host.may_still_come() {
                Some(why) => Halt::Unknown(format!("the program {name} ({why})")),
                None => Halt::failed(format!("Unable to find any of {name} to use.  pip needs to be installed.")),
            });
        }
        return Ok(vec![name]);
    }
    for name in ["pip3", "pip"] {
        if host.has_program(name) {
            return Ok(vec![name.to_string()]);
        }
    }
    let module = ["python3", "-m", "pip"].map(String::from).to_vec();
    if host.has_program("python3") && host.query(&Command::new([&module[..], &["--version".into()]].concat()))?.success() {
        return Ok(module);
    }
    Err(match host.may_still_come() {
        Some(why) => Halt::Unknown(format!("the program pip ({why})")),
        None => Failure::new("Unable to find any of pip3, pip to use.  pip needs to be installed.").hint("install `python3-pip`").into(),
    })
}

/// One package that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    written: String,
    /// By which pip lists it; `None` of an address or a path.
    name: Option<String>,
    /// Conditions on its version: sign and version.
    versions: Vec<(String, String)>,
}

impl Spec {
    fn parse(text: &str) -> Spec {
        let text = text.trim();
        let plain = text.split(';').next().unwrap_or(text).trim();
        if plain.contains("://") || plain.starts_with(['.', '/', '-']) {
            return Spec { written: text.into(), name: None, versions: Vec::new() };
        }
        let end = plain.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(plain.len());
        let (name, rest) = plain.split_at(end);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('[').and_then(|r| r.split_once(']')).map_or(rest, |(_, after)| after);
        let condition = |part: &str| {
            let part = part.trim().trim_matches(['(', ')']);
            let at = part.find(|c: char| !"<>=!~".contains(c))?;
            (at > 0).then(|| (part[..at].to_string(), part[at..].trim().to_string()))
        };
        let versions = rest.split(',').filter_map(condition).collect();
        Spec { written: text.into(), name: Some(normal(name)).filter(|n| !n.is_empty()), versions }
    }

    fn accepts(&self, version: &str) -> bool {
        self.versions.iter().all(|(sign, wanted)| {
            let order = compare(version, wanted.trim_end_matches(".*"));
            let begins = || format!("{version}.").starts_with(&format!("{}.", wanted.trim_end_matches(".*")));
            match sign.as_str() {
                "==" if wanted.ends_with(".*") => begins(),
                "==" => order.is_eq(),
                "===" => version == wanted,
                "!=" if wanted.ends_with(".*") => !begins(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                "<" => order.is_lt(),
                "~=" => {
                    let family = wanted.rsplit_once('.').map_or(wanted.as_str(), |(f, _)| f);
                    order.is_ge() && format!("{version}.").starts_with(&format!("{family}."))
                }
                _ => false,
            }
        })
    }
}

/// A project's name as PEP 503 compares it.
fn normal(name: &str) -> String {
    name.to_lowercase().split(['-', '_', '.']).filter(|p| !p.is_empty()).collect::<Vec<_>>().join("-")
}

/// Compares releases: numbers between dots; what follows them makes a version older (`1.0rc1`) unless it is `post`.
fn compare(a: &str, b: &str) -> Ordering {
    let split = |v: &str| {
        let end = v.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(v.len());
        let mut numbers: Vec<u64> = v[..end].split('.').filter(|p| !p.is_empty()).map(|p| p.parse().unwrap_or(0)).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        (numbers, v[end..].trim_start_matches(['.', '-', '_']).to_lowercase())
    };
    let rank = |rest: &str| match rest {
        "" => 3,
        r if r.starts_with("post") || r.starts_with('+') => 4,
        r if r.starts_with("dev") => 0,
        r if r.starts_with('a') => 1,
        _ => 2,
    };
    let ((na, ra), (nb, rb)) = (split(a), split(b));
    na.cmp(&nb).then_with(|| rank(&ra).cmp(&rank(&rb))).then_with(|| ra.cmp(&rb))
}

fn specs(args: &Args) -> Vec<Spec> {
    let mut specs: Vec<Spec> = Vec::new();
    for name in args.name.iter().flatten().filter(|n| !n.trim().is_empty()) {
        // `a>=1,<2` splits at its comma where it was given as text.
        match specs.last_mut().filter(|_| name.trim().starts_with(['<', '>', '=', '!', '~'])) {
            Some(last) => *last = Spec::parse(&format!("{},{}", last.written, name.trim())),
            None => specs.push(Spec::parse(name)),
        }
    }
    if let (Some(version), [only]) = (&args.version, specs.as_mut_slice()) {
        let sign = if version.starts_with(['<', '>', '=', '!', '~']) { "" } else { "==" };
        *only = Spec::parse(&format!("{}{sign}{version}", only.written));
    }
    specs
}

/// The lines of a file of requirements that name packages; others count as never met.
fn required(args: &Args, file: &str, host: &mut Host) -> Result<Vec<Spec>, Halt> {
    let path = args.chdir.as_deref().unwrap_or(Path::new("/")).join(file);
    let Some(content) = host.files().read(&path)? else {
        return Err(Failure::new(format!("there is no file of requirements {} on the host", path.display())).into());
    };
    let text = String::from_utf8_lossy(&content).into_owned();
    let lines = text.lines().map(|l| l.split(" #").next().unwrap_or(l).trim()).filter(|l| !l.is_empty() && !l.starts_with('#'));
    Ok(lines.filter(|l| !l.starts_with("--")).map(Spec::parse).collect())
}

/// The version of each installed package; `None` in a plan in which pip may still come.
fn installed(pip: &[String], host: &mut Host) -> Result<Option<BTreeMap<String, String>>, Halt> {
    let argv = [pip, &["list", "--format=freeze", "--disable-pip-version-check"].map(String::from)[..]].concat();
    match host.query(&Command::new(argv)) {
        Ok(output) => Ok(Some(parse_freeze(&output.require("pip cannot list packages")?.text()))),
        Err(_) if host.may_still_come().is_some() => Ok(None),
        Err(halt) => Err(halt),
    }
}

fn parse_freeze(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|l| l.trim().split_once("==")).map(|(n, v)| (normal(n), v.to_string())).collect()
}

/// What differs: each package's version before and after.
fn steps(
    args: &Args,
    specs: &[Spec],
    before: &BTreeMap<String, String>,
    pip: &[String],
    host: &mut Host,
) -> Result<Vec<(String, Value, Value)>, Halt> {
    let outdated = match args.state {
        State::Latest if !before.is_empty() => {
            let argv = [pip, &["list", "--outdated", "--format=json", "--disable-pip-version-check"].map(String::from)[..]].concat();
            let said = host.query(&Command::new(argv))?.text();
            let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
            let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap_or_default().to_string();
            let list = found.as_array().cloned().unwrap_or_default();
            list.iter().map(|entry| (normal(&text(entry, "name")), text(entry, "latest_version"))).collect()
        }
        _ => BTreeMap::new(),
    };
    let mut steps = Vec::new();
    for spec in specs {
        let shown = spec.name.clone().unwrap_or_else(|| spec.written.clone());
        let key = format!("{} {shown}", pip.join(" "));
        let planned = host.setting(Setting { kind: "python package", name: &key, field: "version" }, |_| {
            Ok(spec.name.as_ref().and_then(|n| before.get(n)).cloned().into())
        })?;
        let exact = spec.versions.iter().find(|(sign, v)| sign.starts_with("==") && !v.ends_with(".*")).map(|(_, v)| v.clone());
        let chosen = exact.map_or_else(|| Value::unknown(format!("version of {shown}")), Value::from);
        let after = match (args.state, &planned) {
            (State::Absent, Value::Null) => continue,
            (State::Absent, _) => Value::Null,
            (State::ForceReinstall, _) => chosen,
            (_, Value::Unknown(_)) => continue,
            (State::Latest, now) if spec.name.as_ref().is_some_and(|n| outdated.contains_key(n)) => {
                let newest = spec.name.as_ref().and_then(|n| outdated.get(n)).cloned();
                if now.as_str() == newest.as_deref() { continue } else { newest.into() }
            }
            (_, Value::Null) => chosen,
            (_, now) if now.as_str().is_some_and(|v| spec.accepts(v)) => continue,
            _ => chosen,
        };
        steps.push((key, planned, after));
    }
    Ok(steps)
}

fn command(args: &Args, pip: &[String], specs: &[Spec]) -> Command {
    let mut argv = pip.to_vec();
    let words: &[&str] = match args.state {
        State::Present => &["install"],
        State::Latest => &["install", "-U"],
        State::ForceReinstall => &["install", "-U", "--force-reinstall"],
        State::Absent => &["uninstall", "-y"],
    };
    argv.extend(words.iter().map(|w| w.to_string()));
    argv.extend(args.break_system_packages.then(|| "--break-system-packages".to_string()));
    argv.extend((args.editable && args.state != State::Absent).then(|| "-e".to_string()));
    argv.extend(args.extra_args.iter().flat_map(|a| a.split_whitespace()).map(str::to_string));
    match &args.requirements {
        Some(file) => argv.extend(["-r".into(), file.clone()]),
        None if args.state == State::Absent => argv.extend(specs.iter().map(|s| s.name.clone().unwrap_or_else(|| s.written.clone()))),
        None => argv.extend(specs.iter().map(|s| s.written.clone())),
    }
    if let Some(umask) = &args.umask {
        let line = argv.iter().map(|w| crate::host::command::quoted(w)).collect::<Vec<_>>().join(" ");
        argv = vec!["sh".into(), "-c".into(), format!("umask {} && exec {line}", crate::host::command::quoted(umask))];
    }
    Command { cwd: args.chdir.clone(), ..Command::new(argv) }
}

fn verify(args: &Args, specs: &[Spec], pip: &[String], host: &mut Host) -> Result<(), Halt> {
    let now = installed(pip, host)?.unwrap_or_default();
    let wrong = |spec: &&Spec| {
        let version = spec.name.as_ref().and_then(|n| now.get(n));
        match args.state {
            State::Absent => version.is_some(),
            // Markers (`; python_version < "3"`) may leave a package out.
            _ => spec.name.is_some() && !spec.written.contains(';') && !version.is_some_and(|v| spec.accepts(v)),
        }
    };
    match specs.iter().find(wrong) {
        Some(spec) => Err(Halt::failed(format!("{} did not converge, though pip reported no error", spec.written))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use serde_json::json;

    fn args(json: serde_json::Value) -> Args {
        Args::parse("pip", Value::from_json(&json).as_map().unwrap()).unwrap()
    }

    #[test]
    fn versions_that_satisfy() {
        for (spec, version, accepts) in [
            ("bottle", "0.12", true),
            ("bottle==0.12", "0.12.0", true),
            ("bottle==0.12", "0.13", false),
            ("bottle==0.*", "0.13", true),
            ("django>=1.1.0,<1.12.0", "1.11.29", true),
            ("django>1.11.0,<1.12.0", "1.12", false),
            ("a[extra]~=1.4.2", "1.4.9", true),
            ("a~=1.4.2", "1.5", false),
            ("a!=1.0", "1.0.0", false),
            ("a>=1.0", "1.0rc1", false),
            ("a (>=2)", "2.1", true),
        ] {
            assert_eq!(Spec::parse(spec).accepts(version), accepts, "{spec} {version}");
        }
        assert_eq!(Spec::parse("Foo_Bar.baz==1").name.as_deref(), Some("foo-bar-baz"));
        assert_eq!(Spec::parse("git+https://x.example/y.git").name, None);
    }

    #[test]
    fn lists_split_at_commas_come_together_again() {
        let found = specs(&args(json!({"name": "django>1.11.0,<1.12.0,bottle>0.10"})));
        let written: Vec<&str> = found.iter().map(|s| s.written.as_str()).collect();
        assert_eq!(written, ["django>1.11.0,<1.12.0", "bottle>0.10"]);
        assert_eq!(specs(&args(json!({"name": "bottle", "version": "0.11"})))[0].written, "bottle==0.11");
    }

    #[test]
    fn commands() {
        let pip = ["pip3".to_string()];
        let line = |json| {
            let args = args(json);
            command(&args, &pip, &specs(&args)).line()
        };
        assert_eq!(
            line(json!({"name": "a==1", "extra_args": "-i https://x", "break_system_packages": true})),
            "pip3 install --break-system-packages -i https://x a==1"
        );
        assert_eq!(line(json!({"name": "a==1", "state": "absent"})), "pip3 uninstall -y a");
        assert_eq!(
            line(json!({"requirements": "r.txt", "state": "latest", "umask": "0022"})),
            "sh -c 'umask 0022 && exec pip3 install -U -r r.txt'"
        );
    }

    #[test]
    fn refuses_as_documented() {
        let mut bench = crate::testing::Bench::new();
        assert_eq!(
            bench.failure(&MODULE, json!({"name": "x", "executable": "nosuchpip"})),
            "Unable to find any of nosuchpip to use.  pip needs to be installed."
        );
        assert_eq!(
            bench.failure(&MODULE, json!({"state": "latest", "name": "x", "version": "1"})),
            "version is incompatible with state=latest"
        );
    }
}
