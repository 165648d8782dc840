//! Tasks and blocks, read from a list.

use super::actions::{controller_action, known_module, known_names};
use super::keywords::{self, Owner, given, is_template, is_variable_name, kind};
use super::library;
use super::reader::Reader;
use super::{Block, Item, Loop, Task};
use crate::error::Diagnostic;
use crate::yaml::{Data, Node};
use std::sync::Arc;

/// Keywords that `include_tasks` and `include_role` take for themselves; others go under their `apply`.
const INCLUDE_KEYWORDS: &[&str] = &[
    "action",
    "local_action",
    "args",
    "collections",
    "debugger",
    "ignore_errors",
    "listen",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "register",
    "run_once",
    "tags",
    "timeout",
    "vars",
    "when",
];

const LOOP_CONTROL: &[&str] = &["break_when", "extended", "extended_allitems", "index_var", "label", "loop_var", "pause"];

/// Keywords that may keep a task from failing.
const FORGIVING: [&str; 3] = ["failed_when", "ignore_errors", "when"];

/// Whether a value can be the arguments of a module.
fn is_call(value: &Node) -> bool {
    matches!(value.data(), Data::Null | Data::Str(_) | Data::Map(_))
}

impl Reader<'_> {
    /// A list of tasks and blocks; nothing for null. `owner` is a task or a handler.
    pub(super) fn items(&mut self, list: Option<&Node>, owner: Owner) -> Vec<Item> {
        let list = list.and_then(Node::as_list).unwrap_or_default();
        list.iter().filter(|node| !node.is_null()).filter_map(|node| self.item(node, owner)).collect()
    }

    fn item(&mut self, node: &Node, owner: Owner) -> Option<Item> {
        if node.as_map().is_none() {
            let mut error = Diagnostic::input(format!("a task must be a dictionary, not {}", kind(node))).at(node.place());
            if let Some(name) = node.as_str().filter(|name| known_module(name)) {
                error = error.hint(format!("write `{name}:` to call the module"));
            }
            self.error(error);
            return None;
        }
        if ["block", "rescue", "always"].iter().any(|key| node.get(key).is_some()) {
            return Some(Item::Block(Arc::new(self.block(node, owner))));
        }
        self.task(node, owner).map(|task| Item::Task(Arc::new(task)))
    }

    fn block(&mut self, node: &Node, owner: Owner) -> Block {
        self.check_keywords(node, Owner::Block);
        if node.get("block").is_none_or(Node::is_null) {
            self.error(Diagnostic::input("a block needs tasks under `block`").at(node.place()));
        }
        Block {
            place: node.place().clone(),
            name: given(node, "name"),
            keywords: Arc::new(self.keywords(node)),
            notify: given(node, "notify"),
            body: self.items(node.get("block"), owner),
            rescue: self.items(node.get("rescue"), owner),
            always: self.items(node.get("always"), owner),
        }
    }

    fn task(&mut self, node: &Node, owner: Owner) -> Option<Task> {
        let (key, value) = self.call(node, owner)?;
        let action = self.action(&key, &value, node.get("args"))?;
        if matches!(controller_action(&action.module), Some("include_tasks" | "include_role")) {
            self.check_include(node, &action.module);
        }
        Some(Task {
            place: node.place().clone(),
            path: self.path.to_path_buf(),
            name: given(node, "name"),
            keywords: Arc::new(self.keywords(node)),
            action,
            looped: self.looped(node),
            loop_control: self.loop_control(node),
            register: self.register(node),
            until: given(node, "until"),
            retries: given(node, "retries"),
            delay: given(node, "delay"),
            changed_when: given(node, "changed_when"),
            failed_when: given(node, "failed_when"),
            notify: given(node, "notify"),
            listen: given(node, "listen"),
            background: given(node, "async"),
            poll: given(node, "poll"),
            own: false,
        })
    }

    /// The one entry of a task that calls a module. Checks every other entry.
    fn call(&mut self, node: &Node, owner: Owner) -> Option<(Node, Node)> {
        let mut others = Vec::new();
        let mut calls: Vec<&(Node, Node)> = Vec::new();
        for entry in node.as_map().unwrap_or_default() {
            match entry.0.as_str() {
                None => self.error(Diagnostic::input("a key of a task must be text").at(entry.0.place())),
                Some("action" | "local_action") => calls.push(entry),
                // A flag that is none fails its task when that runs, which a condition or `rescue` may keep it from.
                Some(name) if keywords::is_late(name, &entry.1) && FORGIVING.iter().any(|k| node.get(k).is_some()) => {}
                Some(name) if keywords::find(name, owner).is_some() => self.check_shape(name, &entry.1, owner),
                Some(name) if name.starts_with("with_") => {}
                Some(name) if known_module(name) => calls.push(entry),
                Some(name) if library::has(name, self.path) => calls.push(entry),
                Some(_) => others.push(entry),
            }
        }
        if let [call] = calls[..] {
            let module = call.0.as_str().unwrap_or_default();
            for (key, _) in others {
                self.stray(key, module, owner);
            }
            return Some(call.clone());
        }
        if let [first, second, ..] = calls[..] {
            let (first, second) = (&first.0, &second.0);
            let what = format!("a task calls one module, not both `{}` and `{}`", first.as_str()?, second.as_str()?);
            let error = Diagnostic::input(what).at(second.place()).hint("make two tasks of it; `- ` starts a task");
            self.error(error.said(format!("conflicting action statements: {}, {}", first.as_str()?, second.as_str()?)));
            return None;
        }
        self.no_module(node, &others);
        // The arguments and keywords of an unknown module are still worth checking.
        match others[..] {
            [call] if is_call(&call.1) => Some(call.clone()),
            _ => None,
        }
    }

    /// A key of a task that is neither keyword nor module.
    fn stray(&mut self, key: &Node, module: &str, owner: Owner) {
        let name = key.as_str().unwrap_or_default();
        let mut error = Diagnostic::input(format!("a task has no keyword `{name}`")).at(key.place());
        error = match [Owner::Handler, Owner::Block, Owner::Play].into_iter().find(|other| keywords::find(name, *other).is_some()) {
            Some(other) => error.hint(format!("`{name}` is a keyword of {}", other.noun())),
            None if name.starts_with("sudo") => error.hint(format!("write `{}` instead", name.replacen("sudo", "become", 1))),
            None => error.nearest(name, keywords::names(owner)),
        };
        if error.hints.is_empty() {
            error = error.hint(format!("if it is an argument of `{module}`, indent it below `{module}:`"));
        }
        let kind = if owner == Owner::Handler { "Handler" } else { "Task" };
        self.error(error.said(format!("'{name}' is not a valid attribute for a {kind}")));
    }

    /// A task without a known module: its unknown keys are wrong modules or wrong keywords.
    fn no_module(&mut self, node: &Node, others: &[&(Node, Node)]) {
        if others.iter().any(|(key, _)| key.as_str() == Some("hosts")) {
            let error = Diagnostic::input("this is a play, but tasks are expected here").at(node.place());
            return self.error(error.hint("plays of another file are run with `import_playbook` in a playbook"));
        }
        if others.is_empty() {
            let error = Diagnostic::input("the task calls no module").at(node.place()).said("no module/action detected in task.");
            return self.error(error.hint("a task needs a module's name with its arguments, e.g. `debug: msg=hello`"));
        }
        for (key, value) in others {
            let name = key.as_str().unwrap_or_default();
            let keyword = modules::args::nearest(name, keywords::names(Owner::Task));
            // Arguments behind it make it a module.
            let called = value.as_map().is_some() || value.as_str().is_some_and(|text| text.contains('='));
            match keyword.filter(|_| !called && modules::args::nearest(name, known_names()).is_none()) {
                Some(keyword) => {
                    let error = Diagnostic::input(format!("`{name}` is neither a keyword nor a module")).at(key.place());
                    self.error(error.hint(format!("did you mean `{keyword}`?")));
                }
                None => self.unknown_module(name, key.place(), others.len() == 1 && is_call(value)),
            }
        }
    }

    fn check_include(&mut self, node: &Node, module: &str) {
        for (key, _) in node.as_map().unwrap_or_default() {
            let Some(name) = key.as_str() else { continue };
            if keywords::find(name, Owner::Task).is_some() && !INCLUDE_KEYWORDS.contains(&name) {
                let error = Diagnostic::input(format!("`{module}` does not take the keyword `{name}`")).at(key.place());
                self.error(error.hint(format!("put it under `apply` of `{module}` for the tasks included")));
            }
        }
    }

    fn looped(&mut self, node: &Node) -> Option<Loop> {
        let mut found: Option<(&Node, Loop)> = None;
        for (key, value) in node.as_map()?.iter().filter(|(_, value)| !value.is_null()) {
            let lookup = match key.as_str() {
                Some("loop") => None,
                Some(name) => match name.strip_prefix("with_") {
                    Some(lookup) => Some(lookup.to_string()),
                    None => continue,
                },
                None => continue,
            };
            if let Some((first, _)) = &found {
                let what = format!("a task has one loop, not both `{}` and `{}`", first.as_str()?, key.as_str()?);
                self.error(Diagnostic::input(what).at(key.place()));
                continue;
            }
            if lookup.is_none() {
                self.check_loop(value);
            }
            found = Some((key, Loop { lookup, items: value.clone() }));
        }
        found.map(|(_, looped)| looped)
    }

    fn check_loop(&mut self, value: &Node) {
        let fits = match value.data() {
            Data::Str(text) => is_template(text),
            Data::Unsafe(inner) => inner.as_list().is_some(),
            data => matches!(data, Data::List(_)),
        };
        if fits {
            return;
        }
        let error = Diagnostic::input(format!("`loop` must be a list or a template that gives one, not {}", kind(value)));
        let error = error.at(value.place());
        self.error(match value.data() {
            Data::Str(text) if is_variable_name(text) => error.hint(format!("write `\"{{{{ {text} }}}}\"` for the variable")),
            Data::Map(_) => error.hint("write `loop: \"{{ … | dict2items }}\"` to loop over a dictionary"),
            _ => error,
        });
    }

    fn loop_control(&mut self, node: &Node) -> Option<Node> {
        let control = given(node, "loop_control")?;
        for (key, _) in control.as_map().unwrap_or_default() {
            let name = key.as_str().unwrap_or_default();
            if !LOOP_CONTROL.contains(&name) {
                let error = Diagnostic::input(format!("`loop_control` has no key `{name}`")).at(key.place());
                self.error(error.nearest(name, LOOP_CONTROL.iter().copied()));
            }
        }
        Some(control)
    }

    fn register(&mut self, node: &Node) -> Option<String> {
        let name = given(node, "register")?;
        let text = name.as_str().unwrap_or_default();
        if !is_variable_name(text) {
            let shown = name.raw();
            let error = Diagnostic::input(format!("`register` must name a variable, and `{shown}` is no valid name")).at(name.place());
            let error = error.said(format!("Invalid variable name '{shown}'."));
            self.error(error.hint("a name has letters, digits and underscores, and does not start with a digit"));
        }
        Some(text.to_string())
    }
}
