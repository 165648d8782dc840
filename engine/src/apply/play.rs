//! One play: its hosts in batches, each batch a graph that is walked.

mod hosts;
mod instance;
mod prompt;

use super::{PlayUse, Run, include, play_vars, task};
use crate::error::{Diagnostic, Result};
use crate::event::Event;
use crate::graph::check::has_template;
use crate::graph::compile::Handler;
use crate::graph::dag::{Dag, Edge, Fragment, Order, Strategy, Vertex, append};
use crate::graph::{Context, Step, StepKind};
use crate::playbook::Vars;
use crate::schedule::{Growth, walk};
use crate::template::Scope;
use crate::vars::{HostScope, PlayInstance, lock, read, write};
use crate::yaml::Node;
use modules::args::FromValue;
use modules::value::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use hosts::{batches, empty, order, pattern_text, select};
use instance::instance;
pub(super) use instance::vars_files;
pub use prompt::{Ask, Prompts};

/// A batch of a play while it runs.
pub(super) struct Batch {
    pub(super) instance: Arc<PlayInstance>,
    pub(super) handlers: RwLock<Vec<Handler>>,
    /// What includes asked for, by step, until all hosts have asked.
    pub(super) requests: Mutex<HashMap<u32, Vec<include::Wanted>>>,
    /// Steps whose failure is everybody's (`any_errors_fatal`).
    fatal: Mutex<BTreeSet<u32>>,
    strategy: Strategy,
    force_handlers: bool,
    max_fail_percentage: Option<f64>,
    /// Whether `meta: end_play` ends the batches to come as well.
    play_ended: AtomicBool,
}

/// Reading may find several mistakes at once.
type Several<T> = std::result::Result<T, Vec<Diagnostic>>;

/// A play with its hosts chosen.
struct Prepared {
    name: String,
    pattern: String,
    vars: Vars,
    hosts: Vec<String>,
    scope: Arc<dyn Scope>,
}

fn prepare(run: &Run, used: &PlayUse, dir: &Path) -> Result<Prepared> {
    let play = &used.play;
    let bare = HostScope { fleet: run.fleet.clone(), host: None, play: None, context: None, locals: Arc::default() };
    let vars = play_vars(used);
    let seed = instance(run, used, dir, String::new(), vars.clone(), Vec::new(), Vec::new())?;
    let scope = HostScope { play: Some(seed), ..bare }.shared();
    let pattern = pattern_text(run, &play.hosts, &scope)?;
    let name = match &play.name {
        Some(node) => {
            run.templates.value(node, &scope).map_or_else(|_| node.as_str().unwrap_or_default().to_string(), |v| v.redacted().to_string())
        }
        None => pattern.clone(),
    };
    let mut hosts = select(run, &pattern, &play.hosts)?;
    order(&mut hosts, play.order.as_ref(), run, &scope)?;
    Ok(Prepared { name, pattern, vars, hosts, scope })
}

/// The graph of a play as it stands before it runs: includes and handlers are single nodes.
pub(super) fn graph(run: &Arc<Run>, used: &PlayUse, dir: &Path) -> Several<(String, Dag)> {
    let Prepared { name, vars, hosts, scope, .. } = prepare(run, used, dir)?;
    let instance = instance(run, used, dir, name.clone(), vars, hosts.clone(), hosts)?;
    let (batch, steps) = compile(run, used, instance, &scope)?;
    let mut dag = Dag::new();
    grow(run, &batch, &mut dag, &[(steps, batch.hosts())], None);
    Ok((name, dag))
}

/// What a play would do, as far as that is known before it runs.
pub(super) fn listing(run: &Arc<Run>, used: &PlayUse, dir: &Path) -> Several<super::Listing> {
    let Prepared { name, vars, hosts, scope, .. } = prepare(run, used, dir)?;
    let instance = instance(run, used, dir, name.clone(), vars, hosts.clone(), hosts.clone())?;
    let (_, steps) = compile(run, used, instance, &scope)?;
    let tags = used.play.keywords.tags.iter().filter_map(Node::as_str).flat_map(|t| t.split(','));
    let tags = tags.map(|t| t.trim().to_string()).collect();
    let tasks = steps.iter().filter_map(|step| {
        let task = step.task().filter(|_| step.module() != "setup")?;
        let own = task.name.as_ref().and_then(Node::as_str).unwrap_or(&task.action.module);
        let name = step.context.role.as_ref().map_or_else(|| own.to_string(), |role| format!("{} : {own}", role.name));
        Some((name, step.context.tags.clone()))
    });
    Ok(super::Listing { name, hosts, tags, tasks: tasks.collect() })
}

