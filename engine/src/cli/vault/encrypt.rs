//! `engine vault encrypt`.

use super::super::Done;
use super::{Sealing, named, read, target, write};
use crate::error::{Diagnostic, EXIT_DONE};
use crate::vault::{is_encrypted, seal};
use std::path::PathBuf;

/// Encrypt files in place.
#[derive(Debug, clap::Args)]
pub(super) struct Encrypt {
    #[command(flatten)]
    sealing: Sealing,
    /// Files; without any or with `-`, standard input to standard output
    files: Vec<PathBuf>,
    /// File to write instead, or `-` for standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Encrypt {
    pub(super) fn run(&self) -> Done {
        let files = named(&self.files);
        let mut plain = Vec::new();
        // Everything is read before anything is changed.
        for file in &files {
            let bytes = read(file)?;
            if is_encrypted(&bytes) {
                let error = Diagnostic::input(format!("`{}` is encrypted already", file.display()));
                return Err(vec![error.hint("to change its password: `engine vault rekey`")]);
            }
            plain.push((target(file, &files, self.output.as_ref())?, bytes));
        }
        let secret = self.sealing.secret()?;
        for (path, bytes) in plain {
            write(&path, seal(&bytes, &secret)?.as_bytes())?;
        }
        Ok(EXIT_DONE)
    }
}
