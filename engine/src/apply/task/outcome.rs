//! What came of a task: the registered result and what the program knows beside it.

use super::super::action::{Learner, Performed};
use crate::error::Diagnostic;
use crate::event::{Changed, Status, TaskResult};
use modules::change::Change;
use modules::value::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// The outcome of a task, or of one item of its loop.
#[derive(Debug, Clone)]
pub(in crate::apply) struct Outcome {
    pub(in crate::apply) status: Status,
    pub(in crate::apply) changed: Changed,
    pub(in crate::apply) ignored: bool,
    /// Whether it is that of all items of a loop.
    pub(in crate::apply) looped: bool,
    /// Whether the task itself is wrong (a template, an argument): `failed_when` does not forgive that.
    pub(in crate::apply) broken: bool,
    pub(in crate::apply) value: Value,
    pub(in crate::apply) facts: Option<Map>,
    pub(in crate::apply) learner: Learner,
    pub(in crate::apply) set: Vec<(String, Value)>,
    pub(in crate::apply) changes: Vec<Change>,
    pub(in crate::apply) warnings: Vec<String>,
    pub(in crate::apply) message: Option<String>,
    pub(in crate::apply) hint: Option<String>,
    pub(in crate::apply) delegate: Option<String>,
    pub(in crate::apply) problem: Option<Arc<Diagnostic>>,
}

impl Outcome {
    fn plain(status: Status, value: Value) -> Outcome {
        Outcome {
            status,
            changed: Changed::No,
            ignored: false,
            looped: false,
            broken: false,
            value,
            facts: None,
            learner: Learner::Own,
            set: Vec::new(),
            changes: Vec::new(),
            warnings: Vec::new(),
            message: None,
            hint: None,
            delegate: None,
            problem: None,
        }
    }

    /// The task's condition did not hold.
    pub(in crate::apply) fn skipped(condition: Option<String>) -> Outcome {
        let mut value = Map::new();
        value.insert("changed".into(), Value::Bool(false));
        value.insert("skipped".into(), Value::Bool(true));
        value.insert("skip_reason".into(), "Conditional result was False".into());
        if let Some(condition) = &condition {
            // What is written as a truth value stays one.
            let shown = if condition == "False" { Value::Bool(false) } else { condition.as_str().into() };
            value.insert("false_condition".into(), shown);
        }
        Outcome { message: condition, ..Outcome::plain(Status::Skipped, value.into()) }
    }

    /// A plan cannot tell.
    pub(in crate::apply) fn unknown(register: &str, why: String) -> Outcome {
        Outcome { changed: Changed::Unknown, message: Some(why), ..Outcome::plain(Status::Unknown, Value::unknown(register)) }
    }

    /// The task itself is wrong.
    pub(in crate::apply) fn broken(error: &Diagnostic) -> Outcome {
        Outcome::of(Performed::broken(error), "")
    }

    /// Fails because `changed_when` or `failed_when` cannot be evaluated; what the module returned stays.
    pub(super) fn spoil(&mut self, entry: &str, error: &Diagnostic) {
        let broken = Performed::broken(error);
        self.status = Status::Failed;
        self.broken = true;
        let message = broken.message.clone().unwrap_or_default();
        for (name, value) in [(entry, message.as_str().into()), ("failed", Value::Bool(true)), ("msg", message.as_str().into())] {
            self.set_value(name, value);
        }
        (self.message, self.hint, self.problem) = (broken.message, broken.hint, broken.problem);
    }

    /// Fails because the label of an item of a loop cannot be rendered.
    pub(super) fn mislabelled(&mut self, error: &Diagnostic) {
        let broken = Performed::broken(error);
        self.status = Status::Failed;
        self.broken = true;
        let said = error.words();
        self.set_value("msg", format!("Failed to template loop_control.label: {said}").into());
        self.set_value("failed", Value::Bool(true));
        (self.message, self.hint, self.problem) = (broken.message, broken.hint, broken.problem);
    }