/// Runs a play: selects hosts, splits them as `serial` says, walks each batch.
pub(super) async fn run(run: &Arc<Run>, used: &PlayUse, dir: &Path) -> Several<()> {
    let Prepared { name, pattern, vars, mut hosts, scope } = prepare(run, used, dir)?;
    if hosts.is_empty() {
        run.warn(empty(run, &name, &pattern, &used.play.hosts));
        run.observer.observe(&Event::PlayEmpty { play: name, pattern });
        return Ok(());
    }
    hosts.iter().for_each(|h| run.progress.enter_play(h));
    hosts.retain(|h| run.progress.gone(h).is_none());
    for hosts_of_batch in batches(run, used.play.serial.as_ref(), &hosts, &scope)? {
        if run.stopped() {
            break;
        }
        let size = hosts_of_batch.len();
        let instance = instance(run, used, dir, name.clone(), vars.clone(), hosts.clone(), hosts_of_batch)?;
        run.observer.observe(&Event::PlayStarted { play: name.clone(), hosts: instance.batch.clone() });
        let (failed, ended) = batch(run, used, instance, &scope).await?;
        if failed == size {
            // As in Ansible: when a whole batch fails, later batches and plays do not run on what is left.
            run.stop();
        }
        if ended {
            break;
        }
    }
    Ok(())
}

fn keyword(run: &Run, node: Option<&Node>, scope: &Arc<dyn Scope>) -> Result<Option<Value>> {
    let value = node.map(|n| run.templates.value(n, scope)).transpose()?;
    Ok(value.filter(|v| !matches!(v, Value::Null) && v.as_str() != Some(crate::template::OMIT)))
}

/// Builds and walks the graph of one batch; answers how many of its hosts failed, and whether the play has ended.
async fn batch(run: &Arc<Run>, used: &PlayUse, instance: Arc<PlayInstance>, scope: &Arc<dyn Scope>) -> Several<(usize, bool)> {
    let (batch, steps) = compile(run, used, instance, scope)?;
    let steps = started(run, steps);
    let mut dag = Dag::new();
    grow(run, &batch, &mut dag, &[(steps, batch.hosts())], None);
    let (shared, inside) = (run.clone(), batch.clone());
    walk(&mut dag, || Edge::Barrier, move |vertex| Box::pin(visit(shared.clone(), inside.clone(), vertex))).await;
    let failed = batch.instance.batch.iter().filter(|h| run.progress.gone(h).is_some_and(|g| g != super::Gone::Ended)).count();
    Ok((failed, batch.play_ended.load(Ordering::Relaxed)))
}

/// The batch of a play and the steps that its hosts go through.
fn compile(run: &Arc<Run>, used: &PlayUse, instance: Arc<PlayInstance>, scope: &Arc<dyn Scope>) -> Several<(Arc<Batch>, Vec<Arc<Step>>)> {
    let play = &used.play;
    let mut base = Context { dirs: vec![instance.dir.clone()], ..Context::default() };
    for around in &used.imports {
        base.when.extend(around.when.iter().cloned());
        for tag in around.tags.iter().filter_map(Node::as_str) {
            base.tags.extend(tag.split(',').map(|t| t.trim().to_string()));
        }
    }
    let unfolded = run.compiler.play(&run.fleet, &instance, &base)?;
    if !unfolded.problems.is_empty() {
        return Err(unfolded.problems);
    }
    let strategy = keyword(run, play.strategy.as_ref(), scope)?.map(|v| v.to_string()).or_else(|| run.settings.strategy.clone());
    let strategy = match strategy.as_deref().map(|s| s.rsplit('.').next().unwrap_or(s)) {
        None | Some("linear") => Strategy::Linear,
        Some("free" | "host_pinned") => Strategy::Free,
        Some(other) => {
            let error = Diagnostic::input(format!("unknown strategy `{other}`"));
            let error = play.strategy.iter().fold(error, |e, n| e.at(n.place()));
            return Err(vec![error.nearest(other, ["linear", "free", "host_pinned"])]);
        }
    };
    let flag = |value: Option<Value>| value.is_some_and(|v| bool::from_value(&v).unwrap_or(false));
    let batch = Arc::new(Batch {
        handlers: RwLock::new(run.compiler.handlers(&run.fleet, &instance, &unfolded.handlers, 0)?),
        requests: Mutex::default(),
        strategy,
        force_handlers: match keyword(run, play.force_handlers.as_ref(), scope)? {
            None => run.settings.force_handlers,
            said => flag(said),
        },
        fatal: Mutex::default(),
        max_fail_percentage: keyword(run, play.max_fail_percentage.as_ref(), scope)?.and_then(|v| f64::from_value(&v).ok()),
        instance,
        play_ended: AtomicBool::new(false),
    });
    Ok((batch, unfolded.steps))
}

