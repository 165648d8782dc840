//! `pause`: waits, or asks the person at the terminal.

use super::super::task::At;
use super::Performed;
use crate::error::Result;
use crate::event::Event;
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

/// Pauses for `minutes`/`seconds`, or until Enter; under a plan it says so and goes on.
pub(super) async fn pause(at: &At<'_>, args: &Map) -> Result<Performed> {
    let number = |name: &str| args.get(name).and_then(|v| f64::from_value(v).ok());
    let seconds = number("minutes").map(|m| m * 60.0).or_else(|| number("seconds"));
    let prompt = args.get("prompt").map(|p| p.redacted().to_string());
    let mut returns = Map::new();
    if !at.run.live {
        return Ok(Performed::ok(returns));
    }
    let started = std::time::Instant::now();
    let mut answer = String::new();
    match seconds {
        Some(seconds) => {
            if let Some(text) = &prompt {
                at.run.observer.observe(&Event::Message { host: at.host.to_string(), text: text.clone() });
            }
            tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await;
        }
        None if std::io::stdin().is_terminal() => {
            let text = prompt.unwrap_or_else(|| "Press Enter to continue".into());
            answer = tokio::task::spawn_blocking(move || ask(&text)).await.unwrap_or_default();
        }
        None => {
            let text = "`pause` waits for nobody: standard input is no terminal, so it goes on".to_string();
            at.run.observer.observe(&Event::Warning { text, problem: None });
        }
    }
    returns.insert("user_input".into(), answer.into());
    returns.insert("delta".into(), Value::Int(started.elapsed().as_secs() as i64));
    Ok(Performed::ok(returns))
}

fn ask(text: &str) -> String {
    let mut err = std::io::stderr();
    // A terminal that cannot be written to cannot be asked either; the answer is then empty.
    let _ = write!(err, "{text}: ").and_then(|()| err.flush());
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    line.trim_end_matches(['\r', '\n']).to_string()
}
