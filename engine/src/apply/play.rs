//! One play: its hosts in batches, each batch a graph that is walked.

use super::{PlayUse, Run, include, play_vars, task};
use crate::error::{Diagnostic, Kind, Result};
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
use std::sync::{Arc, Mutex, RwLock};

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

/// What stands for the answers of `vars_prompt`: extra variables, else their defaults.
fn prompted(run: &Run, used: &PlayUse, scope: &Arc<dyn Scope>) -> Result<modules::value::Map> {
    let mut answers = modules::value::Map::new();
    for prompt in &used.play.vars_prompt {
        let Some(name) = prompt.get("name").and_then(Node::as_str) else { continue };
        if run.fleet.extra.contains_key(name) {
            continue;
        }
        let Some(default) = prompt.get("default") else {
            let error = Diagnostic::input(format!("`vars_prompt` is not supported yet, so nobody is asked for `{name}`"));
            return Err(Box::new(error.at(prompt.place()).hint(format!("give it on the command line: `-e {name}=…`"))));
        };
        let private = prompt.get("private").is_none_or(|p| p.raw().truthy());
        let value = run.templates.value(default, scope)?;
        answers.insert(Value::str(name), if private { value.into_secret() } else { value });
        let warning = Diagnostic::input(format!("`vars_prompt` is not supported yet: `{name}` takes its default"));
        run.warn(warning.at(prompt.place()));
    }
    Ok(answers)
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
        let failed = batch(run, used, instance, &scope).await?;
        if failed == size {
            // As in Ansible: when a whole batch fails, later batches and plays do not run on what is left.
            run.stop();
        }
    }
    Ok(())
}

fn pattern_text(run: &Run, hosts: &Node, scope: &Arc<dyn Scope>) -> Result<String> {
    let value = run.templates.value(hosts, scope)?;
    Ok(match value.as_list() {
        Some(list) => list.iter().map(|v| v.reveal().to_string()).collect::<Vec<_>>().join(","),
        None => value.reveal().to_string(),
    })
}

fn select(run: &Run, pattern: &str, node: &Node) -> Result<Vec<String>> {
    let inventory = read(&run.fleet.inventory);
    let mut hosts = inventory.select(pattern).map_err(|e| e.at(node.place()))?;
    if !hosts.is_empty() {
        inventory.warnings_for(pattern).into_iter().for_each(|warning| run.warn(warning.at(node.place())));
    }
    if let Some(limit) = &run.settings.limit {
        let allowed = inventory.select(limit)?;
        hosts.retain(|h| allowed.contains(h));
    }
    Ok(hosts)
}

/// The warning for a play that selects no host.
fn empty(run: &Run, name: &str, pattern: &str, node: &Node) -> Diagnostic {
    let inventory = read(&run.fleet.inventory);
    let warning = Diagnostic::input(format!("play `{name}` has no hosts")).at(node.place());
    if inventory.hosts.is_empty() {
        return warning.label("the inventory is empty").hint("name an inventory: `-i inventory.yaml`, or `-i host1,host2`");
    }
    let reasons = inventory.warnings_for(pattern);
    let label = match (&reasons[..], &run.settings.limit) {
        ([], Some(limit)) if inventory.select(pattern).is_ok_and(|hosts| !hosts.is_empty()) => {
            format!("`--limit {limit}` leaves none of its hosts")
        }
        ([only], _) => only.summary.clone(),
        _ => format!("no host matches `{pattern}`"),
    };
    reasons.into_iter().flat_map(|reason| reason.hints).fold(warning.label(label), Diagnostic::hint)
}

fn order(hosts: &mut [String], node: Option<&Node>, run: &Run, scope: &Arc<dyn Scope>) -> Result<()> {
    let Some(node) = node else { return Ok(()) };
    match run.templates.value(node, scope)?.to_string().as_str() {
        "inventory" | "None" => {}
        "sorted" => hosts.sort(),
        "reverse_sorted" => {
            hosts.sort();
            hosts.reverse();
        }
        "reverse_inventory" => hosts.reverse(),
        "shuffle" => {
            // Any order will do; the clock's digits are enough to vary it.
            let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
            hosts.sort_by_key(|h| {
                use std::hash::{Hash, Hasher};
                let mut hasher = std::collections::hash_map::DefaultHasher::new();
                (seed, h).hash(&mut hasher);
                hasher.finish()
            });
        }
        other => {
            let known = ["inventory", "sorted", "reverse_sorted", "reverse_inventory", "shuffle"];
            let error = Diagnostic::input(format!("`order` knows no `{other}`")).at(node.place());
            return Err(Box::new(error.nearest(other, known).hint(format!("it takes: {}", known.join(", ")))));
        }
    }
    Ok(())
}

