//! `engine graph`: the tasks of a playbook as a drawing.

use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use super::session::Session;
use super::{Done, print};
use crate::error::{Diagnostic, EXIT_DONE};
use crate::event::Observers;
use crate::graph::draw;
use std::path::PathBuf;
use std::sync::Arc;

/// Draw the graph of a playbook's tasks.
#[derive(Debug, clap::Args)]
pub(super) struct Graph {
    #[command(flatten)]
    hosts: InventoryOptions,
    #[command(flatten)]
    playbook: PlaybookOptions,
    /// Language of the drawing; without it, what the output file's ending says, or DOT
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write, instead of standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Dot,
    Mermaid,
    Svg,
}

impl Graph {
    pub(super) fn run(&self) -> Done {
        let session = Session::open(&self.hosts, &self.playbook, &ConnectionOptions::default(), false)?;
        let run = session.run(false, Arc::new(Observers(Vec::new())))?;
        let plays = run.graphs(&session.playbooks)?;
        let text = match self.format() {
            Format::Dot => draw::dot(&plays),
            Format::Mermaid => draw::mermaid(&plays),
            Format::Svg => draw::svg(&plays),
        };
        match &self.output {
            None => print(&text),
            Some(path) => std::fs::write(path, text)
                .map_err(|e| vec![Diagnostic::input(format!("cannot write `{}`", path.display())).note(e.to_string())])?,
        }
        Ok(EXIT_DONE)
    }

    fn format(&self) -> Format {
        let ending = self.output.as_ref().and_then(|p| p.extension()).and_then(|e| e.to_str());
        self.format.unwrap_or(match ending {
            Some("svg") => Format::Svg,
            Some("mmd" | "md" | "mermaid") => Format::Mermaid,
            _ => Format::Dot,
        })
    }
}
