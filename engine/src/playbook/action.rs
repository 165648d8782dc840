//! A task's module and its arguments, in every form that Ansible takes.

use super::actions::{is_command, is_command_option, known_module, known_names, short_name, takes_text};
use super::keywords::{is_template, kind};
use super::library;
use super::reader::Reader;
use super::words::{self, Finder, Unbalanced};
use super::{Action, Vars};
use crate::error::{Diagnostic, Result};
use crate::source::{Place, Source};
use crate::yaml::{Data, Node};

/// The error for a module that there is not, with the nearest one.
pub fn unknown_module(name: &str, place: &Place) -> Diagnostic {
    let error = Diagnostic::input(format!("unknown module `{name}`")).at(place).nearest(short_name(name), known_names());
    let why = "This often indicates a misspelling, missing collection, or incorrect module path.";
    let error = error.said(format!("couldn't resolve module/action '{name}'. {why}"));
    if !error.hints.is_empty() {
        return error;
    }
    let error = error.hint("`engine modules` lists all there are");
    error.hint("others are found in `library` beside the playbook or role, in collections, and in an ansible-core installed here")
}

impl Reader<'_> {
    /// Reads `module: value`, `action: value` or `local_action: value`, with the task's `args` beneath.
    pub(super) fn action(&mut self, key: &Node, value: &Node, args: Option<&Node>) -> Option<Action> {
        let place = key.place().clone();
        let mut action = match key.as_str()? {
            word @ ("action" | "local_action") => {
                let called = self.called(word, value)?;
                if !known_module(&called.module) && !is_template(&called.module) && !library::has(&called.module, self.path) {
                    self.unknown_module(&called.module, &called.place, true);
                }
                Action { local: word == "local_action", ..called }
            }
            module => {
                let mut action = nothing(place, module.to_string());
                self.fill(&mut action, value);
                action
            }
        };
        if let Some(args) = args {
            self.defaults(&mut action, args);
        }
        Some(action)
    }

    /// A mistyped module is an error at once. One that is like no other may belong to a task whose condition never
    /// holds: what is certain to run is checked when the play is unfolded, the rest when it is reached.
    pub(super) fn unknown_module(&mut self, name: &str, place: &Place, may_wait: bool) {
        let error = unknown_module(name, place);
        if !may_wait || error.hints.iter().any(|h| h.starts_with("did you mean")) {
            self.error(error);
        }
    }

    /// `action: module k=v`, `action: {module: name, …}`, `action: {module: name, args: …}`.
    fn called(&mut self, word: &str, value: &Node) -> Option<Action> {
        if value.as_map().is_none() {
            let Some(text) = value.as_str() else {
                self.error(Diagnostic::input(format!("`{word}` must name a module, not be {}", kind(value))).at(value.place()));
                return None;
            };
            return self.named_first(word, text, value.place());
        }
        let Some(module) = value.get("module") else {
            self.error(Diagnostic::input(format!("`{word}` needs the key `module`")).at(value.place()));
            return None;
        };
        let text = module.as_str().unwrap_or_default();
        let mut action = self.named_first(word, text, module.place())?;
        let own = value.as_map().unwrap_or_default().iter().filter(|(key, _)| !matches!(key.as_str(), Some("module" | "args")));
        self.fill_pairs(&mut action, own);
        if let Some(args) = value.get("args") {
            self.fill(&mut action, args);
        }
        Some(action)
    }

    /// A module's name and its arguments as one text.
    fn named_first(&mut self, word: &str, text: &str, place: &Place) -> Option<Action> {
        let first = match words::split(text) {
            Ok((_, words)) => words.first().map(|word| word.text),
            Err(error) => {
                self.unbalanced(&error, word, place);
                return None;
            }
        };
        let Some(module) = first else {
            self.error(Diagnostic::input(format!("`{word}` names no module")).at(place));
            return None;
        };
        let mut finder = Finder::new(place, text);
        let mut action = nothing(finder.place(module), module.to_string());
        let rest = text.trim_start()[module.len()..].trim_start();
        if !rest.is_empty() {
            let at = finder.place(rest);
            self.fill_text(&mut action, &Node::new(at, Data::Str(rest.into())), rest);
        }
        Some(action)
    }

    /// Reads the value under a module's name.
    fn fill(&mut self, action: &mut Action, value: &Node) {
        match value.data() {
            Data::Null => {}
            Data::Map(pairs) => self.fill_pairs(action, pairs.iter()),
            Data::Str(text) => self.fill_text(action, value, text),
            Data::Unsafe(_) | Data::Vault(_) if takes_text(&action.module) => action.free_form = Some(value.clone()),
            _ => {
                let what = format!("the arguments of `{}` must be a dictionary or text, not {}", action.module, kind(value));
                let mut error = Diagnostic::input(what).at(value.place());
                if is_command(&action.module) && value.as_list().is_some() {
                    error = error.hint("a list of words goes under `argv`");
                }
                self.error(error);
            }
        }
    }

    fn fill_pairs<'n>(&mut self, action: &mut Action, pairs: impl Iterator<Item = &'n (Node, Node)>) {
        for (key, value) in pairs {
            match key.as_str() {
                Some("_raw_params") => action.free_form = Some(value.clone()),
                Some(name) => set(&mut action.args, name, value.clone()),
                None => {
                    self.error(Diagnostic::input(format!("the name of an argument of `{}` must be text", action.module)).at(key.place()))
                }
            }
        }
    }

    /// `key=value` words, and free text where the module takes it.
    fn fill_text(&mut self, action: &mut Action, value: &Node, text: &str) {
        let (lead, words) = match words::split(text) {
            Ok(split) => split,
            Err(error) => return self.unbalanced(&error, &action.module, value.place()),
        };
        let command = is_command(&action.module);
        let dictionary = matches!(short_name(&action.module), "set_fact" | "add_host" | "group_by");
        if is_lone_template(text) && words.len() == 1 && (dictionary || !takes_text(&action.module)) {
            action.template = Some(value.clone());
            return;
        }
        let option = |word: &words::Word<'_>| words::key_value(word.text).filter(|(key, _)| !command || is_command_option(key));
        // What a template gives shows when the task runs; as in Ansible, it then fails.
        let templated = !takes_text(&action.module) && words.iter().any(|word| option(word).is_none() && is_template(word.text));
        action.stray |= templated;
        let mut finder = Finder::new(value.place(), text);
        for word in &words {
            let place = finder.place(word.text);
            if let Some((key, given)) = option(word) {
                set(&mut action.args, &key, Node::new(place, Data::Str(given.into())));
            } else if !templated && !takes_text(&action.module) && known_module(&action.module) && word.text != "\\" {
                let error = Diagnostic::input(format!("`{}` takes no free text", action.module)).at(&place);
                return self
                    .error(error.label("not `name=value`").hint("write the arguments as a dictionary, or put the value into quotes"));
            }
        }
        if let Some(free) = words::joined(lead, &words, |word| option(word).is_some()) {
            let place = if free == text { value.place().clone() } else { Finder::new(value.place(), text).place(&free) };
            action.free_form = Some(Node::new(place, Data::Str(free.into())));
        }
    }

    /// The task's `args`: beneath what stands under the module itself.
    fn defaults(&mut self, action: &mut Action, args: &Node) {
        match args.data() {
            Data::Null => {}
            Data::Map(pairs) => {
                let own = std::mem::take(&mut action.args);
                let free = action.free_form.take();
                self.fill_pairs(action, pairs.iter());
                action.free_form = free.or(action.free_form.take());
                for (name, value) in own {
                    set(&mut action.args, &name, value);
                }
            }
            Data::Str(text) if is_lone_template(text) => {
                action.template.get_or_insert_with(|| args.clone());
            }
            _ => self.error(Diagnostic::input("`args` must be a dictionary or a template that gives one").at(args.place())),
        }
    }

    fn unbalanced(&mut self, error: &Unbalanced, module: &str, place: &Place) {
        let error = Diagnostic::input(format!("`{}` is never closed in the arguments of `{module}`", error.0)).at(place);
        self.error(error.hint("write the arguments as a dictionary, or put text with an apostrophe into quotes"));
    }
}

