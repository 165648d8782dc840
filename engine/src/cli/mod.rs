//! The command line: one file a command.

mod adhoc;
mod agent;
mod apply;
mod ask;
mod called;
mod check;
mod config;
mod facts;
mod familiar;
mod familiar_inventory;
mod graph;
mod inventory;
mod modules;
mod options;
mod plan;
mod schema;
mod session;
mod vault;

use crate::error::{Diagnostic, EXIT_DONE, EXIT_FAILED, EXIT_INPUT, EXIT_UNREACHABLE, Kind};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    wrong usage or input
  2    changes are pending (`plan --detailed-exitcode`)
  3    a task failed
  4    a host could not be reached
  130  interrupted";

/// Makes a fleet of Linux hosts match what YAML files declare.
///
/// Reads Ansible's inventories and playbooks, shows exactly what would change, then changes that and nothing else.
/// Hosts need a shell and sshd, no Python.
#[derive(Debug, Parser)]
#[command(name = "engine", version, max_term_width = 100, arg_required_else_help = true, after_long_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what would change, host by host, and change nothing
    Plan(plan::Plan),
    /// Show what would change, ask, and change it
    Apply(apply::Apply),
    /// Find what is wrong with playbooks and roles, without any host
    Check(check::Check),
    /// Draw the graph of a playbook's tasks
    Graph(graph::Graph),
    /// Show hosts, groups and their variables
    Inventory(inventory::Show),
    /// Show the facts of hosts
    Facts(facts::Facts),
    /// List the modules, or show one's reference
    Modules(modules::Modules),
    /// Print JSON Schemas of playbooks and inventories, for editors
    Schema(schema::Schema),
    /// Encrypt and decrypt files and values
    Vault(vault::Vault),
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Serve modules over standard input and output (what runs on hosts)
    #[command(hide = true)]
    Agent {
        /// Do one task and end
        #[arg(long)]
        job: bool,
    },
}

/// Runs the program; the exit codes are those of [`crate::error`].
pub fn main() -> ExitCode {
    if let Some(code) = called::main() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A terminal that is gone cannot be told.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_INPUT } else { EXIT_DONE });
        }
    };
    let done = match cli.command {
        Command::Plan(command) => command.run(),
        Command::Apply(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Graph(command) => command.run(),
        Command::Inventory(command) => command.run(),
        Command::Facts(command) => command.run(),
        Command::Modules(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Vault(command) => command.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "engine", &mut std::io::stdout());
            Ok(EXIT_DONE)
        }
        Command::Agent { job } => return agent::run(job),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(errors) => {
            let colour = crate::report::paint::Paint::stderr().colour;
            eprint!("{}", crate::error::render_all(&errors, colour));
            ExitCode::from(code_of(&errors))
        }
    }
}

fn code_of(errors: &[Diagnostic]) -> u8 {
    match errors.first().map(|e| e.kind) {
        Some(Kind::Unreachable) => EXIT_UNREACHABLE,
        Some(Kind::Failed | Kind::NoUser) => EXIT_FAILED,
        _ => EXIT_INPUT,
    }
}

/// What a command answers: its exit code, or what was wrong.
type Done = Result<u8, Vec<Diagnostic>>;

/// Prints to standard output; a closed pipe ends the printing quietly, as users of `| head` expect.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
