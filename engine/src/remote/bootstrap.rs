//! The shell line that finds the agent on a host, or receives it, and becomes it.

use super::escalate::{self, Escalation};
use super::program::{Identity, Program};
use crate::error::{Diagnostic, Kind, Result};
use crate::transport::{Become, Channel, Ending, TAIL, Tail, Transport, lost};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// What lines meant for us start with; whatever else a login shell prints is noise.
pub(crate) const MARK: &str = "ENGINE-AGENT ";
/// What the login shell, `sudo` and its PAM modules may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The machine that this program is made for, as `uname -sm` says it.
fn machine() -> String {
    format!("Linux {}", std::env::consts::ARCH)
}

/// The streams of an agent that runs.
pub(crate) struct Started {
    pub(crate) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) said: Tail,
    pub(crate) ending: Ending,
}

/// The script, for any POSIX shell: one line without single quotes, backslashes or exclamation marks, so that it passes
/// through csh and fish as well. Folders and files count only if they are the user's own and no links.
fn script(identity: &Identity, compress: bool) -> String {
    let Identity { hash, size } = identity;
    let gzip = if compress { "command -v gzip >/dev/null 2>&1" } else { "false" };
    let unlinked = |path: &str| format!("if [ -L \"{path}\" ]; then false; fi");
    let folders = "\"${c:+$c/engine}\" \"/var/tmp/.engine-$i\" \"/tmp/.engine-$i\" \"/dev/shm/.engine-$i\"";
    let lines = [
        "u=$(umask); umask 077".to_owned(),
        "PATH=\"$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"; export PATH".to_owned(),
        format!("say() {{ echo; echo \"{MARK}$*\"; }}"),
        format!("m=$(uname -sm); if [ \"$m\" = \"{}\" ]; then :; else say machine \"$m\"; exit 0; fi", machine()),
        "c=; if [ -n \"$XDG_CACHE_HOME\" ] && [ -O \"$XDG_CACHE_HOME\" ]; then c=\"$XDG_CACHE_HOME\"; \
         elif [ -n \"$HOME\" ] && [ -O \"$HOME\" ]; then c=\"$HOME/.cache\"; fi"
            .to_owned(),
        "i=$(id -u)".to_owned(),
        format!("own() {{ [ -d \"$1\" ] && [ -O \"$1\" ] && {} && chmod 700 \"$1\" 2>/dev/null; }}", unlinked("$1")),
        // An agent that was checked before and not changed since, as its file system tells, is not read again.
        "seen() { stat -c \"%i %s %z\" \"$1\" 2>/dev/null; }".to_owned(),
        "keep() { seen \"$1/agent-$2\" > \"$1/seen-$2\"; } 2>/dev/null".to_owned(),
        format!(
            "good() {{ [ -f \"$1\" ] && [ -O \"$1\" ] && [ -x \"$1\" ] && {} && \
             if command -v sha256sum >/dev/null 2>&1; then s=$(sha256sum < \"$1\") && [ \"${{s%% *}}\" = {hash} ]; \
             else [ \"$(wc -c < \"$1\")\" -eq {size} ]; fi; }}",
            unlinked("$1")
        ),
        format!(
            "same() {{ [ -O \"$1/seen-$2\" ] && s=$(seen \"$1/agent-$2\") && [ -n \"$s\" ] && [ \"$(cat \"$1/seen-$2\")\" = \"$s\" ] && \
             [ -O \"$1/agent-$2\" ] && {} && {}; }}",
            unlinked("$1/agent-$2"),
            unlinked("$1/seen-$2")
        ),
        format!(
            "d=; for p in {folders}; do if [ -n \"$p\" ] && own \"$p\" && {{ same \"$p\" {hash} || {{ good \"$p/agent-{hash}\" && {{ keep \"$p\" {hash}; true; }}; }}; }}; then d=\"$p\"; break; fi; done"
        ),
        format!(
            "if [ -z \"$d\" ]; then \
             for p in {folders}; do if [ -n \"$p\" ] && mkdir -p \"$p\" 2>/dev/null && own \"$p\"; then t=\"$p/.new-$$\"; rm -f \"$t\"; \
             if ( : > \"$t\" ) 2>/dev/null && chmod 700 \"$t\" && [ -x \"$t\" ]; then d=\"$p\"; break; fi; rm -f \"$t\"; fi; done; \
             if [ -z \"$d\" ]; then say nowhere; exit 0; fi; \
             if {gzip}; then say need gz; read -r n && head -c \"$n\" | gzip -dc > \"$t\" && [ \"$(wc -c < \"$t\")\" -eq {size} ]; \
             else say need raw; read -r n && head -c \"$n\" > \"$t\" && good \"$t\"; fi; \
             if [ $? -eq 0 ] && mv -f \"$t\" \"$d/agent-{hash}\"; then keep \"$d\" {hash}; else rm -f \"$t\"; say broken; exit 0; fi; \
             ls -t \"$d\"/agent-* | tail -n +3 | while read -r o; do rm -f \"$o\" \"$d/seen-${{o##*/agent-}}\"; done; fi"
        ),
        "umask \"$u\"".to_owned(),
        "say have".to_owned(),
        format!("exec \"$d/agent-{hash}\" agent"),
    ];
    lines.join("; ")
}

