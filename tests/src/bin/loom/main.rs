//! A stand-in for Loom's closed `loom` program: the same commands, files and ports, real keys and real connections, no chain.
//!
//! Beside the real commands, `GET /status` on the query port says what a test wants to know: which peers this node really
//! reached, how many validators its two genesis files have, and the digest of both.

mod config;
mod home;
mod http;
mod key;
mod peers;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Why the program stopped.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("{path}: {cause}")]
    Json { path: PathBuf, cause: serde_json::Error },
    #[error("{path}: {cause}")]
    Yaml { path: PathBuf, cause: serde_yaml::Error },
    #[error("{path}: {cause}")]
    Content { path: PathBuf, cause: String },
    #[error("{0} exists already: this node is initialized")]
    Initialized(PathBuf),
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: String, cause: std::io::Error },
    #[error("`{0}` is not a peer: tcp://ID@HOST:PORT is")]
    Peer(String),
    #[error("`{0}` is not an address: tcp://HOST:PORT is")]
    Address(String),
}

/// Loom's commands, as its guide uses them.
#[derive(Parser)]
#[command(name = "loom", version, about = "A stand-in for Loom DAppChain's node", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make this node's keys and both genesis files
    Init {
        /// Where the node lives
        #[arg(long, default_value = ".")]
        home: PathBuf,
        /// Make them anew, over what is there
        #[arg(short, long)]
        force: bool,
    },
    /// Print the id by which peers know this node
    Nodekey {
        /// Where the node lives
        #[arg(long, default_value = ".")]
        home: PathBuf,
    },
    /// Run the node
    Run {
        /// Where the node lives
        #[arg(long, default_value = ".")]
        home: PathBuf,
        /// Peers to stay connected to, as tcp://ID@HOST:PORT, comma-separated
        #[arg(long, value_delimiter = ',')]
        persistent_peers: Vec<String>,
    },
    /// Print the version
    Version,
}

fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Init { home, force } => home::init(&home, force),
        Command::Nodekey { home } => {
            println!("{}", home::node_key(&home)?.id());
            Ok(())
        }
        Command::Run { home, persistent_peers } => peers::run(&home, &persistent_peers),
        Command::Version => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}
