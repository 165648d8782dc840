//! Called as `ansible-inventory`: hosts, groups and variables as JSON, YAML or a tree.

use super::options::InventoryOptions;
use super::print;
use super::session::{inventory_with, playbook_dir};
use crate::error::Diagnostic;
use crate::inventory::{Inventory, LOCAL_NAMES, View};
use clap::Parser;
use modules::value::Value;
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::path::PathBuf;

/// Exit code for options that do not go together.
const OPTIONS: u8 = 5;

/// Shows an inventory, with the options of `ansible-inventory`.
#[derive(Debug, Parser)]
#[command(name = "ansible-inventory", version = super::called::VERSION, max_term_width = 100)]
pub(super) struct Listing {
    #[command(flatten)]
    hosts: InventoryOptions,
    /// All hosts and groups, as an inventory script prints them
    #[arg(long)]
    list: bool,
    /// The variables of one host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The groups as a tree
    #[arg(long)]
    graph: bool,
    /// The group that the tree starts from
    #[arg(value_name = "GROUP")]
    group: Option<String>,
    /// YAML instead of JSON
    #[arg(short = 'y', long = "yaml")]
    yaml: bool,
    /// Variables in the tree too
    #[arg(long)]
    vars: bool,
    /// Variables where they were given, not merged for each host
    #[arg(long)]
    export: bool,
    /// File to write
    #[arg(long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Extra variables, for inventories that are computed
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    extra_vars: Vec<String>,
    /// The folder that stands for a playbook's
    #[arg(long, value_name = "FOLDER")]
    playbook_dir: Option<PathBuf>,
    /// Forget the facts that earlier runs kept
    #[arg(long)]
    flush_cache: bool,
    /// Say more
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Listing {
    pub(super) fn run(&self) -> Result<u8, Vec<Diagnostic>> {
        let actions = [self.list, self.host.is_some(), self.graph].into_iter().filter(|a| *a).count();
        if actions != 1 {
            let text = match actions {
                0 => "No action selected, at least one of --host, --graph or --list needs to be specified.",
                _ => "Conflicting options used, only one of --host, --graph or --list can be used at the same time.",
            };
            return Ok(refused(text));
        }
        let options = InventoryOptions { lenient: true, ..self.hosts.clone() };
        let inventory = inventory_with(&options, &self.extra_vars)?;
        inventory.warnings.iter().for_each(|warning| eprintln!("[WARNING]: {warning}"));
        let hosts = match self.hosts.limit.as_deref().filter(|limit| !limit.is_empty()) {
            Some(limit) => Some(inventory.select(limit)?.into_iter().collect::<HashSet<String>>()),
            None => None,
        };
        let view = View { hosts, export: self.export };
        let text = match &self.host {
            Some(host) => match self.one(&inventory, host)? {
                Some(text) => text,
                None => return Ok(refused("You must pass a single valid host to --host parameter")),
            },
            None if self.graph => {
                let group = self.group.as_deref().unwrap_or("all");
                let tree = inventory.to_graph(group, self.vars, &view);
                if tree.is_empty() {
                    return Ok(refused("Pattern must be valid group name when using --graph"));
                }
                tree
            }
            None if self.yaml => crate::template::to_yaml(&inventory.to_nested_view(&view)),
            None => {
                let mut list = inventory.to_json_view(&view);
                list["_meta"]["profile"] = json!("inventory_legacy");
                pretty(&list)
            }
        };
        match &self.output {
            Some(path) => {
                std::fs::write(path, text).map_err(|e| {
                    vec![Diagnostic::input(format!("Unable to write to destination file ({})", path.display())).note(e.to_string())]
                })?;
            }
            None => print(&text),
        }
        Ok(0)
    }

    /// The variables of a host; none if it is no host of the inventory.
    fn one(&self, inventory: &Inventory, host: &str) -> Result<Option<String>, Vec<Diagnostic>> {
        if !inventory.hosts.contains_key(host) && !LOCAL_NAMES.contains(&host) {
            eprintln!("[WARNING]: Could not match supplied host pattern, ignoring: {host}");
            return Ok(None);
        }
        let beside = playbook_dir(self.playbook_dir.as_deref(), &self.hosts)?;
        let variables = inventory.raw_variables(host, beside.as_ref());
        let variables = if variables.truthy() { variables } else { Value::from(modules::value::Map::new()) };
        Ok(Some(if self.yaml { crate::template::to_yaml(&variables) } else { pretty(&variables.to_json()) }))
    }
}

fn refused(text: &str) -> u8 {
    eprintln!("[ERROR]: {text}");
    OPTIONS
}

/// JSON with keys sorted and four blanks a level, ended by a line's end.
fn pretty(json: &Json) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Writing into memory cannot fail.
    let _ = serde::Serialize::serialize(&sorted(json), &mut serializer);
    format!("{}\n", String::from_utf8_lossy(&out))
}

fn sorted(json: &Json) -> Json {
    match json {
        Json::Object(map) => {
            let mut entries: Vec<(&String, &Json)> = map.iter().collect();
            entries.sort_by_key(|(name, _)| name.as_str());
            entries.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Json::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
