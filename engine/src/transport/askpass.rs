//! ssh asks for a password: `engine` itself is its askpass helper and gets it over a private socket.
//!
//! The password is in no file, argument or environment variable; the helper knows only where to ask
//! (<https://man.openbsd.org/ssh#ENVIRONMENT>, `SSH_ASKPASS`).

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

/// Names the socket to the helper.
const VARIABLE: &str = "ENGINE_ASKPASS";

/// Gives passwords to the helpers of one ssh until it is dropped.
#[derive(Debug)]
pub(crate) struct Desk {
    socket: PathBuf,
    serving: tokio::task::JoinHandle<()>,
}

impl Desk {
    /// Listens in a private folder.
    pub(crate) fn open(socket: PathBuf, password: String) -> io::Result<Desk> {
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let own = rustix::process::getuid().as_raw();
        let serving = tokio::spawn(async move {
            while let Ok((mut asking, _)) = listener.accept().await {
                if asking.peer_cred().is_ok_and(|peer| peer.uid() == own) {
                    let _ = asking.write_all(password.as_bytes()).await;
                }
            }
        });
        Ok(Desk { socket, serving })
    }

    /// Environment for ssh.
    pub(crate) fn environment(&self, program: &Path) -> Vec<(&'static str, PathBuf)> {
        let display = std::env::var_os("DISPLAY").unwrap_or_else(|| ":".into());
        vec![
            (VARIABLE, self.socket.clone()),
            ("SSH_ASKPASS", program.to_owned()),
            ("SSH_ASKPASS_REQUIRE", "force".into()),
            ("DISPLAY", display.into()),
        ]
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// If ssh started this process as its helper: answers, and says how to exit. To be called first of all.
pub fn answer() -> Option<ExitCode> {
    let socket = std::env::var_os(VARIABLE)?;
    let prompt = std::env::args().nth(1).unwrap_or_default();
    if !asks_password(&prompt) {
        return Some(ExitCode::FAILURE);
    }
    let fetch = || -> io::Result<()> {
        let mut password = Vec::new();
        std::os::unix::net::UnixStream::connect(&socket)?.read_to_end(&mut password)?;
        password.push(b'\n');
        io::stdout().write_all(&password)
    };
    Some(if fetch().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a prompt of ssh wants the login password: not a key's passphrase, not a yes to an unknown host key.
fn asks_password(prompt: &str) -> bool {
    let prompt = prompt.to_lowercase();
    !["(yes/no", "passphrase", "fingerprint", "pin for", "confirm user presence"].iter().any(|other| prompt.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_password_prompts_are_answered() {
        assert!(asks_password("deploy@web1's password: "));
        assert!(asks_password("(deploy@web1) Password: "));
        assert!(!asks_password("Enter passphrase for key '/home/me/.ssh/id': "));
        assert!(!asks_password("Are you sure you want to continue connecting (yes/no/[fingerprint])? "));
    }
}
