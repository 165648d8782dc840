//! `package` and `service` stand for the module of what the host has: that one's defaults are theirs as well.

use super::super::task::At;
use super::defaults;
use crate::error::Result;
use crate::template::{Binding, Scope};
use crate::vars::HostScope;
use modules::value::{Map, Value};

/// The arguments with what `module_defaults` gives the module that does the work, and with the one that a variable chooses.
pub(super) fn complete(at: &At<'_>, scope: &HostScope, module: &str, args: Map) -> Result<Map> {
    let (variable, fact) = match module {
        "package" => (Some("ansible_package_use"), "ansible_pkg_mgr"),
        "service" => (None, "ansible_service_mgr"),
        _ => return Ok(args),
    };
    let mut args = args;
    let own = args.get("use").filter(|v| !matches!(v, Value::Null) && v.as_str() != Some("auto")).cloned();
    let chosen = match (own, variable) {
        (Some(own), _) => Some(own),
        (None, Some(variable)) => known(at, scope, variable)?,
        (None, None) => None,
    };
    if let Some(chosen) = &chosen {
        args.insert("use".into(), chosen.clone());
    }
    let Some(backing) = chosen.map_or_else(|| known(at, scope, fact), |chosen| Ok(Some(chosen)))? else { return Ok(args) };
    let mut all = Map::new();
    for name in names(crate::playbook::short_name(&backing.to_string())) {
        all.extend(defaults(at, scope, name)?);
    }
    all.extend(args);
    Ok(all)
}

/// The names under which defaults of a module may stand.
fn names(module: &str) -> Vec<&str> {
    match module {
        "systemd" | "systemd_service" => vec!["systemd", "systemd_service"],
        other => vec![other],
    }
}

fn known(at: &At<'_>, scope: &HostScope, name: &str) -> Result<Option<Value>> {
    match scope.lookup(name) {
        Some(Binding::Value(value)) => Ok(Some(value)),
        Some(Binding::Source(node)) => at.run.templates.value(&node, &scope.shared()).map(Some),
        _ => Ok(None),
    }
}
