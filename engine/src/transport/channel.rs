//! A started command on a host: its three streams and how it ends.

use futures::future::BoxFuture;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;

/// How much of standard error is kept for messages.
pub(crate) const TAIL: usize = 16 << 10;

/// Exit code of a process, 128 + signal if a signal ended it; 255 if the connection did.
pub(crate) type Ending = BoxFuture<'static, i32>;

/// A running command on a host.
pub(crate) struct Channel {
    /// Its standard input.
    pub(crate) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub(crate) stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub(crate) stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Its end.
    pub(crate) ending: Ending,
}

impl Channel {
    /// Starts a program of this machine under a name, in a process group of its own so that Ctrl-C reaches only `engine`.
    pub(crate) fn local(program: &Path, name: &Path, args: &[&str]) -> std::io::Result<Channel> {
        let mut command = tokio::process::Command::new(program);
        command.arg0(name).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        Ok(Channel {
            stdin: Box::new(child.stdin.take().ok_or_else(missing)?),
            stdout: Box::new(child.stdout.take().ok_or_else(missing)?),
            stderr: Box::new(child.stderr.take().ok_or_else(missing)?),
            ending: Box::pin(async move { child.wait().await.map_or(255, code) }),
        })
    }
}

/// The exit code of a status, as a shell gives it.
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255)
}

/// The last of what a stream said, read in the background.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    text: Arc<Mutex<Vec<u8>>>,
    grown: watch::Receiver<u64>,
}

impl Tail {
    /// Reads a stream to its end and keeps its last `limit` bytes.
    pub(crate) fn follow(mut stream: impl AsyncRead + Send + Unpin + 'static, limit: usize) -> Tail {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (growth, grown) = watch::channel(0);
        let kept = text.clone();
        tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut piece).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&piece[..length]);
                let excess = kept.len().saturating_sub(limit);
                kept.drain(..excess);
                drop(kept);
                growth.send_modify(|n| *n += 1);
            }
        });
        Tail { text, grown }
    }

    /// What was said so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The last lines, for a message.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        last_lines(&self.text())
    }

    /// Waits until `needle` has been said `times` times; for ever if the stream ends or gets long before: prompts come early.
    pub(crate) async fn said(&self, needle: &str, times: usize) {
        let mut grown = self.grown.clone();
        loop {
            let text = self.text();
            if text.matches(needle).count() >= times {
                return;
            }
            if text.len() > TAIL || grown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// All that is kept, as it was said.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the stream's end, a short while at most: a background process may hold it open.
    pub(crate) async fn end(&self) {
        let mut grown = self.grown.clone();
        let ended = async { while grown.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(std::time::Duration::from_millis(500), ended).await;
    }
}

/// The last lines with something on them.
pub(crate) fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].iter().map(|line| (*line).to_owned()).collect()
}
