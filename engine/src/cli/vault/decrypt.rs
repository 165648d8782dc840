//! `engine vault decrypt`.

use super::super::Done;
use super::super::options::VaultOptions;
use super::{encrypted, named, opening, target, write};
use crate::error::EXIT_DONE;
use std::path::PathBuf;

/// Decrypt files in place.
#[derive(Debug, clap::Args)]
pub(super) struct Decrypt {
    #[command(flatten)]
    vault: VaultOptions,
    /// Files; without any or with `-`, standard input to standard output
    files: Vec<PathBuf>,
    /// File to write instead, or `-` for standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Decrypt {
    pub(super) fn run(&self) -> Done {
        let vault = opening(&self.vault)?;
        let files = named(&self.files);
        for file in &files {
            let (text, place) = encrypted(file)?;
            write(&target(file, &files, self.output.as_ref())?, &vault.open(&text, &place)?)?;
        }
        Ok(EXIT_DONE)
    }
}
