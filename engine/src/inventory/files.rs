//! `group_vars/` and `host_vars/`: files named after groups and hosts, or folders of files.

use super::{PlaybookVars, Var, Vars};
use crate::error::{Diagnostic, Result};
use crate::vault::Vault;
use crate::yaml;
use indexmap::IndexMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Endings of variable files, the one that is taken when there are several first.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// The files of one `group_vars/` and one `host_vars/`, by the name they are for.
#[derive(Debug, Clone, Default)]
pub(super) struct Folders {
    groups: IndexMap<String, PathBuf>,
    hosts: IndexMap<String, PathBuf>,
    vault: Arc<Vault>,
}

impl Folders {
    /// Those in a folder; without any, none.
    pub(super) fn beside(folder: &Path, vault: &Arc<Vault>) -> Result<Folders> {
        Ok(Folders { groups: listed(&folder.join("group_vars"))?, hosts: listed(&folder.join("host_vars"))?, vault: vault.clone() })
    }

    /// Variables of a group; warnings are added to those given.
    pub(super) fn group(&self, name: &str, warnings: &mut Vec<Diagnostic>) -> Result<Vars> {
        self.groups.get(name).map_or(Ok(Vars::new()), |path| read(path, &self.vault, warnings))
    }

    /// Variables of a host; warnings are added to those given.
    pub(super) fn host(&self, name: &str, warnings: &mut Vec<Diagnostic>) -> Result<Vars> {
        self.hosts.get(name).map_or(Ok(Vars::new()), |path| read(path, &self.vault, warnings))
    }

    /// Everything that stands here.
    pub(super) fn all(&self) -> Result<PlaybookVars> {
        let mut warnings = Vec::new();
        let mut read_each = |paths: &IndexMap<String, PathBuf>| -> Result<IndexMap<String, Arc<Vars>>> {
            paths.iter().map(|(name, path)| Ok((name.clone(), Arc::new(read(path, &self.vault, &mut warnings)?)))).collect()
        };
        let (groups, hosts) = (read_each(&self.groups)?, read_each(&self.hosts)?);
        Ok(PlaybookVars { groups, hosts, warnings })
    }
}

/// Names of a folder, sorted; none if it is not there.
pub(super) fn entries(folder: &Path) -> Result<Vec<String>> {
    let failed =
        |e: std::io::Error| Box::new(Diagnostic::input(format!("cannot read the folder `{}`", folder.display())).note(e.to_string()));
    let entries = match fs::read_dir(folder) {
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// For each name, its file: `web` before `web.yml` before `web.yaml` before `web.json`.
fn listed(folder: &Path) -> Result<IndexMap<String, PathBuf>> {
    let mut best: IndexMap<String, (usize, PathBuf)> = IndexMap::new();
    let names = entries(folder)?;
    let mut offer = |name: &str, rank: usize, file: &str| {
        let entry = best.entry(name.to_owned()).or_insert_with(|| (rank, folder.join(file)));
        if rank < entry.0 {
            *entry = (rank, folder.join(file));
        }
    };
    for file in names.iter().filter(|n| !n.starts_with('.') && !n.ends_with('~')) {
        for (rank, ending) in ENDINGS.iter().enumerate() {
            if let Some(name) = file.strip_suffix(ending).filter(|n| !n.is_empty()) {
                offer(name, rank, file);
            }
        }
    }
    Ok(best.into_iter().map(|(name, (_, path))| (name, path)).collect())
}

/// The variables of a file, or of all files in a folder, the later ones stronger.
fn read(path: &Path, vault: &Vault, warnings: &mut Vec<Diagnostic>) -> Result<Vars> {
    if !path.is_dir() {
        return read_file(path, vault, warnings);
    }
    let mut vars = Vars::new();
    for name in entries(path)?.iter().filter(|n| !n.starts_with('.') && !n.ends_with('~')) {
        let inner = path.join(name);
        let ending = Path::new(name).extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        if (inner.is_dir() && ending.is_empty()) || (inner.is_file() && ENDINGS.contains(&ending.as_str())) {
            vars.extend(read(&inner, vault, warnings)?);
        }
    }
    Ok(vars)
}

fn read_file(path: &Path, vault: &Vault, warnings: &mut Vec<Diagnostic>) -> Result<Vars> {
    let documents = yaml::parse(&vault.source(path)?)?;
    warnings.extend(documents.warnings);
    let Some(root) = documents.nodes.first().filter(|n| !n.is_null()) else { return Ok(Vars::new()) };
    if let Some(second) = documents.nodes.get(1) {
        return Err(Box::new(Diagnostic::input("a file of variables has one document only").at(second.place())));
    }
    let Some(pairs) = root.as_map() else {
        return Err(Box::new(
            Diagnostic::input("a file of variables must be a dictionary")
                .at(root.place())
                .label(format!("this is {}", crate::error::with_article(root.type_name()))),
        ));
    };
    Ok(pairs.iter().map(|(key, value)| (key.raw().to_string(), Var::Source(value.clone()))).collect())
}
