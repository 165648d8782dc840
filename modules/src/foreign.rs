//! Module `foreign`: runs a module written for Ansible, in any language, that came along from the controller.

use crate::change::{Action, Change};
use crate::host::foreign::Program;
use crate::host::{Host, Output};
use crate::module::{Failure, Halt, Outcome};
use crate::value::{Map, Value};

crate::choices! {
    pub enum Kind {
        /// Python that imports `ansible.module_utils`, which comes along.
        Packed = "packed",
        /// It reads a file of JSON.
        Json = "json",
        /// The arguments stand in its text.
        Inserted = "inserted",
        /// It reads a file of `name='value'` words.
        Pairs = "pairs",
    }
}

crate::arguments! {
    pub struct Args {
        /// The module's name.
        module: String,
        /// Its arguments.
        arguments: Map = Map::new(),
        /// The module's file, by SHA-256; set by `engine`.
        _blob: Option<String>,
        /// How it takes its arguments; set by `engine`.
        _kind: Kind = Kind::Json,
        /// The Python library that it imports, by SHA-256; set by `engine`.
        _support: Option<String>,
        /// The Python of the host; set by `engine`.
        _interpreter: Option<String>,
        /// Whether it knows of check mode, so that a plan may run it; set by `engine`.
        _aware: bool = false,
    }
}

crate::module! {
    name: "foreign", collection: "engine", aliases: [], effects: World,
    doc: "Runs a module that lies in a `library` folder, in a collection or beside an installed ansible-core, whatever it is \
          written in. Tasks do not call it: they call such a module by its own name.",
    examples: [r#"{"module": "greet", "arguments": {"name": "you"}}"#],
}

/// Keys of a result that say how the module ended.
const ENDING: [&str; 7] = ["changed", "failed", "skipped", "warnings", "deprecations", "diff", "exception"];

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let Some(blob) = &args._blob else {
        return Err(Failure::new(format!("the module `{}` did not come along", args.module)).hint("call it by its own name").into());
    };
    let source = host.content(blob)?;
    let support = args._support.as_ref().map(|hash| host.content(hash)).transpose()?;
    let json = Value::from(args.arguments.clone()).revealed().to_json();
    let (source, arguments) = match args._kind {
        Kind::Packed => (source, serde_json::json!({ "ANSIBLE_MODULE_ARGS": json }).to_string()),
        Kind::Json => (source, json.to_string()),
        Kind::Inserted => (inserted(&source, &json.to_string()), json.to_string()),
        Kind::Pairs => (source, pairs(&args.arguments)),
    };
    let program = Program {
        name: &args.module,
        source: &source,
        arguments: arguments.as_bytes(),
        support: support.as_deref(),
        python: args._interpreter.as_deref(),
    };
    match host.run_program(&program, args._aware)? {
        Some(output) => ending(args, host, &output),
        None => Ok(["changed", "msg"].iter().fold(Outcome::new(), |outcome, name| outcome.with_unknown(name))),
    }
}

/// The module's text with its arguments where it wants them.
fn inserted(source: &[u8], json: &str) -> Vec<u8> {
    String::from_utf8_lossy(source).replace("<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>", json).into_bytes()
}

/// Arguments as words that a shell reads back.
fn pairs(arguments: &Map) -> String {
    let word = |(name, value): (&Value, &Value)| format!("{name}='{}'", value.reveal().to_string().replace('\'', r"'\''"));
    arguments.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The JSON object in what a module wrote, whatever stands around it.
fn object(text: &str) -> Option<Map> {
    let whole = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(text.trim()).ok()?;
        Value::from_json(&json).as_map().cloned()
    };
    let from_brace = || text.find('{').and_then(|at| text.rfind('}').and_then(|end| whole(text.get(at..=end)?)));
    whole(text)
        .or_else(|| text.lines().rev().find_map(|line| whole(line).filter(|_| line.trim_start().starts_with('{'))))
        .or_else(from_brace)
}

