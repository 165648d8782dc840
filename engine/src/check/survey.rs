//! The way through playbooks, plays, roles and files of tasks: each is read once a play.

use super::names::Names;
use super::tasks::argument;
use super::{Finding, Weight, is_role};
use crate::error::Diagnostic;
use crate::graph::check::{has_template, readable_variables};
use crate::playbook::{Item, Keywords, Loader, Play, PlayItem, Role, Task, Vars, short_name};
use crate::source::Place;
use crate::template::Templates;
use crate::yaml::Node;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What has been seen so far.
pub(super) struct Survey<'a> {
    pub(super) loader: &'a Loader,
    pub(super) templates: &'a Templates,
    pub(super) findings: Vec<Finding>,
    pub(super) names: Names,
    /// Tasks by file and line.
    pub(super) tasks: HashSet<(PathBuf, u32)>,
    playbooks: HashSet<PathBuf>,
}

/// What belongs together: a play with its roles, or a role alone.
#[derive(Default)]
pub(super) struct Stage {
    /// The folder of the playbook.
    pub(super) dir: PathBuf,
    /// Names and topics of handlers.
    pub(super) handlers: HashSet<String>,
    /// Who is notified, and where that is asked for.
    pub(super) notified: Vec<(String, Place)>,
    /// Some handlers cannot be known.
    pub(super) open: bool,
    /// Files whose handlers' names are known.
    pub(super) read_names: HashSet<PathBuf>,
    /// What was read: files of tasks, and roles with their entry.
    pub(super) read: HashSet<PathBuf>,
}

/// Where files are searched.
#[derive(Clone, Default)]
pub(super) struct Ground {
    /// Folders of the files of tasks around, the nearest last.
    pub(super) dirs: Vec<PathBuf>,
    /// The role around.
    pub(super) role: Option<Arc<Role>>,
    /// Whether a condition decides if anything here runs.
    pub(super) conditional: bool,
}

impl Ground {
    /// The same under further conditions.
    pub(super) fn under(&self, conditions: &[Node]) -> Ground {
        Ground { conditional: self.conditional || !conditions.is_empty(), ..self.clone() }
    }
}

