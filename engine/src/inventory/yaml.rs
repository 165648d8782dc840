//! Inventories in YAML: groups with `hosts`, `vars` and `children`.

use super::Var;
use super::draft::Draft;
use crate::error::Diagnostic;
use crate::yaml::Node;

const KEYS: [&str; 3] = ["hosts", "vars", "children"];

/// Reads the groups of a document's dictionary.
pub(super) fn read(root: &Node, draft: &mut Draft) {
    let pairs = root.as_map().unwrap_or_default();
    if let Some((key, value)) = pairs.iter().find(|(k, _)| k.as_str() == Some("plugin")) {
        let name = value.raw();
        let done = match crate::playbook::short_name(name.as_str().unwrap_or_default()) {
            "constructed" => super::computed::constructed(root, draft),
            "generator" => super::computed::generator(root, draft),
            _ => Err(Box::new(unknown_plugin(&name, key.place()))),
        };
        draft.errors.extend(done.err().map(|error| *error));
        return;
    }
    for (key, value) in pairs {
        group(key, value, draft);
    }
}

fn unknown_plugin(name: &modules::value::Value, place: &crate::source::Place) -> Diagnostic {
    let error = Diagnostic::input(format!("the inventory plugin `{name}` is not supported")).at(place);
    error.hint("use an executable script that prints the inventory as JSON, or save the output of `ansible-inventory --list --yaml`")
}

fn group(key: &Node, body: &Node, draft: &mut Draft) -> Option<String> {
    let name = key.raw().to_string();
    let Some(pairs) = body.as_map().or_else(|| body.is_null().then_some(&[])) else {
        let warning = Diagnostic::input(format!("skipping `{name}`: a group must be a dictionary")).at(body.place());
        draft.warn(
            warning
                .label(format!("this is {}", crate::error::with_article(body.type_name())))
                .hint("a group has `hosts`, `vars` and `children`"),
        );
        return None;
    };
    draft.group(&name);
    for (key, value) in pairs {
        let section = key.raw().to_string();
        if !KEYS.contains(&section.as_str()) {
            let warning = Diagnostic::input(format!("skipping unknown key `{section}` in group `{name}`")).at(key.place());
            draft.warn(warning.label("a group has `hosts`, `vars` and `children`").nearest(&section, KEYS));
            continue;
        }
        // `hosts: name` is short for `hosts: {name: }`.
        let short = [(value.clone(), Node::new(value.place().clone(), crate::yaml::Data::Null))];
        let entries = match value.data() {
            crate::yaml::Data::Null => continue,
            crate::yaml::Data::Str(_) if section != "vars" => &short,
            crate::yaml::Data::Map(pairs) => pairs.as_slice(),
            _ => {
                let error = Diagnostic::input(format!("`{section}` of group `{name}` must be a dictionary")).at(value.place());
                let error = error.label(format!("this is {}", crate::error::with_article(value.type_name())));
                draft.errors.push(if value.as_list().is_some() { error.hint("write `name:` instead of `- name`") } else { error });
                continue;
            }
        };
        for (key, value) in entries {
            entry(&section, &name, key, value, draft);
        }
    }
    Some(name)
}

fn entry(section: &str, owner: &str, key: &Node, value: &Node, draft: &mut Draft) {
    match section {
        "vars" => draft.group_var(owner, &key.raw().to_string(), Var::Source(value.clone())),
        "children" => {
            if let Some(child) = group(key, value, draft) {
                draft.child(owner, &child, key.place());
            }
        }
        _ => host(owner, key, value, draft),
    }
}

fn host(owner: &str, key: &Node, value: &Node, draft: &mut Draft) {
    let Some(vars) = value.as_map().or_else(|| value.is_null().then_some(&[])) else {
        let error = Diagnostic::input("variables of a host must be a dictionary").at(value.place());
        return draft.errors.push(error.label(format!("this is {}", crate::error::with_article(value.type_name()))));
    };
    if matches!(key.data(), crate::yaml::Data::Int(_) | crate::yaml::Data::Float(_)) {
        let text = format!("Host pattern {} must be a string. Enclose integers/floats in quotation marks.", key.raw());
        return draft.errors.push(Diagnostic::input(text).at(key.place()));
    }
    for name in draft.hosts(&key.raw().to_string(), owner, key.place()) {
        for (key, value) in vars {
            draft.host_var(&name, &key.raw().to_string(), Var::Source(value.clone()));
        }
    }
}
