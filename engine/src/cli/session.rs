//! From options to a run: configuration, inventory, variables, loader, connections.

use super::ask::ask;
use super::config::Config;
use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use crate::apply::{Prompts, Run, Settings, Setup};
use crate::error::Diagnostic;
use crate::event::Observer;
use crate::graph::compile::Compiler;
use crate::graph::tags::Selection;
use crate::inventory::{Inventory, PlaybookVars, Reading};
use crate::playbook::{Duplicates, Loader};
use crate::remote::{Contents, Remotes};
use crate::template::{Binding, Templates};
use crate::vars::{Fleet, Options, extra_vars};
use crate::vault::Vault;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Size of the threads' stacks; only what is used takes memory.
const STACK: usize = 64 << 20;
/// How many hosts act at a time unless said otherwise.
const FORKS: usize = 50;

/// Everything read that a run needs; several runs (a plan, then its apply) can start from it.
pub(super) struct Session {
    inventory: Inventory,
    sources: Vec<String>,
    options: Options,
    settings: Settings,
    playbook: PlaybookOptions,
    roles_path: Vec<PathBuf>,
    vault: Arc<Vault>,
    duplicates: Duplicates,
    /// `show_custom_stats`.
    pub(super) shows_statistics: bool,
    /// A playbook that no file holds.
    text: Option<(PathBuf, String)>,
    /// The playbooks to run.
    pub(super) playbooks: Vec<PathBuf>,
    /// Connections, shared by the runs.
    pub(super) remotes: Remotes,
    /// How much to say.
    pub(super) verbosity: u8,
}

impl Session {
    /// Reads the inventory and finds the playbooks.
    pub(super) fn open(
        hosts: &InventoryOptions,
        playbook: &PlaybookOptions,
        connection: &ConnectionOptions,
        diff: bool,
    ) -> Result<Session, Vec<Diagnostic>> {
        let config = Config::read();
        let sources = inventory_sources(hosts, &config);
        let playbooks = if playbook.playbooks.is_empty() { vec![default_playbook(&sources)?] } else { playbook.playbooks.clone() };
        let playbook = &PlaybookOptions { playbooks, ..playbook.clone() };
        if let Some(wrong) = playbook.playbooks.iter().find(|p| !p.is_file() && !is_pipe(p)) {
            return Err(vec![no_playbook(wrong)]);
        }
        Session::started(hosts, playbook, connection, diff, &config)
    }

    /// For a playbook that no file holds: where it would stand, and its text.
    pub(super) fn of_text(
        hosts: &InventoryOptions,
        playbook: &PlaybookOptions,
        connection: &ConnectionOptions,
        diff: bool,
        (path, text): (PathBuf, String),
    ) -> Result<Session, Vec<Diagnostic>> {
        let playbook = PlaybookOptions { playbooks: vec![path.clone()], ..playbook.clone() };
        let session = Session::started(hosts, &playbook, connection, diff, &Config::read())?;
        Ok(Session { text: Some((path, text)), ..session })
    }

