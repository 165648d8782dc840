//! What a task does: controller-side actions, and modules on hosts with what the controller prepares for them.

mod argument_spec;
mod background;
mod backing;
mod content;
mod covered;
mod decide;
mod facts;
mod foreign;
mod grow;
mod include_vars;
pub(in crate::apply) mod meta;
mod pause;
mod raw;
mod reboot;
mod stats;

use super::reach::Reach;
use super::task::At;
use crate::error::{Diagnostic, Kind, Result};
use crate::event::{Changed, Status};
use crate::playbook::short_name;
use crate::transport::{Become, Connection};
use crate::vars::HostScope;
use crate::yaml::Node;
pub(in crate::apply) use covered::Covered;
use modules::args::{ArgumentError, FromValue};
use modules::change::{Action as ChangeAction, Change};
use modules::value::{Map, Value};
use modules::wire::{Request, Response, Status as WireStatus};
use std::sync::Arc;

/// Whom the facts that a task returns belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::apply) enum Learner {
    /// The task's host.
    Own,
    /// The host that the task was delegated to (`delegate_facts`).
    Delegate(String),
    /// Nobody: they are the host's variables already.
    Nobody,
}

/// What an action or module did, before `changed_when` and `failed_when`.
#[derive(Debug, Clone)]
pub(in crate::apply) struct Performed {
    pub(in crate::apply) status: Status,
    pub(in crate::apply) changed: Changed,
    pub(in crate::apply) returns: Map,
    pub(in crate::apply) changes: Vec<Change>,
    pub(in crate::apply) warnings: Vec<String>,
    pub(in crate::apply) message: Option<String>,
    pub(in crate::apply) hint: Option<String>,
    pub(in crate::apply) learner: Learner,
    pub(in crate::apply) set: Vec<(String, Value)>,
    pub(in crate::apply) delegate: Option<String>,
    pub(in crate::apply) broken: bool,
    /// What a failure is about, where it is more than a message.
    pub(in crate::apply) problem: Option<Arc<Diagnostic>>,
}

impl Performed {
    /// Done, with these return values, and nothing changed.
    pub(in crate::apply) fn ok(returns: Map) -> Performed {
        Performed {
            status: Status::Ok,
            changed: Changed::No,
            returns,
            changes: Vec::new(),
            warnings: Vec::new(),
            message: None,
            hint: None,
            learner: Learner::Own,
            set: Vec::new(),
            delegate: None,
            broken: false,
            problem: None,
        }
    }

    /// Failed for this reason.
    pub(in crate::apply) fn failed(message: impl Into<String>) -> Performed {
        Performed { status: Status::Failed, message: Some(message.into()), ..Performed::ok(Map::new()) }
    }

    /// Cannot be told before apply.
    pub(in crate::apply) fn unknown(why: impl Into<String>) -> Performed {
        Performed { status: Status::Unknown, changed: Changed::Unknown, message: Some(why.into()), ..Performed::ok(Map::new()) }
    }

    /// The task itself is wrong.
    pub(in crate::apply) fn broken(error: &Diagnostic) -> Performed {
        if error.kind == Kind::Unknown {
            return Performed::unknown(error.summary.clone());
        }
        let message = format!("Task failed: {}", told(error));
        let (hint, problem) = (error.hints.first().cloned(), Some(Arc::new(error.clone())));
        let returns = Map::from_iter([("exception".into(), error.render(false).into())]);
        Performed { broken: true, hint, problem, returns, ..Performed::failed(message) }
    }

    /// Ended because its time was over.
    pub(in crate::apply) fn timed_out(mut self, limit: std::time::Duration) -> Performed {
        let seconds = limit.as_secs();
        let said = format!("Timed out after {seconds} second(s).");
        let mut how = Map::new();
        how.insert("period".into(), Value::Int(seconds.cast_signed()));
        self.returns.insert("timedout".into(), how.into());
        self.returns.insert("msg".into(), said.as_str().into());
        let message = self.message.take().filter(|m| !m.is_empty()).unwrap_or(said);
        Performed { message: Some(message), ..self }
    }

