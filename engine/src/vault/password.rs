//! Where passwords come from: files, scripts and questions.

use super::{DEFAULT_ID, Secret, Vault};
use crate::error::{Diagnostic, Kind, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Asks the user for a password, with these words.
pub type Ask<'a> = &'a dyn Fn(&str) -> Result<String>;

/// A password that is to be had: its vault id, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The vault id.
    pub id: String,
    /// `prompt`, or a file: text, or a program that prints the password.
    pub source: String,
}

impl Wanted {
    /// Reads `[ID@]SOURCE`.
    pub fn parse(written: &str) -> Wanted {
        let (id, source) = written.split_once('@').unwrap_or((DEFAULT_ID, written));
        let id = if id.is_empty() { DEFAULT_ID } else { id };
        Wanted { id: id.to_owned(), source: source.to_owned() }
    }

    /// Of the default id.
    pub fn unnamed(source: impl Into<String>) -> Wanted {
        Wanted { id: DEFAULT_ID.to_owned(), source: source.into() }
    }

    /// Whether the user is asked.
    pub fn is_prompt(&self) -> bool {
        matches!(self.source.as_str(), "prompt" | "prompt_ask_vault_pass")
    }

    fn secret(&self, known: &[Secret], ask: Ask<'_>) -> Result<Secret> {
        let password = match self.source.as_str() {
            _ if self.is_prompt() => {
                let words = if self.id == DEFAULT_ID { "Vault password: ".to_owned() } else { format!("Vault password ({}): ", self.id) };
                ask(&words)?.into_bytes()
            }
            path => from_file(&expanded(path), &self.id, known)?,
        };
        if password.is_empty() {
            return Err(Box::new(
                Diagnostic::input(format!("the vault password for `{}` is empty", self.id)).note(format!("from {}", self.source)),
            ));
        }
        Ok(Secret { id: self.id.clone(), password })
    }
}

/// The passwords, and what is to be said of those that could not be had while others could: users keep ids in their
/// configuration whose passwords not everybody has.
///
/// # Errors
/// When none could be had.
pub fn collect(wanted: &[Wanted], ask: Ask<'_>) -> Result<(Vec<Secret>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (mut secrets, mut missing) = (Vec::new(), Vec::new());
    for one in wanted {
        match one.secret(&secrets, ask) {
            Ok(secret) => secrets.push(secret),
            Err(error) => missing.push(*error),
        }
    }
    if secrets.is_empty() && !missing.is_empty() { Err(missing) } else { Ok((secrets, missing)) }
}

fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn from_file(path: &Path, id: &str, known: &[Secret]) -> Result<Vec<u8>> {
    let cannot = |e: std::io::Error| {
        Box::new(Diagnostic::input(format!("cannot read the vault password file `{}`", path.display())).note(e.to_string()))
    };
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        return from_script(path, id);
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let plain = Vault::new(known.to_vec()).content(path, &bytes)?;
    Ok(plain.as_deref().unwrap_or(&bytes).trim_ascii().to_vec())
}

/// A program whose name ends in `-client` is told which id it is asked for.
fn from_script(path: &Path, id: &str) -> Result<Vec<u8>> {
    let client = path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("-client"));
    // Without a slash the system would search the name in $PATH.
    let program = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut command = Command::new(program);
    if client {
        command.args(["--vault-id", id]);
    }
    let failed = |summary: String| Diagnostic::new(Kind::System, summary);
    let output = command.stdin(Stdio::inherit()).stderr(Stdio::inherit()).output().map_err(|e| {
        let error = failed(format!("cannot run the vault password script `{}`", path.display())).note(e.to_string());
        Box::new(error.hint("if it is no script but holds the password, take its execute bits away: chmod -x"))
    })?;
    if !output.status.success() {
        let error = failed(format!("the vault password script `{}` failed", path.display())).note(output.status.to_string());
        return Err(Box::new(match output.status.code() {
            Some(2) if client => error.note(format!("it knows no password for the vault id `{id}`")),
            _ => error,
        }));
    }
    let end = output.stdout.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    Ok(output.stdout[..end].to_vec())
}
