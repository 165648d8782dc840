//! What can be known to be wrong with a task before any host is asked: its templates' syntax, its arguments' names, and
//! their values where no template stands in them.

use super::actions::{self, Action, FREE};
use crate::error::Diagnostic;
use crate::playbook::{Loop, Task, Vars, short_name};
use crate::source::Place;
use crate::template::Templates;
use crate::yaml::{Data, Node};
use modules::args::{Argument, ArgumentError, refuse_unknown};
use modules::module::Module;
use modules::value::{Map, Value};

/// Modules whose arguments the controller completes, so that only names can be checked before.
const COMPLETED: [&str; 4] = ["copy", "unarchive", "script", "binary"];

/// Arguments that a task may give although their names begin like the program's own.
const PLAIN: [&str; 2] = [FREE, "_diff_peek"];

/// The mistakes in a task that show already.
pub(crate) fn mistakes(task: &Task, templates: &Templates) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = syntax(task, templates).into_iter().collect();
    found.extend(late_flags(task));
    found.extend(arguments(task).map(|error| placed(task, error)));
    found
}

/// A truth value of a task's keywords that is none.
pub(crate) fn late_flags(task: &Task) -> Option<Diagnostic> {
    task.keywords.others.iter().find_map(|(name, node)| {
        let text = node.as_str().filter(|text| crate::playbook::is_no_flag(name, text))?;
        let error = Diagnostic::input(format!("`{name}` must be a boolean, not `{text}`")).at(node.place());
        Some(error.said(format!("The value '{text}' could not be converted to 'bool'.")))
    })
}

/// The first template or condition of a task that cannot be read.
fn syntax(task: &Task, templates: &Templates) -> Option<Diagnostic> {
    let is_assert = short_name(&task.action.module) == "assert";
    let looped = task.looped.as_ref().map(|Loop { items, .. }| items);
    let values = task.action.args.iter().filter(|(name, _)| !(is_assert && name == "that")).map(|(_, node)| node);
    let values = values.chain(&task.action.free_form).chain(&task.action.template).chain(looped);
    let values = values.chain(task.keywords.vars.iter().map(|(_, node)| node));
    let asserted = task.action.args.iter().filter(|(name, _)| is_assert && name == "that").map(|(_, node)| node);
    let conditions = task.keywords.when.iter().chain(&task.until).chain(&task.changed_when).chain(&task.failed_when).chain(asserted);
    let conditions = conditions.flat_map(|node| node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec));
    let error = values.map(|node| templates.readable(node)).find_map(Result::err);
    let error = error.or_else(|| conditions.map(|node| templates.readable_condition(&node)).find_map(Result::err))?;
    Some(error.at(&task.place))
}

/// The first variable whose template cannot be read.
pub(crate) fn readable_variables(vars: &Vars, templates: &Templates) -> Option<Diagnostic> {
    vars.iter().map(|(_, node)| templates.readable(node)).find_map(Result::err).map(|error| *error)
}

/// The mistake in a task's arguments.
fn arguments(task: &Task) -> Option<ArgumentError> {
    let name = short_name(&task.action.module);
    if task.action.template.is_some() || task.action.stray {
        return None;
    }
    if name == "set_fact" && task.action.args.is_empty() {
        let hint = Some("write them as a dictionary, or as `name=value`".to_string());
        return Some(ArgumentError { argument: None, message: "`set_fact` sets no variable".into(), hint, familiar: None });
    }
    if let Some(action) = actions::find(name) {
        return of_action(task, action);
    }
    let module = modules::registry::find(name)?;
    let mut given: Map = task.action.args.iter().map(|(k, v)| (Value::str(k), v.raw())).collect();
    if let Some(free_form) = &task.action.free_form {
        given.insert("_raw_params".into(), free_form.raw());
    }
    of_module(module, &given, task)
}

