//! A run as it happens: on a terminal one line an active host, else plain lines; failures once more at the end.

use super::brief;
use super::paint::Paint;
use crate::apply::Counts;
use crate::event::{Changed, Event, Observer, Status, TaskName, TaskResult};
use crate::plan::shown;
use crate::vars::lock;
use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use modules::change::Action;
use modules::value::Value;
use std::collections::HashMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Shows a run on standard error.
pub struct Live {
    paint: Paint,
    verbosity: u8,
    quiet: bool,
    started: Instant,
    bars: MultiProgress,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: HashMap<String, ProgressBar>,
    failures: Vec<(String, Arc<TaskName>, Arc<TaskResult>)>,
    warnings: Vec<String>,
}

impl Live {
    /// `quiet` shows progress and failures only, for plans: their changes come as a whole.
    pub fn new(verbosity: u8, quiet: bool) -> Live {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Live {
            paint: Paint::stderr(),
            verbosity,
            quiet,
            started: Instant::now(),
            bars: MultiProgress::with_draw_target(target),
            terminal,
            state: Mutex::default(),
        }
    }

    fn say(&self, text: &str) {
        match self.terminal {
            // The bars give way to the line and come back below it.
            true => self.bars.suspend(|| eprintln!("{text}")),
            false => eprintln!("{text}"),
        }
    }