    /// The host could not be reached.
    pub(in crate::apply) fn unreachable(error: &Diagnostic) -> Performed {
        Performed { status: Status::Unreachable, message: Some(told(error)), ..Performed::broken(error) }
    }
}

/// An error as results tell it.
fn told(error: &Diagnostic) -> String {
    match &error.said {
        Some(words) => words.clone(),
        None => error.notes.iter().fold(error.summary.clone(), |text, note| format!("{text}\n{note}")),
    }
}

/// Modules whose `diff` is a list, because they tell content and attributes apart; that of all others is one dictionary
/// where one thing changed.
const LISTED: [&str; 3] = ["copy", "template", "lineinfile"];

/// Changes as Ansible's results show them: texts before and after.
pub(in crate::apply) fn diff(module: &str, changes: &[Change]) -> Value {
    let entry = |change: &Change| {
        let text = |pick: fn(&modules::change::Field) -> &Value| -> Value {
            let content = change.fields.iter().find(|f| f.name == "content").map(pick);
            match content {
                Some(Value::Null) | None if change.fields.iter().any(|f| f.name == "content") => "".into(),
                Some(value) => value.clone(),
                None => Value::map(change.fields.iter().map(|f| (f.name.as_str(), pick(f).clone()))),
            }
        };
        Value::map([
            ("before", text(|f| &f.before)),
            ("after", text(|f| &f.after)),
            ("before_header", Value::str(&change.name)),
            ("after_header", Value::str(&change.name)),
        ])
    };
    match changes {
        [change] if !LISTED.contains(&module) => entry(change),
        changes => Value::list(changes.iter().map(entry)),
    }
}

/// Actions of which the controller does a part, so that they cannot go on in the background.
const CARRIED_OUT_HERE: [&str; 6] = ["copy", "template", "unarchive", "script", "fetch", "raw"];

/// Does what the task says, for one item.
pub(in crate::apply) async fn perform(at: &At<'_>, scope: &HostScope) -> Result<Performed> {
    let name = module_name(at, scope)?;
    throttle(at, scope)?;
    let scope = &delegating(at, scope)?;
    match name.as_str() {
        "assert" => return decide::assert(at, scope),
        "meta" => return meta::meta(at, scope).await,
        _ => {}
    }
    if at.task.action.stray {
        let error = Diagnostic::input(format!("`{name}` takes no free text")).at(&at.task.action.place);
        let error = error.hint("write the arguments as a dictionary, or put the value into quotes");
        return Err(Box::new(error.said(format!("Action '{}' does not support raw params.", at.task.action.module))));
    }
    let args = arguments(at, scope)?;
    if CARRIED_OUT_HERE.contains(&name.as_str()) && at.number(at.task.background.as_ref(), "async", scope)?.is_some_and(|s| s > 0.0) {
        return Ok(Performed::failed(format!("This action ({name}) does not support async.")));
    }
    match name.as_str() {
        "debug" => decide::debug(at, scope, &args),
        "fail" => decide::fail(&args),
        "set_fact" => facts::set_fact(at, scope, args),
        "include_vars" => include_vars::include_vars(at, scope, &args),
        "validate_argument_spec" => argument_spec::validate(at, scope, &args),
        "add_host" => grow::add_host(at, args),
        "group_by" => grow::group_by(at, &args),
        "set_stats" => stats::set_stats(at, &args),
        "pause" => pause::pause(at, &args).await,
        "raw" => raw::raw(at, scope, &args).await,
        "reboot" => reboot::reboot(at, scope, &args).await,
        "setup" | "gather_facts" => facts::gather(at, scope, args).await,
        "copy" | "template" | "unarchive" | "script" | "binary" | "assemble" => match content::prepare(at, scope, &name, args.clone())? {
            content::Prepared::Unknown(what) => Ok(unknown_arguments(&name, &args, &what)),
            content::Prepared::Ready { module, args } => on_host(at, scope, &module, args).await,
        },
        "async_status" => background::status(at, scope, args).await,
        "fetch" => content::fetch(at, scope, &args).await,
        "wait_for_connection" => raw::wait_for_connection(at, scope, &args).await,
        _ if modules::registry::find(&name).is_none() => match foreign::find(at, scope, &name) {
            Some(path) => Box::pin(foreign::run(at, scope, &name, &path, args)).await,
            None => on_host(at, scope, &name, args).await,
        },
        _ => on_host(at, scope, &name, args).await,
    }
}

