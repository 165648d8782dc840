//! `engine inventory`: hosts, groups and their variables.

use super::options::InventoryOptions;
use super::session::inventory_of;
use super::{Done, print};
use crate::error::{Diagnostic, EXIT_DONE};
use crate::inventory::View;

/// Show hosts, groups and their variables.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    hosts: InventoryOptions,
    /// Everything as JSON (the default)
    #[arg(long, conflicts_with_all = ["host", "graph"])]
    list: bool,
    /// The variables of one host as JSON
    #[arg(long, value_name = "HOST", conflicts_with = "graph")]
    host: Option<String>,
    /// The groups as a tree
    #[arg(long)]
    graph: bool,
}

impl Show {
    pub(super) fn run(&self) -> Done {
        let inventory = inventory_of(&self.hosts)?;
        for warning in &inventory.warnings {
            eprint!("{}", warning.render_warning(crate::report::paint::Paint::stderr().colour));
        }
        if self.graph {
            print(&inventory.to_graph("all", false, &View::default()));
            return Ok(EXIT_DONE);
        }
        let json = match &self.host {
            Some(host) => {
                if !inventory.hosts.contains_key(host.as_str()) {
                    let error = Diagnostic::input(format!("the inventory has no host `{host}`"));
                    return Err(vec![error.nearest(host, inventory.hosts.keys().map(String::as_str))]);
                }
                inventory.raw_variables(host, None).to_json()
            }
            None => inventory.to_json_list(),
        };
        print(&format!("{}\n", serde_json::to_string_pretty(&json).unwrap_or_default()));
        Ok(EXIT_DONE)
    }
}
