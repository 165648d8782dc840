//! Keeps secrets that a task was given out of what it answers.

use crate::vault::Vault;
use modules::change::Change;
use modules::value::{Map, Value};
use modules::wire::{Response, Status};

/// What stands where a secret stood.
const COVER: &str = "(sensitive)";
/// Shorter texts are covered only where they are a whole value: within others they would be found by chance.
const SHORTEST: usize = 4;
/// Arguments that make a program: what it prints may be anything that was made of them.
const PROGRAM: [&str; 4] = ["_raw_params", "cmd", "argv", "stdin"];
/// Returns in which a program's words stand.
const WORDS: [&str; 6] = ["cmd", "stdout", "stderr", "stdout_lines", "stderr_lines", "msg"];
/// Shorter lines of a secret text are not looked for one by one.
const SHORTEST_LINE: usize = 8;

/// The secret texts of a task's arguments.
#[derive(Debug, Default)]
pub(in crate::apply) struct Covered {
    texts: Vec<String>,
    /// Whether a program's line or input is secret: then all it says is.
    program: bool,
}

impl Covered {
    /// Those in these values, their longer lines, and the decrypted texts that they are made of.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a Value>, vault: &Vault) -> Covered {
        let mut texts = Vec::new();
        for value in values {
            collect(value, false, &mut texts);
        }
        let parts: Vec<String> = texts.iter().flat_map(|t| vault.within(t)).map(|t| t.to_string()).collect();
        texts.extend(parts);
        let lines: Vec<String> =
            texts.iter().flat_map(|t| t.lines()).map(str::trim).filter(|l| l.len() >= SHORTEST_LINE).map(str::to_owned).collect();
        texts.extend(lines);
        // What contains another goes first, so that no rest of it stays.
        texts.sort_by_key(|t| std::cmp::Reverse(t.len()));
        texts.dedup();
        Covered { texts, program: false }
    }

    /// Those in a task's arguments and in `others`.
    pub(super) fn of_task(args: &Map, others: &[Value], vault: &Vault) -> Covered {
        let program = args.iter().any(|(name, value)| value.has_secret() && name.as_str().is_some_and(|n| PROGRAM.contains(&n)));
        Covered { program, ..Covered::of(args.values().chain(others), vault) }
    }

    /// Marks values that repeat a secret, and covers it in texts.
    pub(super) fn cover(&self, response: &mut Response) {
        if self.texts.is_empty() {
            return;
        }
        self.map(&mut response.returns);
        response.changes.iter_mut().for_each(|c| self.change(c));
        response.warnings.iter_mut().for_each(|w| *w = self.text(w));
        match &mut response.status {
            Status::Failed(failure) => {
                failure.message = if self.program { COVER.into() } else { self.text(&failure.message) };
                failure.hint = failure.hint.as_deref().map(|h| self.text(h));
                self.map(&mut failure.returns);
            }
            Status::Unknown(what) => *what = self.text(what),
            Status::Done | Status::Skipped => {}
        }
    }

    fn change(&self, change: &mut Change) {
        change.name = if self.program && change.kind == "command" { COVER.into() } else { self.text(&change.name) };
        for field in &mut change.fields {
            field.before = self.value(&field.before);
            field.after = self.value(&field.after);
        }
    }

    /// Marks the values that repeat a secret.
    pub(super) fn map(&self, map: &mut Map) {
        for (name, value) in map {
            let said = self.program && name.as_str().is_some_and(|n| WORDS.contains(&n));
            *value = if said { value.clone().into_secret() } else { self.value(value) };
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Str(text) if self.repeats(text) => value.clone().into_secret(),
            Value::List(items) => Value::list(items.iter().map(|v| self.value(v))),
            Value::Map(map) => map.iter().map(|(k, v)| (k.clone(), self.value(v))).collect::<Map>().into(),
            other => other.clone(),
        }
    }

    fn repeats(&self, text: &str) -> bool {
        self.texts.iter().any(|t| if t.len() < SHORTEST { t.as_str() == text } else { text.contains(t.as_str()) })
    }

    fn text(&self, text: &str) -> String {
        self.texts.iter().filter(|t| t.len() >= SHORTEST).fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), COVER))
    }
}

fn collect(value: &Value, within: bool, texts: &mut Vec<String>) {
    match value {
        Value::Secret(inner) => collect(inner, true, texts),
        Value::List(items) => items.iter().for_each(|v| collect(v, within, texts)),
        Value::Map(map) => map.values().for_each(|v| collect(v, within, texts)),
        Value::Str(text) if within && !text.trim().is_empty() => texts.push(text.trim().to_owned()),
        Value::Int(_) | Value::Float(_) if within => texts.push(value.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modules::change::Action;
    use modules::module::Failure;

    #[test]
    fn what_a_task_was_given_does_not_come_back() {
        let vault = Vault::default();
        vault.remember("S3cret!".into());
        let line = Value::str("mysql -pS3cret! db").into_secret();
        let mut returns = Map::new();
        returns.insert("cmd".into(), Value::list([Value::str("mysql"), Value::str("-pS3cret!"), Value::str("db")]));
        returns.insert("stdout".into(), "using S3cret!\n".into());
        returns.insert("rc".into(), Value::Int(1));
        let failure = Failure { message: "mysql -pS3cret! db: refused".into(), hint: Some("S3cret!?".into()), returns };
        let change = Change::new(Action::Run, "command", "mysql -pS3cret! db").field("x", Value::Null, "S3cret!");
        let mut response = Response {
            id: 1,
            status: Status::Failed(failure),
            returns: Map::new(),
            changes: vec![change],
            warnings: vec!["S3cret!".into()],
        };
        Covered::of([&line, &Value::str("mysql")], &vault).cover(&mut response);
        let Status::Failed(failure) = &response.status else { panic!("no failure") };
        assert_eq!((failure.message.as_str(), failure.hint.as_deref()), ("(sensitive): refused", Some("(sensitive)?")));
        let shown = Value::from(failure.returns.clone()).redacted().to_string();
        assert_eq!(shown, "{'cmd': ['mysql', '(sensitive)', 'db'], 'stdout': '(sensitive)', 'rc': 1}");
        assert_eq!(failure.returns["stdout"].as_str(), Some("using S3cret!\n"), "later tasks can use it");
        assert_eq!((response.changes[0].name.as_str(), response.warnings[0].as_str()), ("(sensitive)", "(sensitive)"));
        assert_eq!(response.changes[0].fields[0].after.redacted().to_string(), "(sensitive)");
    }

    #[test]
    fn what_a_program_says_is_as_secret_as_its_line() {
        let args: Map = [("_raw_params".into(), Value::str("tr a-z A-Z <<< abc").into_secret())].into_iter().collect();
        let mut returns: Map = [("stdout".into(), Value::str("ABC")), ("rc".into(), Value::Int(0))].into_iter().collect();
        Covered::of_task(&args, &[], &Vault::default()).map(&mut returns);
        assert_eq!(Value::from(returns).redacted().to_string(), "{'stdout': '(sensitive)', 'rc': 0}");
    }

    #[test]
    fn short_secrets_are_covered_where_they_are_whole_values() {
        let covered = Covered::of([&Value::str("abc").into_secret()], &Vault::default());
        assert!(covered.repeats("abc") && !covered.repeats("abcd"));
        assert_eq!(covered.text("abc"), "abc");
        assert!(Covered::of([&Value::str("plain")], &Vault::default()).texts.is_empty());
    }
}
