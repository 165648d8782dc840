//! `raw` and `wait_for_connection`: what works without an agent on the host.

use super::super::task::At;
use super::covered::Covered;
use super::{Performed, is_live, target};
use crate::error::{Diagnostic, Kind, Result};
use crate::event::{Changed, Status};
use crate::vars::HostScope;
use modules::args::FromValue;
use modules::change::{Action, Change};
use modules::value::{Map, Value};
use std::time::{Duration, Instant};

/// `raw`: a line for the host's shell, sent as it is.
pub(super) async fn raw(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    let Some(line) = args.get("_raw_params") else {
        return Err(Box::new(Diagnostic::input("`raw` needs a command line").at(&at.task.action.place)));
    };
    if let Some(what) = line.first_unknown() {
        return Ok(Performed::unknown(format!("runs a line that depends on {what}")));
    }
    let shown = line.redacted().to_string();
    let covered = Covered::of_task(args, &[], at.run.templates.vault());
    let line = line.reveal().to_string();
    let change = Change::new(Action::Run, "command", shown);
    let mut returns = Map::new();
    if !is_live(at, scope)? {
        for name in ["rc", "stdout", "stderr"] {
            returns.insert(Value::str(name), Value::unknown(name));
        }
        return Ok(Performed { changed: Changed::Yes, changes: vec![change], ..Performed::ok(returns) });
    }
    let target = target(at, scope)?;
    let line = match args.get("executable").map(|v| v.reveal().to_string()).filter(|e| !e.is_empty()) {
        Some(shell) => format!("{shell} -c {}", quoted(&line)),
        None => line,
    };
    let _slot = at.run.slots.acquire().await;
    let output = at.run.remotes.raw(&target.connection, target.user.as_ref(), &line).await?;
    returns.insert("rc".into(), output.code.into());
    returns.insert("stdout".into(), output.text().trim_end_matches(['\r', '\n']).into());
    returns.insert("stderr".into(), output.errors().into());
    covered.map(&mut returns);
    let done = Performed { changed: Changed::Yes, changes: vec![change], delegate: target.delegate, ..Performed::ok(returns) };
    Ok(match output.success() {
        true => done,
        false => {
            let mut done = done;
            done.returns.insert("msg".into(), "non-zero return code".into());
            Performed { status: Status::Failed, message: Some(format!("the command exited with code {}", output.code)), ..done }
        }
    })
}

/// Text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `wait_for_connection`: until the host answers.
pub(super) async fn wait_for_connection(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    const OPTIONS: [&str; 4] = ["timeout", "delay", "sleep", "connect_timeout"];
    let strange: Vec<String> = args.keys().map(ToString::to_string).filter(|name| !OPTIONS.contains(&name.as_str())).collect();
    if !strange.is_empty() {
        return Ok(Performed::failed(format!("Invalid options for wait_for_connection: {}", strange.join(","))));
    }
    let number = |name: &str, default: f64| args.get(name).and_then(|v| f64::from_value(v).ok()).unwrap_or(default).max(0.0);
    if !at.run.live {
        return Ok(Performed::ok(Map::new()));
    }
    let (started, limit) = (Instant::now(), Duration::from_secs_f64(number("timeout", 600.0)));
    tokio::time::sleep(Duration::from_secs_f64(number("delay", 0.0))).await;
    let target = target(at, scope)?;
    loop {
        at.run.remotes.reset(&target.connection).await;
        match at.run.remotes.raw(&target.connection, None, "true").await {
            Ok(_) => {
                let mut returns = Map::new();
                returns.insert("elapsed".into(), Value::Int(started.elapsed().as_secs() as i64));
                return Ok(Performed::ok(returns));
            }
            Err(error) if error.kind == Kind::Unreachable && started.elapsed() < limit => {
                tokio::time::sleep(Duration::from_secs_f64(number("sleep", 1.0).max(0.1))).await;
            }
            Err(error) => return Err(error),
        }
    }
}