fn of_action(task: &Task, action: &Action) -> Option<ArgumentError> {
    let given = |name: &str| if name == FREE { task.action.free_form.is_some() } else { task.action.args.iter().any(|(k, _)| k == name) };
    let (name, known) = (action.name, action.arguments);
    let unknown = task.action.args.iter().find(|(k, _)| !known.is_empty() && !known.contains(&k.as_str()));
    if let Some((wrong, _)) = unknown {
        let near = modules::args::nearest(wrong, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let hint = near.or_else(|| Some(format!("it takes: {}", known.join(", "))));
        return Some(ArgumentError {
            argument: Some(wrong.clone()),
            message: format!("`{name}` has no argument `{wrong}`"),
            hint,
            familiar: None,
        });
    }
    let missing = action.needed.iter().find(|names| !names.iter().any(|name| given(name))).filter(|_| !has_defaults(task))?;
    let message = match missing.first() {
        Some(argument) if *argument != FREE => format!("`{name}` needs the argument `{argument}`"),
        _ => format!("`{name}` is empty"),
    };
    Some(ArgumentError { argument: None, message, hint: None, familiar: None })
}

fn of_module(module: &Module, given: &Map, task: &Task) -> Option<ArgumentError> {
    let declared = (module.arguments)();
    let hidden = given.keys().filter_map(Value::as_str).find(|k| k.starts_with('_') && !PLAIN.contains(k));
    if let Some(name) = hidden {
        let message = format!("`{}` has no argument `{name}`", module.name);
        return Some(ArgumentError { argument: Some(name.to_string()), message, hint: None, familiar: None });
    }
    if let Err(error) = refuse_unknown(module.name, given, &declared) {
        return Some(error);
    }
    if has_defaults(task) {
        return None;
    }
    let names = |argument: &Argument| std::iter::once(argument.name).chain(argument.aliases.iter().copied()).any(|n| given.contains_key(n));
    let missing = declared.iter().find(|argument| argument.required && !names(argument));
    let open = task.action.args.iter().any(|(_, node)| has_template(node)) || task.action.free_form.as_ref().is_some_and(has_template);
    match missing {
        Some(argument) if open || COMPLETED.contains(&module.name) => {
            let message = format!("`{}` needs the argument `{}`", module.name, argument.name);
            Some(ArgumentError { argument: None, message, hint: None, familiar: None })
        }
        _ if open || COMPLETED.contains(&module.name) => None,
        _ => (module.check)(given).err(),
    }
}

/// Whether `module_defaults` may give what the task does not.
fn has_defaults(task: &Task) -> bool {
    task.keywords.other("module_defaults").is_some()
}

fn placed(task: &Task, error: ArgumentError) -> Diagnostic {
    let argument = error.argument.as_ref().and_then(|name| task.action.args.iter().find(|(k, _)| k == name));
    let place = match argument {
        Some((name, node)) if error.message.contains("has no argument") => before(node.place(), name),
        Some((_, node)) => node.place().clone(),
        None => task.action.place.clone(),
    };
    let mut diagnostic = Diagnostic::input(error.message).at(&place);
    diagnostic.hints.extend(error.hint);
    diagnostic
}

/// Where the name of an argument stands, if it is on the line of its value; else the value's place.
fn before(value: &Place, name: &str) -> Place {
    let line = value.source.line(value.line).unwrap_or_default();
    let lead: String = line.chars().take((value.column as usize).saturating_sub(1) + name.chars().count() + 1).collect();
    match lead
        .rmatch_indices(name)
        .map(|(at, _)| at)
        .find(|at| lead[at + name.len()..].trim_start_matches(['"', '\'']).starts_with([':', '=']))
    {
        Some(at) => {
            let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(0);
            Place { column: count(&lead[..at]) + 1, length: count(name), ..value.clone() }
        }
        None => value.clone(),
    }
}

/// Whether templates stand anywhere in a value.
pub(crate) fn has_template(node: &Node) -> bool {
    match node.data() {
        Data::Str(text) => text.contains("{{") || text.contains("{%"),
        Data::List(items) => items.iter().any(has_template),
        Data::Map(pairs) => pairs.iter().any(|(k, v)| has_template(k) || has_template(v)),
        _ => false,
    }
}
