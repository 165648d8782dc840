//! Loops: the items of `loop` and `with_…`, and the result of all of them as one.

use super::super::action::Learner;
use super::{At, Outcome};
use crate::error::{Diagnostic, Result};
use crate::event::{Changed, Event, Status};
use crate::playbook::Loop;
use crate::template::{Condition, OMIT};
use crate::vars::HostScope;
use crate::yaml::Node;
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The items of a loop, or what keeps a plan from knowing them.
pub(in crate::apply) enum Items {
    /// The items in order.
    Known(Vec<Value>),
    /// Known after apply.
    Unknown(String),
}

/// What `loop_control` says.
pub(in crate::apply) struct Control {
    /// The variable that holds the item.
    pub(in crate::apply) variable: String,
    index: Option<String>,
    label: Option<Node>,
    pause: f64,
    extended: bool,
    allitems: bool,
    break_when: Vec<Node>,
}

impl At<'_> {
    /// The items of the task's loop.
    pub(in crate::apply) fn items(&self, looped: &Loop) -> Result<Items> {
        let shared = self.scope.shared();
        let value = match &looped.lookup {
            None => self.run.templates.value(&looped.items, &shared)?,
            Some(name) => self.run.templates.lookup(name, &looped.items, &self.task.action.module, &shared)?,
        };
        if let Value::Unknown(what) = value.reveal() {
            return Ok(Items::Unknown(what.to_string()));
        }
        match value.as_list() {
            Some(items) if matches!(value, Value::Secret(_)) => Ok(Items::Known(items.iter().cloned().map(Value::into_secret).collect())),
            Some(items) => Ok(Items::Known(items.to_vec())),
            None => Err(Box::new(
                Diagnostic::input(format!("`loop` needs a list, not {}", crate::error::with_article(value.type_name())))
                    .at(looped.items.place())
                    .hint(match value.type_name() {
                        "dictionary" => "loop over `dict | dict2items`",
                        _ => "give a list, or use `| list`",
                    }),
            )),
        }
    }

    /// Reads `loop_control`.
    pub(in crate::apply) fn control(&self) -> Result<Control> {
        let mut control = Control {
            variable: "item".into(),
            index: None,
            label: None,
            pause: 0.0,
            extended: false,
            allitems: true,
            break_when: Vec::new(),
        };
        let Some(node) = &self.task.loop_control else { return Ok(control) };
        let shared = self.scope.shared();
        let text = |node: &Node| self.run.templates.value(node, &shared).map(|v| v.reveal().to_string());
        for (key, value) in node.as_map().unwrap_or_default() {
            match key.as_str().unwrap_or_default() {
                "loop_var" => control.variable = text(value)?,
                "index_var" => control.index = Some(text(value)?),
                "label" => control.label = Some(value.clone()),
                "pause" => control.pause = self.number(Some(value), "pause", &self.scope)?.unwrap_or(0.0),
                "extended" => control.extended = bool::from_value(&self.run.templates.value(value, &shared)?).unwrap_or(false),
                "extended_allitems" => {
                    control.allitems = bool::from_value(&self.run.templates.value(value, &shared)?).unwrap_or(true);
                }
                "break_when" => control.break_when = super::until_conditions(value),
                other => {
                    let known = ["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];
                    return Err(Box::new(
                        Diagnostic::input(format!("`loop_control` has no `{other}`")).at(key.place()).nearest(other, known),
                    ));
                }
            }
        }
        Ok(control)
    }

    /// Runs the task, once or for each item.
    pub(super) async fn looped(&self) -> Outcome {
        let Some(looped) = &self.task.looped else { return self.once(&self.scope).await };
        match self.each(looped).await {
            Ok(outcome) => outcome,
            // A loop whose list is not there is no error where the condition says not to run at all.
            Err(error) => match self.holds(&self.context.when, &self.scope) {
                Ok((Condition::False, condition)) => Outcome::skipped(condition),
                _ => Outcome::broken(&error),
            },
        }
    }

    async fn each(&self, looped: &Loop) -> Result<Outcome> {
        let items = match self.items(looped)? {
            Items::Known(items) => items,
            Items::Unknown(what) => {
                return Ok(Outcome::unknown(self.register_name(), format!("runs for items that depend on {what}")));
            }
        };
        let control = self.control()?;
        let mut outcomes = Vec::new();
        for (number, item) in items.iter().enumerate() {
            if number > 0 && control.pause > 0.0 && self.run.live {
                tokio::time::sleep(Duration::from_secs_f64(control.pause)).await;
            }
            let scope = self.scope.with_locals(control.locals(&items, number));
            let started = Instant::now();
            let mut outcome = self.once(&scope).await;
            outcome.set_value("item", item.clone());
            outcome.set_value("ansible_loop_var", Value::str(&control.variable));
            if control.variable != "item" {
                outcome.set_value(&control.variable, item.clone());
            }
            if outcome.status == Status::Failed {
                outcome.ignored = self.flag("ignore_errors").unwrap_or(false);
            }
            let label = match self.label(&control, item, &self.seeing(&scope, &outcome)) {
                Ok(label) => Some(label),
                Err(error) => {
                    outcome.mislabelled(&error);
                    outcome.ignored = self.flag("ignore_errors").unwrap_or(false);
                    None
                }
            };
            let result = Arc::new(outcome.report(self.hidden, started.elapsed(), Some(label.unwrap_or_else(|| "None".into()))));
            self.run.observer.observe(&Event::ItemDone { task: self.name.clone(), host: self.host.to_string(), result });
            let unreachable = outcome.status == Status::Unreachable;
            let ends =
                !control.break_when.is_empty() && self.holds(&control.break_when, &self.seeing(&scope, &outcome))?.0 == Condition::True;
            outcomes.push(outcome);
            if unreachable || ends {
                break;
            }
        }
        Ok(whole(outcomes))
    }

    /// What a result shows of its item.
    fn label(&self, control: &Control, item: &Value, scope: &HostScope) -> Result<String> {
        let label = match &control.label {
            None => item.clone(),
            Some(node) => match self.run.templates.value(node, &scope.shared()) {
                // A plan cannot know every label; the item tells as much.
                Ok(label) if label.first_unknown().is_some() => item.clone(),
                label => label?,
            },
        };
        Ok(label.redacted().to_string())
    }
}

