//! Tasks: their modules and arguments, the variables they define and use, the files they include.

use super::survey::{Ground, Stage, Survey, folder, missing, search};
use crate::graph::check::{has_template, mistakes};
use crate::playbook::{Item, Task, known_module, short_name, unknown_module};
use crate::source::{Place, Source};
use crate::yaml::Node;
use std::path::Path;
use std::sync::Arc;

/// Facts that some modules leave as variables.
const LEFT: &[(&str, &[&str])] = &[("package_facts", &["packages"]), ("service_facts", &["services"])];

impl Survey<'_> {
    /// A file of tasks, once a play.
    pub(super) fn task_file(&mut self, path: &Path, ground: &Ground, stage: &mut Stage) {
        if !stage.read.insert(path.to_path_buf()) {
            return;
        }
        let (items, problems) = self.loader.survey_tasks(path);
        problems.into_iter().for_each(|problem| self.error(problem));
        let mut ground = ground.clone();
        ground.dirs.push(folder(path));
        self.items(&items, &ground, stage);
    }

    pub(super) fn items(&mut self, items: &[Item], ground: &Ground, stage: &mut Stage) {
        for item in items {
            match item {
                Item::Task(task) => self.task(task, ground, stage),
                Item::Block(block) => {
                    let ground = &ground.under(&block.keywords.when);
                    self.names.conditional = ground.conditional;
                    self.keywords(&block.keywords);
                    block.notify.iter().for_each(|node| self.notify(node, stage));
                    for items in [&block.body, &block.rescue, &block.always] {
                        self.items(items, ground, stage);
                    }
                }
            }
        }
    }

    fn task(&mut self, task: &Arc<Task>, ground: &Ground, stage: &mut Stage) {
        self.tasks.insert((task.path.clone(), task.place.line));
        let module = &task.action.module;
        if module.contains("{{") {
            self.names.open = true;
        } else if known_module(module) {
            mistakes(task, self.templates).into_iter().for_each(|mistake| self.error(mistake));
        } else {
            self.warning(unknown_module(module, &task.action.place));
            self.names.open = true;
        }
        let ground = &ground.under(&task.keywords.when);
        self.names.conditional = ground.conditional;
        self.keywords(&task.keywords);
        self.define(task);
        self.read(task);
        task.notify.iter().for_each(|node| self.notify(node, stage));
        self.follow(task, ground, stage);
    }

    /// The variables that a task leaves.
    fn define(&mut self, task: &Task) {
        task.register.iter().for_each(|name| self.names.define(name));
        let control = |key: &str| task.loop_control.as_ref().and_then(|control| control.get(key)).and_then(Node::as_str);
        for name in ["loop_var", "index_var"].into_iter().filter_map(control) {
            self.names.define(name);
        }
        let module = short_name(&task.action.module);
        for name in LEFT.iter().filter(|(of, _)| *of == module).flat_map(|(_, names)| *names) {
            self.names.define(name);
        }
        match module {
            "set_fact" | "add_host" => task.action.args.iter().for_each(|(name, _)| self.names.define(name)),
            "set_stats" => argument(task, "data").into_iter().for_each(|data| self.names.define_keys(data)),
            "getent" => {
                let database = argument(task, "database").and_then(Node::as_str).unwrap_or_default();
                self.names.define(&format!("getent_{database}"));
            }
            _ => {}
        }
        // Keys that only a template names.
        self.names.open |= matches!(module, "set_fact") && task.action.template.is_some();
        self.names.open |= matches!(module, "set_fact") && task.action.args.iter().any(|(name, _)| name.contains("{{"));
    }

    /// The variables that a task uses.
    fn read(&mut self, task: &Task) {
        let templates = self.templates;
        let asserts = short_name(&task.action.module) == "assert";
        for (name, node) in &task.action.args {
            match asserts && name == "that" {
                true => self.names.read_condition(node, templates),
                false => self.names.read_node(node, templates),
            }
        }
        let values = [&task.action.free_form, &task.action.template, &task.loop_control, &task.retries, &task.delay, &task.name];
        values.into_iter().flatten().for_each(|node| self.names.read_node(node, templates));
        if let Some(looped) = &task.looped {
            self.names.read_node(&looped.items, templates);
        }
        for node in [&task.until, &task.changed_when, &task.failed_when].into_iter().flatten() {
            self.names.read_condition(node, templates);
        }
    }

    fn notify(&mut self, node: &Node, stage: &mut Stage) {
        self.names.read_node(node, self.templates);
        for one in node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec) {
            if let Some(name) = one.as_str().filter(|_| !has_template(&one)) {
                stage.notified.push((name.to_owned(), one.place().clone()));
            }
        }
    }

    /// The files and roles that a task reads.
    fn follow(&mut self, task: &Arc<Task>, ground: &Ground, stage: &mut Stage) {
        match short_name(&task.action.module) {
            "include_tasks" | "import_tasks" | "include" => {
                let file = argument(task, "file").or(task.action.free_form.as_ref());
                let Some(file) = file else { return };
                let found = self.matching(file, "tasks", ground, stage);
                if found.is_empty() && !has_template(file) {
                    return self.error(missing("task file", file, &search(ground, stage, "tasks")));
                }
                stage.open |= found.is_empty();
                for file in found.iter().filter(|file| file.is_file()) {
                    self.task_file(file, ground, stage);
                }
            }
            "import_role" | "include_role" => self.role_call(task, ground, stage),
            "include_vars" => self.include_vars(task, ground, stage),
            "template" => self.template(task, ground, stage),
            _ => {}
        }
    }

    fn include_vars(&mut self, task: &Task, ground: &Ground, stage: &mut Stage) {
        if let Some(name) = argument(task, "name").and_then(Node::as_str) {
            return self.names.define(name);
        }
        let written = argument(task, "file").or(task.action.free_form.as_ref()).or_else(|| argument(task, "dir"));
        let Some(written) = written else { return };
        let found = self.matching(written, "vars", ground, stage);
        // Found while it runs, or only on some systems: no error here.
        self.names.open |= found.is_empty();
        for path in found {
            let files = if path.is_dir() { super::survey::files_below(&path) } else { vec![path] };
            files.iter().for_each(|file| self.variable_file(file));
        }
    }

    /// A template's file: whether it is there, can be read, and which variables it uses.
    fn template(&mut self, task: &Task, ground: &Ground, stage: &mut Stage) {
        let Some(src) = argument(task, "src") else { return };
        let name = src.as_str().unwrap_or_default();
        if has_template(src) || name.is_empty() {
            return;
        }
        let dirs = search(ground, stage, "templates");
        let Some(path) = dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file()) else {
            return self.error(missing("template", src, &dirs));
        };
        let custom =
            ["variable_start_string", "block_start_string", "comment_start_string"].iter().any(|key| argument(task, key).is_some());
        // Encrypted, or not text: reading it is the task's own affair.
        let Ok(source) = Source::read(&path) else { return };
        if custom || source.text().starts_with("$ANSIBLE_VAULT") {
            return;
        }
        let start = Place { source: source.clone(), line: 1, column: 1, length: 0 };
        match self.templates.names(source.text(), &start, false) {
            Ok(_) => self.names.read_file(source.text(), &start, self.templates),
            Err(error) => self.error(*error),
        }
    }
}

/// An argument of a task as written.
pub(super) fn argument<'t>(task: &'t Task, name: &str) -> Option<&'t Node> {
    task.action.args.iter().find(|(key, _)| key == name).map(|(_, node)| node)
}
