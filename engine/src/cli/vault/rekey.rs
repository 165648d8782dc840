//! `engine vault rekey`.

use super::super::Done;
use super::super::ask::ask;
use super::super::options::VaultOptions;
use super::{encrypted, new_password, opening, write};
use crate::error::{Diagnostic, EXIT_DONE};
use crate::vault::{DEFAULT_ID, Secret, Wanted, collect, seal};
use std::path::PathBuf;

/// Change the password of encrypted files.
#[derive(Debug, clap::Args)]
pub(super) struct Rekey {
    #[command(flatten)]
    vault: VaultOptions,
    /// The new vault id and its password
    #[arg(long, value_name = "[ID@]SOURCE")]
    new_vault_id: Option<String>,
    /// The new password: a file that holds it, or a program that prints it
    #[arg(long, value_name = "FILE", conflicts_with = "new_vault_id")]
    new_vault_password_file: Option<String>,
    /// Files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Rekey {
    pub(super) fn run(&self) -> Done {
        let vault = opening(&self.vault)?;
        let mut plain = Vec::new();
        // All must open before the first is changed.
        for file in &self.files {
            let (text, place) = encrypted(file)?;
            plain.push((file, vault.open(&text, &place)?));
        }
        let secret = self.secret()?;
        for (file, bytes) in plain {
            write(file, seal(&bytes, &secret)?.as_bytes())?;
        }
        Ok(EXIT_DONE)
    }

    fn secret(&self) -> Result<Secret, Vec<Diagnostic>> {
        let wanted = self.new_vault_id.as_deref().map(Wanted::parse);
        match wanted.or_else(|| self.new_vault_password_file.clone().map(Wanted::unnamed)) {
            Some(wanted) if !wanted.is_prompt() => {
                let (secrets, _) = collect(&[wanted], &ask)?;
                secrets.into_iter().next().ok_or_else(|| vec![Diagnostic::input("there is no new password")])
            }
            wanted => Ok(Secret { id: wanted.map_or_else(|| DEFAULT_ID.to_owned(), |w| w.id), password: new_password()? }),
        }
    }
}