/// Starts the agent over a transport, as the login user or another.
pub(crate) async fn start(host: &str, transport: &Transport, program: &Program, user: Option<&Become>) -> Result<Started> {
    if let (Transport::Local, None) = (transport, user) {
        let channel = Channel::local(&program.file, &program.path, &["agent"])
            .map_err(|e| crate::transport::cannot_start(&program.path.to_string_lossy(), &e))?;
        let Channel { stdin, stdout, stderr, ending } = channel;
        return Ok(Started { stdin, stdout, said: Tail::follow(stderr, TAIL), ending });
    }
    let boot = script(program.identity().await?, matches!(transport, Transport::Ssh(_)));
    let escalation = user.map(|user| Escalation::new(host, user)).transpose()?;
    let line = escalation.as_ref().map_or_else(|| boot.clone(), |escalation| escalation.wrap(&boot));
    receive(host, transport.start(host, &line).await?, program, escalation).await
}

/// Talks to the script until the agent runs in its place.
async fn receive(host: &str, channel: Channel, program: &Program, escalation: Option<Escalation>) -> Result<Started> {
    let Channel { mut stdin, stdout, stderr, ending } = channel;
    let (stdout, said) = (BufReader::new(stdout), Tail::follow(stderr, TAIL));
    let mut start = Start { host, stdout, said, noise: Vec::new(), escalation, ending: Some(ending) };
    let mut answer = start.answer(&mut stdin).await?;
    if let Some(form) = answer.strip_prefix("need ") {
        let bytes = if form == "gz" { program.packed().await? } else { program.bytes().await? };
        // A failure to write shows as the end of what the host says.
        let _ = send(&mut stdin, &bytes).await;
        answer = start.answer(&mut stdin).await?;
    }
    if answer != "have" {
        start.said.end().await;
        return Err(Box::new(refusal(host, &answer, &start.said)));
    }
    let ending = start.ending.take().unwrap_or_else(|| Box::pin(async { 255 }));
    Ok(Started { stdin, stdout: Box::new(start.stdout), said: start.said, ending })
}

async fn send(stdin: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stdin.write_all(format!("{}\n", bytes.len()).as_bytes()).await?;
    stdin.write_all(bytes).await?;
    stdin.flush().await
}

/// A script that runs on a host.
struct Start<'a> {
    host: &'a str,
    stdout: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    said: Tail,
    noise: Vec<String>,
    escalation: Option<Escalation>,
    ending: Option<Ending>,
}

