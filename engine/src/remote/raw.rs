//! Command lines over the bare transport, for hosts without anything but a shell.

use super::bootstrap::MARK;
use super::escalate::{self, Escalation};
use crate::error::{Diagnostic, Result};
use crate::transport::{Become, Channel, Tail, Transport, last_lines, lost};
use modules::host::Output;
use std::pin::pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Runs a line under `sh` as a user and waits for its end.
pub(crate) async fn run(host: &str, transport: &Transport, user: Option<&Become>, line: &str) -> Result<Output> {
    let mut escalation = user.map(|user| Escalation::new(host, user)).transpose()?;
    // The mark tells what the line says and does from what sudo says and how it ends.
    let script = escalation.as_ref().map_or_else(|| line.to_owned(), |escalation| escalation.wrap(&format!("echo {MARK}; {line}")));
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
        return Err(Box::new(said.last_lines().into_iter().fold(lost(host), Diagnostic::note)));
    }
    let Some(escalation) = escalation else { return Ok(Output { code, stdout: out, stderr: said.bytes(), ..Output::default() }) };
    match after_mark(&out) {
        Some(stdout) => Ok(Output { code, stdout, stderr: escalation.without_prompt(said.bytes()), ..Output::default() }),
        None => Err(Box::new(escalation.refused(&said.text(), last_lines(&String::from_utf8_lossy(&out)), code))),
    }
}

/// What follows the line with the mark.
fn after_mark(out: &[u8]) -> Option<Vec<u8>> {
    let mark = format!("{}\n", MARK.trim_end());
    let at = out.windows(mark.len()).position(|part| part == mark.as_bytes())?;
    Some(out[at + mark.len()..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks like sudo: its third argument but one is the prompt, `open sesame` the password.
    const SUDO: &str = r#"#!/bin/sh
prompt=; noask=
while [ "$1" != -- ]; do case $1 in -p) prompt=$2; shift;; -n) noask=1;; esac; shift; done; shift
[ -z "$noask" ] || { echo "sudo: a password is required" >&2; exit 1; }
for try in 1 2; do
  printf %s "$prompt" >&2
  read -r word || { echo "sudo: no password was provided" >&2; exit 1; }
  [ "$word" != "open sesame" ] || exec "$@"
  echo "Sorry, try again." >&2
done
exit 1
"#;

    #[tokio::test]
    async fn passwords_are_given_when_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let sudo = dir.path().join("fake sudo");
        std::fs::write(&sudo, SUDO).unwrap();
        let raw = |password: Option<&str>| {
            let user = Become {
                method: "sudo".into(),
                user: "someone".into(),
                exe: Some(format!("sh '{}'", sudo.display())),
                flags: None,
                password: password.map(Into::into),
            };
            async move { run("web", &Transport::Local, Some(&user), "cat; echo done; echo odd >&2; exit 4").await }
        };
        let out = raw(Some("open sesame")).await.unwrap();
        assert_eq!((out.code, out.text().as_str(), out.errors().as_str()), (4, "done\n", "odd\n"));
        assert_eq!(raw(Some("guess")).await.unwrap_err().summary, "wrong sudo password for `someone` on web");
        assert_eq!(raw(None).await.unwrap_err().summary, "sudo needs a password for `someone` on web");
    }

    #[tokio::test]
    async fn output_is_whole() {
        let out = run("web", &Transport::Local, None, "head -c 300000 /dev/zero; head -c 100000 /dev/zero >&2; kill -9 $$").await.unwrap();
        assert_eq!((out.code, out.stdout.len(), out.stderr.len()), (137, 300_000, 100_000));
    }
}
