//! Module `cron`: entries and variables of crontabs.

use crate::host::Host;
use crate::host::crontabs::Crontab;
use crate::module::{Failure, Halt, Outcome};
use crate::{arguments, choices, module};
use std::path::{Path, PathBuf};

choices! { pub enum State { Present = "present", Absent = "absent" } }
choices! {
    pub enum Special {
        Annually = "annually", Daily = "daily", Hourly = "hourly", Monthly = "monthly", Reboot = "reboot", Weekly = "weekly",
        Yearly = "yearly",
    }
}

arguments! {
    pub struct Args {
        /// The entry's name, kept in a comment above it; with `env` the variable's.
        name: String,
        /// What runs; with `env` the variable's value.
        job ["value"]: Option<String>,
        /// Whether it is there.
        state: State = State::Present,
        /// Whose crontab; by default that of the user who runs this. With `cron_file` the user who runs the job.
        user: Option<String>,
        /// A file in place of a user's crontab; relative to /etc/cron.d. It goes when its last entry goes.
        cron_file: Option<PathBuf>,
        /// Keeps a copy of the crontab as it was.
        backup: bool = false,
        /// Minute: `0-59`, `*`, `*/2`, …
        minute: String = "*".to_string(),
        /// Hour: `0-23`, `*`, `*/2`, …
        hour: String = "*".to_string(),
        /// Day of the month: `1-31`, `*`, `*/2`, …
        day ["dom"]: String = "*".to_string(),
        /// Month: `1-12`, `JAN-DEC`, `*`, `*/2`, …
        month: String = "*".to_string(),
        /// Day of the week: `0-6`, `SUN-SAT`, `*`, …
        weekday ["dow"]: String = "*".to_string(),
        /// When, by a name of its own.
        special_time: Option<Special>,
        /// Whether the entry is commented out.
        disabled: bool = false,
        /// Whether this is a variable, not a job. New ones come first.
        env: bool = false,
        /// With `env`: the variable after which a new one comes.
        insertafter: Option<String>,
        /// With `env`: the variable before which a new one comes.
        insertbefore: Option<String>,
    }
}

module! {
    name: "cron", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Entries and variables of a user's crontab, or of a file in /etc/cron.d. Each entry is known by the comment \
          `#Ansible: NAME` above it.",
    examples: [
        r#"{"name": "backup", "minute": "5", "hour": "2,5", "job": "backup --all", "user": "root", "cron_file": "/scratch/backup"}"#,
        r#"{"name": "at start", "special_time": "reboot", "job": "/opt/app/start", "user": "app", "cron_file": "/scratch/app"}"#,
        r#"{"name": "PATH", "env": true, "job": "/opt/bin:/usr/bin", "user": "root", "cron_file": "/scratch/app"}"#,
        r#"{"name": "an old job", "state": "absent"}"#,
    ],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    check(args)?;
    let of = match &args.cron_file {
        Some(file) => Crontab::File(Path::new("/etc/cron.d").join(file)),
        None => Crontab::User(args.user.clone()),
    };
    if let Crontab::File(path) = &of
        && host.resolve(path)? == Path::new("/etc/crontab")
    {
        return Err(Halt::failed("Will not manage /etc/crontab via cron_file, see documentation."));
    }
    let before = host.crontab(&of)?;
    let after = edited(&before, args)?;
    let kept = host.converge_crontab(&of, &after, args.backup)?;
    let names = |prefix: fn(&str) -> Option<&str>| after.lines().filter_map(prefix).map(str::to_string).collect::<Vec<_>>();
    let mut outcome = Outcome::new().with("jobs", names(job_name)).with("envs", names(variable_name));
    if let Some(file) = &args.cron_file {
        outcome = outcome.with("cron_file", file.to_string_lossy().into_owned());
    }
    if let Some(kept) = kept {
        outcome = outcome.with("backup_file", kept.to_string_lossy().into_owned());
    }
    let breaks = args.job.as_deref().is_some_and(|job| job.trim_end_matches(['\r', '\n']).contains(['\r', '\n']));
    Ok(if breaks { outcome.warn("Job should not contain line breaks") } else { outcome })
}