/// The steps from the task on that `--start-at-task` names; facts are gathered all the same.
fn started(run: &Run, steps: Vec<Arc<Step>>) -> Vec<Arc<Step>> {
    let mut wanted = lock(&run.start_at);
    let Some(name) = wanted.as_ref() else { return steps };
    let is_named = |step: &Arc<Step>| {
        let own = step.task().and_then(|task| task.name.as_ref()).and_then(Node::as_str).unwrap_or_default();
        let full = step.context.role.as_ref().map(|role| format!("{} : {own}", role.name));
        [Some(own.to_string()), full].into_iter().flatten().any(|text| text == *name || crate::inventory::is_like(&text, name))
    };
    let Some(first) = steps.iter().position(is_named) else { return Vec::new() };
    *wanted = None;
    let gathers = |step: &Step| step.task().is_some_and(|task| task.action.module == "ansible.builtin.setup");
    steps.into_iter().enumerate().filter(|(number, step)| *number >= first || *number == 0 && gathers(step)).map(|(_, s)| s).collect()
}

pub(super) fn grow(
    run: &Arc<Run>,
    batch: &Arc<Batch>,
    dag: &mut Dag,
    fragments: &[Fragment],
    entry: Option<petgraph::stable_graph::NodeIndex>,
) -> Vec<petgraph::stable_graph::NodeIndex> {
    let once = |step: &Step| {
        if for_all(step) {
            return true;
        }
        let Some(node) = step.context.nearest("run_once") else { return false };
        let scope = HostScope {
            fleet: run.fleet.clone(),
            host: None,
            play: Some(batch.instance.clone()),
            context: Some(step.context.clone()),
            locals: Arc::default(),
        };
        run.templates.value(node, &scope.shared()).is_ok_and(|v| bool::from_value(&v).unwrap_or(false))
    };
    let observes = |step: &Step| run.settings.lockstep || observes_others(step);
    let meets = |step: &Step| batch.max_fail_percentage.is_some() || step.context.nearest("any_errors_fatal").is_some();
    append(dag, fragments, entry, &Order { strategy: batch.strategy, observes: &observes, once: &once, meets: &meets })
}

/// Whether a step acts on the whole play, so that its first host does it for all.
fn for_all(step: &Step) -> bool {
    let meta = || step.task().and_then(|t| t.action.free_form.as_ref()).and_then(Node::as_str).unwrap_or_default();
    match step.module() {
        "add_host" | "pause" => true,
        "meta" => matches!(meta(), "clear_facts" | "clear_host_errors" | "end_batch" | "end_play" | "refresh_inventory"),
        _ => false,
    }
}

/// Whether what a step is given could lead to other hosts: any template may, since variables lead on to `hostvars`.
fn observes_others(step: &Step) -> bool {
    let Some(task) = step.task() else { return false };
    if matches!(step.module(), "template") || !step.context.when.is_empty() || task.looped.is_some() {
        return true;
    }
    task.action.template.is_some()
        || task.action.free_form.as_ref().is_some_and(has_template)
        || task.action.args.iter().any(|(_, node)| has_template(node))
        || step.context.nearest("delegate_to").is_some()
}