/// The module's short name; `action: "{{ … }}"` may name it by a template.
fn module_name(at: &At<'_>, scope: &HostScope) -> Result<String> {
    let written = &at.task.action.module;
    if !written.contains("{{") {
        return Ok(short_name(written).to_string());
    }
    let node = Node::new(at.task.action.place.clone(), crate::yaml::Data::Str(written.as_str().into()));
    let value = at.run.templates.value(&node, &scope.shared())?;
    Ok(short_name(&value.to_string()).to_string())
}

/// The task's arguments, rendered: `module_defaults`, then `args`, then the task's own.
pub(in crate::apply) fn arguments(at: &At<'_>, scope: &HostScope) -> Result<Map> {
    let (run, action, shared) = (at.run, &at.task.action, scope.shared());
    let module = module_name(at, scope)?;
    let mut args = defaults(at, scope, &module)?;
    if let Some(template) = &action.template {
        let value = run.templates.value(template, &shared)?;
        match (value.as_map(), value.first_unknown()) {
            (Some(map), _) => args.extend(map.clone()),
            (None, Some(what)) => {
                args.insert("_raw_params".into(), Value::unknown(what));
            }
            (None, None) => {
                let summary = format!("the arguments must be a dictionary, not {}", crate::error::with_article(value.type_name()));
                return Err(Box::new(Diagnostic::input(summary).at(template.place())));
            }
        }
    }
    for (name, node) in &action.args {
        let value = run.templates.value(node, &shared).map_err(|e| Box::new(unresolved(*e, &action.module, name)))?;
        let name = match name.contains("{{") {
            true => run.templates.value(&Node::new(node.place().clone(), crate::yaml::Data::Str(name.as_str().into())), &shared)?,
            false => Value::str(name),
        };
        args.insert(name, value);
    }
    if let Some(free_form) = &action.free_form {
        let value = run.templates.value(free_form, &shared).map_err(|e| Box::new(unresolved(*e, &action.module, "_raw_params")))?;
        args.insert("_raw_params".into(), value);
    }
    backing::complete(at, scope, &module, super::task::without_omitted(args))
}

/// The error for an argument that cannot be rendered, in Ansible's words.
fn unresolved(error: Diagnostic, module: &str, argument: &str) -> Diagnostic {
    let module = if module.contains('.') { module.to_owned() } else { format!("ansible.builtin.{module}") };
    let resolving = error.said_while(&format!("Error while resolving value for '{argument}'"));
    resolving.said_while(&format!("Finalization of task args for '{module}' failed"))
}

/// What `module_defaults` gives a module, by its short name.
fn defaults(at: &At<'_>, scope: &HostScope, short: &str) -> Result<Map> {
    let mut defaults = Map::new();
    for node in at.context.others.get("module_defaults").into_iter().flatten() {
        let dictionaries: Vec<Node> = node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec);
        for (key, value) in dictionaries.iter().flat_map(|d| d.as_map().unwrap_or_default()) {
            if key.as_str().is_some_and(|k| !k.starts_with("group/") && short_name(k) == short) {
                let rendered = at.run.templates.value(value, &scope.shared())?;
                defaults.extend(rendered.as_map().cloned().unwrap_or_default());
            }
        }
    }
    Ok(defaults)
}

/// Points an argument's error at the place where the task gives it.
pub(in crate::apply) fn misplaced(at: &At<'_>, error: ArgumentError) -> Box<Diagnostic> {
    let node = error.argument.as_ref().and_then(|name| at.task.action.args.iter().find(|(k, _)| k == name));
    let place = node.map_or(&at.task.action.place, |(_, node)| node.place());
    let mut diagnostic = Diagnostic::input(error.message).at(place);
    diagnostic.hints.extend(error.hint);
    diagnostic.said = error.familiar;
    Box::new(diagnostic)
}

