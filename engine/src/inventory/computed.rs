//! Inventories that are computed from what others say: `constructed` and `generator`.

use super::draft::Draft;
use super::{Inventory, Var, names};
use crate::error::{Diagnostic, Result};
use crate::template::{Binding, Condition, Scope, Templates};
use crate::yaml::{Data, Node};
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// The names that a host of the inventory has while it is read.
struct HostNames {
    inventory: Arc<Inventory>,
    host: String,
    extra: Arc<Map>,
}

impl Scope for HostNames {
    fn lookup(&self, name: &str) -> Option<Binding> {
        match name {
            "inventory_hostname" => return Some(Binding::Value(Value::str(&self.host))),
            "inventory_hostname_short" => return Some(Binding::Value(Value::str(self.host.split('.').next().unwrap_or_default()))),
            "group_names" => return Some(Binding::Value(self.inventory.groups_of(&self.host).into())),
            _ => {}
        }
        if let Some(value) = self.extra.get(name) {
            return Some(Binding::Value(value.clone()));
        }
        let layers = self.inventory.variables(&self.host, None);
        layers.iter().rev().find_map(|layer| layer.get(name)).map(crate::vars::binding)
    }
    fn names(&self) -> Vec<String> {
        self.inventory.variables(&self.host, None).iter().flat_map(|layer| layer.keys().cloned()).collect()
    }
    fn search_path(&self, _kind: &str) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// The names of one combination of `layers`.
struct Fixed(Map);

impl Scope for Fixed {
    fn lookup(&self, name: &str) -> Option<Binding> {
        self.0.get(name).cloned().map(Binding::Value)
    }
    fn names(&self) -> Vec<String> {
        self.0.keys().map(Value::to_string).collect()
    }
    fn search_path(&self, _kind: &str) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// A group's name with what no variable's name could hold replaced, as these plugins do it.
fn safe(name: &str) -> String {
    let mut out: String = name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.replace_range(..1, "_");
    }
    out
}

fn flag(config: &Node, name: &str, usual: bool) -> bool {
    config.get(name).map_or(usual, |v| bool::from_value(&v.raw()).unwrap_or(usual))
}

/// `constructed`: variables (`compose`) and groups (`groups`, `keyed_groups`) of the hosts read so far.
pub(super) fn constructed(config: &Node, draft: &mut Draft) -> Result<()> {
    if flag(config, "use_vars_plugins", false) {
        draft.read_folders();
    }
    let extra = if flag(config, "use_extra_vars", false) { draft.reading.extra.clone() } else { Arc::default() };
    let templates = Templates::decrypting(draft.reading.vault.clone());
    let hosts: Vec<String> = draft.inventory.hosts.keys().cloned().collect();
    // The groups are settled later, but each host is to see those it has.
    let construction = Construction { config, templates, strict: flag(config, "strict", false), extra };
    let composed = construction.composed(&hosts, draft)?;
    for (host, name, value) in composed {
        draft.host_var(&host, &name, Var::Data(value));
    }
    let groups = construction.groups(&hosts, draft)?;
    for (host, group, parent) in groups {
        draft.host(&host, &group);
        if let Some(parent) = parent.filter(|parent| *parent != group) {
            draft.child(&parent, &group, config.place());
        }
    }
    Ok(())
}

/// A host, a group it comes into, and the group around that.
type Placed = (String, String, Option<String>);

struct Construction<'a> {
    config: &'a Node,
    templates: Templates,
    strict: bool,
    extra: Arc<Map>,
}