impl Start<'_> {
    /// The script's next word to us; passwords are given on the way.
    async fn answer(&mut self, stdin: &mut (impl AsyncWrite + Unpin)) -> Result<String> {
        let said = self.said.clone();
        let heard = {
            let mut marked = pin!(marked(&mut self.stdout, &mut self.noise));
            let mut deadline = pin!(tokio::time::sleep(PATIENCE));
            loop {
                tokio::select! {
                    heard = &mut marked => break heard,
                    prompted = escalate::prompted(self.escalation.as_mut(), &said) => prompted?.give(stdin).await,
                    () = &mut deadline => {
                        let error = Diagnostic::new(Kind::Unreachable, format!("{} did not start the agent within {} seconds", self.host, PATIENCE.as_secs()));
                        return Err(Box::new(said.last_lines().into_iter().fold(error, Diagnostic::note)));
                    }
                }
            }
        };
        match heard {
            Some(answer) => Ok(answer),
            None => Err(Box::new(self.silence().await)),
        }
    }

    /// Why the script ended without a word.
    async fn silence(&mut self) -> Diagnostic {
        self.said.end().await;
        let code = match self.ending.take() {
            Some(ending) => tokio::time::timeout(Duration::from_secs(2), ending).await.unwrap_or(255),
            None => 255,
        };
        let text = self.said.text();
        if let Some(escalation) = &self.escalation {
            return escalation.refused(&text, std::mem::take(&mut self.noise), code);
        }
        let mut error = if code == 255 {
            lost(self.host)
        } else {
            Diagnostic::new(Kind::Unreachable, format!("{} does not run commands of a shell", self.host))
                .note(format!("`sh` ended with exit code {code}"))
                .hint("is the user's login shell a real one, and does its startup file leave `ssh host sh` alone?")
        };
        for line in self.said.last_lines().into_iter().chain(self.noise.drain(..)) {
            error = error.note(line);
        }
        error
    }
}

/// The next line for us without its mark; `None` at the end.
async fn marked(from: &mut BufReader<impl AsyncRead + Unpin>, noise: &mut Vec<String>) -> Option<String> {
    loop {
        let mut line = Vec::new();
        // A bound on lines, so that a host that prints without end does not fill our memory.
        let length = from.take(64 << 10).read_until(b'\n', &mut line).await.ok()?;
        if length == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        match line.strip_prefix(MARK) {
            Some(rest) => return Some(rest.trim().to_owned()),
            None if noise.len() < 5 && !line.trim().is_empty() => noise.push(line.trim().to_owned()),
            None => {}
        }
    }
}

