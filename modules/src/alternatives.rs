//! Module `alternatives`: which of several programs a common name leads to.

use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, choices, module};

choices! { pub enum State { Present = "present", Absent = "absent", Selected = "selected", Auto = "auto" } }

arguments! {
    pub struct Args {
        /// The common name, e.g. `editor`.
        name: String,
        /// The program.
        path: Option<String>,
        /// The link that leads to it; needed for a name that is new.
        link: Option<String>,
        /// How much it is preferred where nobody chose.
        priority: Option<i64>,
        /// `selected`: chosen; `present`: known; `auto`: chosen by preference; `absent`: not known.
        state: State = State::Selected,
        /// Links that go with it: each with `name`, `path` and `link`.
        subcommands ["slaves"]: Option<Vec<Map>>,
        /// The family, on hosts of Red Hat's family.
        family: Option<String>,
    }
}

module! {
    name: "alternatives", collection: "community.general", aliases: [], effects: Local,
    doc: "Which of several programs a common name leads to, by update-alternatives.",
    examples: [
        r#"{"name": "java", "path": "/usr/lib/jvm/java-17/bin/java"}"#,
        r#"{"name": "python", "path": "/usr/bin/python3", "link": "/usr/bin/python", "priority": 10, "state": "present"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let program = ["update-alternatives", "alternatives"].into_iter().find(|p| host.has_program(p));
    let Some(program) = program else { return Err(host.missing_program("update-alternatives", "install the package that has it")) };
    let Some(path) = &args.path else {
        if args.state == State::Auto {
            automatic(args, program, host)?;
            return Ok(Outcome::new());
        }
        return Err(Halt::failed("the argument `path` is missing; only `state: auto` goes without"));
    };
    let known = Setting { kind: "alternative", name: &format!("{} {path}", args.name), field: "state" };
    let observe = |host: &mut Host| {
        let group = Group::read(program, &args.name, host)?;
        Ok(if group.paths.iter().any(|(p, _)| p == path) { Value::str("present") } else { Value::Null })
    };
    let wanted = if args.state == State::Absent { Value::Null } else { Value::str("present") };
    let group = Group::read(program, &args.name, host)?;
    let link = args.link.clone().or(group.link.clone());
    let new = args.state != State::Absent && !group.paths.iter().any(|(p, _)| p == path);
    if new && link.is_none() {
        return Err(Failure::new(format!(
            "Needed to install the alternative, but unable to do so as we are missing the link for {}",
            args.name
        ))
        .hint("give `link`")
        .into());
    }
    let install = install(args, program, path, link.as_deref().unwrap_or_default());
    let act = |_: &Value| match args.state {
        State::Absent => vec![Command::new([program, "--remove", &args.name, path])],
        _ => vec![install.clone()],
    };
    host.converge_setting(known, &wanted, observe, act)?;
    let priority = group.paths.iter().find(|(p, _)| p == path).map(|(_, priority)| *priority);
    if let (Some(now), Some(wanted)) = (priority, args.priority)
        && now != wanted
        && args.state != State::Absent
    {
        let observe = |host: &mut Host| {
            let group = Group::read(program, &args.name, host)?;
            Ok(group.paths.iter().find(|(p, _)| p == path).map(|(_, n)| *n).into())
        };
        host.converge_setting(Setting { field: "priority", ..known }, &wanted.into(), observe, |_| vec![install.clone()])?;
    }
    match args.state {
        State::Selected => {
            let observe = |host: &mut Host| Ok(Group::read(program, &args.name, host)?.value.into());
            let act = |_: &Value| vec![Command::new([program, "--set", &args.name, path])];
            host.converge_setting(Setting { kind: "alternative", name: &args.name, field: "path" }, &path.as_str().into(), observe, act)?;
        }
        State::Auto => automatic(args, program, host)?,
        State::Present | State::Absent => {}
    }
    Ok(Outcome::new())
}

fn automatic(args: &Args, program: &str, host: &mut Host) -> Result<(), Halt> {
    let observe = |host: &mut Host| Ok(Group::read(program, &args.name, host)?.status.into());
    let act = |_: &Value| vec![Command::new([program, "--auto", &args.name])];
    host.converge_setting(Setting { kind: "alternative", name: &args.name, field: "mode" }, &Value::str("auto"), observe, act).map(|_| ())
}

fn install(args: &Args, program: &str, path: &str, link: &str) -> Command {
    let priority = args.priority.unwrap_or(50).to_string();
    let mut argv: Vec<String> = [program, "--install", link, &args.name, path, &priority].map(String::from).to_vec();
    argv.extend(args.family.iter().flat_map(|f| ["--family".to_string(), f.clone()]));
    for other in args.subcommands.iter().flatten() {
        let of = |key: &str| other.get(key).map(Value::to_string).unwrap_or_default();
        argv.extend(["--slave".to_string(), of("link"), of("name"), of("path")]);
    }
    Command::new(argv)
}

/// What the host knows of a common name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Group {
    link: Option<String>,
    status: Option<String>,
    value: Option<String>,
    paths: Vec<(String, i64)>,
}

impl Group {
    fn read(program: &str, name: &str, host: &mut Host) -> Result<Group, Halt> {
        let output =
            host.query(&Command { environment: vec![("LC_ALL".into(), "C".into())], ..Command::new([program, "--query", name]) })?;
        Ok(if output.success() { Group::parse(&output.text()) } else { Group::default() })
    }

    fn parse(text: &str) -> Group {
        let mut group = Group::default();
        for line in text.lines() {
            match line.split_once(": ") {
                Some(("Link", link)) => group.link = Some(link.to_string()),
                Some(("Status", status)) => group.status = Some(status.to_string()),
                Some(("Value", value)) => group.value = Some(value.to_string()).filter(|v| v != "none"),
                Some(("Alternative", path)) => group.paths.push((path.to_string(), 0)),
                Some(("Priority", priority)) => {
                    if let Some((_, known)) = group.paths.last_mut() {
                        *known = priority.parse().unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_query_prints() {
        let text = "Name: editor\nLink: /usr/bin/editor\nSlaves:\n editor.1.gz /usr/share/man/man1/editor.1.gz\nStatus: auto\nBest: /bin/nano\nValue: /bin/nano\n\nAlternative: /bin/nano\nPriority: 40\nSlaves:\n editor.1.gz /x\n\nAlternative: /usr/bin/vim\nPriority: 30\n";
        let group = Group::parse(text);
        assert_eq!(
            (group.link.as_deref(), group.status.as_deref(), group.value.as_deref()),
            (Some("/usr/bin/editor"), Some("auto"), Some("/bin/nano"))
        );
        assert_eq!(group.paths, [("/bin/nano".to_string(), 40), ("/usr/bin/vim".to_string(), 30)]);
    }
}