    fn started(
        hosts: &InventoryOptions,
        playbook: &PlaybookOptions,
        connection: &ConnectionOptions,
        diff: bool,
        config: &Config,
    ) -> Result<Session, Vec<Diagnostic>> {
        let sources = inventory_sources(hosts, config);
        let vault = hosts.vault.open(config)?;
        let inventory = Inventory::read_with(&sources, &reading(hosts, &playbook.extra_vars, config, &vault)?)?;
        let unmatched = check_limit(&inventory, hosts.limit.as_deref())?;
        for warning in inventory.warnings.iter().chain(&unmatched) {
            eprint!("{}", warning.render_warning(crate::report::paint::Paint::stderr().colour));
        }
        let settings = settings(hosts, connection, playbook, config)?;
        let options = Options {
            check: false,
            diff,
            forks: settings.forks,
            verbosity: connection.verbose,
            tags: playbook.tags.clone(),
            skip_tags: playbook.skip_tags.clone(),
            limit: hosts.limit.clone(),
            merge: config.merges(),
            gathering: config.gathering(),
            hides_facts: config.flag("ANSIBLE_INJECT_FACT_VARS", "defaults", "inject_facts_as_vars") == Some(false),
            cache: config.fact_cache(),
        };
        Ok(Session {
            inventory,
            sources,
            options,
            settings,
            playbook: playbook.clone(),
            roles_path: config.paths("ANSIBLE_ROLES_PATH", "defaults", "roles_path"),
            vault,
            shows_statistics: config.flag("ANSIBLE_SHOW_CUSTOM_STATS", "defaults", "show_custom_stats").unwrap_or(false),
            duplicates: match config.text("ANSIBLE_DUPLICATE_YAML_DICT_KEY", "defaults", "duplicate_dict_key").as_deref() {
                Some("error") => Duplicates::Refuse,
                Some("ignore") => Duplicates::Ignore,
                _ => Duplicates::Warn,
            },
            playbooks: playbook.playbooks.clone(),
            text: None,
            remotes: Remotes::new(Arc::new(Contents::default())),
            verbosity: connection.verbose,
        })
    }

    /// The hosts that a pattern and the limit select.
    pub(super) fn selected(&self, pattern: &str) -> Result<Vec<String>, Vec<Diagnostic>> {
        let mut hosts = self.inventory.select(pattern)?;
        if let Some(limit) = &self.settings.limit {
            let allowed = self.inventory.select(limit)?;
            hosts.retain(|host| allowed.contains(host));
        }
        Ok(hosts)
    }

    /// Forgets the facts that earlier runs kept.
    pub(super) fn flush_cache(&self) {
        if let Some(cache) = &self.options.cache {
            cache.flush(self.inventory.hosts.keys().map(String::as_str).chain(crate::inventory::LOCAL_NAMES));
        }
    }

    /// Nobody is asked for anything: the run only lists what is there.
    pub(super) fn ask_nobody(&mut self) {
        self.settings.prompts.ask = None;
        self.settings.prompts.warns = false;
    }

    /// Every task waits for all hosts, so that output comes task by task; checks are Ansible's.
    pub(super) fn familiar(&mut self) {
        self.settings.lockstep = true;
        self.settings.forgetful = true;
        // What was typed is an ordinary variable there.
        self.settings.prompts.covers = false;
    }

    /// A run that is told to `observer`; `live` changes hosts.
    pub(super) fn run(&self, live: bool, observer: Arc<dyn Observer>) -> Result<Arc<Run>, Vec<Diagnostic>> {
        let mut extra = indexmap::IndexMap::new();
        for option in &self.playbook.extra_vars {
            extra.extend(extra_vars(option, &self.vault).map_err(|e| vec![*e])?);
        }
        let options = Options { check: !live, ..self.options.clone() };
        let selection = Selection { only: self.playbook.tags.clone(), skip: self.playbook.skip_tags.clone() };
        let loader = Arc::new(Loader::new(self.roles_path.clone()).reading(self.vault.clone(), self.duplicates));
        if let Some((path, text)) = &self.text {
            loader.provide(path, text)?;
        }
        Ok(Run::new(Setup {
            fleet: Arc::new(Fleet::new(self.inventory.clone(), extra, options)),
            compiler: Compiler::new(loader, Arc::new(Templates::decrypting(self.vault.clone())), selection),
            remotes: self.remotes.clone(),
            observer,
            live,
            settings: self.settings.clone(),
            inventory_sources: self.sources.clone(),
        }))
    }
}

/// The runtime of a command: two threads are enough, the work is waiting.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Vec<Diagnostic>> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Templates nest deeply, and the engine that renders them recurses.
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|e| vec![Diagnostic::new(crate::error::Kind::System, "cannot start the program's threads").note(e.to_string())])
}

/// `-i`, else `ANSIBLE_INVENTORY` or `ansible.cfg`.
pub(super) fn inventory_sources(options: &InventoryOptions, config: &Config) -> Vec<String> {
    if !options.inventory.is_empty() {
        return options.inventory.clone();
    }
    let Some(text) = config.text("ANSIBLE_INVENTORY", "defaults", "inventory") else { return Vec::new() };
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(|p| config.path(p).display().to_string()).collect()
}

