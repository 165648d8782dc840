//! `engine schema`: JSON Schemas for editors.

use super::{Done, print};
use crate::error::EXIT_DONE;
use crate::playbook::schema;

/// Print the JSON Schema of playbooks, files of tasks, or inventories, for editors that complete and check YAML.
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Of what
    #[arg(value_enum, default_value = "playbook")]
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// Playbooks
    Playbook,
    /// Files of tasks and handlers
    Tasks,
    /// Inventories in YAML
    Inventory,
}

impl Schema {
    pub(super) fn run(&self) -> Done {
        let schema = match self.of {
            Of::Playbook => schema::playbook(),
            Of::Tasks => schema::tasks(),
            Of::Inventory => schema::inventory(),
        };
        print(&format!("{schema:#}\n"));
        Ok(EXIT_DONE)
    }
}
