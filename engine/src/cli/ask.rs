//! Questions for passwords.

use crate::error::{Diagnostic, Result};
use std::io::{BufRead, IsTerminal, Write};

/// Asks for a password; on a terminal it is not shown, elsewhere it is a line of standard input.
pub(super) fn ask(prompt: &str) -> Result<String> {
    answer(prompt, true)
}

/// Asks for anything; hidden or not while it is typed.
pub(super) fn answer(prompt: &str, hidden: bool) -> Result<String> {
    let stdin = std::io::stdin();
    let problem = |e: std::io::Error| Box::new(Diagnostic::input("cannot read the password from standard input").note(e.to_string()));
    let shown = if stdin.is_terminal() { rustix::termios::tcgetattr(&stdin).ok() } else { None };
    if let Some(shown) = &shown {
        let mut quiet = shown.clone();
        if hidden {
            quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
        }
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &quiet).map_err(|e| problem(e.into()))?;
        eprint!("{prompt}");
        std::io::stderr().flush().map_err(problem)?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, shown).map_err(|e| problem(e.into()))?;
        if hidden {
            eprintln!();
        }
    }
    read.map_err(problem)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}
