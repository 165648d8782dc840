//! The README's commands, so that cases run them as they are written.

use crate::program::repository;

/// Every line of the README's blocks marked `sh`.
///
/// # Panics
/// When there is no README.
pub fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("README.md")).unwrap_or_else(|e| panic!("README.md: {e}"));
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match line.trim_end() {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside && !command.is_empty() => found.push(command.to_owned()),
            _ => {}
        }
    }
    found
}

/// The arguments of a README line that runs `engine`, in one of the ways to run it; `None` for other programs.
pub fn engine_arguments(command: &str) -> Option<Vec<&str>> {
    let command = command.strip_prefix("cargo build --release && ").unwrap_or(command);
    let rest = command.strip_prefix("cargo run --release --bin engine -- ").or_else(|| command.strip_prefix("engine "))?;
    Some(rest.split(' ').collect())
}
