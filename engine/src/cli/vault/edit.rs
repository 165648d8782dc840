//! `engine vault edit`.

use super::super::Done;
use super::super::config::Config;
use super::super::options::VaultOptions;
use super::{chosen, encrypted, opening, private, write};
use crate::error::EXIT_DONE;
use crate::vault::{DEFAULT_ID, Secret, Vault, seal};
use std::path::PathBuf;

/// Change encrypted files with an editor.
#[derive(Debug, clap::Args)]
pub(super) struct Edit {
    #[command(flatten)]
    vault: VaultOptions,
    /// Encrypt for this vault id; without it, for the one that the file has
    #[arg(long, value_name = "ID")]
    encrypt_vault_id: Option<String>,
    /// Files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Edit {
    pub(super) fn run(&self) -> Done {
        let vault = opening(&self.vault)?;
        let configured = Config::read().text("ANSIBLE_VAULT_ENCRYPT_IDENTITY", "defaults", "vault_encrypt_identity");
        let id = self.encrypt_vault_id.clone().or(configured);
        for file in &self.files {
            let (text, place) = encrypted(file)?;
            let (before, opener) = vault.opened_by(&text, &place)?;
            let secret = match &id {
                Some(id) => chosen(&vault, Some(id))?.clone(),
                None => Secret { id: Vault::id_of(&text).unwrap_or_else(|| DEFAULT_ID.to_owned()), password: opener.password.clone() },
            };
            let after = private::edited(file, &before)?;
            if after[..] != before[..] {
                write(file, seal(&after, &secret)?.as_bytes())?;
            }
        }
        Ok(EXIT_DONE)
    }
}