/// The host that does the work, the way to it, and as whom.
pub(in crate::apply) struct Target {
    pub(in crate::apply) connection: Connection,
    pub(in crate::apply) user: Option<Become>,
    pub(in crate::apply) delegate: Option<String>,
}

/// Variables of the host delegated to that say how it is reached.
const REACHED_BY: [&str; 7] =
    ["inventory_hostname", "ansible_host", "ansible_user", "ansible_port", "ansible_connection", "ansible_ssh_host", "ansible_ssh_port"];

/// What a delegated task sees besides: `ansible_delegated_vars`, the way to the other host.
fn delegating(at: &At<'_>, scope: &HostScope) -> Result<HostScope> {
    let Some(name) = delegate(at, scope)? else { return Ok(scope.clone()) };
    let other = HostScope { host: Some(name.clone()), context: None, ..scope.clone() };
    let mut vars = Map::new();
    for variable in REACHED_BY {
        // What cannot be told of the other host fails only what asks for it.
        if let Ok(Some(value)) = super::reach::variable(at.run, &other, variable) {
            vars.insert(variable.into(), value);
        }
    }
    vars.entry("ansible_host".into()).or_insert_with(|| Value::str(&name));
    let locals = Map::from_iter([(Value::from("ansible_delegated_vars"), Value::map([(name, Value::from(vars))]))]);
    Ok(scope.with_locals(locals))
}

/// The host that a task is delegated to.
fn delegate(at: &At<'_>, scope: &HostScope) -> Result<Option<String>> {
    match at.context.nearest("delegate_to") {
        _ if at.task.action.local => Ok(Some("localhost".to_string())),
        Some(node) => {
            let value = at.keyword(node, "delegate_to", scope)?;
            Ok(Some(value.reveal().to_string()).filter(|v| v != crate::template::OMIT && !v.is_empty()))
        }
        None => Ok(None),
    }
}

/// The host that learns a task's facts, where `delegate_facts` gives them to another.
pub(in crate::apply) fn facts_go_to(at: &At<'_>, scope: &HostScope) -> Result<Option<String>> {
    if at.flag("delegate_facts")? { delegate(at, scope) } else { Ok(None) }
}

pub(in crate::apply) fn target(at: &At<'_>, scope: &HostScope) -> Result<Target> {
    let delegate = delegate(at, scope)?;
    let elsewhere = delegate.as_ref().map(|name| HostScope { host: Some(name.clone()), context: None, ..scope.clone() });
    let reach = Reach::new(at.run, scope, elsewhere.as_ref().unwrap_or(scope), at.context);
    let connection = reach.connection().map_err(|e| match at.context.nearest("delegate_to") {
        Some(node) => Box::new(e.at(node.place())),
        None => e,
    })?;
    let delegate = delegate.filter(|name| name != at.host);
    Ok(Target { connection, user: reach.user()?, delegate })
}

/// Runs a module on the task's host with rendered arguments.
pub(in crate::apply) async fn on_host(at: &At<'_>, scope: &HostScope, module: &str, args: Map) -> Result<Performed> {
    let Some(known) = modules::registry::find(module) else {
        return Err(Box::new(crate::playbook::unknown_module(&at.task.action.module, &at.task.action.place)));
    };
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(unknown_arguments(module, &args, what));
    }
    if let Err(error) = (known.check)(&args) {
        let said = error.familiar.clone();
        let mut done = Performed::broken(&misplaced(at, error));
        if let Some(said) = said {
            done.returns.insert("msg".into(), said.into());
        }
        return Ok(done);
    }
    let target = target(at, scope)?;
    if let Some(how) = background::wanted(at, scope)?.filter(|_| at.run.live) {
        return background::run(at, scope, &target, known.name, args, how).await;
    }
    // These are decided from files: the task then says for sure whether it would run.
    let decided = matches!(known.name, "command" | "shell") && ["creates", "removes"].iter().any(|name| args.contains_key(*name));
    let response = send(at, scope, &target, known.name, args).await.map_err(|error| not_in_inventory(at, &target, error))?;
    let left_out = matches!(known.name, "script" | "foreign") && matches!(response.status, WireStatus::Skipped);
    let mut done = performed(response, target.delegate);
    if left_out {
        done.status = Status::Skipped;
    }
    let runs = |change: &Change| change.action == ChangeAction::Run;
    let checks = at.run.live || at.run.settings.forgetful;
    if checks && !done.changes.is_empty() && done.changes.iter().all(runs) && !is_live(at, scope)? {
        if decided {
            done.returns.insert("msg".into(), "Command would have run if not in check mode".into());
            return Ok(done);
        }
        // `check_mode: true` in a run that changes: what would run cannot be looked at, so it is left out.
        let mut returns = Map::new();
        returns.insert("msg".into(), "Command would have run if not in check mode".into());
        return Ok(Performed { status: Status::Skipped, returns, ..Performed::ok(Map::new()) });
    }
    Ok(done)
}

