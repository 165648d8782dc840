//! Results as `ansible` shows those of a single task: a line a host, or its result as JSON.

use super::paint::Paint;
use crate::event::{Changed, Event, Observer, Status, TaskName, TaskResult};
use crate::playbook::short_name;
use crate::report::familiar::{four_spaces, say};
use crate::report::plan_text;
use modules::value::{Map, Value};

/// Modules whose output is shown as it is.
const COMMANDS: [&str; 4] = ["command", "shell", "raw", "script"];

/// Writes to standard output.
pub struct Minimal {
    paint: Paint,
    /// All of a host's result on one line.
    one_line: bool,
    diff: bool,
}

impl Minimal {
    /// `one_line` is `-o`.
    pub fn new(one_line: bool, diff: bool) -> Minimal {
        Minimal { paint: Paint::stdout(), one_line, diff }
    }

    fn done(&self, task: &TaskName, host: &str, result: &TaskResult) {
        let p = self.paint;
        if self.diff && !result.hidden {
            plan_text::diffs(result, p).iter().for_each(|d| say(d));
        }
        let mut map = result.value.as_map().cloned().unwrap_or_default();
        if let Some(message) = result.message.as_ref().filter(|_| !map.contains_key("msg") && result.status != Status::Skipped) {
            map.insert("msg".into(), message.as_str().into());
        }
        let word = match result.status {
            Status::Failed => "FAILED",
            Status::Unreachable => "UNREACHABLE",
            Status::Skipped => return say(&p.cyan(&format!("{host} | SKIPPED"))),
            Status::Ok if result.changed == Changed::No => "SUCCESS",
            Status::Ok | Status::Unknown => "CHANGED",
        };
        let text = match map.get("rc").filter(|_| COMMANDS.contains(&short_name(&task.module))) {
            Some(rc) => self.command(host, word, rc, &map),
            None => self.whole(host, word, short_name(&task.module), map),
        };
        say(&match word {
            "FAILED" | "UNREACHABLE" => p.red(&text),
            "CHANGED" => p.yellow(&text),
            _ => p.green(&text),
        });
    }

    fn command(&self, host: &str, word: &str, rc: &Value, map: &Map) -> String {
        let text = |name: &str| map.get(name).map(Value::to_string).unwrap_or_default();
        if self.one_line {
            let line = |name: &str| text(name).replace('\n', "\\n").replace('\r', "\\r");
            let errors = if text("stderr").is_empty() { String::new() } else { format!(" (stderr) {}", line("stderr")) };
            return format!("{host} | {word} | rc={rc} | (stdout) {}{errors}", line("stdout"));
        }
        format!("{host} | {word} | rc={rc} >>\n{}{}{}", text("stdout"), text("stderr"), text("msg"))
    }

    fn whole(&self, host: &str, word: &str, module: &str, mut map: Map) -> String {
        let debug: &[&str] = if module == "debug" { &["changed", "ansible_facts"] } else { &[] };
        for name in ["failed", "exception", "skipped"].iter().chain(debug) {
            map.shift_remove(*name);
        }
        let mut entries: Vec<(Value, Value)> = map.into_iter().collect();
        entries.sort_by_key(|(name, _)| name.to_string());
        let json = Value::from(entries.into_iter().collect::<Map>()).to_json();
        let mark = if matches!(word, "FAILED" | "UNREACHABLE") { "!" } else { "" };
        let text = if self.one_line { oneline(&json) } else { four_spaces(&json) };
        format!("{host} | {word}{mark} => {text}")
    }
}

/// JSON on one line as the callback `oneline` writes it: a blank after colons only.
fn oneline(json: &serde_json::Value) -> String {
    use serde_json::Value as J;
    match json {
        J::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", J::from(k.as_str()), oneline(v))).collect();
            format!("{{{}}}", entries.join(","))
        }
        J::Array(items) => format!("[{}]", items.iter().map(oneline).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

impl Observer for Minimal {
    fn observe(&self, event: &Event) {
        match event {
            Event::TaskDone { task, host, result } if short_name(&task.module) != "meta" => self.done(task, host, result),
            Event::Warning { text, .. } => eprintln!("{}", self.paint.yellow(&format!("[WARNING]: {text}"))),
            Event::Message { text, .. } => say(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal(one_line: bool) -> Minimal {
        Minimal { paint: Paint { colour: false }, one_line, diff: false }
    }

    fn map(pairs: &[(&str, Value)]) -> Map {
        pairs.iter().map(|(k, v)| (Value::str(k), v.clone())).collect()
    }

    #[test]
    fn results_read_as_users_know_them() {
        let ping = || map(&[("ping", "pong".into()), ("changed", false.into()), ("failed", false.into())]);
        assert_eq!(
            minimal(false).whole("h", "SUCCESS", "ping", ping()),
            "h | SUCCESS => {\n    \"changed\": false,\n    \"ping\": \"pong\"\n}"
        );
        assert_eq!(minimal(true).whole("h", "FAILED", "ping", ping()), r#"h | FAILED! => {"changed": false,"ping": "pong"}"#);
        let shell = map(&[("stdout", "a\nb".into()), ("stderr", "c".into()), ("msg", "non-zero return code".into())]);
        assert_eq!(minimal(false).command("h", "FAILED", &3.into(), &shell), "h | FAILED | rc=3 >>\na\nbcnon-zero return code");
        assert_eq!(minimal(true).command("h", "FAILED", &3.into(), &shell), "h | FAILED | rc=3 | (stdout) a\\nb (stderr) c");
    }
}