impl Control {
    /// What a task sees of the loop at one item.
    pub(in crate::apply) fn locals(&self, items: &[Value], number: usize) -> Map {
        let mut locals = Map::new();
        let mut set = |name: &str, value: Value| locals.insert(Value::str(name), value);
        set(&self.variable, items[number].clone());
        set("ansible_loop_var", Value::str(&self.variable));
        if let Some(index) = &self.index {
            set(index, number.into());
            set("ansible_index_var", Value::str(index));
        }
        if self.extended {
            let mut around = Map::new();
            let length = items.len();
            for (name, value) in [
                ("index", Value::from(number + 1)),
                ("index0", number.into()),
                ("revindex", (length - number).into()),
                ("revindex0", (length - number - 1).into()),
                ("first", (number == 0).into()),
                ("last", (number + 1 == length).into()),
                ("length", length.into()),
                ("allitems", Value::list(items.iter().cloned())),
            ] {
                if self.allitems || name != "allitems" {
                    around.insert(Value::str(name), value);
                }
            }
            if number > 0 {
                around.insert("previtem".into(), items[number - 1].clone());
            }
            if number + 1 < length {
                around.insert("nextitem".into(), items[number + 1].clone());
            }
            set("ansible_loop", around.into());
        }
        locals
    }
}

/// The result of all items as one.
fn whole(outcomes: Vec<Outcome>) -> Outcome {
    let any = |status: Status| outcomes.iter().any(|o| o.status == status);
    let mut failures = outcomes.iter().filter(|o| matches!(o.status, Status::Failed | Status::Unreachable)).peekable();
    let ignored = failures.peek().is_some() && failures.all(|o| o.ignored);
    let all_skipped = outcomes.iter().all(|o| o.status == Status::Skipped);
    let status = if any(Status::Unreachable) {
        Status::Unreachable
    } else if any(Status::Failed) {
        Status::Failed
    } else if all_skipped {
        Status::Skipped
    } else if outcomes.iter().any(|o| o.status == Status::Unknown) {
        Status::Unknown
    } else {
        Status::Ok
    };
    let changed = match () {
        () if outcomes.iter().any(|o| o.changed == Changed::Yes) => Changed::Yes,
        () if outcomes.iter().any(|o| o.changed == Changed::Unknown) => Changed::Unknown,
        () => Changed::No,
    };
    let mut value = Map::new();
    value.insert("results".into(), Value::list(outcomes.iter().map(|o| o.value.clone())));
    value.insert(
        "changed".into(),
        match changed {
            Changed::Unknown => Value::unknown("changed"),
            changed => Value::Bool(changed == Changed::Yes),
        },
    );
    value.insert("failed".into(), Value::Bool(status == Status::Failed));
    let msg = match status {
        Status::Failed => "One or more items failed",
        Status::Skipped if outcomes.is_empty() => "No items in the list",
        Status::Skipped => "All items skipped",
        _ => "All items completed",
    };
    value.insert("msg".into(), msg.into());
    if status == Status::Skipped {
        value.insert("skipped".into(), Value::Bool(true));
        if outcomes.is_empty() {
            value.insert("skipped_reason".into(), msg.into());
        }
    }
    let failure = outcomes.iter().find(|o| matches!(o.status, Status::Failed | Status::Unreachable));
    let mut facts: Option<Map> = None;
    for more in outcomes.iter().filter_map(|o| o.facts.as_ref()) {
        facts.get_or_insert_default().extend(more.clone());
    }
    Outcome {
        status,
        changed,
        ignored,
        looped: true,
        broken: outcomes.iter().any(|o| o.broken),
        message: failure.or_else(|| outcomes.iter().find(|o| o.status == status)).and_then(|o| o.message.clone()),
        hint: failure.and_then(|o| o.hint.clone()),
        problem: failure.and_then(|o| o.problem.clone()),
        delegate: outcomes.last().and_then(|o| o.delegate.clone()),
        facts,
        learner: outcomes.last().map_or(Learner::Own, |o| o.learner.clone()),
        set: outcomes.iter().flat_map(|o| o.set.clone()).collect(),
        warnings: outcomes.iter().flat_map(|o| o.warnings.clone()).collect(),
        changes: outcomes.into_iter().flat_map(|o| o.changes).collect(),
        value: value.into(),
    }
}

/// Drops items that are `omit`.
pub(in crate::apply) fn without_omitted(map: Map) -> Map {
    map.into_iter().filter(|(_, v)| v.as_str() != Some(OMIT)).collect()
}
