//! `reboot`: the host starts anew, and is waited for.

use super::super::task::At;
use super::{Performed, Target, is_live, target};
use crate::error::Result;
use crate::event::{Changed, Status};
use crate::transport::ConnectionKind;
use crate::vars::HostScope;
use modules::args::FromValue;
use modules::change::{Action, Change};
use modules::value::{Map, Value};
use std::time::{Duration, Instant};

const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";
const SEARCH: [&str; 5] = ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"];
/// Between two tries to reach the host.
const PAUSE: Duration = Duration::from_secs(1);

/// What the task asks for.
struct Wanted {
    boot_id: String,
    test: String,
    command: Option<String>,
    message: String,
    search: Vec<String>,
    before: u64,
    after: u64,
    limit: Duration,
}

impl Wanted {
    fn of(args: &Map) -> Wanted {
        let text = |name: &str| args.get(name).filter(|v| !matches!(v, Value::Null)).map(|v| v.reveal().to_string());
        let seconds = |names: [&str; 2]| {
            let given = names.iter().find_map(|name| args.get(*name).and_then(|v| i64::from_value(v).ok()));
            given.map(|n| n.max(0).unsigned_abs())
        };
        let search = args.get("search_paths").and_then(|v| Vec::<String>::from_value(v).ok()).filter(|paths| !paths.is_empty());
        Wanted {
            boot_id: text("boot_time_command").unwrap_or_else(|| BOOT_ID.to_string()),
            test: text("test_command").unwrap_or_else(|| "whoami".to_string()),
            command: text("reboot_command"),
            message: text("msg").unwrap_or_else(|| "Reboot initiated by engine".to_string()),
            search: search.unwrap_or_else(|| SEARCH.map(String::from).to_vec()),
            before: seconds(["pre_reboot_delay", "pre_reboot_delay_sec"]).unwrap_or(0),
            after: seconds(["post_reboot_delay", "post_reboot_delay_sec"]).unwrap_or(0),
            limit: Duration::from_secs(seconds(["reboot_timeout", "reboot_timeout_sec"]).unwrap_or(600)),
        }
    }

    /// The line that reboots; prints nothing and exits 127 where no program does.
    fn line(&self) -> String {
        let quoted = modules::host::command::quoted;
        if let Some(command) = &self.command {
            return command.clone();
        }
        let folders: Vec<String> = self.search.iter().map(|p| quoted(p)).collect();
        // Shut down a moment later, so that the answer to this line still comes.
        format!(
            "for d in {}; do if [ -x \"$d/shutdown\" ]; then exec \"$d/shutdown\" -r +{} {}; fi; done; exit 127",
            folders.join(" "),
            self.before / 60,
            quoted(&self.message)
        )
    }
}

/// Reboots the task's host.
pub(super) async fn reboot(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    let wanted = Wanted::of(args);
    let change = Change::new(Action::Run, "host", "reboot");
    if !is_live(at, scope)? {
        let mut returns = Map::new();
        returns.insert("rebooted".into(), true.into());
        returns.insert("elapsed".into(), 0.into());
        return Ok(Performed { changed: Changed::Yes, changes: vec![change], ..Performed::ok(returns) });
    }
    let target = target(at, scope)?;
    if matches!(target.connection.kind, ConnectionKind::Local) {
        return Ok(failed("Running reboot with local connection would reboot the control node.", None));
    }
    let started = Instant::now();
    let _slot = at.run.slots.acquire().await;
    let first = at.run.remotes.raw(&target.connection, target.user.as_ref(), &wanted.boot_id).await?;
    if !first.success() {
        let said = format!("{}{}", first.text(), first.errors());
        return Ok(failed(&format!("reboot: failed to get host boot time info, rc: {}, {}", first.code, said.trim()), Some(started)));
    }
    // The connection may end before the answer; whether it rebooted is seen by its boot id.
    if let Ok(output) = at.run.remotes.raw(&target.connection, target.user.as_ref(), &wanted.line()).await {
        if output.code == 127 && wanted.command.is_none() {
            let message = format!("Unable to find command \"shutdown\" in search paths: {:?}", wanted.search);
            return Ok(failed(&message, Some(started)));
        }
        if !output.success() && !output.errors().is_empty() && output.code != 255 {
            let message = format!("Reboot command failed. Error was: '{}, {}'", output.text().trim(), output.errors().trim());
            return Ok(failed(&message, Some(started)));
        }
    }
    tokio::time::sleep(Duration::from_secs(wanted.after)).await;
    let before = first.text().trim().to_string();
    let anew = |said: &str| said.trim() != before;
    if !answers(at, &target, &wanted, &wanted.boot_id, anew).await {
        let message = format!("Timed out waiting for last boot time check (timeout={})", wanted.limit.as_secs());
        return Ok(failed(&message, Some(started)));
    }
    if !answers(at, &target, &wanted, &wanted.test, |_| true).await {
        let message = format!("Timed out waiting for post-reboot test command (timeout={})", wanted.limit.as_secs());
        return Ok(failed(&message, Some(started)));
    }
    let mut returns = Map::new();
    returns.insert("rebooted".into(), true.into());
    returns.insert("elapsed".into(), Value::Int(started.elapsed().as_secs() as i64));
    Ok(Performed { changed: Changed::Yes, changes: vec![change], delegate: target.delegate, ..Performed::ok(returns) })
}

/// Whether the host answers a line as it should before the time is over.
async fn answers(at: &At<'_>, target: &Target, wanted: &Wanted, line: &str, good: impl Fn(&str) -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < wanted.limit {
        at.run.remotes.reset(&target.connection).await;
        let answer = at.run.remotes.raw(&target.connection, target.user.as_ref(), line);
        if let Ok(Ok(output)) = tokio::time::timeout(wanted.limit.saturating_sub(started.elapsed()), answer).await
            && output.success()
            && good(&output.text())
        {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}

fn failed(message: &str, started: Option<Instant>) -> Performed {
    let mut returns = Map::new();
    returns.insert("rebooted".into(), false.into());
    if let Some(started) = started {
        returns.insert("elapsed".into(), Value::Int(started.elapsed().as_secs() as i64));
    }
    returns.insert("msg".into(), message.into());
    Performed { status: Status::Failed, message: Some(message.to_string()), ..Performed::ok(returns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: serde_json::Value) -> Wanted {
        Wanted::of(Value::from_json(&json).as_map().expect("a dictionary"))
    }

    #[test]
    fn lines_that_reboot() {
        let usual = wanted(serde_json::json!({"msg": "it's time", "pre_reboot_delay": 150, "search_paths": ["/lib/molly-guard", "/sbin"]}));
        assert_eq!(
            usual.line(),
            r#"for d in /lib/molly-guard /sbin; do if [ -x "$d/shutdown" ]; then exec "$d/shutdown" -r +2 'it'\''s time'; fi; done; exit 127"#
        );
        assert_eq!(wanted(serde_json::json!({"reboot_command": "launchctl reboot userspace"})).line(), "launchctl reboot userspace");
    }

    #[test]
    fn defaults_are_as_documented() {
        let usual = wanted(serde_json::json!({}));
        assert_eq!((usual.limit, usual.test.as_str(), usual.boot_id.as_str()), (Duration::from_secs(600), "whoami", BOOT_ID));
    }
}
