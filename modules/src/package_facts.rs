//! Module `package_facts`: which packages are installed, as facts.

use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, choices, module};

choices! {
    pub enum Manager {
        Auto = "auto", Apt = "apt", Rpm = "rpm" | "dnf" | "dnf5" | "yum" | "zypper", Apk = "apk", Pacman = "pacman",
        Pkg = "pkg" | "pkg5" | "pkgng", PkgInfo = "pkg_info" | "openbsd_pkg", Portage = "portage",
    }
}
choices! { pub enum Strategy { First = "first", All = "all" } }

arguments! {
    pub struct Args {
        /// Which package managers are asked.
        manager: Vec<Manager> = vec![Manager::Auto],
        /// Whether only the first is asked that is there, or all of them.
        strategy: Strategy = Strategy::First,
    }
}

module! {
    name: "package_facts", collection: "ansible.builtin", aliases: [], effects: Local,
    foresight: Reads,
    doc: "Which packages are installed, as the fact `packages`: for each name a list of its versions.",
    examples: [r#"{"manager": "auto"}"#],
}

/// What `packages` holds: a list of dictionaries by name.
type Packages = Vec<(String, Value)>;

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let all = [Manager::Apt, Manager::Rpm, Manager::Apk, Manager::Pacman];
    let mut asked: Vec<Manager> = Vec::new();
    for manager in &args.manager {
        let these: &[Manager] = if *manager == Manager::Auto { &all } else { std::slice::from_ref(manager) };
        asked.extend(these);
    }
    let (mut found, mut any): (Map, bool) = (Map::new(), false);
    for manager in &asked {
        // A manager without a package is one that the host does not live by.
        let Some(packages) = installed(*manager, host)?.filter(|p| !p.is_empty()) else { continue };
        for (name, package) in packages {
            let mut versions = found.get(name.as_str()).and_then(Value::as_list).map(<[Value]>::to_vec).unwrap_or_default();
            versions.push(package);
            found.insert(Value::str(name), Value::list(versions));
        }
        any = true;
        if args.strategy == Strategy::First {
            break;
        }
    }
    if !any {
        let names: Vec<String> = asked.iter().map(|m| format!("'{}'", m.word())).collect();
        let message = format!("Could not detect a supported package manager from the following list: [{}]", names.join(", "));
        return Err(Failure::new(message).hint("known are apt, rpm, apk and pacman").into());
    }
    Ok(Outcome::new().with("ansible_facts", Value::map([("packages", Value::from(found))])))
}

/// What a manager has installed; `None` where the host has no such manager.
fn installed(manager: Manager, host: &mut Host) -> Result<Option<Packages>, Halt> {
    let (program, argv): (&str, &[&str]) = match manager {
        Manager::Apt => (
            "dpkg-query",
            &["dpkg-query", "-W", "-f", "${db:Status-Status}\\t${Package}\\t${Version}\\t${Architecture}\\t${Section}\\t${Origin}\\n"],
        ),
        Manager::Rpm => ("rpm", &["rpm", "-qa", "--qf", "%{NAME}\\t%{VERSION}\\t%{RELEASE}\\t%|EPOCH?{%{EPOCH}}|\\t%{ARCH}\\n"]),
        Manager::Apk => ("apk", &["apk", "info", "-v"]),
        Manager::Pacman => ("pacman", &["pacman", "-Q"]),
        _ => return Ok(None),
    };
    if !host.has_program(program) {
        return Ok(None);
    }
    // A file of the program's name that cannot run is no manager.
    let Ok(output) = host.query(&Command::new(argv.iter().copied())) else { return Ok(None) };
    if !output.success() {
        return Ok(None);
    }
    let parse: fn(&str) -> Option<(String, Value)> = match manager {
        Manager::Apt => parse_apt,
        Manager::Rpm => parse_rpm,
        Manager::Apk => parse_apk,
        _ => parse_pacman,
    };
    Ok(Some(output.text().lines().filter_map(parse).collect()))
}

fn package(fields: &[(&str, Value)]) -> Value {
    Value::map(fields.iter().map(|(k, v)| (*k, v.clone())))
}

fn parse_apt(line: &str) -> Option<(String, Value)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let ["installed", name, version, arch, section, origin] = fields.as_slice() else { return None };
    let of = [("name", *name), ("version", *version), ("arch", *arch), ("category", *section), ("origin", *origin), ("source", "apt")];
    Some((name.to_string(), package(&of.map(|(k, v)| (k, Value::str(v))))))
}

fn parse_rpm(line: &str) -> Option<(String, Value)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, version, release, epoch, arch] = fields.as_slice() else { return None };
    let number = epoch.parse::<i64>().map_or(Value::Null, Value::from);
    let text = |v: &str| Value::str(v);
    let of = [
        ("name", text(name)),
        ("version", text(version)),
        ("release", text(release)),
        ("epoch", number),
        ("arch", if *arch == "(none)" { Value::Null } else { text(arch) }),
        ("source", text("rpm")),
    ];
    Some((name.to_string(), package(&of)))
}

fn parse_apk(line: &str) -> Option<(String, Value)> {
    // `NAME-VERSION-rRELEASE`
    let (rest, release) = line.trim().rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let full = format!("{version}-{release}");
    let of = [("name", Value::str(name)), ("version", Value::str(full)), ("release", Value::str(release)), ("source", Value::str("apk"))];
    Some((name.to_string(), package(&of)))
}

fn parse_pacman(line: &str) -> Option<(String, Value)> {
    let (name, version) = line.trim().split_once(' ')?;
    let of = [("name", Value::str(name)), ("version", Value::str(version)), ("source", Value::str("pacman"))];
    Some((name.to_string(), package(&of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_managers_print() {
        let shown = |parsed: Option<(String, Value)>| parsed.map(|(name, value)| format!("{name} {value}"));
        assert_eq!(
            shown(parse_apt("installed\tbash\t5.2\tamd64\tshells\tDebian")).as_deref(),
            Some("bash {'name': 'bash', 'version': '5.2', 'arch': 'amd64', 'category': 'shells', 'origin': 'Debian', 'source': 'apt'}")
        );
        assert_eq!(parse_apt("config-files\tbash\t5.2\tamd64\tshells\t"), None);
        assert_eq!(
            shown(parse_rpm("bash\t5.2\t1.fc39\t\tx86_64")).as_deref(),
            Some("bash {'name': 'bash', 'version': '5.2', 'release': '1.fc39', 'epoch': None, 'arch': 'x86_64', 'source': 'rpm'}")
        );
        assert_eq!(
            shown(parse_apk("busybox-extras-1.36.1-r2")).as_deref(),
            Some("busybox-extras {'name': 'busybox-extras', 'version': '1.36.1-r2', 'release': 'r2', 'source': 'apk'}")
        );
        assert_eq!(shown(parse_pacman("bash 5.2-1")).as_deref(), Some("bash {'name': 'bash', 'version': '5.2-1', 'source': 'pacman'}"));
    }
}
