//! One task on one host: condition, loop, tries, result.

mod items;
mod outcome;

use super::action::{self, Learner, Performed};
use super::play::Batch;
use super::{Gone, Run, include};
use crate::error::{Diagnostic, Kind, Result};
use crate::event::{Changed, Event, Status, TaskName, TaskResult};
use crate::graph::{Context, Step};
use crate::playbook::{Task, short_name};
use crate::template::Condition;
use crate::vars::HostScope;
use crate::yaml::Node;
pub(super) use items::{Items, without_omitted};
use modules::args::FromValue;
use modules::value::{Map, Value};
pub(super) use outcome::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One task on one host, and what it can see.
pub(super) struct At<'a> {
    pub(super) run: &'a Arc<Run>,
    pub(super) batch: &'a Arc<Batch>,
    pub(super) task: &'a Arc<Task>,
    pub(super) context: &'a Arc<Context>,
    pub(super) host: &'a str,
    pub(super) scope: HostScope,
    pub(super) name: Arc<TaskName>,
    pub(super) hidden: bool,
}

/// Whether handlers run here on `host`: a task that flushes them may have a condition.
pub(super) async fn flushes(run: &Arc<Run>, batch: &Arc<Batch>, step: &Arc<Step>, host: &Arc<str>) -> bool {
    perform(run, batch, step, host, std::slice::from_ref(host)).await == Some(Status::Ok)
}

/// Runs a step on `host` and settles its result for `for_hosts`; how it ended.
pub(super) async fn perform(
    run: &Arc<Run>,
    batch: &Arc<Batch>,
    step: &Arc<Step>,
    host: &Arc<str>,
    for_hosts: &[Arc<str>],
) -> Option<Status> {
    let task = step.task()?;
    let quiet = step.module() == "meta";
    let locals = run.progress.failure(host);
    let scope = HostScope {
        fleet: run.fleet.clone(),
        host: Some(host.to_string()),
        play: Some(batch.instance.clone()),
        context: Some(step.context.clone()),
        locals: Arc::new(locals),
    };
    let called = match module_called(run, task, &scope) {
        Ok(called) => called,
        Err(error) => {
            run.reject(*error);
            return None;
        }
    };
    let task = called.as_ref().unwrap_or(task);
    let name = task_name(run, step, task, &scope);
    let mut at = At { run, batch, task, context: &step.context, host, scope, name, hidden: false };
    let started = Instant::now();
    if !quiet {
        run.observer.observe(&Event::TaskStarted { task: at.name.clone(), host: host.to_string() });
    }
    let outcome = match at.flag("no_log") {
        Ok(hidden) => {
            at.hidden = hidden;
            match step.is_include() {
                true => include::request(&at, step, std::slice::from_ref(host)).await,
                false => at.looped().await,
            }
        }
        Err(error) => Outcome::broken(&error),
    };
    let status = outcome.status;
    settle(&at, step, for_hosts, outcome, started.elapsed());
    Some(status)
}

/// The task with its module's name rendered, where a template gives that (`action: "{{ module }} …"`).
fn module_called(run: &Run, task: &Task, scope: &HostScope) -> Result<Option<Arc<Task>>> {
    if !task.action.module.contains("{{") {
        return Ok(None);
    }
    let node = Node::new(task.action.place.clone(), crate::yaml::Data::Str(task.action.module.as_str().into()));
    let mut task = task.clone();
    task.action.module = run.templates.value(&node, &scope.shared())?.to_string();
    Ok(Some(Arc::new(task)))
}

fn task_name(run: &Run, step: &Step, task: &Task, scope: &HostScope) -> Arc<TaskName> {
    let written = task.name.as_ref().map(|node| {
        let rendered = run.templates.value(node, &scope.shared()).ok().filter(|v| v.first_unknown().is_none());
        rendered.map_or_else(|| node.as_str().unwrap_or_default().to_string(), |v| v.redacted().to_string())
    });
    let called = || match step.module() {
        "include_role" => {
            let role = task.action.args.iter().find(|(k, _)| matches!(k.as_str(), "name" | "role")).map(|(_, node)| node);
            let role = role.and_then(|node| run.templates.value(node, &scope.shared()).ok()).filter(|v| v.first_unknown().is_none());
            role.map(|role| format!("{} : {}", task.action.module, role.redacted()))
        }
        _ => None,
    };
    let name = written.filter(|n| !n.is_empty()).or_else(called).unwrap_or_else(|| task.action.module.clone());
    let name = match &step.context.role {
        Some(role) => format!("{} : {name}", role.name),
        None => name,
    };
    Arc::new(TaskName {
        id: step.id,
        name,
        module: task.action.module.clone(),
        place: format!("{}:{}", task.place.source.path().display(), task.place.line),
        at: Some(task.place.clone()),
        handler: step.context.handler,
    })
}

