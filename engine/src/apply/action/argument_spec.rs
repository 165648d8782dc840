//! `validate_argument_spec`: whether variables are what a role's `argument_specs` ask for.

mod types;

use super::super::task::At;
use super::Performed;
use crate::error::{Diagnostic, Result};
use crate::template::{Binding, Scope};
use crate::vars::HostScope;
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::collections::BTreeSet;

/// Checks what is provided, else the variables of the names that the spec has.
pub(super) fn validate(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    let place = &at.task.action.place;
    let Some(spec) = args.get("argument_spec") else {
        return Ok(Performed::failed(format!("\"argument_spec\" arg is required in args: {}", Value::from(args.clone()))));
    };
    let Some(options) = spec.as_map() else {
        return Ok(Performed::failed(format!("Incorrect type for argument_spec, expected dict and got {}", types::class_of(spec))));
    };
    let mut provided = variables(at, scope, options)?;
    match args.get("provided_arguments") {
        None | Some(Value::Null) => {}
        Some(given) => match given.as_map() {
            Some(given) => provided.extend(given.clone()),
            None => return Err(Box::new(Diagnostic::input("`provided_arguments` must be a dictionary").at(place))),
        },
    }
    if let Some(what) = provided.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("checks arguments that depend on {what}")));
    }
    let mut errors = Vec::new();
    Level { options, path: &[] }.check(&mut provided, &mut errors);
    let mut returns = Map::new();
    returns.insert("validate_args_context".into(), args.get("validate_args_context").cloned().unwrap_or_else(|| Map::new().into()));
    if errors.is_empty() {
        returns.insert("msg".into(), "The arg spec validation passed".into());
        return Ok(Performed::ok(returns));
    }
    returns.insert("argument_spec_data".into(), spec.clone());
    let message = format!("Validation of arguments failed:\n{}", errors.join("\n"));
    returns.insert("argument_errors".into(), errors.into());
    Ok(Performed { returns, ..Performed::failed(message) })
}

/// The variables that the options and their aliases name, as far as they exist.
fn variables(at: &At<'_>, scope: &HostScope, options: &Map) -> Result<Map> {
    let mut found = Map::new();
    for (name, option) in options {
        let name = name.to_string();
        for name in aliases(option).into_iter().chain([name]) {
            match scope.lookup(&name) {
                Some(Binding::Value(value)) => found.insert(Value::str(&name), value),
                Some(Binding::Source(node)) => found.insert(Value::str(&name), at.run.templates.value(&node, &scope.shared())?),
                _ => None,
            };
        }
    }
    Ok(found)
}

fn aliases(option: &Value) -> Vec<String> {
    option.get("aliases").and_then(Value::as_list).unwrap_or_default().iter().map(Value::to_string).collect()
}

fn flag(option: &Value, name: &str) -> bool {
    option.get(name).is_some_and(|v| bool::from_value(v).unwrap_or(false))
}

/// The options of a spec, or those within one of its options.
struct Level<'a> {
    options: &'a Map,
    /// Names of the options around.
    path: &'a [String],
}

