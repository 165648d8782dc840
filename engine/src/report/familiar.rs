//! A run as users of `ansible-playbook` know it: task headings, a line a host, the recap.

use super::paint::Paint;
use crate::apply::Counts;
use crate::event::{Changed, Event, Observer, Status, TaskName, TaskResult};
use crate::playbook::short_name;
use crate::report::plan_text;
use crate::source::Place;
use crate::vars::lock;
use indexmap::IndexMap;
use modules::value::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Mutex;

/// Writes to standard output, as the program does whose habits it keeps.
pub struct Familiar {
    paint: Paint,
    verbosity: u8,
    diff: bool,
    state: Mutex<State>,
}

/// A step, the file it includes, and for which item of a loop.
type Inclusion = (u32, String, String);

#[derive(Default)]
struct State {
    /// The step whose heading was printed last.
    heading: Option<u32>,
    /// Hosts that included the same file at one step, until another event comes.
    included: HashMap<Inclusion, Vec<String>>,
    order: Vec<Inclusion>,
    /// Errors and warnings that were told: each is told once.
    told: HashSet<String>,
}

impl Familiar {
    /// `verbosity` counts `-v`.
    pub fn new(verbosity: u8, diff: bool) -> Familiar {
        Familiar { paint: Paint::stdout(), verbosity, diff, state: Mutex::default() }
    }

    /// The recap: one line a host, sorted by name.
    pub fn recap(&self, counts: &[(String, Counts)]) {
        self.flush_included();
        let mut out = format!("\n{}\n", banner("PLAY RECAP"));
        let mut counts = counts.to_vec();
        counts.sort_by(|a, b| a.0.cmp(&b.0));
        for (host, c) in counts {
            let host = format!("{host:<26}");
            let host = match (c.failed + c.unreachable, c.changed) {
                (0, 0) => self.paint.green(&host),
                (0, _) => self.paint.yellow(&host),
                _ => self.paint.red(&host),
            };
            let _ = writeln!(
                out,
                "{host} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={:<4}",
                c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
            );
        }
        say(&out);
    }

    /// What `set_stats` added.
    pub fn statistics(&self, stats: &IndexMap<Option<String>, Map>) {
        if stats.is_empty() {
            return;
        }
        let mut out = format!("\n{}\n", banner("CUSTOM STATS:"));
        for (host, data) in stats {
            let name = host.as_deref().unwrap_or("RUN");
            let _ = writeln!(out, "\t{name}: {}", one_line(&Value::from(data.clone()).redacted().to_json()));
        }
        say(&out);
    }

    fn heading(&self, task: &TaskName) {
        self.flush_included();
        let mut state = lock(&self.state);
        if state.heading == Some(task.id) {
            return;
        }
        state.heading = Some(task.id);
        let kind = if task.handler { "RUNNING HANDLER" } else { "TASK" };
        say(&format!("\n{}", banner(&format!("{kind} [{}]", task.name))));
        if self.verbosity > 1 {
            say(&format!("task path: {}", task.place));
        }
    }

    fn flush_included(&self) {
        let mut state = lock(&self.state);
        let (order, mut included) = (std::mem::take(&mut state.order), std::mem::take(&mut state.included));
        for key in order {
            let hosts = included.remove(&key).unwrap_or_default();
            say(&self.paint.cyan(&format!("included: {} for {}{}", key.1, hosts.join(", "), key.2)));
        }
    }

    fn done(&self, task: &TaskName, host: &str, result: &TaskResult) {
        if matches!(short_name(&task.module), "include_tasks" | "include_role" | "include") && result.status == Status::Ok {
            for file in result.value.get("include").and_then(Value::as_list).unwrap_or_default() {
                let item = file.get("item").filter(|i| !matches!(i, Value::Null)).map(|i| format!(" => (item={i})"));
                let name = file.get("file").map(Value::to_string).unwrap_or_default();
                let key = (task.id, name, item.unwrap_or_default());
                let mut state = lock(&self.state);
                if !state.order.contains(&key) {
                    state.order.push(key.clone());
                }
                state.included.entry(key).or_default().push(host.to_string());
            }
            return;
        }
        self.heading(task);
        if short_name(&task.module) == "meta"
            && self.verbosity > 1
            && let Some(reason) = result.value.get("skip_reason")
        {
            say(&format!("META: {reason}"));
        }
        let looped = result.value.get("results").is_some() && result.item.is_none();
        if looped && !matches!(result.status, Status::Failed | Status::Skipped) {
            return;
        }
        self.line(task, host, result);
        if result.status == Status::Failed && result.ignored {
            say(&self.paint.cyan("...ignoring"));
        }
    }