/// Registers the result, remembers facts, notifies handlers, takes failures up, and tells the observers.
fn settle(at: &At<'_>, step: &Step, for_hosts: &[Arc<str>], mut outcome: Outcome, elapsed: Duration) {
    let run = at.run;
    if matches!(outcome.status, Status::Failed | Status::Unreachable) {
        let keyword = if outcome.status == Status::Failed { "ignore_errors" } else { "ignore_unreachable" };
        match at.flag(keyword) {
            // A loop has asked for each of its items.
            _ if outcome.ignored => {}
            Ok(ignored) => outcome.ignored = ignored && !outcome.looped,
            Err(error) => outcome = Outcome::broken(&error),
        }
    }
    let registered = at.task.register.as_ref().map(|name| {
        let value = if run.live { outcome.value.clone() } else { owned(&outcome.value, name) };
        (name, if at.hidden { value.into_secret() } else { value })
    });
    for host in for_hosts {
        if let Some((name, value)) = &registered {
            run.fleet.remember(host, name, value.clone());
        }
        if let Some(facts) = &outcome.facts {
            match &outcome.learner {
                Learner::Own => run.fleet.learn(host, facts),
                Learner::Delegate(other) => run.fleet.learn(other, facts),
                Learner::Nobody => {}
            }
        }
        let owner = match &outcome.learner {
            Learner::Delegate(other) => other.as_str(),
            _ => host,
        };
        for (name, fact) in &outcome.set {
            run.fleet.remember(owner, name, fact.clone());
        }
    }
    if let Some(role) = at.context.role.as_ref().filter(|_| !matches!(outcome.status, Status::Skipped | Status::Unreachable)) {
        run.progress.ran_role(at.host, role);
    }
    if outcome.changed != Changed::No
        && matches!(outcome.status, Status::Ok | Status::Unknown)
        && let Err(error) = notify(at, for_hosts)
    {
        outcome = Outcome::broken(&error);
    }
    let mut result = outcome.report(at.hidden, elapsed, None);
    if outcome.is_failure() {
        result.rescued = fail(at, step, for_hosts, &outcome);
    }
    if step.module() == "meta" {
        // Ansible neither tells of `meta` nor counts it, unless something is to be said.
        if result.status == Status::Ok {
            let text = result.message.clone().unwrap_or_default();
            return run.observer.observe(&Event::Meta { task: at.name.clone(), host: at.host.to_string(), text });
        }
        run.observer.observe(&Event::TaskStarted { task: at.name.clone(), host: at.host.to_string() });
    }
    if step.module() != "meta" || result.is_failure() {
        count(run, at.host, &result);
    }
    run.observer.observe(&Event::TaskDone { task: at.name.clone(), host: at.host.to_string(), result: Arc::new(result) });
}

/// A result whose unknown entries say whose they are: `r.stdout` and not `stdout`.
fn owned(value: &Value, register: &str) -> Value {
    match value {
        Value::Unknown(what) if what.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && **what != *register => {
            Value::unknown(format!("{register}.{what}"))
        }
        Value::Map(map) => Value::from(map.iter().map(|(k, v)| (k.clone(), owned(v, register))).collect::<Map>()),
        Value::List(list) => Value::list(list.iter().map(|v| owned(v, register))),
        other => other.clone(),
    }
}