    fn begin(&self, host: &str, task: &TaskName) {
        if !self.terminal {
            return;
        }
        let mut state = lock(&self.state);
        let bar = state.active.entry(host.to_string()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix:.bold}  {wide_msg}  {elapsed}");
            let bar = self.bars.add(ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())));
            bar.set_prefix(host.to_string());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.reset_elapsed();
        bar.set_message(task.name.clone());
    }

    fn end(&self, host: &str) {
        if let Some(bar) = lock(&self.state).active.remove(host) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn done(&self, task: &Arc<TaskName>, host: &str, result: &Arc<TaskResult>) {
        self.end(host);
        if result.is_failure() {
            lock(&self.state).failures.push((host.to_string(), task.clone(), result.clone()));
        }
        for warning in &result.warnings {
            self.warn(&format!("{host}: {warning}"));
        }
        if let Some(line) = self.result_line(task, host, result) {
            self.say(&line);
        }
    }

    fn item(&self, task: &TaskName, host: &str, result: &TaskResult) {
        let speaks = is_debug(task, result) && !self.quiet;
        if self.verbosity == 0 && !speaks || result.status == Status::Skipped {
            return;
        }
        let mut line = format!("       item  {host}  {}  {}", task.name, result.item.as_deref().unwrap_or_default());
        if speaks {
            let _ = write!(line, "\n{}", message_of(&result.value));
        }
        self.say(&line);
    }

    fn result_line(&self, task: &TaskName, host: &str, result: &TaskResult) -> Option<String> {
        let p = self.paint;
        let failed = matches!(result.status, Status::Failed | Status::Unreachable);
        // What a loop has to say was said item by item.
        let debug = is_debug(task, result) && result.value.get("results").is_none();
        if self.quiet && self.verbosity == 0 {
            return None;
        }
        let (mark, always) = match result.status {
            Status::Failed if result.ignored => (p.yellow("ignored"), true),
            Status::Failed if result.rescued => (p.yellow("rescued"), true),
            Status::Failed => (p.red("failed"), true),
            Status::Unreachable => (p.red("unreachable"), true),
            Status::Unknown => (p.cyan("unknown"), true),
            Status::Skipped => (p.dim("skipped"), false),
            Status::Ok if result.changed == Changed::Yes => (p.yellow("changed"), true),
            Status::Ok => (p.green("ok"), debug),
        };
        if !always && self.verbosity == 0 {
            return None;
        }
        let mut line = format!("{mark:>11}  {host}  {}", task.name);
        if let Some(delegate) = &result.delegate {
            let _ = write!(line, " (on {delegate})");
        }
        let _ = write!(line, "  {}", p.dim(&format!("{:.1}s", result.elapsed.as_secs_f64())));
        if debug {
            let _ = write!(line, "\n{}", message_of(&result.value));
        }
        if failed {
            let _ = write!(line, "\n{}", indented(super::reason(result)));
        }
        if self.verbosity > 0 || self.quiet {
            self.details(&mut line, result);
        }
        Some(line)
    }

    fn details(&self, line: &mut String, result: &TaskResult) {
        for change in shown(result) {
            let sign = match change.action {
                Action::Create => "+",
                Action::Update => "~",
                Action::Delete => "-",
                Action::Run => "!",
            };
            let _ = write!(line, "\n             {sign} {} {}", change.kind, change.name);
        }
        if self.verbosity > 1 {
            let json = serde_json::to_string_pretty(&result.value.to_json()).unwrap_or_default();
            let _ = write!(line, "\n{}", indented(&json));
        }
    }

    fn warn(&self, text: &str) {
        self.warn_once(format!("{}: {text}", self.paint.yellow("warning")));
    }

    fn warn_once(&self, text: String) {
        let mut state = lock(&self.state);
        if !state.warnings.contains(&text) {
            state.warnings.push(text.clone());
            drop(state);
            self.say(&text);
        }
    }

    /// Every failure with what it is about and the host's last lines; hosts that failed alike together.
    pub fn failures(&self) -> String {
        // In the order of the tasks, since hosts come to their ends in any order.
        let mut failures = lock(&self.state).failures.clone();
        failures.sort_by(|(a, one, _), (b, other, _)| (one.id, a).cmp(&(other.id, b)));
        let mut alike: IndexMap<(u32, String), Vec<usize>> = IndexMap::new();
        for (number, (_, task, result)) in failures.iter().enumerate() {
            alike.entry((task.id, self.failure(task, result))).or_default().push(number);
        }
        let mut out = String::new();
        for ((_, text), numbers) in &alike {
            let hosts: Vec<&str> = numbers.iter().map(|n| failures[*n].0.as_str()).collect();
            let (_, task, result) = &failures[numbers[0]];
            let what = if result.status == Status::Unreachable { "unreachable" } else { "failed" };
            let _ = write!(out, "\n{}: {}: {}\n{text}", self.paint.red(what), hosts.join(", "), self.paint.bold(&task.name));
        }
        out
    }

    fn failure(&self, task: &TaskName, result: &TaskResult) -> String {
        let mut out = String::new();
        match &result.problem {
            Some(problem) => {
                if problem.place.is_none() {
                    let _ = writeln!(out, "  --> {}", task.place);
                }
                out.push_str(&problem.render(self.paint.colour));
                items(&mut out, &result.value);
            }
            None => {
                let _ = writeln!(out, "  --> {}", task.place);
                let _ = writeln!(out, "{}", indented(result.message.as_deref().unwrap_or("no message")));
                last_lines(&mut out, &result.value);
                if let Some(hint) = &result.hint {
                    let _ = writeln!(out, "hint: {hint}");
                }
            }
        }
        out
    }

    /// What is shown when the run is over: the failures, then one line a host that did something.
    pub fn finish(&self, counts: &[(String, Counts)]) -> String {
        format!("{}\n{}\n", self.failures(), totals(counts, self.started.elapsed(), self.paint))
    }
}

