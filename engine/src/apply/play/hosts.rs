//! Which hosts a play is for, in which order, and in which batches.

use super::super::Run;
use super::keyword;
use crate::error::{Diagnostic, Result};
use crate::template::Scope;
use crate::vars::read;
use crate::yaml::Node;
use modules::value::Value;
use std::sync::Arc;

pub(super) fn pattern_text(run: &Run, hosts: &Node, scope: &Arc<dyn Scope>) -> Result<String> {
    let value = run.templates.value(hosts, scope)?;
    Ok(match value.as_list() {
        Some(list) => list.iter().map(|v| v.reveal().to_string()).collect::<Vec<_>>().join(","),
        None => value.reveal().to_string(),
    })
}

pub(super) fn select(run: &Run, pattern: &str, node: &Node) -> Result<Vec<String>> {
    let inventory = read(&run.fleet.inventory);
    let mut hosts = inventory.select(pattern).map_err(|e| e.at(node.place()))?;
    if !hosts.is_empty() {
        inventory.warnings_for(pattern).into_iter().for_each(|warning| run.warn(warning.at(node.place())));
    }
    if let Some(limit) = &run.settings.limit {
        let allowed = inventory.select(limit)?;
        hosts.retain(|h| allowed.contains(h));
    }
    Ok(hosts)
}

/// The warning for a play that selects no host.
pub(super) fn empty(run: &Run, name: &str, pattern: &str, node: &Node) -> Diagnostic {
    let inventory = read(&run.fleet.inventory);
    let warning = Diagnostic::input(format!("play `{name}` has no hosts")).at(node.place());
    if inventory.hosts.is_empty() {
        return warning.label("the inventory is empty").hint("name an inventory: `-i inventory.yaml`, or `-i host1,host2`");
    }
    let reasons = inventory.warnings_for(pattern);
    let label = match (&reasons[..], &run.settings.limit) {
        ([], Some(limit)) if inventory.select(pattern).is_ok_and(|hosts| !hosts.is_empty()) => {
            format!("`--limit {limit}` leaves none of its hosts")
        }
        ([only], _) => only.summary.clone(),
        _ => format!("no host matches `{pattern}`"),
    };
    reasons.into_iter().flat_map(|reason| reason.hints).fold(warning.label(label), Diagnostic::hint)
}

pub(super) fn order(hosts: &mut [String], node: Option<&Node>, run: &Run, scope: &Arc<dyn Scope>) -> Result<()> {
    let Some(node) = node else { return Ok(()) };
    match run.templates.value(node, scope)?.to_string().as_str() {
        "inventory" | "None" => {}
        "sorted" => hosts.sort(),
        "reverse_sorted" => {
            hosts.sort();
            hosts.reverse();
        }
        "reverse_inventory" => hosts.reverse(),
        "shuffle" => {
            // Any order will do; the clock's digits are enough to vary it.
            let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
            hosts.sort_by_key(|h| {
                use std::hash::{Hash, Hasher};
                let mut hasher = std::collections::hash_map::DefaultHasher::new();
                (seed, h).hash(&mut hasher);
                hasher.finish()
            });
        }
        other => {
            let known = ["inventory", "sorted", "reverse_sorted", "reverse_inventory", "shuffle"];
            let error = Diagnostic::input(format!("`order` knows no `{other}`")).at(node.place());
            return Err(Box::new(error.nearest(other, known).hint(format!("it takes: {}", known.join(", ")))));
        }
    }
    Ok(())
}

/// Splits hosts as `serial` says: numbers and percentages, the last one repeated.
pub(super) fn batches(run: &Run, serial: Option<&Node>, hosts: &[String], scope: &Arc<dyn Scope>) -> Result<Vec<Vec<String>>> {
    let (Some(node), Some(value)) = (serial, keyword(run, serial, scope)?) else { return Ok(vec![hosts.to_vec()]) };
    let sizes: Vec<Value> = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
    let mut sizes = sizes.iter().map(|v| batch_size(v, hosts.len(), node)).collect::<Result<Vec<usize>>>()?.into_iter();
    let (mut out, mut rest, mut size) = (Vec::new(), hosts, hosts.len());
    while !rest.is_empty() {
        size = sizes.next().unwrap_or(size);
        let take = if size == 0 { rest.len() } else { size.min(rest.len()) };
        out.push(rest[..take].to_vec());
        rest = &rest[take..];
    }
    Ok(out)
}

pub(super) fn batch_size(value: &Value, hosts: usize, node: &Node) -> Result<usize> {
    let text = value.reveal().to_string();
    let size = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|p| ((p / 100.0 * hosts as f64) as usize).max(1)),
        None => text.trim().parse::<i64>().ok().map(|n| usize::try_from(n).unwrap_or(0)),
    };
    size.ok_or_else(|| {
        let summary = format!("`serial` must be a number, a percentage or a list of these, not `{text}`");
        Box::new(Diagnostic::input(summary).at(node.place()))
    })
}