/// Takes the hosts of a failed task to their `rescue`, or out of the play. True when a `rescue` takes it up.
fn fail(at: &At<'_>, step: &Step, for_hosts: &[Arc<str>], outcome: &Outcome) -> bool {
    let mut rescued = false;
    // As the task itself says it: the heading puts the role before it.
    let role = at.context.role.as_ref().map(|role| format!("{} : ", role.name)).unwrap_or_default();
    let name = at.name.name.strip_prefix(&role).unwrap_or(&at.name.name);
    let task = Value::map([("name", Value::str(name)), ("action", Value::str(&at.name.module))]);
    for host in for_hosts {
        if outcome.status == Status::Unreachable {
            at.batch.leave(at.run, host, Gone::Unreachable);
            continue;
        }
        let mut failure = Map::new();
        failure.insert(Value::str("ansible_failed_task"), task.clone());
        failure.insert(Value::str("ansible_failed_result"), outcome.value.clone());
        rescued = at.run.progress.fail(host, &step.context.sections, failure);
        at.batch.note_gone(at.run, host);
    }
    if at.flag("any_errors_fatal").unwrap_or(false) {
        at.batch.fail_all(at.run, step);
    }
    rescued
}

fn count(run: &Run, host: &str, result: &TaskResult) {
    run.progress.count(host, |c| {
        match result.status {
            Status::Ok => c.ok += 1,
            Status::Skipped => c.skipped += 1,
            Status::Unknown => c.unknown += 1,
            Status::Failed if result.ignored => {
                c.ok += 1;
                c.ignored += 1;
            }
            Status::Failed if result.rescued => c.rescued += 1,
            Status::Failed => c.failed += 1,
            Status::Unreachable => c.unreachable += 1,
        }
        c.changed += usize::from(result.changed == Changed::Yes && result.status == Status::Ok);
    });
}

/// Finds the handlers that a changed task notifies, by name, `role : name` or `listen`.
fn notify(at: &At<'_>, for_hosts: &[Arc<str>]) -> Result<()> {
    let mut names = Vec::new();
    for node in at.task.notify.iter().chain(&at.context.notify) {
        let value = at.run.templates.value(node, &at.scope.shared())?;
        match value.as_list() {
            // Which handler it is shows when the task has run.
            _ if value.first_unknown().is_some() => {}
            Some(list) => names.extend(list.iter().map(|v| (v.reveal().to_string(), node.clone()))),
            None => names.push((value.reveal().to_string(), node.clone())),
        }
    }
    for (name, node) in names {
        let found = handlers_named(at, &name);
        if found.is_empty() {
            let handlers = crate::vars::read(&at.batch.handlers);
            let known: Vec<String> = handlers.iter().filter_map(|h| h.step.task()?.name.as_ref()?.as_str().map(str::to_string)).collect();
            let error = Diagnostic::input(format!("no handler is called `{name}` or listens to it")).at(node.place());
            let lists = "either the main handlers list nor in the listening handlers list";
            let error = error.said(format!("The requested handler '{name}' was not found in {lists}"));
            let error = error.nearest(&name, known.iter().map(String::as_str));
            if at.run.settings.error_on_missing_handler {
                return Err(Box::new(error));
            }
            at.run.warn(error);
        }
        for_hosts.iter().for_each(|host| at.run.progress.notify(host, &found));
    }
    Ok(())
}

/// The handlers that a name stands for: the first of that name in the play or role that was listed last, and all that listen,
/// of equal names again the one listed last.
fn handlers_named(at: &At<'_>, name: &str) -> Vec<usize> {
    let handlers = crate::vars::read(&at.batch.handlers);
    let mut by_name: Option<(usize, _)> = None;
    // By their own names; those without one all run.
    let mut listening: Vec<(Option<String>, usize, _)> = Vec::new();
    for (number, handler) in handlers.iter().enumerate() {
        let Some(task) = handler.step.task() else { continue };
        let role = handler.step.context.role.as_ref();
        let said = |own: &str| {
            let full = |role: &str| name.strip_prefix(role).and_then(|rest| rest.strip_prefix(" : ")) == Some(own);
            own == name || role.is_some_and(|r| full(&r.name) || full(short_name(&r.name)))
        };
        let (own, owner) = (handler_name(at, task, &handler.step), role.map(Arc::as_ptr));
        if own.as_ref().is_some_and(|own| said(own)) && by_name.is_none_or(|(_, other)| other != owner) {
            by_name = Some((number, owner));
        }
        let topics = task.listen.iter().flat_map(|node| node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec));
        if topics.filter_map(|topic| topic.as_str().map(str::to_string)).any(|topic| said(&topic)) {
            match listening.iter_mut().find(|(name, ..)| own.is_some() && *name == own) {
                Some((_, _, other)) if *other == owner => {}
                Some(same) => *same = (own, number, owner),
                None => listening.push((own, number, owner)),
            }
        }
    }
    by_name.map(|(number, _)| number).into_iter().chain(listening.into_iter().map(|(_, number, _)| number)).collect()
}