/// The `key=value` words of a text that is an option rather than a file's scalar, e.g. `-e 'a=1 b="x y"'`.
///
/// # Errors
/// An open quote or template, or a word that is no `key=value`.
pub fn key_values(text: &str, source: &Source) -> Result<Vars> {
    let start = Place { source: source.clone(), line: 1, column: 1, length: 0 };
    let (_, words) = words::split(text)
        .map_err(|open| Diagnostic::input(format!("`{}` is never closed", open.0)).at(&start).hint("put the text into quotes"))?;
    let mut finder = Finder::new(&start, text);
    let mut vars = Vars::new();
    for word in words {
        let place = finder.place(word.text);
        let Some((key, value)) = words::key_value(word.text) else {
            return Err(Box::new(Diagnostic::input(format!("`{}` is not `name=value`", word.text)).at(&place)));
        };
        set(&mut vars, &key, Node::new(place, Data::Str(value.into())));
    }
    Ok(vars)
}

fn nothing(place: Place, module: String) -> Action {
    Action { place, module, args: Vars::new(), free_form: None, template: None, local: false, stray: false }
}

fn is_lone_template(text: &str) -> bool {
    let text = text.trim();
    let names_argument = text.match_indices("}}=").any(|(at, _)| !text[at + 3..].starts_with('='));
    text.starts_with("{{") && text.ends_with("}}") && !names_argument
}

/// Sets an argument; the last one written wins.
fn set(args: &mut Vars, name: &str, value: Node) {
    match args.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => args.push((name.to_string(), value)),
    }
}