impl Construction<'_> {
    fn scopes(&self, hosts: &[String], draft: &Draft) -> Vec<(String, Arc<dyn Scope>)> {
        let inventory = Arc::new(draft.inventory.clone());
        let scope = |host: &String| {
            let names = HostNames { inventory: inventory.clone(), host: host.clone(), extra: self.extra.clone() };
            (host.clone(), Arc::new(names) as Arc<dyn Scope>)
        };
        hosts.iter().map(scope).collect()
    }

    /// What an expression says; none where it cannot be told and nobody minds.
    fn said(&self, expression: &Node, scope: &Arc<dyn Scope>) -> Result<Option<Value>> {
        let text = format!("{{{{ {} }}}}", expression.raw());
        match self.templates.value(&Node::new(expression.place().clone(), Data::Str(text.into())), scope) {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.strict => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn composed(&self, hosts: &[String], draft: &Draft) -> Result<Vec<(String, String, Value)>> {
        let mut out = Vec::new();
        let wanted = self.config.get("compose").and_then(Node::as_map).unwrap_or_default();
        for (host, scope) in self.scopes(hosts, draft) {
            for (name, expression) in wanted {
                if let Some(value) = self.said(expression, &scope)? {
                    out.push((host.clone(), name.raw().to_string(), value));
                }
            }
        }
        Ok(out)
    }

    fn groups(&self, hosts: &[String], draft: &Draft) -> Result<Vec<Placed>> {
        let mut out = Vec::new();
        let conditions = self.config.get("groups").and_then(Node::as_map).unwrap_or_default();
        let keyed = self.config.get("keyed_groups").and_then(Node::as_list).unwrap_or_default();
        for (host, scope) in self.scopes(hosts, draft) {
            for (name, condition) in conditions {
                match self.templates.condition(condition, &scope) {
                    Ok(Condition::True) => out.push((host.clone(), safe(&name.raw().to_string()), None)),
                    Err(error) if self.strict => return Err(error),
                    _ => {}
                }
            }
            for entry in keyed {
                for (group, parent) in self.keyed(entry, &scope)? {
                    out.push((host.clone(), group, parent));
                }
            }
        }
        Ok(out)
    }

    /// The groups that one entry of `keyed_groups` puts a host into, each with the group around it.
    fn keyed(&self, entry: &Node, scope: &Arc<dyn Scope>) -> Result<Vec<(String, Option<String>)>> {
        let Some(key) = entry.get("key") else {
            return Err(Box::new(Diagnostic::input("an entry of `keyed_groups` needs the key `key`").at(entry.place())));
        };
        let Some(value) = self.said(key, scope)? else { return Ok(Vec::new()) };
        let text = |name: &str| entry.get(name).filter(|n| !n.is_null()).map(|n| n.raw().to_string());
        let prefix = text("prefix").unwrap_or_default();
        let separator = entry.get("separator").map_or_else(|| "_".to_owned(), |s| s.raw().to_string());
        let usual = text("default_value");
        let trailing = flag(entry, "trailing_separator", true);
        let names = raw_names(&value, &separator, usual.as_deref(), trailing).ok_or_else(|| {
            let summary =
                format!("Invalid group name format, expected a string or a list of them or dictionary, got {}", value.type_name());
            Box::new(Diagnostic::input(summary).at(key.place()))
        })?;
        if names.is_empty() && self.strict && !value.truthy() {
            let summary = format!("No key or key resulted empty for key {} in host", key.raw());
            return Err(Box::new(Diagnostic::input(summary).at(key.place())));
        }
        let leads = !prefix.is_empty() || flag(self.config, "leading_separator", true);
        let before = format!("{prefix}{}", if leads { separator.as_str() } else { "" });
        let parent = text("parent_group").map(|p| safe(&p));
        Ok(names.into_iter().map(|name| (safe(&format!("{before}{name}")), parent.clone())).collect())
    }
}

/// The names that a value stands for: text itself, a list's items, a dictionary's keys with their values; none for other
/// values.
fn raw_names(value: &Value, separator: &str, usual: Option<&str>, trailing: bool) -> Option<Vec<String>> {
    let filled = |value: &Value| match usual {
        Some(usual) if !value.truthy() => usual.to_owned(),
        _ => value.to_string(),
    };
    Some(match value.reveal() {
        Value::List(items) => items.iter().map(filled).collect(),
        Value::Map(pairs) => {
            let pair = |(key, value): (&Value, &Value)| match (value.truthy() || usual.is_some(), trailing) {
                (true, _) => format!("{key}{separator}{}", filled(value)),
                (false, true) => format!("{key}{separator}"),
                (false, false) => key.to_string(),
            };
            pairs.iter().map(pair).collect()
        }
        value if !value.truthy() => usual.map(str::to_owned).into_iter().collect(),
        Value::Str(text) => vec![text.to_string()],
        _ => return None,
    })
}

/// `generator`: a host for every combination of `layers`, within the groups that its `parents` name.
pub(super) fn generator(config: &Node, draft: &mut Draft) -> Result<()> {
    let wrong = |what: &str| Box::new(Diagnostic::input(format!("the inventory plugin `generator` needs {what}")).at(config.place()));
    let hosts = config.get("hosts").ok_or_else(|| wrong("`hosts`"))?;
    let name = hosts.get("name").ok_or_else(|| wrong("a `name` in `hosts`"))?;
    let layers = config.get("layers").and_then(Node::as_map).ok_or_else(|| wrong("`layers`"))?;
    let mut combinations = vec![Map::new()];
    for (layer, values) in layers {
        let values = values.as_list().ok_or_else(|| wrong("lists in `layers`"))?;
        let with = |so_far: &Map| -> Vec<Map> {
            let one = |value: &Node| {
                let mut map = so_far.clone();
                map.insert(layer.raw(), value.raw());
                map
            };
            values.iter().map(one).collect()
        };
        combinations = combinations.iter().flat_map(with).collect();
    }
    let templates = Templates::decrypting(draft.reading.vault.clone());
    for combination in combinations {
        let scope: Arc<dyn Scope> = Arc::new(Fixed(combination));
        let host = templates.value(name, &scope)?.to_string();
        if let Some(why) = names::refusal(&host) {
            return Err(Box::new(Diagnostic::input(format!("`{}` is not a host", host.escape_debug())).at(name.place()).label(why)));
        }
        let generation = Generation { templates: &templates, scope };
        let groups = generation.parents(hosts, &host, draft)?;
        if groups.is_empty() {
            draft.host(&host, "ungrouped");
        }
        groups.iter().for_each(|group| draft.host(&host, group));
    }
    Ok(())
}

struct Generation<'a> {
    templates: &'a Templates,
    scope: Arc<dyn Scope>,
}

impl Generation<'_> {
    /// The groups right around an element, with those around them and their variables made.
    fn parents(&self, element: &Node, name: &str, draft: &mut Draft) -> Result<Vec<String>> {
        let mut groups = Vec::new();
        for parent in element.get("parents").and_then(Node::as_list).unwrap_or_default() {
            let Some(written) = parent.get("name") else {
                let error = Diagnostic::input(format!("Element {name} has a parent with no name."));
                return Err(Box::new(error.at(parent.place())));
            };
            let group = self.templates.value(written, &self.scope)?.to_string();
            draft.group(&group);
            for around in self.parents(parent, &group, draft)? {
                draft.child(&around, &group, written.place());
            }
            for (name, value) in parent.get("vars").and_then(Node::as_map).unwrap_or_default() {
                // What stands deeper is rendered where it is used.
                let var = match value.as_str() {
                    Some(_) => Var::Data(self.templates.value(value, &self.scope)?),
                    None => Var::Source(value.clone()),
                };
                draft.group_var(&group, &name.raw().to_string(), var);
            }
            groups.push(group);
        }
        Ok(groups)
    }
}
