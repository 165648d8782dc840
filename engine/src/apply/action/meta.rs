//! `meta`: what tells the run itself what to do.

use super::super::task::At;
use super::super::{Gone, Progress};
use super::{Performed, target};
use crate::error::{Diagnostic, Result};
use crate::vars::HostScope;
use modules::value::Map;

const KNOWN: [&str; 11] = [
    "flush_handlers",
    "clear_facts",
    "clear_host_errors",
    "end_host",
    "end_play",
    "end_batch",
    "end_role",
    "noop",
    "refresh_inventory",
    "reset_connection",
    "role_complete",
];

/// Does what `meta` asks for on this host.
pub(super) async fn meta(at: &At<'_>, scope: &HostScope) -> Result<Performed> {
    let node = at.task.action.free_form.as_ref();
    let what = node.map(|n| at.run.templates.value(n, &scope.shared()).map(|v| v.to_string())).transpose()?.unwrap_or_default();
    let progress: &Progress = &at.run.progress;
    let said = match what.as_str() {
        "noop" | "role_complete" => "noop".to_string(),
        // Where handlers run is a step of its own; this is what it says.
        "flush_handlers" => format!("triggered running handlers for {}", at.host),
        "refresh_inventory" => {
            at.run.refresh_inventory()?;
            "inventory successfully refreshed".to_string()
        }
        "clear_facts" => {
            at.batch.instance.batch.iter().for_each(|h| at.run.fleet.forget(h));
            "facts cleared".to_string()
        }
        "clear_host_errors" => {
            progress.clear_errors();
            "cleared host errors".to_string()
        }
        "end_role" => match &at.context.role {
            Some(role) => {
                progress.end_role(at.host, role);
                format!("ending role {} for {}", role.name, at.host)
            }
            None => {
                let error = Diagnostic::input("`meta: end_role` stands in no role").at(&at.task.place);
                return Err(Box::new(error.hint("use `end_play` or `end_host` outside of roles")));
            }
        },
        "end_host" => {
            at.batch.leave(at.run, at.host, Gone::Ended);
            format!("ending play for {}", at.host)
        }
        "end_play" | "end_batch" => {
            for host in &at.batch.instance.batch {
                if progress.gone(host).is_none() {
                    at.batch.leave(at.run, host, Gone::Ended);
                }
            }
            if what == "end_play" {
                at.batch.end_play();
            }
            format!("ending {}", what.trim_start_matches("end_"))
        }
        "reset_connection" => {
            let target = target(at, scope)?;
            at.run.remotes.reset(&target.connection).await;
            "reset connection".to_string()
        }
        other => {
            let place = node.map_or(&at.task.place, |n| n.place());
            let error = Diagnostic::input(format!("`meta` knows no `{other}`")).at(place).nearest(other, KNOWN);
            return Err(Box::new(error.hint(format!("it takes: {}", KNOWN.join(", ")))));
        }
    };
    Ok(Performed { message: Some(said), ..Performed::ok(Map::new()) })
}

/// What a `meta` task says where its condition does not hold; none for those that know no condition.
pub(in crate::apply) fn skipped(at: &At<'_>) -> Option<Map> {
    let what = at.task.action.free_form.as_ref().and_then(crate::yaml::Node::as_str).unwrap_or_default();
    let host = at.host;
    let instead = match what {
        "flush_handlers" => format!("not running handlers for {host}"),
        "clear_facts" => format!("not clearing facts and fact cache for {host}"),
        "clear_host_errors" => "not clearing host error state".to_string(),
        "end_host" => format!("continuing execution for {host}"),
        "end_play" => "continuing play".to_string(),
        "end_batch" => "continuing current batch".to_string(),
        "end_role" => format!("continuing role {} for {host}", at.context.role.as_ref().map_or("", |role| &role.name)),
        _ => return None,
    };
    let mut returns = Map::new();
    returns.insert("msg".into(), what.into());
    returns.insert("skip_reason".into(), format!("{what} conditional evaluated to False, {instead}").into());
    Some(returns)
}