impl<'a> Survey<'a> {
    pub(super) fn new(loader: &'a Loader, templates: &'a Templates) -> Survey<'a> {
        let (findings, names, tasks, playbooks) = (Vec::new(), Names::default(), HashSet::new(), HashSet::new());
        Survey { loader, templates, findings, names, tasks, playbooks }
    }

    pub(super) fn error(&mut self, diagnostic: Diagnostic) {
        self.findings.push(Finding { weight: Weight::Error, diagnostic });
    }

    pub(super) fn warning(&mut self, diagnostic: Diagnostic) {
        self.findings.push(Finding { weight: Weight::Warning, diagnostic });
    }

    /// A playbook, a file of tasks or a role's folder.
    pub(super) fn path(&mut self, path: &Path) {
        if is_role(path) {
            return self.lone_role(path);
        }
        if path.is_dir() {
            let inside = ["site.yml", "site.yaml"].map(|name| path.join(name)).into_iter().find(|file| file.is_file());
            match inside {
                Some(site) => self.playbook(&site),
                None => self.error(
                    Diagnostic::input(format!("`{}` is a folder, but no role and without `site.yml`", path.display()))
                        .hint("name playbooks, files of tasks, or folders of roles"),
                ),
            }
            return;
        }
        match self.loader.document(path) {
            Err(error) => self.error(*error),
            Ok(document) if document.as_ref().is_some_and(holds_tasks) => {
                let mut stage = Stage { dir: folder(path), open: true, ..Stage::default() };
                let ground = Ground { dirs: vec![folder(path)], ..Ground::default() };
                self.task_file(path, &ground, &mut stage);
            }
            Ok(_) => self.playbook(path),
        }
    }

    fn playbook(&mut self, path: &Path) {
        if !self.playbooks.insert(path.to_path_buf()) {
            return;
        }
        self.variables_beside(&folder(path));
        let (plays, problems) = self.loader.survey(path);
        problems.into_iter().for_each(|problem| self.error(problem));
        for item in plays {
            match item {
                PlayItem::Play(play) => self.play(&play, &folder(path)),
                PlayItem::Import(import) => {
                    self.vars(&import.keywords.vars);
                    let file = import.file.as_str().filter(|_| !has_template(&import.file));
                    let Some(file) = file.map(|file| folder(path).join(file)) else { continue };
                    match file.is_file() {
                        true => self.playbook(&file),
                        false => self.error(missing("playbook", &import.file, std::slice::from_ref(&file))),
                    }
                }
            }
        }
    }

    /// `group_vars` and `host_vars` beside a playbook.
    fn variables_beside(&mut self, dir: &Path) {
        for file in ["group_vars", "host_vars"].iter().flat_map(|kind| files_below(&dir.join(kind))) {
            self.variable_file(&file);
        }
    }

    /// A file of variables.
    pub(super) fn variable_file(&mut self, path: &Path) {
        match self.loader.variables(path) {
            Ok(vars) => self.vars(&vars),
            Err(_) if is_encrypted(path) => self.names.open = true,
            Err(error) => self.error(*error),
        }
    }

    fn play(&mut self, play: &Play, dir: &Path) {
        let mut stage = Stage { dir: dir.to_path_buf(), ..Stage::default() };
        let ground = Ground { dirs: vec![dir.to_path_buf()], ..Ground::default() };
        self.keywords(&play.keywords);
        for prompt in play.vars_prompt.iter().filter_map(|prompt| prompt.get("name").and_then(Node::as_str)) {
            self.names.define(prompt);
        }
        for node in &play.vars_files {
            self.vars_file(node, &ground, &stage);
        }
        for node in [&play.serial, &play.strategy, &play.order, &play.gather_facts].into_iter().flatten() {
            self.names.read_node(node, self.templates);
        }
        for used in &play.roles {
            self.role_use(used, &ground, &mut stage);
        }
        for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
            self.items(items, &ground, &mut stage);
        }
        self.handlers(&play.handlers, &ground, &mut stage);
        self.check_notified(stage);
    }

    /// Handlers are tasks with names that others notify.
    pub(super) fn handlers(&mut self, items: &[Item], ground: &Ground, stage: &mut Stage) {
        self.handler_names(items, ground, stage);
        self.items(items, ground, stage);
    }

    fn handler_names(&mut self, items: &[Item], ground: &Ground, stage: &mut Stage) {
        let mut open: Vec<&Item> = items.iter().collect();
        while let Some(item) = open.pop() {
            match item {
                Item::Block(block) => open.extend(block.body.iter().chain(&block.rescue).chain(&block.always)),
                Item::Task(task) => {
                    let topics = task.listen.iter().flat_map(|node| node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec));
                    for name in task.name.iter().cloned().chain(topics) {
                        stage.open |= has_template(&name);
                        stage.handlers.extend(name.as_str().map(str::to_owned));
                    }
                    match short_name(&task.action.module) {
                        "import_tasks" => self.imported_handlers(task, ground, stage),
                        // They bring names that only a run knows.
                        module => stage.open |= module.starts_with("include"),
                    }
                }
            }
        }
    }

    fn imported_handlers(&mut self, task: &Task, ground: &Ground, stage: &mut Stage) {
        let Some(file) = argument(task, "file").or(task.action.free_form.as_ref()) else { return };
        for path in self.matching(file, "handlers", ground, stage) {
            let (items, _) = self.loader.survey_tasks(&path);
            let mut ground = ground.clone();
            ground.dirs.push(folder(&path));
            if stage.read_names.insert(path) {
                self.handler_names(&items, &ground, stage);
            }
        }
    }

    /// Every name that is notified must be that of a handler.
    pub(super) fn check_notified(&mut self, stage: Stage) {
        if stage.open {
            return;
        }
        for (name, place) in &stage.notified {
            // `role : handler` names a role's own.
            let short = name.rsplit_once(" : ").map_or(name.as_str(), |(_, short)| short);
            if !stage.handlers.contains(name) && !stage.handlers.contains(short) {
                let error = Diagnostic::input(format!("no handler is named `{name}` or listens to it")).at(place);
                self.error(error.nearest(name, stage.handlers.iter().map(String::as_str)));
            }
        }
    }

    /// Variables as written: their names, and whether their templates can be read.
    pub(super) fn vars(&mut self, vars: &Vars) {
        vars.iter().for_each(|(name, _)| self.names.define(name));
        if let Some(problem) = readable_variables(vars, self.templates) {
            self.error(problem);
        }
    }

    /// Keywords that plays, roles, blocks and tasks share.
    pub(super) fn keywords(&mut self, keywords: &Keywords) {
        self.vars(&keywords.vars);
        keywords.vars.iter().for_each(|(_, node)| self.names.read_node(node, self.templates));
        keywords.when.iter().for_each(|node| self.names.read_condition(node, self.templates));
        keywords.others.iter().for_each(|(_, node)| self.names.read_node(node, self.templates));
    }

    /// One entry of `vars_files`: a file, or several of which the first that exists is read.
    fn vars_file(&mut self, node: &Node, ground: &Ground, stage: &Stage) {
        let choices = node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec);
        let mut found = false;
        for choice in &choices {
            self.names.read_node(choice, self.templates);
            let files = self.matching(choice, "vars", ground, stage);
            found |= !files.is_empty() || has_template(choice);
            files.iter().filter(|file| file.is_file()).for_each(|file| self.variable_file(file));
        }
        if let Some(first) = choices.first().filter(|_| !found) {
            self.error(missing("file of variables", first, &search(ground, stage, "vars")));
        }
    }

    /// The files of a kind that a written name may mean: itself, or all that its fixed parts match when a template stands in it.
    pub(super) fn matching(&mut self, node: &Node, kind: &str, ground: &Ground, stage: &Stage) -> Vec<PathBuf> {
        let Some(text) = node.as_str() else { return Vec::new() };
        let text = with_folders(text, ground, stage);
        if !text.contains("{{") {
            let found = search(ground, stage, kind).iter().map(|dir| dir.join(&text)).find(|path| path.exists());
            return found.into_iter().collect();
        }
        let found = fixed_parts(&text).map(|parts| self.fitting(&parts, &folders_of(kind, ground, stage))).unwrap_or_default();
        self.names.open |= found.is_empty();
        found
    }

    /// Files that match, and that are of the kind that is looked for: variables or tasks.
    fn fitting(&self, parts: &[String], dirs: &[PathBuf]) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for dir in dirs {
            let deep = parts.iter().any(|part| part.contains('/'));
            let files = files_below(dir).into_iter().filter(|path| deep || path.parent() == Some(dir));
            let fits = |path: &PathBuf| path.strip_prefix(dir).ok().and_then(Path::to_str).is_some_and(|name| matches(name, parts));
            found.extend(files.filter(fits));
        }
        found
    }
}

