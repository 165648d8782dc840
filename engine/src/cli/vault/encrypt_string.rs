//! `engine vault encrypt-string`.

use super::super::Done;
use super::super::ask::ask;
use super::{Sealing, read, write};
use crate::error::{Diagnostic, EXIT_DONE, Result};
use crate::vault::{Secret, seal};
use std::path::{Path, PathBuf};

/// Encrypt values, to be pasted into YAML.
#[derive(Debug, clap::Args)]
pub(super) struct EncryptString {
    #[command(flatten)]
    sealing: Sealing,
    /// Values; `-` reads standard input
    values: Vec<String>,
    /// The variable's name; may be given several times, in the order of the values
    #[arg(short, long, value_name = "NAME")]
    name: Vec<String>,
    /// The name of the variable whose value is standard input
    #[arg(long, value_name = "NAME")]
    stdin_name: Option<String>,
    /// Ask for a value
    #[arg(short, long)]
    prompt: bool,
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl EncryptString {
    pub(super) fn run(&self) -> Done {
        let values = self.values()?;
        if values.is_empty() {
            let error = Diagnostic::input("there is nothing to encrypt");
            return Err(vec![error.hint("give a value, `-` to read standard input, or `--prompt` to be asked")]);
        }
        let secret = self.sealing.secret()?;
        let texts: Vec<String> = values.iter().map(|(name, value)| tagged(name.as_deref(), value, &secret)).collect::<Result<_>>()?;
        write(self.output.as_deref().unwrap_or(Path::new("-")), texts.join("\n").as_bytes())?;
        Ok(EXIT_DONE)
    }

    fn values(&self) -> Result<Vec<(Option<String>, Vec<u8>)>> {
        let mut values = Vec::new();
        let mut names = self.name.iter().cloned();
        if self.prompt {
            let value = ask("Value to encrypt: ")?;
            values.push((names.next(), value.into_bytes()));
        }
        let piped = self.values.iter().any(|v| v == "-");
        if piped || self.stdin_name.is_some() {
            values.push((self.stdin_name.clone().or_else(|| names.next()), read(Path::new("-"))?));
        }
        values.extend(self.values.iter().filter(|v| *v != "-").map(|v| (names.next(), v.clone().into_bytes())));
        Ok(values)
    }
}

/// As a value in YAML, under its name if it has one.
fn tagged(name: Option<&str>, value: &[u8], secret: &Secret) -> Result<String> {
    let sealed = seal(value, secret)?;
    let name = name.map(|n| format!("{n}: ")).unwrap_or_default();
    let lines: String = sealed.lines().map(|line| format!("          {line}\n")).collect();
    Ok(format!("{name}!vault |\n{lines}"))
}