/// Splits hosts as `serial` says: numbers and percentages, the last one repeated.
fn batches(run: &Run, serial: Option<&Node>, hosts: &[String], scope: &Arc<dyn Scope>) -> Result<Vec<Vec<String>>> {
    let (Some(node), Some(value)) = (serial, keyword(run, serial, scope)?) else { return Ok(vec![hosts.to_vec()]) };
    let sizes: Vec<Value> = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
    let mut sizes = sizes.iter().map(|v| batch_size(v, hosts.len(), node)).collect::<Result<Vec<usize>>>()?.into_iter();
    let (mut out, mut rest, mut size) = (Vec::new(), hosts, hosts.len());
    while !rest.is_empty() {
        size = sizes.next().unwrap_or(size);
        let take = if size == 0 { rest.len() } else { size.min(rest.len()) };
        out.push(rest[..take].to_vec());
        rest = &rest[take..];
    }
    Ok(out)
}

fn batch_size(value: &Value, hosts: usize, node: &Node) -> Result<usize> {
    let text = value.reveal().to_string();
    let size = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|p| ((p / 100.0 * hosts as f64) as usize).max(1)),
        None => text.trim().parse::<i64>().ok().map(|n| usize::try_from(n).unwrap_or(0)),
    };
    size.ok_or_else(|| {
        let summary = format!("`serial` must be a number, a percentage or a list of these, not `{text}`");
        Box::new(Diagnostic::input(summary).at(node.place()))
    })
}

fn instance(
    run: &Run,
    used: &PlayUse,
    dir: &Path,
    name: String,
    vars: Vars,
    all_hosts: Vec<String>,
    batch: Vec<String>,
) -> Result<Arc<PlayInstance>> {
    let bare = HostScope { fleet: run.fleet.clone(), host: None, play: None, context: None, locals: Arc::default() };
    let prompted = prompted(run, used, &bare.shared())?;
    // Hosts that failed in an earlier batch are no hosts of the play any more.
    let gone = all_hosts.iter().filter(|h| run.progress.gone(h).is_some()).cloned().collect();
    let instance = PlayInstance {
        play: used.play.clone(),
        name,
        vars,
        files: RwLock::default(),
        prompted,
        roles: RwLock::default(),
        used: RwLock::default(),
        all_hosts,
        batch,
        gone: RwLock::new(gone),
        dir: dir.to_path_buf(),
    };
    let instance = Arc::new(instance);
    vars_files(run, &instance, None)?;
    for host in &instance.batch {
        // What needs facts is read once they are there.
        vars_files(run, &instance, Some(host))?;
    }
    Ok(instance)
}

/// Reads `vars_files`: those without templates once for the play; all of them for a host, where there are others. As in
/// Ansible, a file that is not there, or whose name is not known, is left out.
pub(super) fn vars_files(run: &Run, play: &Arc<PlayInstance>, host: Option<&str>) -> Result<()> {
    let mut vars = Vars::new();
    if host.is_some() && !play.play.vars_files.iter().any(has_template) {
        return Ok(());
    }
    for node in &play.play.vars_files {
        let choices: Vec<Node> = node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec);
        if host.is_none() && choices.iter().any(has_template) {
            continue;
        }
        let scope = HostScope {
            fleet: run.fleet.clone(),
            host: host.map(str::to_string),
            play: Some(play.clone()),
            context: None,
            locals: Arc::default(),
        };
        let mut names = Vec::new();
        for choice in &choices {
            match run.templates.value(choice, &scope.shared()) {
                Ok(name) if name.first_unknown().is_none() => names.push(name.reveal().to_string()),
                Err(error) if error.kind != Kind::Undefined => return Err(error),
                _ => {}
            }
        }
        let found = names.iter().flat_map(|n| [play.dir.join("vars").join(n), play.dir.join(n)]).find(|p| p.is_file());
        let Some(path) = found else {
            if names.len() == choices.len() {
                let warning = Diagnostic::input(format!("variables file `{}` does not exist", names.join("`, `")));
                run.warn(warning.at(node.place()).note("the play goes on without it, as under Ansible"));
            }
            continue;
        };
        vars.extend(run.compiler.loader.variables(&path).map_err(|e| e.at(node.place()))?);
    }
    if !vars.is_empty() {
        let mut files = write(&play.files);
        files.insert(host.unwrap_or_default().to_string(), vars);
    }
    Ok(())
}