/// A handler's rendered name. One that cannot be rendered can be notified only by what it listens to.
fn handler_name(at: &At<'_>, task: &Task, step: &Step) -> Option<String> {
    let written = task.name.as_ref()?;
    let scope = HostScope { context: Some(step.context.clone()), host: None, ..at.scope.clone() };
    match at.run.templates.value(written, &scope.shared()) {
        Ok(name) => Some(name.reveal().to_string()),
        Err(error) => {
            if task.listen.is_none() {
                let text = written.as_str().unwrap_or_default();
                let warning = Diagnostic::input(format!("the name of the handler `{text}` cannot be rendered, and it listens to nothing"));
                let why = "because it has no listen topics and the name could not be templated (host-specific variables are not \
                           supported in handler names). The error";
                let said = format!("Handler '{text}' is unusable {why}: {}", error.summary);
                at.run.warn(warning.at(written.place()).note(error.summary.clone()).said(said));
            }
            None
        }
    }
}

impl At<'_> {
    /// A keyword that is a truth value; false when it is not given.
    pub(super) fn flag(&self, keyword: &str) -> Result<bool> {
        let given = match self.given(keyword, &self.scope) {
            // Better to hide too much, and to go on: what a plan cannot know fails nothing.
            Err(error) if error.kind == Kind::Unknown && matches!(keyword, "no_log" | "ignore_errors" | "ignore_unreachable") => {
                return Ok(true);
            }
            given => given?,
        };
        let Some((value, node)) = given else { return Ok(false) };
        bool::from_value(&value).map_err(|why| Box::new(Diagnostic::input(format!("`{keyword}` {why}")).at(node.place())))
    }

    /// What the nearest of a keyword says, and where: one that is `omit` leaves it to those around it.
    pub(super) fn given(&self, keyword: &str, scope: &HostScope) -> Result<Option<(Value, &Node)>> {
        for node in self.context.others.get(keyword).into_iter().flatten().rev() {
            let value = self.keyword(node, keyword, scope)?;
            if value.as_str() != Some(crate::template::OMIT) {
                return Ok(Some((value, node)).filter(|(value, _)| !matches!(value, Value::Null)));
            }
        }
        Ok(None)
    }

    /// A keyword's value; an error of its own kind where a plan cannot know it.
    pub(super) fn keyword(&self, node: &Node, name: &str, scope: &HostScope) -> Result<Value> {
        let value = self.run.templates.value(node, &scope.shared())?;
        match value.first_unknown() {
            Some(what) => Err(Box::new(Diagnostic::unknown(name, what).at(node.place()))),
            None => Ok(value),
        }
    }

    /// A number that a keyword of the task gives.
    pub(super) fn number(&self, node: Option<&Node>, name: &str, scope: &HostScope) -> Result<Option<f64>> {
        let Some(node) = node else { return Ok(None) };
        let value = self.keyword(node, name, scope)?;
        f64::from_value(&value).map(Some).map_err(|why| Box::new(Diagnostic::input(format!("`{name}` {why}")).at(node.place())))
    }

    /// Whether all conditions hold.
    pub(super) fn holds(&self, conditions: &[Node], scope: &HostScope) -> Result<(Condition, Option<String>)> {
        let shared = scope.shared();
        for node in conditions {
            match self.run.templates.condition(node, &shared)? {
                Condition::True => {}
                Condition::False => return Ok((Condition::False, Some(written(node)))),
                unknown => return Ok((unknown, Some(written(node)))),
            }
        }
        Ok((Condition::True, None))
    }

    /// One run of the task for one item (or for none): condition, tries, verdict.
    async fn once(&self, scope: &HostScope) -> Outcome {
        if let Some(error) = crate::graph::check::late_flags(self.task) {
            return Outcome::broken(&error);
        }
        let mut outcome = self.conditional(scope).await;
        if outcome.status == Status::Unknown && self.changes_nothing() {
            outcome.changed = Changed::No;
            outcome.changes.clear();
        }
        outcome
    }

    /// Whether the task can only look, whatever it finds: a plan need not show it.
    fn changes_nothing(&self) -> bool {
        let name = crate::playbook::short_name(&self.task.action.module);
        let declared = self.task.changed_when.as_ref().is_some_and(|n| matches!(n.data(), crate::yaml::Data::Bool(false)));
        let reads = modules::registry::find(name).is_some_and(|m| m.foresight == modules::module::Foresight::Reads);
        declared || reads || matches!(name, "assert" | "debug" | "fail" | "set_fact" | "gather_facts" | "pause" | "wait_for_connection")
    }

    async fn conditional(&self, scope: &HostScope) -> Outcome {
        let is_meta = short_name(&self.task.action.module) == "meta";
        match self.holds(&self.context.when, scope) {
            Ok((Condition::True, _)) => {}
            Ok((Condition::False, _)) if is_meta => {
                if let Some(returns) = action::meta::skipped(self) {
                    return Outcome::of(Performed { status: Status::Skipped, ..Performed::ok(returns) }, self.register_name());
                }
                let warning = Diagnostic::input("this kind of `meta` knows no condition: it runs whatever `when` says");
                self.run.warn(warning.at(&self.task.place));
            }
            Ok((Condition::False, condition)) => return Outcome::skipped(condition),
            Ok((Condition::Unknown(what), _)) => {
                return Outcome::unknown(self.register_name(), format!("may run: its condition depends on {what}"));
            }
            Err(error) => return Outcome::broken(&error),
        }
        self.tries(scope).await.unwrap_or_else(|error| Outcome::broken(&error))
    }

    fn register_name(&self) -> &str {
        self.task.register.as_deref().unwrap_or(&self.name.name)
    }

    async fn tries(&self, scope: &HostScope) -> Result<Outcome> {
        let retries = self.number(self.task.retries.as_ref(), "retries", scope)?;
        let tries = match (&self.task.until, retries) {
            (None, None) => 1,
            (_, retries) => retries.unwrap_or(3.0).max(0.0) as i64 + 1,
        };
        let delay = self.number(self.task.delay.as_ref(), "delay", scope)?.unwrap_or(5.0).max(0.0);
        let mut attempt = 1;
        loop {
            let mut performed = self.attempt(scope).await;
            // The conditions of the verdict may count the attempts.
            if tries > 1 && performed.status != Status::Unknown {
                performed.returns.insert("attempts".into(), Value::Int(attempt));
            }
            let mut outcome = self.verdict(scope, performed)?;
            let good = match &self.task.until {
                Some(node) if tries > 1 => {
                    let seen = self.seeing(scope, &outcome);
                    match self.holds(&until_conditions(node), &seen)?.0 {
                        Condition::True => true,
                        Condition::False => false,
                        Condition::Unknown(_) => return Ok(outcome),
                    }
                }
                _ => outcome.status != Status::Failed,
            };
            if good || tries == 1 || outcome.status == Status::Unreachable || !self.run.live {
                return Ok(outcome);
            }
            if attempt >= tries {
                // As Ansible counts: the first try is none of the retries.
                outcome.set_value("attempts", Value::Int(tries - 1));
                outcome.set_value("failed", Value::Bool(true));
                // What `failed_when` has decided stands.
                if outcome.status != Status::Failed && self.task.failed_when.is_none() {
                    outcome.status = Status::Failed;
                    outcome.message.get_or_insert_with(|| format!("gave up after {tries} tries: `until` never held"));
                }
                return Ok(outcome);
            }
            let left = tries - attempt;
            self.run.observer.observe(&Event::Retry { task: self.name.clone(), host: self.host.to_string(), left });
            tokio::time::sleep(Duration::from_secs_f64(delay)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, scope: &HostScope) -> Performed {
        let limit = match self.time_limit(scope) {
            Ok(limit) => limit,
            Err(error) => return Performed::broken(&error),
        };
        let started = Instant::now();
        let done = match limit {
            // What runs on a host is ended there; this is for what waits here.
            Some(limit) => tokio::time::timeout(limit + Duration::from_secs(15), action::perform(self, scope)).await,
            None => Ok(action::perform(self, scope).await),
        };
        match (done, limit) {
            (Ok(Ok(done)), Some(limit)) if done.status == Status::Failed && started.elapsed() >= limit => done.timed_out(limit),
            (Ok(done), _) => self.settled(done),
            (Err(_), limit) => Performed::failed("").timed_out(limit.unwrap_or_default()),
        }
    }

    /// The task's `timeout`.
    pub(super) fn time_limit(&self, scope: &HostScope) -> Result<Option<Duration>> {
        let Some((value, node)) = self.given("timeout", scope)? else { return Ok(None) };
        let seconds = i64::from_value(&value);
        let seconds = seconds.map_err(|why| Box::new(Diagnostic::input(format!("`timeout` {why}")).at(node.place())))?;
        if !(0..=100_000_000).contains(&seconds) {
            let error = Diagnostic::input(format!("`timeout` must be between 0 and 100000000, not {seconds}")).at(node.place());
            return Err(Box::new(error.said(format!("Timeout {seconds} is invalid, it must be between 0 and 100000000."))));
        }
        Ok(Some(Duration::from_secs(seconds.unsigned_abs())).filter(|limit| !limit.is_zero()))
    }

    fn settled(&self, done: Result<Performed>) -> Performed {
        match done {
            Ok(performed) => self.with_diff(performed),
            Err(error) if error.kind == Kind::Unreachable => Performed::unreachable(&error),
            Err(error) => Performed::broken(&error),
        }
    }

    /// Adds `diff` to the result, where `--diff` or the keyword asks for it.
    fn with_diff(&self, mut performed: Performed) -> Performed {
        let asked = match self.context.nearest("diff") {
            Some(_) => self.flag("diff").unwrap_or(false),
            None => self.run.fleet.options.diff,
        };
        // What a module has to show only if asked.
        let own = performed.returns.shift_remove(&Value::str("_diff"));
        if !asked || performed.status == Status::Unknown || performed.returns.contains_key("diff") {
            return performed;
        }
        let module = crate::playbook::short_name(&self.task.action.module);
        let changed = || (!performed.changes.is_empty()).then(|| action::diff(module, &performed.changes));
        if let Some(diff) = own.or_else(changed) {
            performed.returns.insert("diff".into(), diff);
        }
        performed
    }

    /// The scope that `until`, `changed_when` and `failed_when` see: with the result under its registered name.
    fn seeing(&self, scope: &HostScope, outcome: &Outcome) -> HostScope {
        let mut locals = Map::new();
        if let Some(register) = &self.task.register {
            locals.insert(Value::str(register), outcome.value.clone());
        }
        scope.with_locals(locals)
    }

    /// Applies `changed_when` and `failed_when`.
    fn verdict(&self, scope: &HostScope, performed: Performed) -> Result<Outcome> {
        let mut outcome = Outcome::of(performed, self.register_name());
        if matches!(outcome.status, Status::Unreachable | Status::Skipped) || outcome.broken {
            return Ok(outcome);
        }
        if let Some(node) = &self.task.changed_when {
            match self.holds(&until_conditions(node), &self.seeing(scope, &outcome)) {
                Ok((Condition::True, _)) => outcome.set_changed(Changed::Yes),
                Ok((Condition::False, _)) => outcome.set_changed(Changed::No),
                Ok((Condition::Unknown(_), _)) => outcome.set_changed(Changed::Unknown),
                Err(error) => outcome.spoil("changed_when_result", &error),
            }
        }
        if let Some(node) = &self.task.failed_when {
            match self.holds(&until_conditions(node), &self.seeing(scope, &outcome)) {
                Ok((verdict, _)) => outcome.set_failed(verdict == Condition::True, &written(node)),
                Err(error) => outcome.spoil("failed_when_result", &error),
            }
        }
        Ok(outcome)
    }
}

/// A condition or list of conditions, as written.
fn until_conditions(node: &Node) -> Vec<Node> {
    node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec)
}

/// A condition as the user wrote it, for messages.
fn written(node: &Node) -> String {
    node.raw().to_string()
}