impl Level<'_> {
    fn found_in(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" found in {}", self.path.join(" -> ")) }
    }

    /// Checks what was given; answers with the errors of what should not be there.
    fn check(&self, given: &mut Map, errors: &mut Vec<String>) {
        let mut unsupported = BTreeSet::new();
        self.check_all(given, errors, &mut unsupported);
        if !unsupported.is_empty() {
            let mut supported: BTreeSet<String> = BTreeSet::new();
            let mut others: BTreeSet<String> = BTreeSet::new();
            let options = self.deepest(&unsupported);
            for (name, option) in &options {
                supported.insert(name.to_string());
                others.extend(aliases(option));
            }
            let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
            let mut message = format!("{}. Supported parameters include: {}", list(unsupported), list(supported));
            if !others.is_empty() {
                message.push_str(&format!(" ({})", list(others)));
            }
            errors.push(format!("{message}."));
        }
    }

    /// The options among which the last of these paths was looked for.
    fn deepest(&self, paths: &BTreeSet<String>) -> Map {
        let mut options = self.options.clone();
        let path = paths.iter().next_back().cloned().unwrap_or_default();
        let mut names: Vec<&str> = path.split('.').collect();
        names.pop();
        for name in names {
            let Some(inner) = options.get(name).and_then(|o| o.get("options")).and_then(Value::as_map).cloned() else { break };
            options = inner;
        }
        options
    }

    fn check_all(&self, given: &mut Map, errors: &mut Vec<String>, unsupported: &mut BTreeSet<String>) {
        self.rename_aliases(given);
        for name in given.keys().map(Value::to_string) {
            let known = self.options.iter().any(|(n, o)| n.as_str() == Some(name.as_str()) || aliases(o).contains(&name));
            if !known {
                unsupported.insert(self.path.iter().chain([&name]).cloned().collect::<Vec<_>>().join("."));
            }
        }
        self.fill_defaults(given);
        let missing: Vec<String> = self
            .options
            .iter()
            .filter(|(name, o)| flag(o, "required") && !given.contains_key(*name))
            .map(|(name, _)| name.to_string())
            .collect();
        if !missing.is_empty() {
            let mut missing = missing;
            missing.sort();
            errors.push(format!("missing required arguments: {}{}", missing.join(", "), self.found_in()));
        }
        self.check_types(given, errors);
        self.check_choices(given, errors);
        self.check_inner(given, errors, unsupported);
    }

    fn rename_aliases(&self, given: &mut Map) {
        for (name, option) in self.options {
            for alias in aliases(option) {
                if let Some(value) = given.get(alias.as_str()).cloned() {
                    given.insert(name.clone(), value);
                }
            }
        }
    }

    fn fill_defaults(&self, given: &mut Map) {
        for (name, option) in self.options {
            if let Some(default) = option.get("default").filter(|_| !given.contains_key(name)) {
                given.insert(name.clone(), default.clone());
            }
        }
    }

    fn check_types(&self, given: &mut Map, errors: &mut Vec<String>) {
        for (name, option) in self.options {
            let Some(value) = given.get(name).cloned() else { continue };
            if matches!(value, Value::Null) && !flag(option, "required") {
                continue;
            }
            let wanted = option.get("type").map_or_else(|| "str".to_owned(), Value::to_string);
            let value = match types::convert(&wanted, &value) {
                Ok(value) => value,
                Err(why) => {
                    let inside = if self.path.is_empty() { String::new() } else { format!(" found in '{}'.", self.path.join(" -> ")) };
                    let is = types::name_of(&value);
                    errors.push(format!("argument '{name}' is of type {is}{inside} and we were unable to convert to {wanted}: {why}"));
                    continue;
                }
            };
            let elements = option.get("elements").map(Value::to_string).filter(|_| wanted == "list");
            let value = match (elements, value.as_list()) {
                (Some(element), Some(items)) => self.check_elements(name, &element, items, errors),
                _ => value,
            };
            given.insert(name.clone(), value);
        }
    }

    fn check_elements(&self, name: &Value, wanted: &str, items: &[Value], errors: &mut Vec<String>) -> Value {
        let mut converted = Vec::new();
        for item in items {
            match types::convert(wanted, item) {
                Ok(value) => converted.push(value),
                Err(why) => {
                    let is = types::name_of(item);
                    let inside = if self.path.is_empty() { String::new() } else { format!(" found in '{}'.", self.path.join(" -> ")) };
                    errors.push(format!(
                        "Elements value for option '{name}'{inside} is of type {is} and we were unable to convert to {wanted}: {why}"
                    ));
                    converted.push(item.clone());
                }
            }
        }
        Value::list(converted)
    }

    fn check_choices(&self, given: &Map, errors: &mut Vec<String>) {
        for (name, option) in self.options {
            let (Some(choices), Some(value)) = (option.get("choices").and_then(Value::as_list), given.get(name)) else { continue };
            let shown = choices.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
            match value {
                Value::Null => {}
                Value::List(items) => {
                    let odd: Vec<String> = items.iter().filter(|i| !choices.contains(i)).map(Value::to_string).collect();
                    if !odd.is_empty() {
                        let odd = odd.join(", ");
                        errors.push(format!("value of {name} must be one or more of: {shown}. Got no match for: {odd}{}", self.found_in()));
                    }
                }
                value if !choices.contains(value) => {
                    errors.push(format!("value of {name} must be one of: {shown}, got: {value}{}", self.found_in()));
                }
                _ => {}
            }
        }
    }

    /// Options within dictionaries, and within lists of dictionaries.
    fn check_inner(&self, given: &mut Map, errors: &mut Vec<String>, unsupported: &mut BTreeSet<String>) {
        for (name, option) in self.options {
            let wanted = option.get("type").map(Value::to_string).unwrap_or_default();
            let Some(inner) = option.get("options").and_then(Value::as_map) else { continue };
            let mut path = self.path.to_vec();
            path.push(name.to_string());
            let level = Level { options: inner, path: &path };
            let entries = match given.get(name) {
                None | Some(Value::Null) => continue,
                Some(Value::List(items)) => items.to_vec(),
                Some(other) => vec![other.clone()],
            };
            if wanted != "dict" && option.get("elements").map(Value::to_string).as_deref() != Some("dict") {
                continue;
            }
            for entry in entries {
                match types::convert("dict", &entry) {
                    Ok(Value::Map(entry)) => level.check_all(&mut (*entry).clone(), errors, unsupported),
                    Err(why) if wanted == "dict" => {
                        errors.push(format!("value of '{name}' must be of type dict or list of dicts"));
                        errors.push(why);
                    }
                    _ => {}
                }
            }
        }
    }
}