/// The text with the folders that are known before anything runs.
fn with_folders(text: &str, ground: &Ground, stage: &Stage) -> String {
    let mut text = text.to_owned();
    let role = ground.role.as_ref().map(|role| role.path.display().to_string());
    for (name, folder) in [("playbook_dir", Some(stage.dir.display().to_string())), ("role_path", role)] {
        for written in [format!("{{{{ {name} }}}}"), format!("{{{{{name}}}}}")] {
            text = folder.iter().fold(text, |text, folder| text.replace(&written, if folder.is_empty() { "." } else { folder }));
        }
    }
    text
}

/// Folders where files of a kind are kept, without those that hold anything else.
fn folders_of(kind: &str, ground: &Ground, stage: &Stage) -> Vec<PathBuf> {
    let own = match &ground.role {
        Some(role) => role.path.join(kind),
        None => stage.dir.join(kind),
    };
    let near = ground.dirs.last().cloned().filter(|dir| *dir != own && kind == "tasks");
    std::iter::once(own).chain(near).collect()
}

/// Whether a document is a list of tasks rather than of plays.
fn holds_tasks(document: &Node) -> bool {
    let is_play = |node: &Node| ["hosts", "import_playbook", "ansible.builtin.import_playbook"].iter().any(|key| node.get(key).is_some());
    document.as_list().is_some_and(|items| !items.is_empty() && !items.iter().any(is_play))
}

/// Whether a file is a vault's: without its password it only tells that it defines something.
fn is_encrypted(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"$ANSIBLE_VAULT"))
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Folders that files of a kind (`vars`, `templates`, `files`, `tasks`) are searched in.
pub(super) fn search(ground: &Ground, stage: &Stage, kind: &str) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(role) = &ground.role {
        dirs.extend([role.path.join(kind), role.path.clone()]);
    }
    for dir in ground.dirs.iter().rev() {
        dirs.extend([dir.join(kind), dir.clone()]);
    }
    dirs.extend([stage.dir.join(kind), stage.dir.clone()]);
    dirs
}

/// The error for a file that is nowhere.
pub(super) fn missing(what: &str, node: &Node, dirs: &[PathBuf]) -> Diagnostic {
    let name = node.as_str().unwrap_or_default();
    let error = Diagnostic::input(format!("the {what} `{name}` does not exist")).at(node.place());
    let near = dirs.iter().find_map(|dir| crate::source::near(&dir.join(name)));
    let error = error.note(format!("looked in {}", crate::source::listed(dirs)));
    near.into_iter().fold(error, |error, near| error.hint(format!("did you mean `{near}`?")))
}

/// The text between templates; `None` when there is none that says anything.
fn fixed_parts(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        parts.push(rest[..open].to_owned());
        rest = &rest[open + rest[open..].find("}}")? + 2..];
    }
    parts.push(rest.to_owned());
    parts.iter().any(|part| part.chars().any(char::is_alphanumeric)).then_some(parts)
}

/// Whether a name is these parts with anything between them.
fn matches(name: &str, parts: &[String]) -> bool {
    let [first, middle @ .., last] = parts else { return false };
    let Some(mut rest) = name.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else { return false };
    for part in middle {
        match rest.find(part.as_str()) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// The YAML and JSON files below a folder.
pub(super) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if matches_ending(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn matches_ending(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".");
    let plain = !name.starts_with('.') && !name.ends_with('~');
    plain && (!name.contains('.') || [".yml", ".yaml", ".json"].iter().any(|ending| name.ends_with(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_templates_match_files() {
        let parts = fixed_parts("{{ a }}-x-{{ b | default('}') }}.yml").unwrap();
        assert!(matches("Debian-x-12.yml", &parts));
        assert!(!matches("Debian-12.yml", &parts));
        assert_eq!(fixed_parts("{{ a }}"), None);
    }
}
