//! Plain text for an editor: in memory, in a folder that only its user can enter, gone when the editor ends.

use crate::error::{Diagnostic, Kind, Result};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// File systems that have no disk beneath: tmpfs and ramfs (statfs(2)).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What the user's editor makes of a text. The file in the editor has the name of `path`, so that it knows the language.
pub(super) fn edited(path: &Path, before: &[u8]) -> Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| system("cannot start", &e))?;
    // With handlers, a signal to the terminal's programs does not end this one before it has cleared up.
    runtime.block_on(async {
        let mut quiet = [signal(SignalKind::interrupt()), signal(SignalKind::quit())];
        let mut last = [signal(SignalKind::terminate()), signal(SignalKind::hangup())];
        let ([Ok(interrupt), Ok(quit)], [Ok(terminate), Ok(hangup)]) = (&mut quiet, &mut last) else {
            return Err(Box::new(Diagnostic::new(Kind::System, "cannot watch for signals")));
        };
        let folder = memory()?;
        let file = folder.path().join(path.file_name().unwrap_or("vault".as_ref()));
        put(&file, before).map_err(|e| system("cannot write the text to edit", &e))?;
        let mut words = editor()?.into_iter();
        let program = words.next().unwrap_or_else(|| "vi".into());
        let started = tokio::process::Command::new(&program).args(words).arg(&file).kill_on_drop(true).spawn();
        let mut editor = started.map_err(|e| {
            let error = Diagnostic::new(Kind::System, format!("cannot start the editor `{program}`")).note(e.to_string());
            Box::new(error.hint("name one in $EDITOR"))
        })?;
        let status = loop {
            tokio::select! {
                status = editor.wait() => break status.map_err(|e| system("lost the editor", &e))?,
                _ = interrupt.recv() => {}
                _ = quit.recv() => {}
                _ = terminate.recv() => return Err(Box::new(Diagnostic::new(Kind::System, "ended by a signal; nothing was changed"))),
                _ = hangup.recv() => return Err(Box::new(Diagnostic::new(Kind::System, "the terminal is gone; nothing was changed"))),
            }
        };
        if !status.success() {
            return Err(Box::new(
                Diagnostic::new(Kind::System, format!("the editor `{program}` failed; nothing was changed")).note(status.to_string()),
            ));
        }
        fs::read(&file).map_err(|e| system("cannot read the edited text", &e))
    })
}

fn system(summary: &str, error: &std::io::Error) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Kind::System, summary).note(error.to_string()))
}

fn put(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}

/// A private folder (0700) without a disk beneath.
fn memory() -> Result<tempfile::TempDir> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places: Vec<PathBuf> = runtime.into_iter().chain([PathBuf::from("/dev/shm")]).collect();
    let made = places.iter().filter(|p| in_memory(p)).find_map(|p| tempfile::Builder::new().prefix("vault-").tempdir_in(p).ok());
    made.ok_or_else(|| {
        let error = Diagnostic::new(Kind::System, "there is no place in memory for the decrypted text, and it must not touch a disk");
        let error = places.iter().fold(error, |e, p| e.note(format!("`{}` is not a tmpfs that can be written to", p.display())));
        Box::new(error.hint("mount a tmpfs on /dev/shm, or point $XDG_RUNTIME_DIR to one"))
    })
}

fn in_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|s| u64::try_from(s.f_type).is_ok_and(|kind| IN_MEMORY.contains(&kind)))
}

/// The words of `$VISUAL` or `$EDITOR`; `vi` without them.
fn editor() -> Result<Vec<String>> {
    let named = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    crate::transport::split_args(named.as_deref().unwrap_or("vi"))
}
