//! JSON Schemas of playbooks, files of tasks and inventories, made from the keywords and modules that the program itself reads.

use super::keywords::{Owner, Shape, shapes};
use crate::graph::actions::{ACTIONS, FREE};
use modules::args::Argument;
use modules::registry::MODULES;
use serde_json::{Map, Value, json};

/// The dialect that editors read.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A file of plays.
pub fn playbook() -> Value {
    let play = json!({"anyOf": [{"$ref": "#/$defs/play"}, {"$ref": "#/$defs/import"}]});
    whole("Playbook", json!({"type": "array", "items": play}))
}

/// A file of tasks or handlers.
pub fn tasks() -> Value {
    whole("Tasks", json!({"type": ["array", "null"], "items": {"$ref": "#/$defs/item"}}))
}

/// An inventory in YAML.
pub fn inventory() -> Value {
    let hosts = json!({"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/vars"}});
    let groups = json!({"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/group"}});
    let group = json!({
        "type": ["object", "null"],
        "properties": {"hosts": hosts, "children": groups, "vars": {"$ref": "#/$defs/vars"}},
        "additionalProperties": false,
    });
    json!({
        "$schema": DIALECT, "title": "Inventory", "type": "object",
        "additionalProperties": {"$ref": "#/$defs/group"},
        "$defs": {"group": group, "vars": {"type": ["object", "null"]}},
    })
}

fn whole(title: &str, top: Value) -> Value {
    let mut defs = shapes_in_common();
    defs.insert("play".into(), object(Owner::Play, &["hosts"]));
    defs.insert("import".into(), import());
    defs.insert("role".into(), role());
    defs.insert("block".into(), object(Owner::Block, &["block"]));
    defs.insert("task".into(), task());
    let item = json!({"if": {"required": ["block"]}, "then": {"$ref": "#/$defs/block"}, "else": {"$ref": "#/$defs/task"}});
    defs.insert("item".into(), item);
    let mut schema = json!({"$schema": DIALECT, "title": title, "$defs": defs});
    if let (Some(schema), Value::Object(top)) = (schema.as_object_mut(), top) {
        schema.extend(top);
    }
    schema
}

