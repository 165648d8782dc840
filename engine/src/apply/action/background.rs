//! `async`: tasks that go on by themselves on the host; polled to their end, or left to `async_status`.

use super::super::task::At;
use super::covered::Covered;
use super::{Performed, Target, environment, performed, send};
use crate::error::{Kind, Result};
use crate::event::{Changed, Event, Status};
use crate::vars::HostScope;
use modules::change::{Action, Change};
use modules::host::jobs::{FOLDER, STARTER};
use modules::value::{Map, Value};
use modules::wire::Response;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds between two looks unless `poll` says otherwise.
const POLL: f64 = 15.0;

/// How long a task may go on by itself, and how often to look; none for tasks that are waited for anyway.
pub(super) fn wanted(at: &At<'_>, scope: &HostScope) -> Result<Option<(u64, f64)>> {
    let seconds = at.number(at.task.background.as_ref(), "async", scope)?.unwrap_or(0.0);
    if seconds <= 0.0 {
        return Ok(None);
    }
    let poll = at.number(at.task.poll.as_ref(), "poll", scope)?.unwrap_or(at.run.settings.poll.unwrap_or(POLL));
    Ok(Some((seconds.ceil() as u64, poll.max(0.0))))
}

/// Starts a module on its own, and waits for it unless `poll` is 0.
pub(super) async fn run(
    at: &At<'_>,
    scope: &HostScope,
    target: &Target,
    module: &str,
    args: Map,
    (seconds, poll): (u64, f64),
) -> Result<Performed> {
    let covered = Arc::new(Covered::of_task(&args, &environment(at, scope)?.1, at.run.templates.vault()));
    let id = at.run.job_name();
    let mut order = Map::new();
    order.insert("jid".into(), id.as_str().into());
    order.insert("folder".into(), folder(at, scope)?.into());
    order.insert("seconds".into(), Value::Int(seconds.cast_signed()));
    order.insert("module".into(), module.into());
    order.insert("args".into(), args.into_iter().map(|(k, v)| (k, v.revealed())).collect::<Map>().into());
    let started = performed(send(at, scope, target, STARTER, order).await?, target.delegate.clone());
    crate::vars::lock(&at.run.jobs).insert(id.clone(), covered);
    if poll == 0.0 || started.status != Status::Ok {
        let change = Change::new(Action::Run, module, format!("in the background, as {id}"));
        return Ok(Performed { changed: Changed::Yes, changes: vec![change], ..started });
    }
    let mut done = wait(at, scope, target, &id, (seconds, poll)).await?;
    if done.returns.get("finished").is_some_and(Value::truthy) {
        // It can wait: what is left is a file in a folder of its own.
        let _ = ask(at, scope, target, &id, "cleanup").await;
    }
    let verdict = if done.status == Status::Failed { "FAILED" } else { "OK" };
    tell(at, format!("ASYNC {verdict} on {}: jid={id}", at.host));
    done.delegate.clone_from(&target.delegate);
    Ok(done)
}

/// Looks again and again, through lost connections too, until it is done or its time is over.
async fn wait(at: &At<'_>, scope: &HostScope, target: &Target, id: &str, (seconds, poll): (u64, f64)) -> Result<Performed> {
    let (began, limit) = (Instant::now(), Duration::from_secs(seconds));
    loop {
        tokio::time::sleep(Duration::from_secs_f64(poll).min(limit)).await;
        match ask(at, scope, target, id, "status").await {
            Ok(response) => {
                let done = performed(response, target.delegate.clone());
                if done.status != Status::Ok || done.returns.get("finished").is_some_and(Value::truthy) {
                    return Ok(done);
                }
                tell(at, format!("ASYNC POLL on {}: jid={id} started=True finished=False", at.host));
            }
            Err(error) if error.kind == Kind::Unreachable && began.elapsed() < limit => {
                at.run.remotes.reset(&target.connection).await;
            }
            Err(error) => return Err(error),
        }
        if began.elapsed() >= limit {
            let said = format!("async task did not complete within the requested time - {seconds}s");
            let returns = Map::from_iter([(Value::from("ansible_job_id"), Value::from(id)), ("finished".into(), false.into())]);
            return Ok(Performed { returns, ..Performed::failed(said) });
        }
    }
}

async fn ask(at: &At<'_>, scope: &HostScope, target: &Target, id: &str, mode: &str) -> Result<Response> {
    let args = [("jid", id.to_string()), ("mode", mode.to_string()), ("_async_dir", folder(at, scope)?)];
    let args = args.into_iter().map(|(name, value)| (Value::from(name), Value::from(value))).collect();
    let mut response = send(at, scope, target, "async_status", args).await?;
    let covered = crate::vars::lock(&at.run.jobs).get(id).cloned();
    covered.iter().for_each(|covered| covered.cover(&mut response));
    Ok(response)
}

/// `async_status`: what a job of this or another run has come to.
pub(super) async fn status(at: &At<'_>, scope: &HostScope, args: Map) -> Result<Performed> {
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("asks for a task in the background that depends on {what}")));
    }
    let known = modules::registry::find("async_status").map(|module| (module.check)(&args)).transpose();
    known.map_err(|e| super::misplaced(at, e))?;
    let text = |name: &str| args.get(name).map(|v| v.reveal().to_string());
    let (id, mode) = (text("jid").unwrap_or_default(), text("mode").unwrap_or_else(|| "status".into()));
    let target = super::target(at, scope)?;
    Ok(performed(ask(at, scope, &target, &id, &mode).await?, target.delegate))
}

/// Where results stand on the host.
fn folder(at: &At<'_>, scope: &HostScope) -> Result<String> {
    let named = super::super::reach::variable(at.run, scope, "ansible_async_dir")?;
    Ok(named.map_or_else(|| FOLDER.to_string(), |v| v.reveal().to_string()))
}

/// Ansible's lines about polled tasks.
fn tell(at: &At<'_>, text: String) {
    if at.run.settings.lockstep {
        at.run.observer.observe(&Event::Message { host: at.host.to_string(), text });
    }
}