fn keyword(run: &Run, node: Option<&Node>, scope: &Arc<dyn Scope>) -> Result<Option<Value>> {
    let value = node.map(|n| run.templates.value(n, scope)).transpose()?;
    Ok(value.filter(|v| !matches!(v, Value::Null) && v.as_str() != Some(crate::template::OMIT)))
}

/// Builds and walks the graph of one batch; answers how many of its hosts failed.
async fn batch(run: &Arc<Run>, used: &PlayUse, instance: Arc<PlayInstance>, scope: &Arc<dyn Scope>) -> Several<usize> {
    let (batch, steps) = compile(run, used, instance, scope)?;
    let mut dag = Dag::new();
    grow(run, &batch, &mut dag, &[(steps, batch.hosts())], None);
    let (shared, inside) = (run.clone(), batch.clone());
    walk(&mut dag, || Edge::Barrier, move |vertex| Box::pin(visit(shared.clone(), inside.clone(), vertex))).await;
    Ok(batch.instance.batch.iter().filter(|h| run.progress.gone(h).is_some_and(|g| g != super::Gone::Ended)).count())
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
    let strategy = keyword(run, play.strategy.as_ref(), scope)?.map(|v| v.to_string());
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
        force_handlers: run.settings.force_handlers || flag(keyword(run, play.force_handlers.as_ref(), scope)?),
        fatal: Mutex::default(),
        max_fail_percentage: keyword(run, play.max_fail_percentage.as_ref(), scope)?.and_then(|v| f64::from_value(&v).ok()),
        instance,
    });
    Ok((batch, unfolded.steps))
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

/// Whether a host runs a task now: it is still there, no block around it says otherwise, and its role has not ended.
fn takes_part(run: &Run, step: &Step, host: &str) -> bool {
    let done = matches!(step.kind, StepKind::Task(_)) && run.progress.has_ended(host, step.context.role.as_ref());
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
            StepKind::Flush => batch.flush(&run, &step, &hosts),
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
            StepKind::Flush => {}
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
            StepKind::Task(_) => {
                if takes_part(run, step, host) {
                    task::perform(run, self, step, host, for_hosts).await;
                }
            }
        }
    }

    pub(super) fn note_gone(&self, run: &Run, host: &str) {
        if run.progress.gone(host).is_some() {
            write(&self.instance.gone).insert(host.to_string());
        }
    }

    /// Whether a host runs its handlers although it failed.
    fn is_forced(&self, run: &Run, host: &str) -> bool {
        self.force_handlers && run.progress.gone(host) == Some(super::Gone::Failed)
    }

    /// The handlers that any host is to run, as steps.
    fn flush(self: &Arc<Batch>, run: &Arc<Run>, step: &Step, hosts: &[Arc<str>]) -> Growth<Vertex, Edge> {
        let here = |host: &str| self.is_forced(run, host) || takes_part(run, step, host);
        let hosts: Vec<Arc<str>> = hosts.iter().filter(|h| run.progress.any_notified(h) && here(h)).cloned().collect();
        if hosts.is_empty() {
            return None;
        }
        let steps: Vec<Arc<Step>> = read(&self.handlers).iter().map(|h| h.step.clone()).collect();
        let (run, batch) = (run.clone(), self.clone());
        Some(Box::new(move |dag, at| grow(&run, &batch, dag, &[(steps, hosts)], Some(at))))
    }

    /// Adds the handlers of a role that was included.
    pub(super) fn add_handlers(&self, run: &Run, items: &[(crate::playbook::Item, Context)]) -> Result<()> {
        let mut handlers = write(&self.handlers);
        let first = handlers.len();
        let more = run.compiler.handlers(&run.fleet, &self.instance, items, first)?;
        handlers.extend(more);
        Ok(())
    }

    /// Takes what hosts asked to include at a step.
    pub(super) fn take_requests(&self, step: u32) -> Vec<include::Wanted> {
        lock(&self.requests).remove(&step).unwrap_or_default()
    }
}
