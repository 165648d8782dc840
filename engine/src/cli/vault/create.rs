//! `engine vault create`.

use super::super::Done;
use super::{Sealing, private, write};
use crate::error::{Diagnostic, EXIT_DONE};
use crate::vault::seal;
use std::path::PathBuf;

/// Make an encrypted file with an editor.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    sealing: Sealing,
    /// The file
    file: PathBuf,
}

impl Create {
    pub(super) fn run(&self) -> Done {
        if self.file.exists() {
            let error = Diagnostic::input(format!("`{}` exists already", self.file.display()));
            return Err(vec![error.hint("to change it: `engine vault edit`; to encrypt it: `engine vault encrypt`")]);
        }
        let secret = self.sealing.secret()?;
        let plain = private::edited(&self.file, b"")?;
        write(&self.file, seal(&plain, &secret)?.as_bytes())?;
        Ok(EXIT_DONE)
    }
}