fn check(args: &Args) -> Result<(), Halt> {
    let refuse = |message: &str| Err(Failure::new(message).into());
    let timed = [&args.minute, &args.hour, &args.day, &args.month, &args.weekday].iter().any(|field| *field != "*");
    let placed = args.insertafter.is_some() || args.insertbefore.is_some();
    match args.state {
        _ if args.special_time.is_some() && timed => refuse("You cannot combine special_time with any of the time or day/date parameters."),
        State::Present if args.cron_file.is_some() && args.user.is_none() => {
            refuse("To use cron_file=... parameter you must specify user=... as well")
        }
        State::Present if args.job.is_none() => refuse("You must specify 'job' to install a new cron job or variable"),
        _ if placed && !(args.env && args.state == State::Present) => {
            refuse("Insertafter and insertbefore parameters are valid only with env=yes")
        }
        _ => Ok(()),
    }
}

/// The name in a comment above a job.
fn job_name(line: &str) -> Option<&str> {
    line.strip_prefix("#Ansible: ")
}

/// The variable that a line sets.
fn variable_name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim_end();
    let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    word.then_some(name)
}

/// The crontab with what the task declares.
fn edited(before: &str, args: &Args) -> Result<String, Halt> {
    let lines: Vec<&str> = before.lines().collect();
    let wanted = args.job.as_deref().filter(|_| args.state == State::Present);
    let after = match wanted {
        Some(value) if args.env => with_variable(&lines, args, &format!("{}=\"{value}\"", args.name))?,
        None if args.env => lines.iter().filter(|l| variable_name(l) != Some(&args.name)).map(|l| l.to_string()).collect(),
        job => with_job(&lines, &args.name, job.map(|job| entry(args, job))),
    };
    let same = after.iter().map(String::as_str).eq(lines.iter().copied());
    // What needs no change keeps its every byte.
    Ok(if same { before.to_string() } else { after.iter().map(|line| format!("{line}\n")).collect() })
}

fn with_variable(lines: &[&str], args: &Args, line: &str) -> Result<Vec<String>, Halt> {
    let mut after: Vec<String> = lines.iter().map(|l| l.to_string()).collect();
    let place = |name: &str| lines.iter().position(|l| variable_name(l) == Some(name));
    if let Some(at) = place(&args.name) {
        after[at] = line.to_string();
        return Ok(after);
    }
    let beside = |name: &str| place(name).ok_or_else(|| Halt::failed(format!("Variable named '{name}' not found.")));
    let at = match (&args.insertafter, &args.insertbefore) {
        (Some(name), _) => beside(name)? + 1,
        (None, Some(name)) => beside(name)?,
        (None, None) => 0,
    };
    after.insert(at, line.to_string());
    Ok(after)
}

/// The lines with the entry of this name as given, or without it.
fn with_job(lines: &[&str], name: &str, entry: Option<String>) -> Vec<String> {
    let mut after = Vec::new();
    let (mut found, mut at) = (false, 0);
    while at < lines.len() {
        if job_name(lines[at]) != Some(name) {
            after.push(lines[at].to_string());
            at += 1;
            continue;
        }
        // The comment, and the line below it unless that is a comment of another entry.
        let own = lines.get(at + 1).is_some_and(|next| job_name(next).is_none());
        at += 1 + usize::from(own);
        if let Some(entry) = entry.as_ref().filter(|_| !found) {
            after.extend([format!("#Ansible: {name}"), entry.clone()]);
        }
        found = true;
    }
    if let Some(entry) = entry.filter(|_| !found) {
        after.extend([format!("#Ansible: {name}"), entry]);
    }
    after
}