    fn line(&self, task: &TaskName, host: &str, result: &TaskResult) {
        let p = self.paint;
        let host = match &result.delegate {
            Some(other) => format!("{host} -> {other}"),
            None => host.to_string(),
        };
        let item = result.item.as_ref().map(|i| format!(" => (item={i})")).unwrap_or_default();
        if self.diff && !result.hidden {
            plan_text::diffs(result, p).iter().for_each(|d| say(d));
        }
        let details = self.details(task, result);
        if matches!(result.status, Status::Failed) && !result.hidden && (result.item.is_some() || result.value.get("results").is_none()) {
            self.error(task, result);
        }
        say(&match result.status {
            Status::Failed if result.item.is_some() => p.red(&format!("failed: [{host}]{}{details}", item.replacen(" => ", " ", 1))),
            Status::Failed => p.red(&format!("fatal: [{host}]: FAILED!{details}")),
            Status::Unreachable => p.red(&format!("fatal: [{host}]: UNREACHABLE!{details}")),
            Status::Skipped => p.cyan(&format!("skipping: [{host}]{item}{details}")),
            Status::Unknown => p.yellow(&format!("changed: [{host}]{item}{details}")),
            Status::Ok if result.changed == Changed::No => p.green(&format!("ok: [{host}]{item}{details}")),
            Status::Ok => p.yellow(&format!("changed: [{host}]{item}{details}")),
        });
    }

    /// Why a task failed, and where it stands, as Ansible tells it beside the result.
    fn error(&self, task: &TaskName, result: &TaskResult) {
        let said = result.value.get("msg").map(Value::to_string).or_else(|| result.message.clone()).unwrap_or_default();
        let broken = result.problem.is_some();
        let kind = if crate::graph::actions::find(short_name(&task.module)).is_some() { "Action" } else { "Module" };
        let mut text = match broken || said.starts_with("Task failed") {
            true => format!("[ERROR]: {said}\n"),
            false => format!("[ERROR]: Task failed: {kind} failed: {said}\n"),
        };
        text.extend(task.at.as_ref().map(excerpt));
        if lock(&self.state).told.insert(text.clone()) {
            say(&self.paint.red(&text));
        }
    }

    /// The result as JSON, where it is shown: failures, `debug`, `-v`.
    fn details(&self, task: &TaskName, result: &TaskResult) -> String {
        let failed = matches!(result.status, Status::Failed | Status::Unreachable);
        let debug = short_name(&task.module) == "debug" && result.status == Status::Ok;
        // Like `debug`, it always tells all it has to say.
        let assert = short_name(&task.module) == "assert" && result.status != Status::Skipped;
        if !failed && !debug && !assert && self.verbosity == 0 {
            return String::new();
        }
        let mut map = result.value.as_map().cloned().unwrap_or_default();
        if let Some(message) = result.message.as_ref().filter(|_| failed && !map.contains_key("msg")) {
            map.insert("msg".into(), message.as_str().into());
        }
        let hidden: &[&str] =
            if debug { &["changed", "failed", "item", "ansible_loop_var", "ansible_facts"] } else { &["failed", "results", "exception"] };
        for name in hidden {
            map.shift_remove(*name);
        }
        let pretty = debug || assert || self.verbosity > 3;
        let json = Value::from(map).to_json();
        let text = if pretty { four_spaces(&json) } else { one_line(&json) };
        format!(" => {text}")
    }
}

