//! `engine check`: everything that can be known without a host.

use super::config::Config;
use super::options::InventoryOptions;
use super::session::{default_playbook, inventory_sources};
use super::{Done, print};
use crate::check::{Report, Weight, check};
use crate::error::{Diagnostic, EXIT_DONE, EXIT_INPUT};
use crate::inventory::Inventory;
use crate::playbook::Loader;
use crate::report::paint::Paint;
use crate::template::Templates;
use crate::vars::extra_vars;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Find what is wrong with playbooks and roles, without any host: syntax, modules and their arguments, handlers, roles,
/// files, and, with an inventory, variables that nothing defines.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Playbooks, files of tasks, folders of roles; `site.yaml` unless given
    paths: Vec<PathBuf>,
    #[command(flatten)]
    hosts: InventoryOptions,
    /// Variables that will be given: `name=value`, YAML, JSON, or `@FILE`
    #[arg(short = 'e', long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: a list of findings with path, line and column
    Json,
}

impl Check {
    pub(super) fn run(&self) -> Done {
        let config = Config::read();
        let sources = inventory_sources(&self.hosts, &config);
        let paths = if self.paths.is_empty() { vec![default_playbook(&sources)?] } else { self.paths.clone() };
        if let Some(missing) = paths.iter().find(|path| !path.exists()) {
            return Err(vec![Diagnostic::input(format!("`{}` does not exist", missing.display()))]);
        }
        let vault = self.hosts.vault.open(&config)?;
        let inventory = if sources.is_empty() { None } else { Some(Inventory::read_with(&sources, &config.reading(&vault))?) };
        let mut given = Vec::new();
        for option in &self.extra_vars {
            given.extend(extra_vars(option, &vault)?.into_keys());
        }
        let loader = Loader::new(config.paths("ANSIBLE_ROLES_PATH", "defaults", "roles_path")).decrypting(vault.clone());
        let report = check(&paths, inventory.as_ref(), &given, &loader, &Templates::decrypting(vault));
        match self.format {
            Format::Text => tell(&report),
            Format::Json => print(&format!("{:#}\n", as_json(&report))),
        }
        Ok(if report.count(Weight::Error) > 0 { EXIT_INPUT } else { EXIT_DONE })
    }
}

fn tell(report: &Report) {
    let colour = Paint::stdout().colour;
    for finding in &report.findings {
        print(&match finding.weight {
            Weight::Error => crate::error::render_all(std::slice::from_ref(&finding.diagnostic), colour),
            Weight::Warning => finding.diagnostic.render_warning(colour),
        });
        print("\n");
    }
    if !report.wanted.is_empty() {
        print(&format!("not defined here, so to be given by whoever uses this: {}\n", report.wanted.join(", ")));
    }
    let counted = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let found = match (report.count(Weight::Error), report.count(Weight::Warning)) {
        (0, 0) => "nothing wrong".to_owned(),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    print(&format!("{} in {}: {found}\n", counted(report.tasks, "task"), counted(report.files, "file")));
}

fn as_json(report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        let Diagnostic { summary, place, notes, hints, .. } = &finding.diagnostic;
        let weight = if finding.weight == Weight::Error { "error" } else { "warning" };
        let path = place.as_ref().map(|place| place.source.path().display().to_string());
        let (line, column) = place.as_ref().map_or((0, 0), |place| (place.line, place.column));
        json!({"weight": weight, "path": path, "line": line, "column": column, "summary": summary, "notes": notes, "hints": hints})
    });
    json!({"version": 1, "findings": findings.collect::<Vec<_>>(), "wanted": report.wanted, "tasks": report.tasks, "files": report.files})
}
