//! Carries playbooks out: plays in order, each as a graph, on live hosts or (for a plan) on their overlays.

mod action;
mod include;
mod play;
mod progress;
mod reach;
mod task;

use crate::error::{Diagnostic, Result};
use crate::event::{Event, Observer};
use crate::graph::compile::Compiler;
use crate::inventory::PlaybookVars;
use crate::playbook::{Keywords, Play, PlayItem, Vars};
use crate::remote::Remotes;
use crate::template::Templates;
use crate::vars::{Fleet, HostScope};
pub use play::{Ask, Prompts};
pub use progress::{Counts, Gone, Progress};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Options of connections and of the run, from the command line and `ansible.cfg`; variables and keywords are stronger.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `-c`.
    pub connection: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `--private-key`.
    pub key_file: Option<String>,
    /// `--ssh-common-args`, split.
    pub ssh_args: Vec<String>,
    /// `host_key_checking`.
    pub host_key_checking: bool,
    /// `-T`, in seconds.
    pub timeout: u64,
    /// `-b`.
    pub becomes: bool,
    /// `--become-method`.
    pub become_method: Option<String>,
    /// `--become-user`.
    pub become_user: Option<String>,
    /// `-K`.
    pub become_password: Option<String>,
    /// `-f`: how many hosts act at a time.
    pub forks: usize,
    /// `--force-handlers`.
    pub force_handlers: bool,
    /// `strategy` for plays that name none.
    pub strategy: Option<String>,
    /// Whether notifying a handler that there is not is an error, and not only a warning.
    pub error_on_missing_handler: bool,
    /// Seconds between two looks at a task in the background (`poll_interval`).
    pub poll: Option<f64>,
    /// `--start-at-task`: what stands before a task of this name is left out.
    pub start_at: Option<String>,
    /// `any_errors_fatal` for plays that do not say.
    pub any_errors_fatal: bool,
    /// `--limit`.
    pub limit: Option<String>,
    /// Whether every task waits until all hosts have come to it.
    pub lockstep: bool,
    /// Whether tasks that only check see the host as it is, as Ansible's do, and not as earlier ones would leave it.
    pub forgetful: bool,
    /// Who answers `vars_prompt`.
    pub prompts: Prompts,
}

/// One run over playbooks.
pub struct Run {
    /// Variables and hosts.
    pub fleet: Arc<Fleet>,
    /// Unfolds plays.
    pub compiler: Compiler,
    /// Renders.
    pub templates: Arc<Templates>,
    /// Reaches hosts.
    pub remotes: Remotes,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
    /// Whether hosts are changed; otherwise this is a plan.
    pub live: bool,
    /// Options.
    pub settings: Settings,
    /// How far each host has come.
    pub progress: Progress,
    /// Where the inventory was read from, for `meta: refresh_inventory`.
    inventory_sources: Vec<String>,
    /// What tasks added to the inventory, in order: a new reading gets it too.
    grown: Mutex<Vec<Grown>>,
    slots: Semaphore,
    throttles: Mutex<HashMap<u32, Arc<Semaphore>>>,
    requests: AtomicU64,
    /// What `set_stats` added, by host or for the whole run.
    pub stats: Mutex<indexmap::IndexMap<Option<String>, modules::value::Map>>,
    /// What to keep out of the results of tasks in the background, by the name of the job.
    jobs: Mutex<HashMap<String, Arc<action::Covered>>>,
    stopped: AtomicBool,
    /// The name of the task to start at, until it was met.
    start_at: Mutex<Option<String>>,
    errors: Mutex<Vec<Diagnostic>>,
}

/// What a task added to the inventory.
#[derive(Debug, Clone)]
enum Grown {
    /// `add_host`: the host, its groups and variables.
    Host(String, Vec<String>, crate::inventory::Vars),
    /// `group_by`: the host, the group, the groups around it.
    Group(String, String, Vec<String>),
}

