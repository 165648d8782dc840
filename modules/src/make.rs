//! Module `make`: targets of a Makefile.

use crate::host::{Command, Host};
use crate::module::{Halt, Outcome};
use crate::value::{Map, Value};

crate::arguments! {
    pub struct Args {
        /// The folder to make in.
        chdir: String,
        /// The target; that of the file if none is given.
        target: Option<String>,
        /// Several targets.
        targets: Option<Vec<String>>,
        /// Variables of the Makefile to set; one without a value is given by its name alone.
        params: Option<Map>,
        /// The Makefile, if it is called otherwise.
        file: Option<String>,
        /// How many jobs run at the same time.
        jobs: Option<u64>,
        /// The program `make`, if it is not in PATH or another is meant.
        make: Option<String>,
    }
}

crate::module! {
    name: "make", collection: "community.general", aliases: [], effects: World,
    doc: "Makes targets of a Makefile that are not up to date. Which are not, `make --question` tells, in plans too.",
    examples: [r#"{"chdir": "/srv/app", "target": "install", "params": {"PREFIX": "/usr/local"}}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    if args.target.is_some() && args.targets.is_some() {
        return Err(Halt::failed("parameters are mutually exclusive: target|targets"));
    }
    let folder = host.expand_home(&args.chdir);
    let question = Command { cwd: Some(folder.clone()), ..Command::new(words(args, true)) };
    let command = Command { cwd: Some(folder.clone()), ..Command::new(words(args, false)) };
    let outcome = Outcome::new()
        .with("chdir", folder.display().to_string())
        .with("command", command.line())
        .with("target", args.target.clone())
        .with("targets", args.targets.clone().map(|targets| Value::list(targets.into_iter().map(Value::from))).unwrap_or(Value::Null))
        .with("params", args.params.clone().map_or(Value::Null, Value::from));
    let asked = host.query(&question)?;
    if asked.success() {
        return Ok(outcome.with("stdout", asked.text()).with("stderr", asked.errors()));
    }
    let Some(output) = host.execute(&command)? else {
        return Ok(["stdout", "stderr"].iter().fold(outcome, |outcome, name| outcome.with_unknown(name)));
    };
    let output = output.require("`make` failed")?;
    Ok(outcome.with("stdout", output.text()).with("stderr", output.errors()))
}

fn words(args: &Args, question: bool) -> Vec<String> {
    let mut words = vec![args.make.clone().unwrap_or_else(|| "make".into())];
    if question {
        words.push("--question".into());
    }
    if let Some(jobs) = args.jobs {
        words.extend(["-j".into(), jobs.to_string()]);
    }
    if let Some(file) = &args.file {
        words.extend(["-f".into(), file.clone()]);
    }
    words.extend(args.target.clone());
    words.extend(args.targets.clone().unwrap_or_default());
    let given = |(name, value): (&Value, &Value)| match value {
        Value::Null => name.to_string(),
        value => format!("{name}={}", value.reveal()),
    };
    words.extend(args.params.iter().flatten().map(given));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn writes_the_line() {
        let given = Value::from_json(&json!({"chdir": "/x", "targets": ["a", "b"], "params": {"V": 1, "Q": null}, "jobs": 2, "file": "M"}));
        let args = Args::parse("make", given.as_map().expect("an object")).expect("valid");
        assert_eq!(words(&args, true).join(" "), "make --question -j 2 -f M a b V=1 Q");
    }

    #[test]
    fn makes_what_is_not_up_to_date() {
        let mut bench = Bench::new();
        // Stands in for make, which test machines may lack: `made` is up to date once it is there.
        bench.write("make", "#!/bin/sh\ncase \"$1\" in --question) test -e made ;; *) touch made ;; esac\n");
        let program = bench.path("make");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("allowed");
        let (_, changes) = bench.law(&MODULE, json!({"chdir": "/scratch", "make": "/scratch/make", "target": "made"}));
        assert_eq!((changes.len(), bench.read("made").as_deref()), (1, Some("")));
    }
}
