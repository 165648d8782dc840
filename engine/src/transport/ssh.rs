//! SSH masters: one for each host, started by the system's `ssh` and kept a minute for the next run.

use super::askpass::Desk;
use super::channel::{Channel, Ending};
use super::{Ssh, cannot_start, refuse_option_like, trouble};
use crate::error::{Diagnostic, Kind, Result};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// How long a master outlives its last user.
const PERSIST: &str = "60s";
/// What authentication may take on top of the time to connect.
const LOGIN: Duration = Duration::from_secs(60);
/// How long to wait before connecting again to a host that is overrun.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(700), Duration::from_millis(2000)];
/// Longest folder for control sockets: a socket's path ends at 107 bytes, and ssh adds 17 while it makes it.
const FOLDER_LIMIT: usize = 64;

/// A running ssh master.
#[derive(Debug, Clone)]
pub(crate) struct Master {
    session: Arc<openssh::Session>,
    socket: PathBuf,
    ssh: Arc<Ssh>,
    /// Whether it stood before it was asked for.
    pub(crate) reused: bool,
}

impl Master {
    /// Finds the master of an earlier run, or starts one.
    pub(crate) async fn open(host: &str, ssh: &Ssh, program: &Path) -> Result<Master> {
        refuse_option_like(&ssh.address)?;
        if let Some(user) = &ssh.user {
            refuse_option_like(user)?;
        }
        let folder = folder()?;
        let socket = folder.join(name(host, ssh));
        let lock = lock(socket.with_extension("lock")).await?;
        let mut master = Master {
            session: Arc::new(openssh::Session::resume_mux(socket.clone().into(), None)),
            socket,
            ssh: Arc::new(ssh.clone()),
            reused: true,
        };
        if !master.alive().await {
            let _ = std::fs::remove_file(&master.socket);
            master.dial_patiently(host, program).await?;
            master.reused = false;
        }
        drop(lock);
        Ok(master)
    }

    /// Whether the master answers on its socket.
    pub(crate) async fn alive(&self) -> bool {
        self.socket.exists() && matches!(tokio::time::timeout(Duration::from_secs(5), self.session.check()).await, Ok(Ok(())))
    }