/// A host that work was delegated to and that cannot be reached may only be mistyped.
fn not_in_inventory(at: &At<'_>, target: &Target, error: Box<Diagnostic>) -> Box<Diagnostic> {
    let inventory = crate::vars::read(&at.run.fleet.inventory);
    match (&target.delegate, at.context.nearest("delegate_to")) {
        (Some(name), Some(node)) if error.kind == Kind::Unreachable && !inventory.hosts.contains_key(name) => {
            let error = error.at(node.place()).label(format!("the inventory has no host `{name}`"));
            Box::new(error.nearest(name, inventory.hosts.keys().map(String::as_str)))
        }
        _ => error,
    }
}

/// A plan's answer for a task whose arguments it does not know: what it will touch, as far as that is known.
fn unknown_arguments(module: &str, args: &Map, what: &str) -> Performed {
    let names = ["path", "dest", "name", "pkg", "url", "src"];
    let subject = names
        .iter()
        .find_map(|n| args.get(*n).filter(|v| v.first_unknown().is_none()))
        .map(|v| v.redacted().to_string())
        .unwrap_or_default();
    let change = Change::new(ChangeAction::Run, module, subject);
    Performed { changes: vec![change], ..Performed::unknown(format!("depends on {what}")) }
}

/// Whether this task changes its host: `check_mode` overrides the run's.
pub(in crate::apply) fn is_live(at: &At<'_>, scope: &HostScope) -> Result<bool> {
    let Some((value, node)) = at.given("check_mode", scope)? else { return Ok(at.run.live) };
    let wrong = |why| Box::new(Diagnostic::input(format!("`check_mode` {why}")).at(node.place()));
    bool::from_value(&value).map(|check| !check).map_err(wrong)
}

/// Sends one request and waits for the answer.
pub(in crate::apply) async fn send(at: &At<'_>, scope: &HostScope, target: &Target, module: &str, args: Map) -> Result<Response> {
    tell_escalation(at, target)?;
    let timeout = at.time_limit(scope)?.map_or(0, |limit| limit.as_secs());
    let live = is_live(at, scope)?;
    let (environment, hidden) = environment(at, scope)?;
    let covered = Covered::of_task(&args, &hidden, at.run.templates.vault());
    let request = Request {
        id: at.run.request_id(),
        module: module.to_string(),
        args: args.into_iter().map(|(k, v)| (k, v.revealed())).collect(),
        live,
        fresh: !live && (at.run.live || at.run.settings.forgetful),
        environment,
        timeout,
    };
    let throttle = throttle(at, scope)?;
    let _turn = match &throttle {
        Some(semaphore) => semaphore.acquire().await.ok(),
        None => None,
    };
    let _slot = at.run.slots.acquire().await;
    let mut response = at.run.remotes.run(&target.connection, target.user.as_ref(), request).await?;
    covered.cover(&mut response);
    Ok(response)
}

/// Says with `-vvv` how another user is become.
fn tell_escalation(at: &At<'_>, target: &Target) -> Result<()> {
    if let Some(user) = target.user.as_ref().filter(|_| at.run.fleet.options.verbosity > 2) {
        let line = crate::remote::escalate::Escalation::new(at.host, user)?.line();
        let text = format!("<{}> EXEC {line}", at.host);
        at.run.observer.observe(&crate::event::Event::Message { host: at.host.to_string(), text });
    }
    Ok(())
}

