//! `engine vault view`.

use super::super::Done;
use super::super::options::VaultOptions;
use super::{encrypted, named, opening, write};
use crate::error::EXIT_DONE;
use std::path::{Path, PathBuf};

/// Print encrypted files decrypted.
#[derive(Debug, clap::Args)]
pub(super) struct View {
    #[command(flatten)]
    vault: VaultOptions,
    /// Files; without any or with `-`, standard input
    files: Vec<PathBuf>,
}

impl View {
    pub(super) fn run(&self) -> Done {
        let vault = opening(&self.vault)?;
        for file in named(&self.files) {
            let (text, place) = encrypted(&file)?;
            write(Path::new("-"), &vault.open(&text, &place)?)?;
        }
        Ok(EXIT_DONE)
    }
}