    /// The outcome of a module or action.
    pub(in crate::apply) fn of(performed: Performed, register: &str) -> Outcome {
        let Performed { status, changed, mut returns, changes, warnings, message, hint, learner, set, delegate, broken, problem } =
            performed;
        if status == Status::Unknown && returns.is_empty() {
            let mut outcome = Outcome::unknown(register, message.unwrap_or_default());
            outcome.changes = changes;
            outcome.delegate = delegate;
            return outcome;
        }
        let facts = returns.get("ansible_facts").and_then(Value::as_map).cloned();
        for stream in ["stdout", "stderr"] {
            let lines = format!("{stream}_lines");
            match returns.get(stream) {
                Some(Value::Str(text)) if !returns.contains_key(lines.as_str()) => {
                    let split = Value::list(text.lines().map(Value::str));
                    returns.insert(lines.into(), split);
                }
                Some(Value::Secret(text)) if !returns.contains_key(lines.as_str()) => {
                    let split = Value::list(text.to_string().lines().map(Value::str)).into_secret();
                    returns.insert(lines.into(), split);
                }
                Some(Value::Unknown(what)) => {
                    let unknown = Value::Unknown(what.clone());
                    returns.insert(lines.into(), unknown);
                }
                _ => {}
            }
        }
        let changed_value = match changed {
            Changed::Yes => Value::Bool(true),
            Changed::No => Value::Bool(false),
            Changed::Unknown => Value::unknown("changed"),
        };
        if !warnings.is_empty() && !returns.contains_key("warnings") {
            returns.insert("warnings".into(), warnings.clone().into());
        }
        returns.insert("changed".into(), changed_value);
        returns.insert("failed".into(), Value::Bool(matches!(status, Status::Failed)));
        if status == Status::Skipped {
            returns.insert("skipped".into(), Value::Bool(true));
        }
        if status == Status::Unreachable {
            returns.insert("unreachable".into(), Value::Bool(true));
        }
        if status == Status::Failed && !returns.contains_key("exception") {
            // Ansible's results carry a Python traceback here; this program has none to give.
            returns.insert("exception".into(), "(traceback unavailable)".into());
        }
        if let Some(message) = &message
            && !returns.contains_key("msg")
        {
            returns.insert("msg".into(), message.as_str().into());
        }
        if !warnings.is_empty() {
            returns.insert("warnings".into(), Value::list(warnings.iter().map(Value::str)));
        }
        Outcome {
            status,
            changed,
            broken,
            value: returns.into(),
            facts,
            learner,
            set,
            changes,
            warnings,
            message,
            hint,
            delegate,
            problem,
            ignored: false,
            looped: false,
        }
    }

    /// Whether it counts as a failure that is not ignored.
    pub(in crate::apply) fn is_failure(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Unreachable) && !self.ignored
    }

    /// Sets one entry of the registered result.
    pub(in crate::apply) fn set_value(&mut self, name: &str, value: Value) {
        if let Some(map) = self.value.as_map() {
            let mut map = map.clone();
            map.insert(Value::str(name), value);
            self.value = map.into();
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if let Some(map) = self.value.as_map() {
            let mut map = map.clone();
            if let Some(value) = map.shift_remove(from) {
                map.insert(Value::str(to), value);
            }
            self.value = map.into();
        }
    }

    /// What `changed_when` says.
    pub(super) fn set_changed(&mut self, changed: Changed) {
        self.changed = changed;
        if changed == Changed::No && self.changes.iter().all(|c| c.action == modules::change::Action::Run) {
            // The author knows that what runs changes nothing: the plan need not show it.
            self.changes.clear();
        }
        self.set_value(
            "changed",
            match changed {
                Changed::Yes => Value::Bool(true),
                Changed::No => Value::Bool(false),
                Changed::Unknown => Value::unknown("changed"),
            },
        );
    }

    /// What `failed_when` says.
    pub(super) fn set_failed(&mut self, failed: bool, condition: &str) {
        self.set_value("failed", Value::Bool(failed));
        self.set_value("failed_when_result", Value::Bool(failed));
        if failed && self.status != Status::Failed {
            self.status = Status::Failed;
            self.message.get_or_insert_with(|| format!("`failed_when` holds: {condition}"));
        } else if !failed && self.status == Status::Failed {
            self.status = Status::Ok;
            self.message = None;
            self.problem = None;
            self.rename("exception", "failed_when_suppressed_exception");
        }
        if failed {
            self.set_value("exception", "(traceback unavailable)".into());
        }
    }

    /// As observers see it: without secrets.
    pub(in crate::apply) fn report(&self, hidden: bool, elapsed: Duration, item: Option<String>) -> TaskResult {
        let censored = || Value::map([("censored", Value::str("the output is hidden: `no_log: true`"))]);
        let mut changes = self.changes.clone();
        if hidden {
            for field in changes.iter_mut().flat_map(|c| &mut c.fields) {
                field.before = Value::str("(sensitive)");
                field.after = Value::str("(sensitive)");
            }
            changes.iter_mut().filter(|c| c.kind == "command").for_each(|c| c.name = "(sensitive)".into());
        }
        TaskResult {
            status: self.status,
            changed: self.changed,
            ignored: self.ignored,
            rescued: false,
            changes,
            value: if hidden { censored() } else { self.value.redacted() },
            message: if hidden { self.message.as_ref().map(|_| "(hidden: `no_log: true`)".into()) } else { self.message.clone() },
            hint: if hidden { None } else { self.hint.clone() },
            problem: if hidden { None } else { self.problem.clone() },
            warnings: if hidden { Vec::new() } else { self.warnings.clone() },
            delegate: self.delegate.clone(),
            item: if hidden { item.map(|_| "(sensitive)".into()) } else { item },
            elapsed,
            hidden,
        }
    }
}