fn totals(counts: &[(String, Counts)], elapsed: Duration, p: Paint) -> String {
    let mut out = String::new();
    let width = counts.iter().map(|(h, _)| h.len()).max().unwrap_or(0);
    for (host, c) in counts.iter().filter(|(_, c)| c.changed + c.failed + c.unreachable > 0) {
        let mut parts = vec![format!("{} ok", c.ok)];
        let numbers =
            [(c.changed, "changed"), (c.failed, "failed"), (c.unreachable, "unreachable"), (c.rescued, "rescued"), (c.ignored, "ignored")];
        parts.extend(numbers.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        let _ = writeln!(out, "  {host:width$}  {}", parts.join(", "));
    }
    let sum = |f: fn(&Counts) -> usize| counts.iter().map(|(_, c)| f(c)).sum::<usize>();
    let (changed, failed) = (sum(|c| c.changed), sum(|c| c.failed + c.unreachable));
    let hosts = counts.len();
    let verdict = match (failed, changed) {
        (0, 0) => p.green("no changes"),
        (0, n) => p.green(&format!("{n} changed")),
        (f, n) => p.red(&format!("{n} changed, {f} failed")),
    };
    let _ = write!(out, "{hosts} host{}, {verdict}, {:.1}s", if hosts == 1 { "" } else { "s" }, elapsed.as_secs_f64());
    out
}

fn is_debug(task: &TaskName, result: &TaskResult) -> bool {
    crate::playbook::short_name(&task.module) == "debug" && result.status == Status::Ok
}

/// What `debug` says: every return value but what the program adds.
fn message_of(value: &Value) -> String {
    let map = value.as_map().cloned().unwrap_or_default();
    let named = |key: &str| map.get(key).map(Value::to_string).unwrap_or_default();
    let variables = [named("ansible_loop_var"), named("ansible_index_var")];
    let mut skip = vec!["changed", "failed", "item", "ansible_loop_var", "ansible_index_var", "ansible_loop", "attempts"];
    skip.extend(variables.iter().map(String::as_str));
    let shown: Vec<String> = map
        .iter()
        .filter(|(k, _)| !skip.contains(&k.as_str().unwrap_or_default()))
        .map(|(k, v)| {
            let text = match v {
                Value::Str(s) => s.to_string(),
                v => serde_json::to_string_pretty(&v.to_json()).unwrap_or_default(),
            };
            if k.as_str() == Some("msg") { text } else { format!("{k}: {text}") }
        })
        .collect();
    indented(&shown.join("\n"))
}

/// The failed items of a loop, or the result itself.
fn failed(value: &Value) -> Vec<Value> {
    let results = value.get("results").and_then(Value::as_list).map(<[Value]>::to_vec);
    let results = results.unwrap_or_else(|| vec![value.clone()]);
    results.into_iter().filter(|v| v.get("failed").is_some_and(Value::truthy)).collect()
}

fn items(out: &mut String, value: &Value) {
    for label in failed(value).iter().filter_map(|item| item.get("item")) {
        let _ = writeln!(out, "note: failed for the item {}", brief(label, 60));
    }
}

fn last_lines(out: &mut String, value: &Value) {
    for item in failed(value) {
        if let Some(label) = item.get("item") {
            let _ = writeln!(out, "    item {}: {}", brief(label, 60), item.get("msg").map(|m| brief(m, 200)).unwrap_or_default());
        }
        for stream in ["stdout", "stderr"] {
            let Some(text) = item.get(stream).and_then(Value::as_str).filter(|t| !t.trim().is_empty()) else { continue };
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(10)..] {
                let _ = writeln!(out, "    {stream} | {line}");
            }
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
}

impl Observer for Live {
    fn observe(&self, event: &Event) {
        match event {
            Event::PlayStarted { play, hosts } if !self.quiet => {
                let hosts = if hosts.len() > 8 { format!("{} hosts", hosts.len()) } else { hosts.join(", ") };
                self.say(&format!("{} {}", self.paint.bold(play), self.paint.dim(&format!("on {hosts}"))));
            }
            Event::TaskStarted { task, host } => self.begin(host, task),
            Event::TaskDone { task, host, result } => self.done(task, host, result),
            Event::ItemDone { task, host, result } => self.item(task, host, result),
            Event::Retry { task, host, left } if !self.quiet => {
                self.say(&format!("      again  {host}  {}  {left} tries left", task.name));
            }
            Event::Warning { problem: Some(problem), .. } => {
                self.warn_once(problem.render_warning(self.paint.colour).trim_end().to_string())
            }
            Event::Warning { text, .. } => self.warn(text),
            Event::Message { host, text } => self.say(&format!("             {host}: {text}")),
            _ => {}
        }
    }
}
