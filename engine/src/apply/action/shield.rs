//! Keeps what a task was told in secret out of what it answers: an answer that repeats a secret is one itself.

use super::Performed;
use modules::change::Change;
use modules::value::{Map, Value};
use std::collections::BTreeSet;

/// Arguments that make a program: what it prints may be anything that was made of them.
const PROGRAM: [&str; 4] = ["_raw_params", "cmd", "argv", "stdin"];

/// Returns in which a program's words stand.
const WORDS: [&str; 6] = ["cmd", "stdout", "stderr", "stdout_lines", "stderr_lines", "msg"];

const HIDDEN: &str = "(sensitive)";

/// The secrets among a task's arguments.
pub(super) struct Shield {
    texts: BTreeSet<String>,
    program: bool,
}

impl Shield {
    /// Of these arguments.
    pub(super) fn of(args: &Map) -> Shield {
        let mut texts = BTreeSet::new();
        args.values().for_each(|value| collect(value, false, &mut texts));
        let program = args.iter().any(|(name, value)| value.has_secret() && name.as_str().is_some_and(|n| PROGRAM.contains(&n)));
        Shield { texts, program }
    }

    /// The same outcome with secrets marked in what it returns, and left out of what it shows.
    pub(super) fn cover(&self, mut done: Performed) -> Performed {
        if self.texts.is_empty() {
            return done;
        }
        done.returns = done.returns.into_iter().map(|(name, value)| (name.clone(), self.returned(&name, value))).collect();
        done.changes.iter_mut().for_each(|change| self.change(change));
        let hides = |text: &String| self.program || self.repeats(text);
        done.message = done.message.map(|text| if hides(&text) { HIDDEN.to_string() } else { text });
        done.hint = done.hint.filter(|text| !hides(text));
        done.warnings.retain(|text| !hides(text));
        done
    }

    fn repeats(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| text.contains(secret.as_str()))
    }

    fn returned(&self, name: &Value, value: Value) -> Value {
        match name.as_str() {
            Some(name) if self.program && WORDS.contains(&name) => value.into_secret(),
            _ => self.marked(value),
        }
    }

    fn marked(&self, value: Value) -> Value {
        match &value {
            Value::Str(text) if self.repeats(text) => value.into_secret(),
            Value::List(items) => Value::list(items.iter().map(|v| self.marked(v.clone()))),
            Value::Map(map) => map.iter().map(|(k, v)| (k.clone(), self.marked(v.clone()))).collect::<Map>().into(),
            _ => value,
        }
    }

    fn change(&self, change: &mut Change) {
        if self.repeats(&change.name) || self.program && change.kind == "command" {
            change.name = HIDDEN.into();
        }
        for field in &mut change.fields {
            for side in [&mut field.before, &mut field.after] {
                *side = self.marked(std::mem::replace(side, Value::Null)).redacted();
            }
        }
    }
}

/// Every text within a secret, and numbers as text.
fn collect(value: &Value, secret: bool, into: &mut BTreeSet<String>) {
    match value {
        Value::Secret(inner) => collect(inner, true, into),
        Value::List(items) => items.iter().for_each(|v| collect(v, secret, into)),
        Value::Map(map) => map.values().for_each(|v| collect(v, secret, into)),
        Value::Str(_) | Value::Int(_) | Value::Float(_) if secret => {
            let text = value.to_string();
            if !text.trim().is_empty() {
                into.insert(text.trim().to_string());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modules::change::Action;

    fn args(pairs: &[(&str, Value)]) -> Map {
        pairs.iter().map(|(k, v)| (Value::str(k), v.clone())).collect()
    }

    #[test]
    fn what_repeats_a_secret_is_secret() {
        let shield = Shield::of(&args(&[("name", Value::str("u")), ("password", Value::str("abc").into_secret())]));
        let returns = args(&[("name", Value::str("u")), ("said", Value::list([Value::str("is abc!")]))]);
        let change = Change::new(Action::Update, "file", "/tmp/abc");
        let done = Performed { returns, changes: vec![change], message: Some("no abc".into()), ..Performed::ok(Map::new()) };
        let done = shield.cover(done);
        assert_eq!(Value::from(done.returns).redacted().to_string(), "{'name': 'u', 'said': ['(sensitive)']}");
        assert_eq!((done.changes[0].name.as_str(), done.message.as_deref()), (HIDDEN, Some(HIDDEN)));
    }

    #[test]
    fn what_a_program_says_is_as_secret_as_its_line() {
        let shield = Shield::of(&args(&[("_raw_params", Value::str("tr a-z A-Z <<< abc").into_secret())]));
        let done = shield.cover(Performed::ok(args(&[("stdout", Value::str("ABC")), ("rc", Value::Int(0))])));
        assert_eq!(Value::from(done.returns).redacted().to_string(), "{'stdout': '(sensitive)', 'rc': 0}");
    }
}
