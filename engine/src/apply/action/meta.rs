//! `meta`: what tells the run itself what to do.

use super::super::task::At;
use super::super::{Gone, Progress};
use super::{Performed, target};
use crate::error::{Diagnostic, Result};
use crate::vars::{HostScope, write};
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
    match what.as_str() {
        "noop" | "role_complete" => {}
        "refresh_inventory" => {
            let warning = Diagnostic::input("`meta: refresh_inventory` is not supported yet: the inventory stays as it was read");
            at.run.warn(warning.at(&at.task.place));
        }
        "clear_facts" => at.batch.instance.batch.iter().for_each(|h| write(&at.run.fleet.memory(h).facts).clear()),
        "clear_host_errors" => at.batch.instance.batch.iter().for_each(|h| progress.clear_errors(h)),
        "end_role" => match &at.context.role {
            Some(role) => progress.end_role(at.host, role),
            None => {
                let error = Diagnostic::input("`meta: end_role` stands in no role").at(&at.task.place);
                return Err(Box::new(error.hint("use `end_play` or `end_host` outside of roles")));
            }
        },
        "end_host" => at.batch.leave(at.run, at.host, Gone::Ended),
        "end_play" | "end_batch" => {
            for host in &at.batch.instance.batch {
                if progress.gone(host).is_none() {
                    at.batch.leave(at.run, host, Gone::Ended);
                }
            }
        }
        "reset_connection" => {
            let target = target(at, scope)?;
            at.run.remotes.reset(&target.connection).await;
        }
        other => {
            let place = node.map_or(&at.task.place, |n| n.place());
            let error = Diagnostic::input(format!("`meta` knows no `{other}`")).at(place).nearest(other, KNOWN);
            return Err(Box::new(error.hint(format!("it takes: {}", KNOWN.join(", ")))));
        }
    }
    Ok(Performed::ok(Map::new()))
}