/// Whether a play need not gather facts of this host, because they are known and that is to do.
fn knows_facts(run: &Run, task: &crate::playbook::Task, host: &str) -> bool {
    let gathers = task.own && task.action.module == "ansible.builtin.setup";
    let smart = run.fleet.options.gathering == crate::vars::Gathering::Smart;
    gathers && smart && read(&run.fleet.memory(host).facts).contains_key("module_setup")
}

/// Whether a host runs a task now: it is still there, no block around it says otherwise, and its role has not ended.
fn takes_part(run: &Run, step: &Step, host: &str) -> bool {
    let role = step.context.role.as_ref();
    let done = matches!(step.kind, StepKind::Task(_)) && (run.progress.has_ended(host, role) || run.progress.has_run(host, role));
    !done && run.progress.active(host, &step.context.sections)
}

async fn visit(run: Arc<Run>, batch: Arc<Batch>, vertex: Vertex) -> Growth<Vertex, Edge> {
    if run.stopped() {
        return None;
    }
    match vertex {
        Vertex::Barrier => None,
        Vertex::Meet { step } => {
            batch.check_failures(&run, &step);
            None
        }
        Vertex::Run { step, host } => {
            batch.step(&run, &step, &host, std::slice::from_ref(&host)).await;
            None
        }
        Vertex::Once { step, hosts } => {
            let active: Vec<Arc<str>> = hosts.iter().filter(|h| takes_part(&run, &step, h)).cloned().collect();
            if let Some(first) = active.first().cloned() {
                batch.step(&run, &step, &first, &active).await;
            }
            None
        }
        Vertex::Unfold { step, hosts } => match step.kind {
            StepKind::Flush(_) => batch.flush(&run, &step, &hosts).await,
            _ => include::unfold(&run, &batch, &step, &hosts),
        },
    }
}

impl Batch {
    fn hosts(&self) -> Vec<Arc<str>> {
        self.instance.batch.iter().map(|h| Arc::from(h.as_str())).collect()
    }

    /// A failure of this step is everybody's: at once where hosts do not wait for each other, else where they meet.
    pub(super) fn fail_all(&self, run: &Run, step: &Step) {
        lock(&self.fatal).insert(step.id);
        if self.strategy == Strategy::Free {
            self.check_failures(run, step);
        }
    }

    /// Applies `any_errors_fatal` and `max_fail_percentage` after a step.
    fn check_failures(&self, run: &Run, step: &Step) {
        if lock(&self.fatal).remove(&step.id) {
            for host in self.instance.batch.iter().filter(|h| run.progress.active(h, &step.context.sections)) {
                run.progress.fail(host, &step.context.sections, modules::value::Map::new());
                self.note_gone(run, host);
            }
        }
        let failed = self.instance.batch.iter().filter(|h| run.progress.gone(h).is_some_and(|g| g != super::Gone::Ended)).count();
        let percentage = failed as f64 * 100.0 / self.instance.batch.len().max(1) as f64;
        if self.max_fail_percentage.is_some_and(|max| percentage > max) {
            self.end_all(run);
        }
    }

    /// Takes every host out.
    fn end_all(&self, run: &Run) {
        for host in &self.instance.batch {
            if run.progress.gone(host).is_none() {
                self.leave(run, host, super::Gone::Failed);
            }
        }
    }

    /// Takes a host out of the play.
    pub(super) fn leave(&self, run: &Run, host: &str, why: super::Gone) {
        run.progress.leave(host, why);
        write(&self.instance.gone).insert(host.to_string());
    }

    /// Runs a step on a host, for these hosts (several when `run_once`).
    async fn step(self: &Arc<Batch>, run: &Arc<Run>, step: &Arc<Step>, host: &Arc<str>, for_hosts: &[Arc<str>]) {
        match &step.kind {
            StepKind::Flush(_) => {}
            StepKind::BlockEnd(block) => {
                run.progress.end_block(host, block, &step.context.sections);
                self.note_gone(run, host);
            }
            StepKind::Handler(_, number) => {
                let may = self.is_forced(run, host) || run.progress.active(host, &step.context.sections);
                let notified = for_hosts.iter().filter(|h| may && run.progress.take_notified(h, *number)).count();
                if notified > 0 {
                    task::perform(run, self, step, host, for_hosts).await;
                }
            }
            StepKind::Task(task) => {
                let runs = takes_part(run, step, host) || step.context.handler && self.is_forced(run, host);
                if runs && !knows_facts(run, task, host) {
                    task::perform(run, self, step, host, for_hosts).await;
                }
            }
        }
    }

