//! What can be known to be wrong with a task before any host is asked: its arguments' names, and their values where no
//! template stands in them.

use crate::error::Diagnostic;
use crate::playbook::{Task, short_name};
use crate::yaml::{Data, Node};
use modules::args::{ArgumentError, refuse_unknown};
use modules::module::Module;
use modules::value::{Map, Value};

/// Modules whose arguments the controller completes, so that only names can be checked before.
const COMPLETED: [&str; 5] = ["copy", "unarchive", "script", "binary", "template"];

/// The mistake in a task's arguments, if one shows already.
pub(super) fn arguments(task: &Task) -> Option<Diagnostic> {
    let name = short_name(&task.action.module);
    if task.action.template.is_some() || name == "template" {
        return None;
    }
    let module = modules::registry::find(name)?;
    let mut given: Map = task.action.args.iter().map(|(k, v)| (Value::str(k), v.raw())).collect();
    if let Some(free_form) = &task.action.free_form {
        given.insert("_raw_params".into(), free_form.raw());
    }
    let error = mistake(module, &given, task)?;
    Some(placed(task, error))
}

fn mistake(module: &Module, given: &Map, task: &Task) -> Option<ArgumentError> {
    let hidden = given.keys().filter_map(Value::as_str).find(|k| k.starts_with('_') && *k != "_raw_params");
    if let Some(name) = hidden {
        let message = format!("`{}` has no argument `{name}`", module.name);
        return Some(ArgumentError { argument: Some(name.to_string()), message, hint: None });
    }
    if let Err(error) = refuse_unknown(module.name, given, &(module.arguments)()) {
        return Some(error);
    }
    let open = task.action.args.iter().any(|(_, node)| has_template(node)) || task.action.free_form.as_ref().is_some_and(has_template);
    let defaults = task.keywords.other("module_defaults").is_some();
    if open || defaults || COMPLETED.contains(&module.name) {
        return None;
    }
    (module.check)(given).err()
}

fn placed(task: &Task, error: ArgumentError) -> Diagnostic {
    let node = error.argument.as_ref().and_then(|name| task.action.args.iter().find(|(k, _)| k == name));
    let place = node.map_or(&task.action.place, |(_, node)| node.place());
    let mut diagnostic = Diagnostic::input(error.message).at(place);
    diagnostic.hints.extend(error.hint);
    diagnostic
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
