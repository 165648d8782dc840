//! Roles: what they bring, and whether they are given what their argument specs ask for.

use super::survey::{Ground, Stage, Survey, files_below, folder};
use crate::error::{Diagnostic, Result};
use crate::graph::check::has_template;
use crate::playbook::{Role, RoleUse, Task};
use crate::source::Place;
use crate::yaml::{Data, Node};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Which of a role's files a use of it takes.
struct Entry<'n> {
    tasks: &'n str,
    handlers: &'n str,
}

impl Survey<'_> {
    /// A role's folder that is checked by itself: as a play that uses it would.
    pub(super) fn lone_role(&mut self, path: &Path) {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let mut stage = Stage { dir: folder(&whole), ..Stage::default() };
        match self.loader.role(&whole.to_string_lossy(), &folder(&whole), None) {
            Ok(role) => {
                let entries = files_below(&role.path.join("tasks"));
                self.role(&role, &Entry { tasks: "main", handlers: "main" }, false, &mut stage);
                let mut ground = Ground { role: Some(role.clone()), ..Ground::default() };
                // Other files may be entries of their own (`tasks_from`).
                for file in entries {
                    ground.dirs = vec![folder(&file)];
                    self.task_file(&file, &ground, &mut stage);
                }
            }
            Err(error) => self.error(*error),
        }
        self.check_notified(stage);
    }

    /// A role that a play lists, or on which another depends.
    pub(super) fn role_use(&mut self, used: &RoleUse, ground: &Ground, stage: &mut Stage) {
        let ground = &ground.under(&used.keywords.when);
        self.names.conditional = ground.conditional;
        self.keywords(&used.keywords);
        self.vars(&used.params);
        used.params.iter().for_each(|(_, node)| self.names.read_node(node, self.templates));
        let Some(role) = self.named(&used.name, ground, stage) else { return };
        self.role(&role, &Entry { tasks: "main", handlers: "main" }, ground.conditional, stage);
        let given: Vec<&(String, Node)> = used.keywords.vars.iter().chain(&used.params).collect();
        self.specification(&role, "main", &given, used.name.place());
    }

    /// `import_role` or `include_role`.
    pub(super) fn role_call(&mut self, task: &Task, ground: &Ground, stage: &mut Stage) {
        let argument = |name: &str| task.action.args.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        let Some(name) = argument("name").or_else(|| argument("role")) else { return };
        let Some(role) = self.named(name, ground, stage) else { return };
        let from = |name: &str| argument(name).map_or(Some("main"), |node| node.as_str().filter(|_| !has_template(node)));
        let (Some(tasks), Some(handlers)) = (from("tasks_from"), from("handlers_from")) else {
            stage.open = true;
            return;
        };
        let (tasks, handlers) = (stem(tasks), stem(handlers));
        self.role(&role, &Entry { tasks, handlers }, ground.conditional, stage);
        for kind in ["vars", "defaults"] {
            let from = argument(&format!("{kind}_from")).and_then(Node::as_str).filter(|text| !text.contains("{{"));
            match from.map(|from| role.variables(kind, from)) {
                Some(Ok(vars)) => self.vars(&vars),
                Some(Err(error)) => self.error(error.at(&task.place)),
                None => {}
            }
        }
        let given: Vec<&(String, Node)> = task.keywords.vars.iter().collect();
        self.specification(&role, tasks, &given, name.place());
    }

    fn named(&mut self, name: &Node, ground: &Ground, stage: &mut Stage) -> Option<Arc<Role>> {
        let Some(text) = name.as_str().filter(|_| !has_template(name)) else {
            // Whatever that role defines is not known.
            stage.open = true;
            self.names.open = true;
            return None;
        };
        let near = ground.role.as_ref().map(|role| folder(&role.path));
        match self.loader.role(text, &stage.dir, near.as_deref()) {
            Ok(role) => Some(role),
            Err(error) => {
                stage.open = true;
                self.names.open = true;
                let error = error.at(name.place());
                let wanted = stage.dir.join("requirements.yml");
                let listed = [wanted, stage.dir.join("roles/requirements.yml")].into_iter().find(|file| requires(file, text));
                self.error(match listed {
                    Some(file) => error.hint(format!("`{0}` lists it: `ansible-galaxy role install -r {0} -p roles`", file.display())),
                    None => error,
                });
                None
            }
        }
    }

    fn role(&mut self, role: &Arc<Role>, entry: &Entry<'_>, conditional: bool, stage: &mut Stage) {
        let first = stage.read.insert(role.path.clone());
        let ground = Ground { dirs: vec![role.path.join("tasks")], role: Some(role.clone()), conditional };
        if first {
            self.vars(&role.defaults);
            self.vars(&role.vars);
            // Files that are read for the platform at hand define variables too.
            for file in files_below(&role.path.join("vars")) {
                self.variable_file(&file);
            }
            self.declare(role);
            for used in &role.dependencies {
                self.role_use(used, &ground, stage);
            }
        }
        match role.file("handlers", entry.handlers) {
            Ok(Some(file)) if stage.read.insert(file.clone()) => {
                let (items, problems) = self.loader.survey_tasks(&file);
                problems.into_iter().for_each(|problem| self.error(problem));
                self.handlers(&items, &Ground { dirs: vec![folder(&file)], ..ground.clone() }, stage);
            }
            Ok(_) => {}
            Err(error) => self.error(*error),
        }
        match role.file("tasks", entry.tasks) {
            Ok(Some(file)) => self.task_file(&file, &ground, stage),
            Ok(None) => {}
            Err(error) => self.error(*error),
        }
    }

    /// Options that argument specs name are variables that users of the role give.
    fn declare(&mut self, role: &Role) {
        for (_, spec) in role.argument_specs.iter().filter_map(Node::as_map).flatten() {
            if let Some(options) = spec.get("options") {
                let names = options.as_map().into_iter().flatten().filter_map(|(name, _)| name.as_str());
                names.for_each(|name| self.names.declare(name));
            }
        }
    }

    /// Whether what a role is given fits its argument specs, as far as no template stands in it.
    fn specification(&mut self, role: &Role, entry: &str, given: &[&(String, Node)], place: &Place) {
        let Some(options) = role.argument_specs.as_ref().and_then(|specs| specs.get(entry)).and_then(|spec| spec.get("options")) else {
            return;
        };
        for (key, option) in options.as_map().into_iter().flatten() {
            let Some(name) = key.as_str() else { continue };
            if let Some((_, value)) = given.iter().find(|(given, _)| given == name) {
                if let Err(error) = fits(name, value, option) {
                    let error = error.at(value.place());
                    self.error(error.note(format!("role `{}` asks for it in its argument specs", role.name)));
                }
            } else if asked(option) && !role.defaults.iter().chain(&role.vars).any(|(known, _)| known == name) {
                self.names.require(name, role, place);
            }
        }
    }
}