/// Reads only the inventory, for commands without a playbook.
pub(super) fn inventory_of(options: &InventoryOptions) -> Result<Inventory, Vec<Diagnostic>> {
    inventory_with(options, &[])
}

/// The same, for inventories that are computed with extra variables.
pub(super) fn inventory_with(options: &InventoryOptions, extra: &[String]) -> Result<Inventory, Vec<Diagnostic>> {
    let config = Config::read();
    let vault = options.vault.open(&config)?;
    Inventory::read_with(&inventory_sources(options, &config), &reading(options, extra, &config, &vault)?)
}

fn reading(options: &InventoryOptions, extra: &[String], config: &Config, vault: &Arc<Vault>) -> Result<Reading, Vec<Diagnostic>> {
    let mut known = modules::value::Map::new();
    for option in extra {
        for (name, binding) in extra_vars(option, vault)? {
            let value = match binding {
                Binding::Source(node) => node.raw(),
                Binding::Value(value) => value,
                Binding::Scope(_) | Binding::Scopes(_) => continue,
            };
            known.insert(modules::value::Value::str(name), value);
        }
    }
    Ok(Reading { extra: Arc::new(known), lenient: options.lenient, ..config.reading(vault) })
}

/// What stands for a playbook's folder: the option, `playbook_dir`, or the current folder.
pub(super) fn base_folder(option: Option<&Path>) -> PathBuf {
    let config = Config::read();
    let configured = || config.paths("ANSIBLE_PLAYBOOK_DIR", "defaults", "playbook_dir").into_iter().next();
    option.map(Path::to_path_buf).or_else(configured).or_else(|| std::env::current_dir().ok()).unwrap_or_default()
}

/// Variables beside what stands for a playbook, if a folder is named.
pub(super) fn playbook_dir(option: Option<&Path>, hosts: &InventoryOptions) -> Result<Option<PlaybookVars>, Vec<Diagnostic>> {
    let Some(folder) = option else { return Ok(None) };
    Ok(Some(PlaybookVars::read(folder, &hosts.vault.open(&Config::read())?)?))
}

/// Whether something else than a file can be read there, e.g. `<(…)` of a shell.
fn is_pipe(path: &Path) -> bool {
    path.exists() && !path.is_dir()
}

fn no_playbook(path: &Path) -> Diagnostic {
    let shown = path.display();
    if path.is_dir() {
        let inside = ["site.yaml", "site.yml"].map(|name| path.join(name)).into_iter().find(|p| p.is_file());
        let error = Diagnostic::input(format!("playbook `{shown}` is a folder"));
        return match inside {
            Some(inside) => error.hint(format!("did you mean `{}`?", inside.display())),
            None => error.hint("give the path of a YAML file with plays"),
        };
    }
    let error = Diagnostic::input(format!("playbook `{shown}` does not exist"));
    match crate::source::near(path) {
        Some(near) => error.hint(format!("did you mean `{}`?", path.with_file_name(near).display())),
        None => error.hint("give the path of a YAML file with plays"),
    }
}

pub(super) fn default_playbook(sources: &[String]) -> Result<PathBuf, Vec<Diagnostic>> {
    let beside = sources.iter().map(Path::new).filter_map(|p| if p.is_dir() { Some(p) } else { p.parent() });
    let folders: Vec<&Path> = std::iter::once(Path::new("")).chain(beside).collect();
    let candidates = || folders.iter().flat_map(|dir| ["site.yaml", "site.yml"].map(|name| dir.join(name)));
    candidates().find(|p| p.is_file()).ok_or_else(|| {
        let error = Diagnostic::input("no playbook given, and there is no `site.yaml`");
        let looked: Vec<PathBuf> = candidates().collect();
        let error = error.note(format!("looked for {}", crate::source::listed(&looked)));
        vec![error.hint("name a playbook: `engine apply -i inventory.yaml playbook.yaml`")]
    })
}