fn ending(args: &Args, host: &mut Host, output: &Output) -> Result<Outcome, Halt> {
    let text = output.text();
    let Some(result) = object(&text) else {
        let said = if output.stderr.is_empty() { text.clone() } else { output.errors() };
        let last = said.trim_end().lines().last().unwrap_or_default().to_string();
        return Err(Failure::new(format!("the module `{}` ended without a result (exit code {}): {last}", args.module, output.code))
            .with("module_stdout", text)
            .with("module_stderr", output.errors())
            .with("rc", output.code)
            .with("msg", "MODULE FAILURE\nSee stdout/stderr for the exact error")
            .into());
    };
    let flag = |name: &str| result.get(name).is_some_and(|value| <bool as crate::args::FromValue>::from_value(value).unwrap_or(false));
    for warning in result.get("warnings").and_then(Value::as_list).unwrap_or_default() {
        host.warn(warning.to_string());
    }
    if flag("changed") {
        host.record(change(args, &result));
    }
    let mut returns: Map = result
        .iter()
        .filter(|(key, _)| !key.as_str().is_some_and(|key| ENDING.contains(&key)))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if let Some(diff) = result.get("diff") {
        returns.insert(Value::str("_diff"), diff.clone());
    }
    let failed = match result.get("failed") {
        Some(_) => flag("failed"),
        None => result.get("rc").and_then(Value::as_int).is_some_and(|rc| rc != 0),
    };
    if failed {
        let message = result.get("msg").map_or_else(|| format!("the module `{}` failed", args.module), ToString::to_string);
        return Err(Failure { message, hint: None, returns }.into());
    }
    Ok(Outcome { returns, skipped: flag("skipped"), warnings: Vec::new() })
}

/// What the module says that it changed.
fn change(args: &Args, result: &Map) -> Change {
    let named = ["path", "dest", "name"].iter().find_map(|name| args.arguments.get(*name)).map(|value| value.redacted().to_string());
    let mut change = Change::new(Action::Update, &args.module, named.unwrap_or_default());
    let diff = result.get("diff").map(|diff| diff.as_list().and_then(<[Value]>::first).unwrap_or(diff));
    if let Some(diff) = diff
        && let (Some(before), Some(after)) = (diff.get("before"), diff.get("after"))
    {
        change = change.field("content", before.clone(), after.clone());
    }
    change
}

#[cfg(test)]
mod tests {
    use super::MODULE;
    use crate::module::Halt;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn runs_modules_of_every_kind() {
        let mut bench = Bench::new();
        let pairs = bench.blob(b"#!/bin/sh\n. \"$1\"\necho noise\necho \"{\\\"msg\\\": \\\"Hi, $name!\\\", \\\"changed\\\": true}\"\n");
        let args = json!({"module": "greet", "arguments": {"name": "it's me"}, "_blob": pairs, "_kind": "pairs"});
        let (outcome, changes) = bench.apply(&MODULE, args.clone());
        assert_eq!((returned(&outcome, "msg"), changes.len()), ("Hi, it's me!".into(), 1));
        let planned = bench.run(false, &MODULE, args);
        assert!(planned.result.is_ok_and(|outcome| outcome.returns.get("msg").is_some_and(|msg| msg.first_unknown().is_some())));
        let json_args = bench.blob(b"#!/bin/sh\n# WANT_JSON\necho '{\"got\": '; cat \"$1\"; echo '}'\n");
        let (outcome, changes) = bench.apply(&MODULE, json!({"module": "echo", "arguments": {"a": [1]}, "_blob": json_args}));
        assert_eq!((returned(&outcome, "got"), changes.len()), ("{'a': [1]}".into(), 0));
        let inserted = bench.blob(b"#!/bin/sh\necho '<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>'\n");
        let (outcome, _) = bench.apply(&MODULE, json!({"module": "e", "arguments": {"b": "c"}, "_blob": inserted, "_kind": "inserted"}));
        assert_eq!(returned(&outcome, "b"), "c");
    }

    #[test]
    fn tells_failures() {
        let mut bench = Bench::new();
        let fails = bench.blob(b"#!/bin/sh\necho '{\"failed\": true, \"msg\": \"no\", \"rc\": 3}'; exit 1\n");
        let Err(Halt::Failed(failure)) = bench.run(true, &MODULE, json!({"module": "f", "_blob": fails})).result else {
            panic!("it fails")
        };
        assert_eq!((failure.message.as_str(), failure.returns.get("rc").map(ToString::to_string)), ("no", Some("3".into())));
        let mute = bench.blob(b"#!/bin/sh\necho broken >&2; exit 4\n");
        let said = bench.failure(&MODULE, json!({"module": "f", "_blob": mute}));
        assert_eq!(said, "the module `f` ended without a result (exit code 4): broken");
    }

    #[test]
    fn a_plan_runs_what_knows_of_plans() {
        let mut bench = Bench::new();
        let blob =
            bench.blob(b"#!/bin/sh\n# WANT_JSON check_mode\necho '{\"changed\": true, \"diff\": {\"before\": \"a\", \"after\": \"b\"}}'\n");
        let args = json!({"module": "f", "arguments": {"name": "x"}, "_blob": blob, "_aware": true});
        let planned = bench.run(false, &MODULE, args.clone());
        let (_, changes) = bench.apply(&MODULE, args);
        assert_eq!((planned.changes.len(), &planned.changes), (1, &changes));
    }
}
