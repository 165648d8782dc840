//! `engine agent`: what runs on hosts.

use std::process::ExitCode;

/// Serves modules until standard input ends; `job`: does the one task that standard input carries.
pub(super) fn run(job: bool) -> ExitCode {
    let done = match job {
        true => modules::agent::work_off(std::io::stdin()),
        false => modules::agent::serve(std::io::stdin(), std::io::stdout()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("engine agent: {error}");
            ExitCode::FAILURE
        }
    }
}