/// What keeps a task from running on more hosts at a time than `throttle` says.
fn throttle(at: &At<'_>, scope: &HostScope) -> Result<Option<Arc<tokio::sync::Semaphore>>> {
    let Some(node) = at.context.nearest("throttle") else { return Ok(None) };
    let value = at.keyword(node, "throttle", scope).map_err(|e| {
        let said = format!("Failed to convert the throttle value to an integer: {}", e.words());
        Box::new(e.said(said))
    })?;
    let most = f64::from_value(&value).map_err(|why| {
        let said = format!("Failed to convert the throttle value to an integer: invalid literal for int() with base 10: '{value}'");
        Box::new(Diagnostic::input(format!("`throttle` {why}")).at(node.place()).said(said))
    })? as usize;
    if most == 0 {
        return Ok(None);
    }
    let mut throttles = crate::vars::lock(&at.run.throttles);
    Ok(Some(throttles.entry(at.name.id).or_insert_with(|| Arc::new(tokio::sync::Semaphore::new(most))).clone()))
}

/// Environment variables with their values.
type Variables = Vec<(String, String)>;

/// `environment` of plays, blocks and the task: dictionaries or lists of them, the nearest strongest; and the values in it
/// that are secret.
fn environment(at: &At<'_>, scope: &HostScope) -> Result<(Variables, Vec<Value>)> {
    let (mut all, mut hidden) = (indexmap::IndexMap::new(), Vec::new());
    // Facts may be what the environment is made of: gathering them goes without it.
    let gathers = matches!(short_name(&at.task.action.module), "setup" | "gather_facts");
    for node in at.context.others.get("environment").into_iter().flatten() {
        if gathers && let Some(pairs) = node.as_map() {
            for (key, value) in pairs {
                match at.run.templates.value(value, &scope.shared()) {
                    Err(error) if error.kind == crate::error::Kind::Undefined => {}
                    value => {
                        let value = value?;
                        all.insert(key.raw().to_string(), value.reveal().to_string());
                        hidden.extend(Some(value).filter(Value::has_secret));
                    }
                }
            }
            continue;
        }
        let value = at.keyword(node, "environment", scope)?;
        if value.has_secret() {
            hidden.push(value.clone());
        }
        let dictionaries: Vec<Value> = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
        for dictionary in dictionaries {
            match dictionary.as_map() {
                Some(map) => all.extend(map.iter().map(|(k, v)| (k.to_string(), v.reveal().to_string()))),
                None if matches!(dictionary, Value::Null)
                    || dictionary.as_str().is_some_and(|s| s.is_empty() || s == crate::template::OMIT) => {}
                None => {
                    let summary = format!("`environment` must be a dictionary, not {}", crate::error::with_article(dictionary.type_name()));
                    return Err(Box::new(Diagnostic::input(summary).at(node.place())));
                }
            }
        }
    }
    Ok((all.into_iter().collect(), hidden))
}

/// An agent's answer as the task's.
pub(in crate::apply) fn performed(response: Response, delegate: Option<String>) -> Performed {
    let changed = if response.changes.is_empty() { Changed::No } else { Changed::Yes };
    let done = Performed { changed, changes: response.changes, warnings: response.warnings, delegate, ..Performed::ok(response.returns) };
    match response.status {
        WireStatus::Done | WireStatus::Skipped => done,
        WireStatus::Failed(failure) => {
            let mut returns = done.returns;
            returns.extend(failure.returns);
            // A module may say it in Ansible's words too, for playbooks that look for them.
            returns.entry("msg".into()).or_insert_with(|| failure.message.as_str().into());
            let message = match returns.get("rc").and_then(Value::as_int) {
                Some(code) if failure.message == "non-zero return code" => format!("the command exited with code {code}"),
                _ => failure.message,
            };
            Performed { status: Status::Failed, message: Some(message), hint: failure.hint, returns, ..done }
        }
        WireStatus::Unknown(what) => Performed { changes: done.changes, delegate: done.delegate, ..Performed::unknown(what) },
    }
}