    /// Leaves the batches to come out.
    pub(super) fn end_play(&self) {
        self.play_ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_gone(&self, run: &Run, host: &str) {
        if run.progress.gone(host).is_some() {
            write(&self.instance.gone).insert(host.to_string());
        }
    }

    /// Whether a host runs its handlers although it failed.
    pub(super) fn is_forced(&self, run: &Run, host: &str) -> bool {
        self.force_handlers && run.progress.gone(host) == Some(super::Gone::Failed)
    }

    /// The handlers that any host is to run, as steps.
    async fn flush(self: &Arc<Batch>, run: &Arc<Run>, step: &Arc<Step>, hosts: &[Arc<str>]) -> Growth<Vertex, Edge> {
        let mut here = Vec::new();
        for host in hosts.iter().filter(|h| self.is_forced(run, h) || takes_part(run, step, h)) {
            if !matches!(step.kind, StepKind::Flush(Some(_))) || task::flushes(run, self, step, host).await {
                here.push(host.clone());
            }
        }
        let hosts: Vec<Arc<str>> = here.into_iter().filter(|h| run.progress.any_notified(h)).collect();
        if hosts.is_empty() {
            return None;
        }
        // What fails here is taken up by the blocks around the flush, not by those around the handler.
        let here = |handler: &Handler| match step.context.sections.is_empty() {
            true => handler.step.clone(),
            false => {
                let context = |own: &Context| Arc::new(Context { sections: step.context.sections.clone(), ..own.clone() });
                let own = &handler.step;
                Arc::new(Step { context: context(&own.context), outer: context(&own.outer), ..(**own).clone() })
            }
        };
        let steps: Vec<Arc<Step>> = read(&self.handlers).iter().map(here).collect();
        let (run, batch) = (run.clone(), self.clone());
        Some(Box::new(move |dag, at| grow(&run, &batch, dag, &[(steps, hosts)], Some(at))))
    }

    /// Adds the handlers of a role that was included. Those of a role that was included before take the place of the
    /// older ones: they run once, as the last include has them.
    pub(super) fn add_handlers(&self, run: &Run, items: &[(crate::playbook::Item, Context)]) -> Result<()> {
        let mut handlers = write(&self.handlers);
        let more = run.compiler.handlers(&run.fleet, &self.instance, items, handlers.len())?;
        for handler in more {
            let Some(task) = handler.step.task().cloned() else { continue };
            let role = |step: &Step| step.context.role.as_ref().map(|r| Arc::as_ptr(&r.role));
            let same = |old: &&mut Handler| {
                let place = |task: &crate::playbook::Task| (task.path.clone(), task.place.line, task.place.column);
                old.step.task().is_some_and(|other| place(other) == place(&task)) && role(&old.step) == role(&handler.step)
            };
            let number = handlers.len();
            let (handlers_before, step) = (&mut *handlers, handler.step.clone());
            match handlers_before.iter_mut().find(same) {
                Some(old) => {
                    let StepKind::Handler(_, number) = old.step.kind else { continue };
                    old.step = Arc::new(Step { kind: StepKind::Handler(task, number), ..(*step).clone() });
                }
                None => {
                    let step = Arc::new(Step { kind: StepKind::Handler(task, number), ..(*step).clone() });
                    handlers_before.push(Handler { step });
                }
            }
        }
        Ok(())
    }

    /// Takes what these hosts asked to include at a step; others may be on their way to it.
    pub(super) fn take_requests(&self, step: u32, hosts: &[Arc<str>]) -> Vec<include::Wanted> {
        let mut requests = lock(&self.requests);
        let Some(all) = requests.get_mut(&step) else { return Vec::new() };
        let (taken, left) = std::mem::take(all).into_iter().partition(|(host, _)| hosts.contains(host));
        *all = left;
        taken
    }
}
