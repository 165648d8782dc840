//! Command lines over the bare transport, for hosts without anything but a shell.

use super::escalate::{self, Escalation};
use crate::error::Result;
use crate::transport::{Become, Channel, Tail, Transport, lost};
use modules::host::Output;
use std::pin::pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a line under `sh` as a user and waits for its end.
pub(crate) async fn run(host: &str, transport: &Transport, user: Option<&Become>, line: &str) -> Result<Output> {
    let mut escalation = user.map(|user| Escalation::new(host, user)).transpose()?;
    let script = escalation.as_ref().map_or_else(|| line.to_owned(), |escalation| escalation.wrap(line));
    let Channel { stdin, mut stdout, stderr, ending } = transport.start(host, &script).await?;
    let said = Tail::follow(stderr, usize::MAX);
    // The line reads nothing; only a password may still have to be written.
    let mut stdin = escalation.as_ref().is_some_and(Escalation::has_password).then_some(stdin);
    let mut out = Vec::new();
    {
        let mut reading = pin!(stdout.read_to_end(&mut out));
        loop {
            tokio::select! {
                _ = &mut reading => break,
                prompted = escalate::prompted(escalation.as_mut(), &said) => {
                    let prompted = prompted?;
                    if let Some(mut stdin) = stdin.take() {
                        prompted.give(&mut stdin).await;
                        let _ = stdin.shutdown().await;
                    }
                }
            }
        }
    }
    drop(stdin);
    let code = ending.await;
    said.end().await;
    if code == 255 && !transport.alive().await {
        return Err(Box::new(said.last_lines().into_iter().fold(lost(host), crate::error::Diagnostic::note)));
    }
    let stderr = escalation.as_ref().map_or_else(|| said.bytes(), |escalation| escalation.without_prompt(&said.bytes()));
    Ok(Output { code, stdout: out, stderr, ..Output::default() })
}