/// A play with what `import_playbook` puts around it.
#[derive(Clone)]
pub struct PlayUse {
    /// The play.
    pub play: Arc<Play>,
    /// Keywords of the imports that led here, outermost first.
    pub imports: Vec<Arc<Keywords>>,
}

/// A play's hosts and tasks, for people.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Its rendered name.
    pub name: String,
    /// Hosts it selects.
    pub hosts: Vec<String>,
    /// Tags of the play itself.
    pub tags: Vec<String>,
    /// Names and tags of its tasks; includes are not followed.
    pub tasks: Vec<(String, Vec<String>)>,
}

/// Everything that a run needs from outside.
pub struct Setup {
    /// Variables and hosts.
    pub fleet: Arc<Fleet>,
    /// Unfolds plays.
    pub compiler: Compiler,
    /// Reaches hosts.
    pub remotes: Remotes,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
    /// Whether hosts are changed.
    pub live: bool,
    /// Options.
    pub settings: Settings,
    /// Where the inventory was read from.
    pub inventory_sources: Vec<String>,
}

impl Run {
    /// Ready to start.
    pub fn new(setup: Setup) -> Arc<Run> {
        Arc::new(Run {
            templates: setup.compiler.templates.clone(),
            slots: Semaphore::new(setup.settings.forks.max(1)),
            fleet: setup.fleet,
            compiler: setup.compiler,
            remotes: setup.remotes,
            observer: setup.observer,
            live: setup.live,
            start_at: Mutex::new(setup.settings.start_at.clone()),
            settings: setup.settings,
            progress: Progress::default(),
            inventory_sources: setup.inventory_sources,
            grown: Mutex::default(),
            throttles: Mutex::default(),
            requests: AtomicU64::new(1),
            jobs: Mutex::default(),
            stats: Mutex::default(),
            stopped: AtomicBool::new(false),
            errors: Mutex::default(),
        })
    }

