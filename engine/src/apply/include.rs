//! `include_tasks` and `include_role`: each host says what it wants included; then all of it unfolds at once.

use super::Run;
use super::play::{Batch, grow};
use super::task::{At, Outcome};
use crate::error::{Diagnostic, Result};
use crate::graph::compile::{RoleCall, Unfolded, missing_file, named_at, task_file};
use crate::graph::dag::{Edge, Vertex};
use crate::graph::{Context, Step};
use crate::playbook::{Vars, short_name};
use crate::schedule::Growth;
use crate::source::Place;
use crate::template::Condition;
use crate::vars::{HostScope, lock};
use crate::yaml::Node;
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// What one host wants included, for one item of a loop.
#[derive(Debug, Clone)]
pub(super) struct Request {
    what: Included,
    context: Context,
    key: String,
    place: Place,
}

impl Request {
    /// What is included, and for which item of a loop.
    fn shown(&self) -> Value {
        let item = self.context.locals.get("ansible_loop_var").and_then(|name| self.context.locals.get(name));
        let shown = match &self.what {
            Included::Role(call) => &call.name,
            Included::Tasks(_) => &self.key,
        };
        Value::map([("file", Value::str(shown)), ("item", item.cloned().unwrap_or_default())])
    }
}

/// A host, and what it wants included, in order.
pub(super) type Wanted = (Arc<str>, Vec<Request>);

#[derive(Debug, Clone)]
enum Included {
    Tasks(PathBuf),
    Role(Box<RoleCall>),
}

/// Evaluates an include on a host; what it wants is kept until every host has come this far.
pub(super) async fn request(at: &At<'_>, step: &Step, for_hosts: &[Arc<str>]) -> Outcome {
    match requests(at, step) {
        Ok(Answer::Wanted(wanted)) => {
            let mut waiting = lock(&at.batch.requests);
            let entry = waiting.entry(step.id).or_default();
            entry.extend(for_hosts.iter().map(|host| (host.clone(), wanted.clone())));
            let mut included = Map::new();
            included.insert("include".into(), Value::list(wanted.iter().map(Request::shown)));
            let performed = super::action::Performed::ok(included);
            Outcome::of(performed, &at.name.name)
        }
        Ok(Answer::Skipped(condition)) => Outcome::skipped(condition),
        Ok(Answer::Unknown(why)) => Outcome::unknown(&at.name.name, why),
        Err(error) => Outcome::broken(&error),
    }
}

enum Answer {
    Wanted(Vec<Request>),
    Skipped(Option<String>),
    Unknown(String),
}

fn requests(at: &At<'_>, step: &Step) -> Result<Answer> {
    let Some(looped) = &at.task.looped else { return one(at, step, &at.scope, Map::new()).map(|(answer, _)| answer) };
    let items = match at.items(looped) {
        Ok(super::task::Items::Known(items)) => items,
        Ok(super::task::Items::Unknown(what)) => return Ok(Answer::Unknown(format!("includes for items that depend on {what}"))),
        Err(error) => match at.holds(&at.context.when, &at.scope) {
            Ok((Condition::False, condition)) => return Ok(Answer::Skipped(condition)),
            _ => return Err(error),
        },
    };
    let control = at.control()?;
    let (mut wanted, mut skipped) = (Vec::new(), None);
    for number in 0..items.len() {
        let locals = control.locals(&items, number);
        match one(at, step, &at.scope.with_locals(locals.clone()), locals)?.0 {
            Answer::Wanted(more) => wanted.extend(more),
            Answer::Skipped(condition) => skipped = Some(condition),
            unknown => return Ok(unknown),
        }
    }
    Ok(match (wanted.is_empty(), skipped) {
        (true, Some(condition)) => Answer::Skipped(condition),
        _ => Answer::Wanted(wanted),
    })
}

fn one(at: &At<'_>, step: &Step, scope: &HostScope, locals: Map) -> Result<(Answer, ())> {
    match at.holds(&at.context.when, scope)? {
        (Condition::True, _) => {}
        (Condition::False, condition) => return Ok((Answer::Skipped(condition), ())),
        (Condition::Unknown(what), _) => return Ok((Answer::Unknown(format!("may include: its condition depends on {what}")), ())),
    }
    let args = super::action::arguments(at, scope)?;
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok((Answer::Unknown(format!("includes what depends on {what}")), ()));
    }
    let context = handed_on(at, step, locals)?;
    let text = |name: &str| args.get(name).map(|v| v.reveal().to_string());
    let (what, key) = match short_name(&at.task.action.module) {
        "include_role" => {
            let call = role_call(at, &text, &args)?;
            // Now, so that a role that is missing or wrong fails this task, which a `rescue` may take up.
            let near = context.role.as_ref().and_then(|role| role.role.path.parent());
            let role = at.run.compiler.loader.role(&call.name, &at.batch.instance.dir, near).map_err(|e| e.at(&call.place))?;
            role.tasks(&call.tasks_from)?;
            let key = format!("{}/{}", call.name, call.tasks_from);
            (Included::Role(Box::new(call)), key)
        }
        _ => {
            let name = text("file").or_else(|| text("_raw_params")).unwrap_or_default();
            let place = at.task.action.free_form.as_ref().map_or(&at.task.action.place, Node::place);
            let path = task_file(&name, &context, &at.batch.instance);
            let path = path.ok_or_else(|| missing_file(&name, &context, &at.batch.instance, place))?;
            at.run.compiler.loader.tasks(&path).map_err(|e| e.at(place))?;
            let key = std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string();
            (Included::Tasks(path), key)
        }
    };
    let place = at.task.action.free_form.as_ref().map_or(&at.task.action.place, Node::place).clone();
    Ok((Answer::Wanted(vec![Request { what, context, key, place }]), ()))
}

