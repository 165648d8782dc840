//! Called under the name of one of Ansible's programs, the program has that one's options, output and exit codes.

use super::{adhoc, familiar, familiar_inventory, vault};
use crate::error::{Diagnostic, EXIT_INPUT};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of wrong options, as Python's programs have it.
pub(super) const USAGE: u8 = 2;

/// `ansible-vault`.
#[derive(Debug, Parser)]
#[command(name = "ansible-vault", version = VERSION, max_term_width = 100)]
struct VaultProgram {
    #[command(flatten)]
    vault: vault::Vault,
    /// Accepted
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

/// What these programs say of their version.
pub(super) const VERSION: &str = "[core 2.19.14] engine";

/// Runs as the program whose name this one was called by; none if it is its own.
pub(super) fn main() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next().map(PathBuf::from)?;
    // Its own agent on this machine is started under whatever name the program has.
    if words.next().is_some_and(|word| word == "agent") {
        return None;
    }
    Some(match name.file_name()?.to_str()? {
        "ansible-playbook" => familiar::main(),
        "ansible" => started(|options: adhoc::AdHoc| options.run()),
        "ansible-inventory" => started(|options: familiar_inventory::Listing| options.run()),
        "ansible-vault" => started(|program: VaultProgram| program.vault.run()),
        _ => return None,
    })
}

/// Reads the options and runs; errors are told as Ansible does.
fn started<T: Parser>(run: impl FnOnce(T) -> Result<u8, Vec<Diagnostic>>) -> ExitCode {
    let options = match T::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // A terminal that is gone cannot be told.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match run(options) {
        Ok(code) => ExitCode::from(code),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("[ERROR]: {}", told(error)));
            ExitCode::from(EXIT_INPUT)
        }
    }
}

/// An error without a frame.
fn told(error: &Diagnostic) -> String {
    let mut text = error.summary.clone();
    if let Some(place) = &error.place {
        text.push_str(&format!("\nOrigin: {place}"));
    }
    error.notes.iter().chain(&error.hints).for_each(|more| text.push_str(&format!("\n{more}")));
    text
}