/// A limit must leave a host; warnings for those of its parts that match none.
fn check_limit(inventory: &Inventory, limit: Option<&str>) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let Some(limit) = limit else { return Ok(Vec::new()) };
    let hosts = inventory.select(limit).map_err(|e| vec![*e])?;
    let unmatched = inventory.warnings_for(limit);
    if hosts.is_empty() {
        let mut error = Diagnostic::input(format!("`--limit {limit}` matches no host"));
        for warning in unmatched {
            error.notes.push(warning.summary.clone());
            error.hints.extend(warning.hints);
        }
        return Err(vec![error]);
    }
    Ok(unmatched)
}

fn settings(hosts: &InventoryOptions, c: &ConnectionOptions, p: &PlaybookOptions, config: &Config) -> Result<Settings, Vec<Diagnostic>> {
    let number = |variable: &str, key: &str| config.text(variable, "defaults", key).and_then(|t| t.parse::<u64>().ok());
    let escalation = |variable: &str, key: &str| config.text(variable, "privilege_escalation", key);
    let common = c.ssh_common_args.clone().or_else(|| config.text("ANSIBLE_SSH_COMMON_ARGS", "ssh_connection", "ssh_common_args"));
    Ok(Settings {
        connection: c.connection.clone(),
        user: c.user.clone().or_else(|| config.text("ANSIBLE_REMOTE_USER", "defaults", "remote_user")),
        key_file: c.private_key.clone().or_else(|| config.text("ANSIBLE_PRIVATE_KEY_FILE", "defaults", "private_key_file")),
        ssh_args: common.map(|a| crate::transport::split_args(&a)).transpose().map_err(|e| vec![*e])?.unwrap_or_default(),
        host_key_checking: config.flag("ANSIBLE_HOST_KEY_CHECKING", "defaults", "host_key_checking").unwrap_or(true),
        timeout: c.timeout.or_else(|| number("ANSIBLE_TIMEOUT", "timeout")).unwrap_or(10),
        becomes: c.becomes || config.flag("ANSIBLE_BECOME", "privilege_escalation", "become").unwrap_or(false),
        become_method: c.become_method.clone().or_else(|| escalation("ANSIBLE_BECOME_METHOD", "become_method")),
        become_user: c.become_user.clone().or_else(|| escalation("ANSIBLE_BECOME_USER", "become_user")),
        become_password: become_password(c)?,
        forks: c.forks.or_else(|| number("ANSIBLE_FORKS", "forks").map(|n| n as usize)).unwrap_or(FORKS),
        force_handlers: p.force_handlers || config.flag("ANSIBLE_FORCE_HANDLERS", "defaults", "force_handlers").unwrap_or(false),
        strategy: config.text("ANSIBLE_STRATEGY", "defaults", "strategy"),
        error_on_missing_handler: config.flag("ANSIBLE_ERROR_ON_MISSING_HANDLER", "defaults", "error_on_missing_handler").unwrap_or(true),
        poll: config.text("ANSIBLE_POLL_INTERVAL", "defaults", "poll_interval").and_then(|t| t.parse().ok()),
        start_at: p.start_at_task.clone(),
        any_errors_fatal: config.flag("ANSIBLE_ANY_ERRORS_FATAL", "defaults", "any_errors_fatal").unwrap_or(false),
        limit: hosts.limit.clone(),
        lockstep: false,
        forgetful: false,
        prompts: Prompts::new(std::io::stdin().is_terminal().then_some(super::ask::answer)),
    })
}

fn become_password(options: &ConnectionOptions) -> Result<Option<String>, Vec<Diagnostic>> {
    if let Some(path) = &options.become_password_file {
        let text = std::fs::read_to_string(path).map_err(|e| vec![*crate::source::unreadable(path, &e)])?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_string()));
    }
    options.ask_become_pass.then(|| ask("BECOME password: ").map_err(|e| vec![*e])).transpose()
}