/// The script says that it cannot go on.
fn refusal(host: &str, answer: &str, said: &Tail) -> Diagnostic {
    let error = match answer.split_once(' ').unwrap_or((answer, "")) {
        ("machine", machine) => {
            Diagnostic::new(Kind::Unreachable, format!("{host} is a `{machine}` machine; this program runs on `{}`", self::machine()))
                .hint("only `raw` works there")
        }
        ("nowhere", _) => Diagnostic::new(Kind::Unreachable, format!("{host} has no folder for the agent"))
            .note("tried the user's cache folder, /var/tmp, /tmp and /dev/shm: each is missing, full, mounted `noexec` or another's")
            .hint("make ~/.cache/engine a folder of the user, on a file system that runs programs"),
        _ => Diagnostic::new(Kind::Unreachable, format!("the agent did not arrive whole on {host}"))
            .hint("is the disk full? `df -h ~/.cache /var/tmp` there tells"),
    };
    said.last_lines().into_iter().fold(error, Diagnostic::note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    /// A shell script that stands for the program: it tells its argument and a number.
    fn program(dir: &Path, number: u32) -> Program {
        let path = dir.join(format!("program-{number}"));
        std::fs::write(&path, format!("#!/bin/sh\necho \"$1 {number} $(umask)\"\n")).unwrap();
        Program::at(&path)
    }

    /// Runs the script under a shell with this home and returns what the program said.
    async fn boot(shell: &[&str], home: &Path, program: &Program, compress: bool, before: &str) -> Result<String> {
        let script = script(program.identity().await?, compress);
        let home = format!("HOME={}", home.display());
        let line = format!("{before}{script}");
        let args: Vec<&str> = ["-u", "XDG_CACHE_HOME", &home].into_iter().chain(shell.iter().copied()).chain(["-c", &line]).collect();
        let channel = Channel::local("/usr/bin/env".as_ref(), "env".as_ref(), &args).unwrap();
        let mut started = receive("web", channel, program, None).await?;
        let mut said = String::new();
        started.stdout.read_to_string(&mut said).await.unwrap();
        Ok(said)
    }

    fn cached(home: &Path) -> Vec<PathBuf> {
        let found = std::fs::read_dir(home.join(".cache/engine")).unwrap().map(|e| e.unwrap().path());
        let mut found: Vec<PathBuf> = found.filter(|path| path.to_string_lossy().contains("/agent-")).collect();
        found.sort();
        found
    }

    fn shells() -> Vec<Vec<&'static str>> {
        let all = [vec!["sh"], vec!["bash"], vec!["busybox", "sh"]];
        all.into_iter().filter(|shell| std::process::Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_ok()).collect()
    }

    #[test]
    fn every_login_shell_can_pass_it_on() {
        let script = script(&Identity { hash: "ab".repeat(32), size: 5 }, true);
        assert!(!script.contains(['\'', '\\', '!', '\n']), "{script}");
    }

    #[tokio::test]
    async fn sent_once_then_found_then_sent_again_when_broken() {
        for shell in shells() {
            for compress in [true, false] {
                let dir = tempfile::tempdir().unwrap();
                let program = program(dir.path(), 1);
                let umask = String::from_utf8(std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap().stdout).unwrap();
                let expected = format!("agent 1 {umask}");
                assert_eq!(boot(&shell, dir.path(), &program, compress, "").await.unwrap(), expected, "{shell:?}");
                let files = cached(dir.path());
                assert_eq!(files.len(), 1, "{files:?}");
                let inode = std::fs::metadata(&files[0]).unwrap().ino();
                assert_eq!(std::fs::metadata(&files[0]).unwrap().mode() & 0o777, 0o700);
                assert_eq!(boot(&shell, dir.path(), &program, compress, "echo Welcome; printf unended;").await.unwrap(), expected);
                assert_eq!(std::fs::metadata(&files[0]).unwrap().ino(), inode, "found, not sent");
                let unread = "sha256sum() { echo read again >&2; return 1; };";
                assert_eq!(boot(&shell, dir.path(), &program, compress, unread).await.unwrap(), expected);
                assert_eq!(std::fs::metadata(&files[0]).unwrap().ino(), inode, "found, not read");
                let broken = std::fs::read_to_string(&files[0]).unwrap().replace('1', "2");
                std::fs::write(&files[0], broken).unwrap();
                assert_eq!(boot(&shell, dir.path(), &program, compress, "").await.unwrap(), expected);
                assert_ne!(std::fs::metadata(&files[0]).unwrap().ino(), inode, "sent again");
            }
        }
    }

    #[tokio::test]
    async fn links_do_not_count_and_old_agents_go() {
        let dir = tempfile::tempdir().unwrap();
        for number in 1..=4 {
            let program = program(dir.path(), number);
            assert!(boot(&["sh"], dir.path(), &program, true, "").await.unwrap().starts_with(&format!("agent {number} ")));
        }
        assert_eq!(cached(dir.path()).len(), 2);
        assert_eq!(std::fs::read_dir(dir.path().join(".cache/engine")).unwrap().count(), 4, "each with what was seen of it");
        let program = program(dir.path(), 5);
        let place = dir.path().join(".cache/engine").join(format!("agent-{}", program.identity().await.unwrap().hash));
        std::fs::set_permissions(&program.path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&program.path, &place).unwrap();
        boot(&["sh"], dir.path(), &program, true, "").await.unwrap();
        assert!(std::fs::symlink_metadata(&place).unwrap().is_file(), "a link is replaced by the agent itself");
    }

    #[tokio::test]
    async fn hosts_that_cannot_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let program = program(dir.path(), 1);
        let foreign = "uname() { echo Linux riscv64; };";
        let error = boot(&["sh"], dir.path(), &program, true, foreign).await.err().unwrap();
        assert!(error.summary.starts_with("web is a `Linux riscv64` machine"), "{error}");
        let error = boot(&["sh"], dir.path(), &program, true, "gzip() { echo no space >&2; return 1; };").await.err().unwrap();
        assert_eq!((error.summary.as_str(), &error.notes[0][..]), ("the agent did not arrive whole on web", "no space"));
        let error = boot(&["sh"], dir.path(), &program, true, "echo This account is closed; exit 1;").await.err().unwrap();
        assert_eq!(error.summary, "web does not run commands of a shell");
        assert!(error.notes.iter().any(|note| note == "This account is closed"), "{:?}", error.notes);
    }
}