/// Values that keywords and arguments share. A template may stand wherever text may.
fn shapes_in_common() -> Map<String, Value> {
    let named = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let shapes = [
        ("template", json!({"type": "string", "pattern": r"\{[{%]"})),
        ("text", json!({"type": ["string", "number", "boolean", "null"]})),
        (
            "flag",
            json!({"anyOf": [{"type": ["boolean", "null"]}, {"enum": [0, 1]}, {"type": "string", "pattern": "^(?i:yes|no|true|false|on|off|y|n|t|f|0|1)$"}, named("template")]}),
        ),
        (
            "number",
            json!({"anyOf": [{"type": ["number", "null"]}, {"type": "string", "pattern": r"^\s*-?[0-9.]+%?\s*$"}, named("template")]}),
        ),
        ("texts", json!({"anyOf": [named("text"), {"type": "array", "items": named("text")}]})),
        ("table", json!({"anyOf": [{"type": ["object", "null"]}, named("template")]})),
        ("tables", json!({"anyOf": [named("table"), {"type": "array", "items": named("table")}]})),
        ("items", json!({"type": ["array", "null"], "items": named("item")})),
        ("vars", json!({"type": ["object", "null"], "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}})),
    ];
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect()
}

fn shape_of(name: &str, shape: Shape) -> Value {
    let named = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    match (name, shape) {
        ("tasks" | "pre_tasks" | "post_tasks" | "handlers" | "block" | "rescue" | "always", _) => named("items"),
        ("vars", _) => named("vars"),
        ("roles", _) => json!({"type": ["array", "null"], "items": {"anyOf": [{"type": "string"}, named("role")]}}),
        (_, Shape::Any) => json!(true),
        (_, Shape::Text) => named("text"),
        (_, Shape::Flag) => named("flag"),
        (_, Shape::Number) => named("number"),
        (_, Shape::Table) => named("table"),
        (_, Shape::Tables) => named("tables"),
        (_, Shape::List) => json!({"type": ["array", "null"]}),
        (_, Shape::Texts) => named("texts"),
    }
}

fn properties(owner: Owner) -> Map<String, Value> {
    shapes(owner).map(|(name, shape)| (name.to_owned(), shape_of(name, shape))).collect()
}

fn object(owner: Owner, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties(owner), "required": required, "additionalProperties": false})
}

fn import() -> Value {
    let either = ["import_playbook", "ansible.builtin.import_playbook"].map(|name| json!({"required": [name]}));
    json!({"type": "object", "properties": properties(Owner::Import), "anyOf": either, "additionalProperties": false})
}

/// A role with its keywords; every other key is a parameter.
fn role() -> Value {
    let either = ["role", "name"].map(|name| json!({"required": [name]}));
    json!({"type": "object", "properties": properties(Owner::Role), "anyOf": either})
}

/// A task: keywords and one module; modules of collections that are not built in may be named in full.
fn task() -> Value {
    let mut all = properties(Owner::Handler);
    all.extend(properties(Owner::Task));
    for module in MODULES {
        let arguments = of_module(&(module.arguments)());
        let full = format!("{}.{}", module.collection, module.name);
        for name in std::iter::once(module.name).chain(module.aliases.iter().copied()).chain([full.as_str()]) {
            all.insert(name.to_owned(), json!({"description": module.doc.trim(), "anyOf": arguments}));
        }
    }
    for action in ACTIONS {
        let known: Map<String, Value> =
            action.arguments.iter().filter(|name| **name != FREE).map(|name| (name.to_string(), json!(true))).collect();
        let object = json!({"type": "object", "properties": known, "additionalProperties": known.is_empty()});
        let shape = json!({"description": action.doc, "anyOf": [object, {"type": ["string", "null"]}]});
        all.insert(action.name.to_owned(), shape.clone());
        all.insert(format!("ansible.builtin.{}", action.name), shape);
    }
    let others = json!({"^with_": true, "^[a-z_0-9]+\\.[a-z_0-9]+\\.[a-z_0-9.]+$": true});
    json!({"type": "object", "properties": all, "patternProperties": others, "additionalProperties": false})
}

/// Arguments as a dictionary, or as one text.
fn of_module(declared: &[Argument]) -> Value {
    let mut known = Map::new();
    for argument in declared.iter().filter(|argument| !argument.name.starts_with('_')) {
        let mut shape = of_kind(&argument.kind, argument.choices);
        if let Some(shape) = shape.as_object_mut() {
            shape.insert("description".into(), json!(argument.doc.trim()));
        }
        for name in std::iter::once(&argument.name).chain(argument.aliases) {
            known.insert(name.to_string(), shape.clone());
        }
    }
    json!([{"type": "object", "properties": known, "additionalProperties": false}, {"type": ["string", "null"]}])
}

fn of_kind(kind: &str, choices: &[&str]) -> Value {
    if !choices.is_empty() && !choices.iter().any(|choice| matches!(*choice, "true" | "false" | "yes" | "no")) {
        return json!({"anyOf": [{"enum": choices}, {"$ref": "#/$defs/template"}, {"type": ["array", "null"]}]});
    }
    match kind {
        "boolean" => json!({"$ref": "#/$defs/flag"}),
        "integer" | "number" | "float" => json!({"$ref": "#/$defs/number"}),
        "string" | "path" => json!({"$ref": "#/$defs/text"}),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for schema in [playbook(), tasks(), inventory()] {
            let mut found = Vec::new();
            references(&schema, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
        }
    }

    #[test]
    fn modules_and_keywords_come_with_their_arguments() {
        let schema = playbook();
        let task = &schema["$defs"]["task"]["properties"];
        let file = &task["ansible.builtin.file"]["anyOf"][0]["properties"];
        assert_eq!(file["owner"]["$ref"], "#/$defs/text");
        assert_eq!(
            file["state"]["anyOf"][0]["enum"][0],
            modules::registry::find("file")
                .map(|m| (m.arguments)())
                .and_then(|arguments| {
                    arguments.into_iter().find(|argument| argument.name == "state").map(|argument| argument.choices[0])
                })
                .unwrap_or_default()
        );
        assert_eq!(task["become"]["$ref"], "#/$defs/flag");
        assert!(task["hosts"].is_null() && !schema["$defs"]["play"]["properties"]["hosts"].is_null());
        assert!(!task["assert"]["anyOf"][0]["properties"]["that"].is_null());
    }
}
