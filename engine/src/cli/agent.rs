//! `engine agent`: what runs on hosts.

use std::process::ExitCode;

/// Serves modules until standard input ends.
pub(super) fn run() -> ExitCode {
    match modules::agent::serve(std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("engine agent: {error}");
            ExitCode::FAILURE
        }
    }
}