    /// Runs playbooks in order.
    ///
    /// # Errors
    /// What is wrong with the input: the first play it is found in does not start. Failures on hosts are not errors
    /// here but events and [`Progress`].
    pub async fn playbooks(self: &Arc<Run>, paths: &[PathBuf]) -> Result<(), Vec<Diagnostic>> {
        // Everything is read before anything runs, so that mistakes show first and all together.
        let read = self.graphs(paths);
        self.warn_of_files();
        read?;
        for path in paths {
            for used in self.flatten(path, &[], 0)? {
                let dir = used.play.path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
                self.fleet.enter_playbook(PlaybookVars::read(&dir, self.templates.vault())?);
                play::run(self, &used, &dir).await?;
                self.warn_of_files();
                let errors = std::mem::take(&mut *crate::vars::lock(&self.errors));
                if !errors.is_empty() {
                    return Err(errors);
                }
                if self.stopped() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The graph of each play, with its name; nothing runs.
    pub fn graphs(self: &Arc<Run>, paths: &[PathBuf]) -> Result<Vec<(String, crate::graph::dag::Dag)>, Vec<Diagnostic>> {
        let (mut graphs, mut problems) = (Vec::new(), Vec::new());
        for path in paths {
            for used in self.flatten(path, &[], 0)? {
                let dir = used.play.path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
                self.fleet.enter_playbook(PlaybookVars::read(&dir, self.templates.vault())?);
                match play::graph(self, &used, &dir) {
                    Ok(graph) => graphs.push(graph),
                    Err(more) => problems.extend(more),
                }
            }
        }
        if problems.is_empty() { Ok(graphs) } else { Err(problems) }
    }

    /// What each play of a playbook would do, for `--list-tasks` and the like.
    pub fn listings(self: &Arc<Run>, path: &Path) -> Result<Vec<Listing>, Vec<Diagnostic>> {
        let mut listings = Vec::new();
        for used in self.flatten(path, &[], 0)? {
            let dir = used.play.path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
            self.fleet.enter_playbook(PlaybookVars::read(&dir, self.templates.vault())?);
            listings.push(play::listing(self, &used, &dir)?);
        }
        Ok(listings)
    }

    /// The plays of a playbook, imports followed.
    pub fn flatten(&self, path: &Path, imports: &[Arc<Keywords>], depth: usize) -> Result<Vec<PlayUse>, Vec<Diagnostic>> {
        if depth > 20 {
            let summary = format!("`{}` imports itself: more than 20 levels deep", path.display());
            return Err(vec![Diagnostic::input(summary).hint("break the circle of `import_playbook`")]);
        }
        let playbook = self.compiler.loader.playbook(path)?;
        let mut plays = Vec::new();
        for item in playbook.plays {
            match item {
                PlayItem::Play(play) => plays.push(PlayUse { play, imports: imports.to_vec() }),
                PlayItem::Import(import) => {
                    let scope = HostScope { fleet: self.fleet.clone(), host: None, play: None, context: None, locals: Arc::default() };
                    let name = self.templates.value(&import.file, &scope.shared())?.to_string();
                    let file = tidy(&path.parent().map_or_else(|| PathBuf::from(&name), |dir| dir.join(&name)));
                    if !file.is_file() {
                        let missing = Diagnostic::input(format!("playbook `{name}` does not exist"));
                        return Err(vec![missing.at(import.file.place()).note(format!("looked for {}", file.display()))]);
                    }
                    let mut around = imports.to_vec();
                    around.push(import.keywords.clone());
                    let place = import.file.place();
                    let imported = self.flatten(&file, &around, depth + 1);
                    plays.extend(imported.map_err(|errors| errors.into_iter().map(|e| e.at(place)).collect::<Vec<_>>())?);
                }
            }
        }
        Ok(plays)
    }

    /// Whether nothing further is to be started.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Starts nothing further; what runs comes to its end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Adds to the inventory what a task says; true when anything was new.
    fn grow(&self, grown: Grown) -> bool {
        let new = self.fleet.change_inventory(|inventory| grown.put_into(inventory));
        crate::vars::lock(&self.grown).push(grown);
        new
    }

    /// Reads the inventory anew; what tasks added stays.
    fn refresh_inventory(&self) -> Result<()> {
        let reading = crate::vars::read(&self.fleet.inventory).reading.clone();
        let read = crate::inventory::Inventory::read_with(&self.inventory_sources, &reading);
        let mut inventory = read.map_err(|mut errors| Box::new(errors.swap_remove(0)))?;
        let grown = crate::vars::lock(&self.grown);
        for more in grown.iter() {
            more.put_into(&mut inventory);
        }
        self.fleet.change_inventory(|old| *old = inventory);
        Ok(())
    }

    fn request_id(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// A name for a job that no other has, in the form of Ansible's.
    fn job_name(&self) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        format!("j{}{:03}.{}", now.as_micros(), self.request_id() % 1000, std::process::id())
    }

    fn warn(&self, warning: Diagnostic) {
        self.observer.observe(&Event::Warning { text: warning.to_string(), problem: Some(Arc::new(warning)) });
    }

    /// Tells what was found in the files read since the last time: duplicate keys and the like.
    fn warn_of_files(&self) {
        self.compiler.loader.warnings().into_iter().for_each(|warning| self.warn(warning));
    }

    /// An error in the input that was only met while running: the run ends with it.
    fn reject(&self, error: Diagnostic) {
        crate::vars::lock(&self.errors).push(error);
        self.stop();
    }
}

impl Grown {
    fn put_into(&self, inventory: &mut crate::inventory::Inventory) -> bool {
        match self {
            Grown::Host(name, groups, vars) => inventory.add_host(name, groups, vars.clone()),
            Grown::Group(host, group, parents) => inventory.add_to_group(host, group, parents),
        }
    }
}

/// A path without `.` and `x/..`, as people would write it. Left alone where `x` is a link, which `..` would follow.
fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) && !out.is_symlink() => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Variables of the imports and of the play, weakest first.
fn play_vars(used: &PlayUse) -> Vars {
    used.imports.iter().chain([&used.play.keywords]).flat_map(|k| k.vars.iter().cloned()).collect()
}