/// The line of a job.
fn entry(args: &Args, job: &str) -> String {
    let job = job.trim_matches(['\r', '\n']);
    let disabled = if args.disabled { "#" } else { "" };
    let user = args.user.as_deref().filter(|_| args.cron_file.is_some()).map(|u| format!("{u} ")).unwrap_or_default();
    match args.special_time {
        Some(special) => format!("{disabled}@{} {user}{job}", special.word()),
        None => {
            let Args { minute, hour, day, month, weekday, .. } = args;
            format!("{disabled}{minute} {hour} {day} {month} {weekday} {user}{job}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn jobs_come_last_and_change_in_place() {
        let mut bench = Bench::new();
        let file = "/scratch/x";
        let (outcome, _) = bench.law(&MODULE, json!({"name": "a", "job": "run a", "minute": 5, "user": "root", "cron_file": file}));
        assert_eq!((returned(&outcome, "jobs"), returned(&outcome, "envs")), ("['a']".into(), "[]".into()));
        bench.law(&MODULE, json!({"name": "b", "job": "run b", "special_time": "daily", "user": "me", "cron_file": file}));
        bench.law(&MODULE, json!({"name": "a", "job": "run a", "disabled": true, "user": "root", "cron_file": file}));
        assert_eq!(bench.read("x").unwrap(), "#Ansible: a\n#* * * * * root run a\n#Ansible: b\n@daily me run b\n");
        bench.law(&MODULE, json!({"name": "a", "state": "absent", "cron_file": file}));
        assert_eq!(bench.read("x").unwrap(), "#Ansible: b\n@daily me run b\n");
        bench.write("x", "#Ansible: b\n@daily me run b\n\n  \n\t\n");
        bench.law(&MODULE, json!({"name": "b", "state": "absent", "cron_file": file}));
        assert_eq!(bench.read("x"), None, "a file without entries goes");
        let (_, changes) = bench.law(&MODULE, json!({"name": "b", "state": "absent", "cron_file": file}));
        assert!(changes.is_empty());
    }

    #[test]
    fn variables_come_first_or_beside_others() {
        let mut bench = Bench::new();
        let file = "/scratch/x";
        bench.write("x", "#Ansible: j\n* * * * * root l\n");
        let variable = |name: &str, place: &str, beside: &str| {
            let mut args = json!({"name": name, "env": true, "job": "v w", "user": "root", "cron_file": file});
            if !place.is_empty() {
                args[place] = beside.into();
            }
            args
        };
        for args in [variable("A", "", ""), variable("B", "insertafter", "A"), variable("C", "insertbefore", "A"), variable("A", "", "")] {
            bench.law(&MODULE, args);
        }
        assert_eq!(bench.read("x").unwrap(), "C=\"v w\"\nA=\"v w\"\nB=\"v w\"\n#Ansible: j\n* * * * * root l\n");
        assert_eq!(bench.failure(&MODULE, variable("D", "insertafter", "NO")), "Variable named 'NO' not found.");
        let (outcome, _) = bench.law(&MODULE, json!({"name": "A", "env": true, "state": "absent", "cron_file": file}));
        assert_eq!((returned(&outcome, "envs"), returned(&outcome, "jobs")), ("['C', 'B']".into(), "['j']".into()));
    }

    #[test]
    fn refuses_as_documented() {
        let mut bench = Bench::new();
        for (args, message) in [
            (json!({"name": "x", "job": "y", "cron_file": "z"}), "To use cron_file=... parameter you must specify user=... as well"),
            (json!({"name": "x"}), "You must specify 'job' to install a new cron job or variable"),
            (
                json!({"name": "x", "job": "y", "user": "root", "cron_file": "/etc/crontab"}),
                "Will not manage /etc/crontab via cron_file, see documentation.",
            ),
            (
                json!({"name": "x", "job": "y", "special_time": "daily", "hour": 1}),
                "You cannot combine special_time with any of the time or day/date parameters.",
            ),
        ] {
            assert_eq!(bench.failure(&MODULE, args), message);
        }
    }
}