fn role_call(at: &At<'_>, text: &dyn Fn(&str) -> Option<String>, args: &Map) -> Result<RoleCall> {
    let known = crate::graph::actions::ROLE;
    if let Some(wrong) = args.keys().map(Value::to_string).find(|k| !known.contains(&k.as_str())) {
        let error = Diagnostic::input(format!("`include_role` has no argument `{wrong}`")).at(&at.task.action.place);
        return Err(Box::new(error.nearest(&wrong, known.iter().copied())));
    }
    let name = text("name").or_else(|| text("role"));
    Ok(RoleCall {
        name: name.ok_or_else(|| Diagnostic::input("`include_role` needs the argument `name`").at(&at.task.action.place))?,
        tasks_from: text("tasks_from").unwrap_or_else(|| "main".into()),
        handlers_from: text("handlers_from").unwrap_or_else(|| "main".into()),
        vars_from: text("vars_from"),
        defaults_from: text("defaults_from"),
        public: args.get("public").is_some_and(|v| bool::from_value(v).unwrap_or(false)),
        validates: args.get("rolespec_validate").is_none_or(|v| bool::from_value(v).unwrap_or(true)),
        place: named_at(at.task),
    })
}

/// What included tasks inherit: what stands around the include, its `vars` and `apply`, and the loop's item.
fn handed_on(at: &At<'_>, step: &Step, locals: Map) -> Result<Context> {
    let mut context = (*step.outer).clone();
    let own: Vec<Arc<Vars>> = at.context.vars.iter().skip(context.vars.len()).cloned().collect();
    context.params.extend(own);
    context.locals.extend(locals);
    let apply = at.task.action.args.iter().find(|(k, _)| k == "apply").map(|(_, node)| node);
    for (key, value) in apply.and_then(Node::as_map).unwrap_or_default() {
        let list = || value.as_list().map_or_else(|| vec![value.clone()], <[Node]>::to_vec);
        match key.as_str().unwrap_or_default() {
            "when" => context.when.extend(list()),
            "notify" => context.notify.extend(list()),
            "tags" => {
                let texts = list();
                let tags = texts.iter().filter_map(Node::as_str).flat_map(|t| t.split(',')).map(|t| t.trim().to_string());
                context.tags.extend(tags);
            }
            "vars" => {
                let pairs = value.as_map().unwrap_or_default();
                context.vars.push(Arc::new(pairs.iter().filter_map(|(k, v)| Some((k.as_str()?.to_string(), v.clone()))).collect()));
            }
            other => context.others.entry(other.to_string()).or_default().push(value.clone()),
        }
    }
    Ok(context)
}

/// Adds to the graph what the hosts asked for. Hosts that want the same go through it together.
pub(super) fn unfold(run: &Arc<Run>, batch: &Arc<Batch>, step: &Arc<Step>, hosts: &[Arc<str>]) -> Growth<Vertex, Edge> {
    let requests = batch.take_requests(step.id, hosts);
    let mut groups: Vec<(Request, Vec<Arc<str>>)> = Vec::new();
    let deepest = requests.iter().map(|(_, wanted)| wanted.len()).max().unwrap_or(0);
    // Item by item, so that each host keeps its own order and hosts stay together where they want the same.
    for number in 0..deepest {
        let from = groups.len();
        for host in hosts {
            let wanted = requests.iter().find(|(h, _)| h == host).and_then(|(_, wanted)| wanted.get(number));
            let here = run.progress.active(host, &step.context.sections) || step.context.handler && batch.is_forced(run, host);
            let Some(request) = wanted.filter(|_| here) else { continue };
            match groups[from..].iter_mut().find(|(other, _)| same(other, request)) {
                Some((_, members)) => members.push(host.clone()),
                None => groups.push((request.clone(), vec![host.clone()])),
            }
        }
    }
    let mut fragments = Vec::new();
    for (request, members) in groups {
        match expand(run, batch, &request) {
            Ok(unfolded) if unfolded.problems.is_empty() => fragments.push((unfolded.steps, members)),
            Ok(unfolded) => {
                unfolded.problems.into_iter().for_each(|p| run.reject(p));
                return None;
            }
            Err(error) => {
                run.reject(*error);
                return None;
            }
        }
    }
    let (run, batch) = (run.clone(), batch.clone());
    Some(Box::new(move |dag, at| grow(&run, &batch, dag, &fragments, Some(at))))
}

fn same(a: &Request, b: &Request) -> bool {
    a.key == b.key && a.context.locals == b.context.locals
}

fn expand(run: &Arc<Run>, batch: &Arc<Batch>, request: &Request) -> Result<Unfolded> {
    let unfolded = match &request.what {
        Included::Tasks(path) => {
            run.compiler.include_tasks(&run.fleet, &batch.instance, path, &request.context).map_err(|e| e.at(&request.place))?
        }
        Included::Role(call) => {
            run.compiler.include_role(&run.fleet, &batch.instance, call, &request.context).map_err(|e| e.at(&request.place))?
        }
    };
    batch.add_handlers(run, &unfolded.handlers)?;
    Ok(unfolded)
}
