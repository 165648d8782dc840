//! Module `debconf`: answers to the questions of packages, before they ask.

use crate::args::FromValue;
use crate::host::settings::Setting;
use crate::host::{Command, Host};
use crate::module::{Halt, Outcome};
use crate::value::{Map, Value};
use crate::{arguments, choices, module};

choices! {
    pub enum Kind {
        Boolean = "boolean", Error = "error", Multiselect = "multiselect", Note = "note", Password = "password", Seen = "seen",
        Select = "select", String = "string", Text = "text", Title = "title",
    }
}

arguments! {
    pub struct Args {
        /// The package.
        name ["pkg"]: String,
        /// The question; without one, the answers that are there are returned.
        question ["selection", "setting"]: Option<String>,
        /// What kind of answer it is.
        vtype: Option<Kind>,
        /// The answer; a list for `multiselect`.
        value ["answer"]: Option<Value>,
        /// Leaves the question as one that was not asked yet.
        unseen: bool = false,
    }
}

module! {
    name: "debconf", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Answers to the questions of Debian's packages, given before they ask. A package that is there already takes them up when \
          it is configured anew.",
    examples: [r#"{"name": "tzdata", "question": "tzdata/Areas", "vtype": "select", "value": "Europe"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    let given = (args.question.as_ref(), args.vtype, args.value.as_ref());
    let (question, kind, value) = match given {
        (None, None, None) => {
            let current = answers(host, &args.name)?;
            return Ok(Outcome::new().with("current", current).with("msg", ""));
        }
        (Some(question), Some(kind), Some(value)) => (question, kind, text(kind, value)?),
        _ => return Err(Halt::failed("parameters are required together: question, vtype, value")),
    };
    if kind == Kind::Password {
        return password(args, question, &value, host);
    }
    let setting = Setting { kind: "answer", name: question, field: if kind == Kind::Seen { "seen" } else { "value" } };
    let (package, asked) = (args.name.clone(), question.clone());
    let listed = args.value.as_ref().is_some_and(|value| value.as_list().is_some());
    let observe = move |host: &mut Host| match kind {
        Kind::Seen => Ok(Value::str(if seen(host, &asked)? { "true" } else { "false" })),
        _ => Ok(answers(host, &package)?.get(asked.as_str()).map_or(Value::Null, |v| Value::str(plain(kind, listed, &v.to_string())))),
    };
    let wanted = Value::str(plain(kind, listed, &value));
    let set = |_: &Value| vec![selection(args, question, kind, &value)];
    let settled = host.converge_setting(setting, &wanted, observe, set)?;
    let answer = |value: Value| Value::map([(question.as_str(), value)]);
    let outcome = Outcome::new().with("msg", "").with("current", answer(Value::str(&value)));
    Ok(outcome.with("previous", answer(settled.before)))
}

/// A password is kept apart, and debconf shows it to root alone: it is set whenever it differs, and never shown.
fn password(args: &Args, question: &str, value: &str, host: &mut Host) -> Result<Outcome, Halt> {
    let setting = Setting { kind: "answer", name: question, field: "value" };
    let (package, asked) = (args.name.clone(), question.to_string());
    let observe = move |host: &mut Host| {
        let stdin = Some(format!("GET {asked}\n").into_bytes());
        let output = host.query(&Command { stdin, ..Command::new(["debconf-communicate", &package]) })?;
        // `0 ANSWER`, and `0` alone of an empty one; other codes where the question is not known.
        let text = output.text();
        let (code, answer) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        Ok(if code == "0" { Value::str(answer).into_secret() } else { Value::Null })
    };
    let set = |_: &Value| vec![selection(args, question, Kind::Password, value)];
    host.converge_setting(setting, &Value::str(value).into_secret(), observe, set)?;
    Ok(Outcome::new().with("msg", ""))
}

fn text(kind: Kind, value: &Value) -> Result<String, Halt> {
    match (kind, value.reveal()) {
        (Kind::Multiselect, Value::List(items)) if mixed(items) => {
            Err(Halt::failed("Invalid value provided for 'multiselect': some of the list's items are text and some are not"))
        }
        (Kind::Multiselect, Value::List(items)) => Ok(items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        (Kind::Boolean, Value::Bool(truth)) => Ok(truth.to_string()),
        (_, other) => String::from_value(other).map_err(|why| Halt::failed(format!("argument `value` of `debconf` {why}"))),
    }
}

fn mixed(items: &[Value]) -> bool {
    items.iter().any(|item| item.as_str().is_some()) && items.iter().any(|item| item.as_str().is_none())
}

/// How answers compare: truth values whatever their case, and several choices whatever their order if they were given as a list.
fn plain(kind: Kind, listed: bool, value: &str) -> String {
    match kind {
        Kind::Boolean => value.to_lowercase(),
        Kind::Multiselect if listed => {
            let mut parts: Vec<&str> = value.split(',').map(str::trim).collect();
            parts.sort_unstable();
            parts.join(", ")
        }
        _ => value.to_string(),
    }
}

fn selection(args: &Args, question: &str, kind: Kind, value: &str) -> Command {
    let unseen = args.unseen.then(|| "-u".to_string());
    let line = format!("{} {question} {} {value}\n", args.name, kind.word());
    // On standard input, as it may be a secret.
    Command { stdin: Some(line.into_bytes()), ..Command::new(std::iter::once("debconf-set-selections".to_string()).chain(unseen)) }
}

fn seen(host: &mut Host, question: &str) -> Result<bool, Halt> {
    let stdin = Some(format!("FGET {question} seen\n").into_bytes());
    let output = host.query(&Command { stdin, ..Command::new(["debconf-communicate"]) })?;
    Ok(output.text().trim().ends_with("true"))
}

/// The answers that a package has, by question.
fn answers(host: &mut Host, package: &str) -> Result<Map, Halt> {
    if !host.has_program("debconf-show") {
        return Err(host.missing_program("debconf-show", "is this a host of Debian's family?"));
    }
    let output = host.query(&Command::new(["debconf-show", package]))?.require("debconf-show failed")?;
    Ok(parse(&output.text()))
}

/// Lines `* question: answer`, the star for those that were seen.
fn parse(text: &str) -> Map {
    let pairs = text.lines().filter_map(|line| line.trim_start_matches(['*', ' ']).split_once(':'));
    pairs.map(|(question, answer)| (Value::str(question.trim()), Value::str(answer.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_debconf_show() {
        let found = Value::from(parse("* tzdata/Areas: Etc\n  tzdata/Zones/Etc: UTC\n  a/b:\n"));
        assert_eq!(found.to_string(), "{'tzdata/Areas': 'Etc', 'tzdata/Zones/Etc': 'UTC', 'a/b': ''}");
    }

    #[test]
    fn answers_compare_by_what_they_mean() {
        assert_eq!(plain(Kind::Boolean, false, "True"), "true");
        assert_eq!(plain(Kind::Multiselect, true, "b,a"), plain(Kind::Multiselect, true, "a, b"));
        assert_ne!(plain(Kind::Multiselect, false, "b, a"), plain(Kind::Multiselect, false, "a, b"));
        assert_ne!(plain(Kind::String, false, "A"), "a");
    }

    #[test]
    fn several_choices_are_all_text() {
        let list = |items: Vec<Value>| text(Kind::Multiselect, &Value::list(items));
        assert_eq!(list(vec![Value::str("b"), Value::str("a")]).unwrap(), "b, a");
        let refused = list(vec![Value::str("b"), Value::from(1)]);
        assert!(matches!(refused, Err(Halt::Failed(why)) if why.message.starts_with("Invalid value provided for 'multiselect'")));
    }
}