    /// Connects, and tries again while the host or its jump host turns connections away unheard: sshd does so when many come at once
    /// (`MaxStartups`).
    async fn dial_patiently(&self, host: &str, program: &Path) -> Result<()> {
        for pause in PAUSES {
            match self.dial(host, program).await {
                Err(error) if error.notes.iter().any(|line| line.contains("_exchange_identification")) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.dial(host, program).await
    }

    /// Runs ssh until it has logged in and gone to the background.
    async fn dial(&self, host: &str, program: &Path) -> Result<()> {
        let system = |e: std::io::Error| Box::new(Diagnostic::new(Kind::System, "cannot start ssh").note(e.to_string()));
        // A file and no pipe: the master keeps standard error open for as long as it lives.
        let mut said = tempfile::tempfile().map_err(system)?;
        let mut command = tokio::process::Command::new("ssh");
        command.args(arguments(&self.ssh, &self.socket)).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.stderr(Stdio::from(said.try_clone().map_err(system)?));
        let desk = match &self.ssh.password {
            Some(password) => Some(Desk::open(self.socket.with_extension("ask"), password.clone()).map_err(system)?),
            None => None,
        };
        command.envs(desk.iter().flat_map(|desk| desk.environment(program)));
        let mut child = command.spawn().map_err(|e| {
            let error = cannot_start("ssh", &e);
            if e.kind() == std::io::ErrorKind::NotFound { Box::new(error.hint("install the package openssh-client")) } else { error }
        })?;
        let ended = tokio::time::timeout(self.ssh.timeout + LOGIN, child.wait()).await;
        let success = matches!(&ended, Ok(Ok(status)) if status.success());
        let text = words_of(&mut said);
        match ended {
            _ if success && self.alive().await => Ok(()),
            Err(_) => {
                let waited = (self.ssh.timeout + LOGIN).as_secs();
                Err(Box::new(trouble::unreachable(host, &self.ssh, &format!("{text}\nlogging in timed out after {waited} seconds"))))
            }
            _ => Err(Box::new(trouble::unreachable(host, &self.ssh, &text))),
        }
    }

    /// Starts a line under the login shell of the host.
    pub(crate) async fn start(&self, host: &str, line: &str) -> Result<Channel> {
        let mut command = self.session.clone().arc_raw_command(line);
        command.stdin(openssh::Stdio::piped()).stdout(openssh::Stdio::piped()).stderr(openssh::Stdio::piped());
        let patience = self.ssh.timeout + LOGIN;
        let mut child = match tokio::time::timeout(patience, command.spawn()).await {
            Ok(Ok(child)) => child,
            Ok(Err(e)) => return Err(Box::new(self.no_channel(host, &e).await)),
            Err(_) => return Err(Box::new(lost(host).note(format!("no channel was opened within {} seconds", patience.as_secs())))),
        };
        let missing = || Box::new(lost(host));
        Ok(Channel {
            stdin: Box::new(child.stdin().take().ok_or_else(missing)?),
            stdout: Box::new(child.stdout().take().ok_or_else(missing)?),
            stderr: Box::new(child.stderr().take().ok_or_else(missing)?),
            ending: self.clone().ending(child),
        })
    }

    /// How a remote command ends. ssh tells of signals only that there was one: while the connection stands, it was a kill.
    fn ending(self, child: openssh::Child<Arc<openssh::Session>>) -> Ending {
        Box::pin(async move {
            let code = match child.wait().await {
                Ok(status) => status.code(),
                // The crate turns the code 127 into this error.
                Err(openssh::Error::Remote(e)) if e.kind() == std::io::ErrorKind::NotFound => Some(127),
                Err(_) => None,
            };
            match code {
                Some(code) => code,
                None if self.alive().await => 137,
                None => 255,
            }
        })
    }

    /// Why the master opened no channel.
    async fn no_channel(&self, host: &str, error: &openssh::Error) -> Diagnostic {
        let mut told = if self.alive().await {
            Diagnostic::new(Kind::Unreachable, format!("{host} opens no further channel"))
                .hint("each user of `become` takes one of its connection's channels; raise `MaxSessions` in its sshd_config")
        } else {
            lost(host)
        };
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            told = told.note(error.to_string());
            cause = error.source();
        }
        told
    }

    /// Ends the master.
    pub(crate) async fn shut(&self) {
        let mut command = tokio::process::Command::new("ssh");
        command.arg("-S").arg(&self.socket).args(["-O", "exit", "--", &self.ssh.address]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if let Ok(mut child) = command.spawn() {
            let _ = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// The connection died.
pub(crate) fn lost(host: &str) -> Diagnostic {
    Diagnostic::new(Kind::Unreachable, format!("connection to {host} lost"))
}

/// What ssh wrote.
fn words_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let _ = file.rewind().and_then(|()| file.take(64 << 10).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The arguments of ssh. Its first value for an option counts, so what must hold stands first, then what variables say,
/// then the user's own arguments, then preferences.
fn arguments(ssh: &Ssh, socket: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["-M", "-N", "-f", "-S"].map(OsString::from).to_vec();
    args.push(socket.into());
    let mut option = |value: String| args.extend(["-o".into(), value.into()]);
    option(format!("ControlPersist={PERSIST}"));
    option("RemoteCommand=none".into());
    if ssh.password.is_some() {
        option("BatchMode=no".into());
        option("NumberOfPasswordPrompts=1".into());
    } else {
        option("BatchMode=yes".into());
    }
    if !ssh.host_key_checking {
        option("StrictHostKeyChecking=no".into());
        option("UserKnownHostsFile=/dev/null".into());
    }
    option(format!("ConnectTimeout={}", ssh.timeout.as_secs().max(1)));
    if let Some(port) = ssh.port {
        args.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(key) = &ssh.key_file {
        args.extend(["-i".into(), key.into()]);
    }
    if let Some(user) = &ssh.user {
        args.extend(["-l".into(), user.into()]);
    }
    args.extend(ssh.args.iter().map(OsString::from));
    args.extend(["-o", "ServerAliveInterval=15", "--"].map(OsString::from));
    args.push((&ssh.address).into());
    args
}

/// Name of the control socket: the same for the same host and options, told apart from every other. Whether there is a password
/// counts, the password itself does not: a name may be seen.
fn name(host: &str, ssh: &Ssh) -> String {
    let all = (host, &ssh.address, ssh.port, &ssh.user, &ssh.key_file, ssh.password.is_some(), &ssh.args, ssh.host_key_checking);
    let digest = Sha256::digest(format!("{all:?}"));
    digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

/// The private folder for control sockets.
fn folder() -> Result<PathBuf> {
    let own = rustix::process::getuid().as_raw();
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let candidates = [
        variable("XDG_RUNTIME_DIR").map(|dir| dir.join("engine")),
        variable("HOME").map(|dir| dir.join(".cache/engine/ssh")),
        Some(PathBuf::from(format!("/tmp/engine-{own}"))),
    ];
    let mut error = Diagnostic::new(Kind::System, "no private folder for ssh's control sockets");
    for candidate in candidates.into_iter().flatten().filter(|dir| dir.as_os_str().len() <= FOLDER_LIMIT) {
        match private(&candidate, own) {
            Ok(()) => return Ok(candidate),
            Err(why) => error = error.note(format!("{}: {why}", candidate.display())),
        }
    }
    Err(Box::new(error.hint("make one of them a folder of yours with mode 0700")))
}

/// Makes a folder that only its owner can look into, or checks that it is one.
fn private(folder: &Path, own: u32) -> Result<(), String> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| e.to_string())?;
    let found = std::fs::symlink_metadata(folder).map_err(|e| e.to_string())?;
    if !found.is_dir() || found.uid() != own {
        return Err("not a folder of yours".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Keeps other processes from starting the same master: a second `ssh -M` on one socket would stay behind without it.
async fn lock(path: PathBuf) -> Result<File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).append(true).open(&path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        std::io::Result::Ok(file)
    });
    match locked.await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(e)) => Err(Box::new(Diagnostic::new(Kind::System, "cannot lock ssh's control socket").note(e.to_string()))),
        Err(e) => Err(Box::new(Diagnostic::new(Kind::System, "cannot lock ssh's control socket").note(e.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh() -> Ssh {
        Ssh {
            address: "10.0.0.1".into(),
            port: Some(2222),
            user: Some("deploy".into()),
            key_file: Some("~/.ssh/id".into()),
            password: None,
            args: vec!["-J".into(), "jump".into(), "-o".into(), "ProxyCommand=nc %h %p".into()],
            host_key_checking: true,
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn arguments_keep_their_order() {
        let line = |ssh: &Ssh| {
            arguments(ssh, Path::new("/run/ctl")).iter().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            line(&ssh()),
            "-M -N -f -S /run/ctl -o ControlPersist=60s -o RemoteCommand=none -o BatchMode=yes -o ConnectTimeout=10 -p 2222 -i ~/.ssh/id -l deploy \
             -J jump -o ProxyCommand=nc %h %p -o ServerAliveInterval=15 -- 10.0.0.1"
        );
        let open = line(&Ssh { host_key_checking: false, password: Some("s3cret".into()), ..ssh() });
        assert!(open.contains("-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"), "{open}");
        assert!(open.contains("BatchMode=no") && !open.contains("s3cret"), "{open}");
    }

    #[test]
    fn sockets_are_told_apart() {
        let base = name("web", &ssh());
        assert_eq!(base, name("web", &ssh()));
        assert_ne!(base, name("db", &ssh()));
        assert_ne!(base, name("web", &Ssh { port: None, ..ssh() }));
        assert_ne!(base, name("web", &Ssh { args: vec![], ..ssh() }));
        assert_eq!(name("web", &Ssh { password: Some("a".into()), ..ssh() }), name("web", &Ssh { password: Some("b".into()), ..ssh() }));
    }

    #[test]
    fn the_folder_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let own = rustix::process::getuid().as_raw();
        let folder = dir.path().join("a/b");
        private(&folder, own).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        private(&folder, own).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(private(&link, own).is_err());
        assert!(private(&folder, own + 1).is_err());
    }
}