/// Whether an option must be given.
fn asked(option: &Node) -> bool {
    let required = option.get("required").is_some_and(|node| matches!(node.data(), Data::Bool(true)));
    required && option.get("default").is_none()
}

/// Whether a value fits an option's type and choices.
fn fits(name: &str, value: &Node, option: &Node) -> Result<()> {
    let refuse = |what: String| Err(Box::new(Diagnostic::input(what)));
    if has_template(value) || matches!(value.data(), Data::Unsafe(_) | Data::Vault(_)) {
        return Ok(());
    }
    let kind = option.get("type").and_then(Node::as_str).unwrap_or("str");
    let text = value.as_str();
    let fits = match (kind, value.data()) {
        ("dict", Data::Map(_)) | ("list", Data::List(_) | Data::Str(_) | Data::Int(_) | Data::Float(_)) | ("bool", Data::Bool(_)) => true,
        ("dict", Data::Str(text)) => text.contains('=') || text.trim_start().starts_with('{'),
        ("dict", _) | ("list", _) => false,
        ("int", Data::Int(_)) | ("float", Data::Int(_) | Data::Float(_)) => true,
        ("int", _) => text.is_some_and(|text| text.trim().parse::<i64>().is_ok()),
        ("float", _) => text.is_some_and(|text| text.trim().parse::<f64>().is_ok()),
        ("bool", Data::Int(number)) => matches!(number, 0 | 1),
        ("bool", Data::Str(text)) => {
            matches!(text.to_lowercase().as_str(), "yes" | "no" | "true" | "false" | "on" | "off" | "1" | "0" | "y" | "n" | "t" | "f")
        }
        ("bool", _) => false,
        ("path", Data::Map(_) | Data::List(_)) => false,
        _ => true,
    };
    if !fits {
        return refuse(format!("`{name}` must be of type {kind}, not {}", value.type_name()));
    }
    let choices = option.get("choices").and_then(Node::as_list).unwrap_or_default();
    let values = value.as_list().map_or_else(|| vec![value.clone()], <[Node]>::to_vec);
    let known: HashSet<String> = choices.iter().map(|choice| choice.raw().to_string()).collect();
    match values.iter().map(|value| value.raw().to_string()).find(|value| !known.is_empty() && !known.contains(value)) {
        Some(wrong) => {
            let shown: Vec<String> = choices.iter().map(|choice| choice.raw().to_string()).collect();
            refuse(format!("`{name}` must be one of {}, not `{wrong}`", shown.join(", ")))
        }
        None => Ok(()),
    }
}

/// The name of a file without its ending.
fn stem(name: &str) -> &str {
    [".yml", ".yaml", ".json"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Whether a file of requirements lists a role.
fn requires(file: &Path, role: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().any(|line| line.split([':', ' ', '"', '\'', ',']).any(|word| word == role))
}
