//! Test hosts by hand: `up N`, `ssh N LINE`, `inventory`, `down`.

use clap::{Parser, Subcommand};
use std::process::{Command, ExitCode};
use tests::Hosts;

/// Real test hosts, by hand.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Boot hosts, leave them running, print their inventory
    Up {
        /// How many
        count: usize,
        /// Debian packages to have on them
        #[arg(long, value_delimiter = ',')]
        packages: Vec<String>,
    },
    /// Enter a host, or run a line on it
    Ssh {
        /// Which, from 0
        host: usize,
        /// What to run
        #[arg(trailing_var_arg = true)]
        line: Vec<String>,
    },
    /// Print where the running hosts' inventories are
    Inventory,
    /// Remove all hosts that `up` left running
    Down,
}

fn run(action: Action) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match action {
        Action::Up { count, packages } => {
            let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
            let hosts = Hosts::start_with(count, &packages)?;
            print!("{}", hosts.inventory("root"));
            let folder = hosts.keep()?;
            eprintln!("as a file: {}", folder.join("inventory.yaml").display());
        }
        Action::Ssh { host, line } => {
            let folder = Hosts::kept()?.into_iter().next().ok_or("there are no hosts: `hosts up N` boots some")?;
            let status = Command::new("ssh").arg("-F").arg(folder.join("ssh_config")).arg(format!("node-{host}")).args(line).status()?;
            return Ok(status.code().and_then(|c| u8::try_from(c).ok()).map_or(ExitCode::FAILURE, ExitCode::from));
        }
        Action::Inventory => {
            for folder in Hosts::kept()? {
                println!("{}", folder.join("inventory.yaml").display());
            }
        }
        Action::Down => eprintln!("removed {} sets of hosts", Hosts::remove_kept()?),
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    match run(Cli::parse().action) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
