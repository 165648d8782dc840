//! What can be known to be wrong with playbooks and roles before any host is asked: every finding at once, with its place.

mod names;
mod roles;
mod survey;
mod tasks;

use crate::error::Diagnostic;
use crate::inventory::Inventory;
use crate::playbook::Loader;
use crate::template::Templates;
use names::Use;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It will fail when it is reached.
    Error,
    /// It may be meant so.
    Warning,
}

/// One thing that is wrong, or looks so.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// What and where it is.
    pub diagnostic: Diagnostic,
}

/// What a check has found.
#[derive(Debug, Default)]
pub struct Report {
    /// Findings in the order of files and lines, each once.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
    /// How many tasks were looked at.
    pub tasks: usize,
    /// Variables that are used and that nothing here defines: whoever uses this gives them. Only without an inventory.
    pub wanted: Vec<String>,
}

impl Report {
    /// How many findings have this weight.
    pub fn count(&self, weight: Weight) -> usize {
        self.findings.iter().filter(|finding| finding.weight == weight).count()
    }
}

/// Checks playbooks, files of tasks, and folders of roles. With an inventory, variables that nothing defines are errors.
pub fn check(paths: &[PathBuf], inventory: Option<&Inventory>, extra: &[String], loader: &Loader, templates: &Templates) -> Report {
    let mut survey = survey::Survey::new(loader, templates);
    if let Some(inventory) = inventory {
        survey.names.of_inventory(inventory);
    }
    extra.iter().for_each(|name| survey.names.define(name));
    paths.iter().for_each(|path| survey.path(path));
    let closed = inventory.is_some() && !survey.names.open;
    let mut wanted: Vec<String> = Vec::new();
    for Use { name, place, conditional } in survey.names.undefined() {
        if !closed {
            wanted.push(name);
            continue;
        }
        let found = Diagnostic::input(format!("the variable `{name}` is not defined anywhere")).at(&place);
        let found = found.nearest(&name, survey.names.defined());
        match conditional {
            true => survey.warning(found.note("it is used only under conditions")),
            false => survey.error(found),
        }
    }
    let missing: Vec<_> = survey.names.missing().filter(|_| closed).cloned().collect();
    for (name, role, place) in missing {
        survey.error(Diagnostic::input(format!("role `{role}` needs the variable `{name}`, which nothing defines")).at(&place));
    }
    wanted.sort();
    let mut findings = survey.findings;
    findings.extend(loader.warnings().into_iter().map(|diagnostic| Finding { weight: Weight::Warning, diagnostic }));
    Report { findings: in_order(findings), files: loader.files().len(), tasks: survey.tasks.len(), wanted }
}

/// Each finding once, by file, line and column.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    let spot = |finding: &Finding| finding.diagnostic.place.as_ref().map(|p| (p.source.path().to_path_buf(), p.line, p.column));
    findings.sort_by_key(|finding| (spot(finding), finding.weight));
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert((spot(finding), finding.diagnostic.summary.clone())));
    findings
}

/// Whether a folder is a role's.
fn is_role(path: &Path) -> bool {
    path.is_dir() && ["tasks", "meta", "defaults", "handlers"].iter().any(|folder| path.join(folder).is_dir())
}
