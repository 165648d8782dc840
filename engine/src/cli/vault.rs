//! `engine vault`: encrypts files and values, as `ansible-vault` does.

mod create;
mod decrypt;
mod edit;
mod encrypt;
mod encrypt_string;
mod private;
mod rekey;
mod view;

use super::Done;
use super::ask::ask;
use super::config::Config;
use super::options::VaultOptions;
use crate::error::{Diagnostic, Kind, Result};
use crate::source::{Place, Source};
use crate::vault::{DEFAULT_ID, Secret, Vault as Secrets};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Encrypt and decrypt files and values.
#[derive(Debug, clap::Args)]
pub(super) struct Vault {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Encrypt files in place
    Encrypt(encrypt::Encrypt),
    /// Decrypt files in place
    Decrypt(decrypt::Decrypt),
    /// Make an encrypted file with an editor
    Create(create::Create),
    /// Change an encrypted file with an editor
    Edit(edit::Edit),
    /// Print encrypted files decrypted
    View(view::View),
    /// Change the password of encrypted files
    Rekey(rekey::Rekey),
    /// Encrypt values, to be pasted into YAML
    #[command(alias = "encrypt_string")]
    EncryptString(encrypt_string::EncryptString),
}

impl Vault {
    pub(super) fn run(&self) -> Done {
        match &self.command {
            Command::Encrypt(command) => command.run(),
            Command::Decrypt(command) => command.run(),
            Command::Create(command) => command.run(),
            Command::Edit(command) => command.run(),
            Command::View(command) => command.run(),
            Command::Rekey(command) => command.run(),
            Command::EncryptString(command) => command.run(),
        }
    }
}

/// Passwords, and which of them encrypts.
#[derive(Debug, clap::Args)]
struct Sealing {
    #[command(flatten)]
    vault: VaultOptions,
    /// Encrypt for this vault id
    #[arg(long, value_name = "ID")]
    encrypt_vault_id: Option<String>,
}

impl Sealing {
    /// The password to encrypt with; asked for, twice, if none is named.
    fn secret(&self) -> Result<Secret, Vec<Diagnostic>> {
        let config = Config::read();
        let vault = self.vault.open(&config)?;
        let configured = || config.text("ANSIBLE_VAULT_ENCRYPT_IDENTITY", "defaults", "vault_encrypt_identity");
        let id = self.encrypt_vault_id.clone().or_else(configured);
        if vault.secrets().is_empty() {
            let id = id.unwrap_or_else(|| DEFAULT_ID.to_owned());
            return Ok(Secret { id, password: new_password()? });
        }
        Ok(chosen(&vault, id.as_deref())?.clone())
    }
}

fn chosen<'a>(vault: &'a Secrets, id: Option<&str>) -> Result<&'a Secret> {
    let ids = || vault.secrets().iter().map(|s| s.id.as_str());
    let Some(id) = id.or_else(|| ids().next().filter(|first| ids().all(|id| id == *first))) else {
        let known = ids().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        let error = Diagnostic::input("there are several vault ids to encrypt for").note(format!("known are {known}"));
        return Err(Box::new(error.hint("say which: `--encrypt-vault-id ID`")));
    };
    let missing = || Box::new(Diagnostic::input(format!("no password was given for the vault id `{id}`")).nearest(id, ids()));
    vault.secrets().iter().find(|s| s.id == id).ok_or_else(missing)
}

/// The passwords to decrypt with; asked for if none is named.
fn opening(options: &VaultOptions) -> Result<Arc<Secrets>, Vec<Diagnostic>> {
    let vault = options.open(&Config::read())?;
    if !vault.secrets().is_empty() {
        return Ok(vault);
    }
    VaultOptions { ask: true, ..options.clone() }.open(&Config::read())
}

fn new_password() -> Result<Vec<u8>> {
    let password = ask("New vault password: ")?;
    if password.is_empty() {
        return Err(Box::new(Diagnostic::input("the vault password is empty")));
    }
    if ask("Confirm new vault password: ")? != password {
        return Err(Box::new(Diagnostic::input("the two passwords differ")));
    }
    Ok(password.into_bytes())
}

/// The files to work on: those named, or `-` for standard input.
fn named(files: &[PathBuf]) -> Vec<PathBuf> {
    if files.is_empty() { vec![PathBuf::from("-")] } else { files.to_vec() }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().lock().read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|e| Box::new(Diagnostic::input(format!("cannot read `{}`", path.display())).note(e.to_string())))?;
    Ok(bytes)
}

/// The text of an encrypted file, and its start for messages.
fn encrypted(path: &Path) -> Result<(String, Place)> {
    let bytes = read(path)?;
    if !crate::vault::is_encrypted(&bytes) {
        return Err(Box::new(Diagnostic::input(format!("`{}` is not encrypted", path.display()))));
    }
    let source = Source::new(path, String::from_utf8_lossy(&bytes));
    let text = source.text().to_owned();
    Ok((text, Place { source, line: 1, column: 1, length: 0 }))
}

/// Puts a file in another's place at once, with that one's mode; a new file is its owner's alone. `-` is standard output.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = match path == Path::new("-") {
        true => std::io::stdout().lock().write_all(bytes),
        false => replace(path, bytes),
    };
    written.map_err(|e| Box::new(Diagnostic::new(Kind::System, format!("cannot write `{}`", path.display())).note(e.to_string())))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A link stays one; what it points to is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Devices and pipes (`/dev/null`, `/dev/stdout`) are written to, never replaced.
    if std::fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(&path)?.write_all(bytes);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if let Ok(before) = std::fs::metadata(&path) {
        file.as_file().set_permissions(std::fs::Permissions::from_mode(before.permissions().mode() & 0o7777))?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|e| e.error)?;
    Ok(())
}

/// Where the results go: over the files themselves, unless an output is named, which only one file can have.
fn target(file: &Path, files: &[PathBuf], output: Option<&PathBuf>) -> Result<PathBuf> {
    match output {
        Some(_) if files.len() > 1 => {
            Err(Box::new(Diagnostic::input("`--output` takes one input file").hint("without it, files are changed in place")))
        }
        Some(output) => Ok(output.clone()),
        None => Ok(file.to_owned()),
    }
}