/// A place with its line and the two before it.
fn excerpt(place: &Place) -> String {
    let path = std::path::absolute(place.source.path()).unwrap_or_else(|_| place.source.path().to_path_buf());
    let mut text = format!("Origin: {}:{}:{}\n\n", path.display(), place.line, place.column);
    let width = place.line.to_string().len();
    for number in place.line.saturating_sub(2).max(1)..=place.line {
        let line = place.source.line(number).unwrap_or_default();
        let _ = writeln!(text, "{number:>width$} {line}");
    }
    let _ = writeln!(text, "{}^ column {}", " ".repeat(width + place.column as usize), place.column);
    text
}

/// JSON with four spaces of indent.
pub(super) fn four_spaces(json: &serde_json::Value) -> String {
    let text = serde_json::to_string_pretty(json).unwrap_or_default();
    let deeper = |line: &str| {
        let blank = line.len() - line.trim_start_matches(' ').len();
        format!("{}{}", " ".repeat(blank), line)
    };
    text.lines().map(deeper).collect::<Vec<_>>().join("\n")
}

/// JSON on one line with blanks after commas and colons, keys sorted.
fn one_line(json: &serde_json::Value) -> String {
    use serde_json::Value as J;
    match json {
        J::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(k, _)| k.as_str());
            let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{}: {}", J::from(k.as_str()), one_line(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        J::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn banner(text: &str) -> String {
    let stars = 79usize.saturating_sub(text.chars().count() + 1).max(3);
    format!("{text} {}", "*".repeat(stars))
}

pub(super) fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // A reader that has gone away has seen enough.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

impl Observer for Familiar {
    fn observe(&self, event: &Event) {
        match event {
            Event::PlayStarted { play, .. } => {
                self.flush_included();
                say(&format!("\n{}", banner(&format!("PLAY [{play}]"))));
            }
            Event::PlayEmpty { play, .. } => {
                say(&format!("\n{}\nskipping: no hosts matched", banner(&format!("PLAY [{play}]"))));
            }
            Event::TaskStarted { task, .. } => {
                if short_name(&task.module) != "meta" {
                    self.heading(task);
                }
            }
            Event::Meta { task, text, .. } => {
                self.heading(task);
                if self.verbosity > 1 {
                    say(&format!("META: {text}"));
                }
            }
            Event::ItemDone { task, host, result } => {
                self.heading(task);
                self.line(task, host, result);
            }
            Event::Retry { task, host, left } => {
                say(&self.paint.cyan(&format!("FAILED - RETRYING: [{host}]: {} ({left} retries left).", task.name)));
            }
            Event::TaskDone { task, host, result } => self.done(task, host, result),
            Event::Warning { text, problem } => {
                let place =
                    problem.as_ref().and_then(|p| p.place.as_ref()).map_or_else(String::new, |place| format!(".\nOrigin: {place}\n"));
                let text = problem.as_ref().and_then(|p| p.said.as_ref()).unwrap_or(text);
                let text = if place.is_empty() { text.clone() } else { format!("{}{place}", text.trim_end_matches('.')) };
                if lock(&self.state).told.insert(text.clone()) {
                    eprintln!("{}", self.paint.yellow(&format!("[WARNING]: {text}")));
                }
            }
            Event::Message { text, .. } => say(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asserts_say_is_told() {
        let task =
            |module: &str| TaskName { id: 1, name: "t".into(), module: module.into(), place: String::new(), at: None, handler: false };
        let result = TaskResult {
            status: Status::Ok,
            changed: Changed::No,
            ignored: false,
            rescued: false,
            changes: Vec::new(),
            value: Value::map([("msg", Value::str("it holds"))]),
            message: None,
            hint: None,
            problem: None,
            warnings: Vec::new(),
            delegate: None,
            item: None,
            elapsed: std::time::Duration::ZERO,
            hidden: false,
        };
        let familiar = Familiar::new(0, false);
        assert_eq!(familiar.details(&task("ansible.builtin.assert"), &result), " => {\n    \"msg\": \"it holds\"\n}");
        assert_eq!(familiar.details(&task("command"), &result), "");
    }

    #[test]
    fn json_reads_as_users_know_it() {
        let json = serde_json::json!({"b": [1, true], "a": "x\"y"});
        assert_eq!(one_line(&json), r#"{"a": "x\"y", "b": [1, true]}"#);
        assert_eq!(four_spaces(&serde_json::json!({"msg": "hi"})), "{\n    \"msg\": \"hi\"\n}");
    }
}
