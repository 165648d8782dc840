//! The files that a run reads: each once, with its digest and its warnings.

use super::Vars;
use super::keywords::kind;
use super::role::Role;
use crate::error::{Diagnostic, Result};
use crate::source::{Source, unreadable};
use crate::vault::Vault;
use crate::yaml::{self, Node};
use indexmap::IndexMap;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files read so far. Shared by the loader and the roles it hands out.
#[derive(Default)]
pub(super) struct Files {
    vault: Arc<Vault>,
    duplicates: Duplicates,
    state: Mutex<State>,
}

/// What becomes of keys that a dictionary has twice (`duplicate_dict_key`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// A warning; the last one counts.
    #[default]
    Warn,
    /// An error.
    Refuse,
    /// Nothing; the last one counts.
    Ignore,
}

#[derive(Default)]
struct State {
    read: BTreeMap<PathBuf, (String, Result<Option<Node>>)>,
    roles: HashMap<PathBuf, Arc<Role>>,
    warnings: Vec<Diagnostic>,
    warned: HashSet<String>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

impl Files {
    /// Nothing read yet; encrypted files are opened by this vault.
    pub(super) fn new(vault: Arc<Vault>, duplicates: Duplicates) -> Files {
        Files { vault, duplicates, ..Files::default() }
    }

    // What a panicking thread left is whole: every change is one insertion.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The only document of a file; none when it is empty.
    pub(super) fn document(&self, path: &Path) -> Result<Option<Node>> {
        if let Some((_, document)) = self.state().read.get(path) {
            return document.clone();
        }
        let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
        let digest = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let document = self.parsed(path, bytes);
        self.state().read.insert(path.to_path_buf(), (digest, document.clone()));
        document
    }

    /// Takes a text as what a file holds.
    pub(super) fn provide(&self, path: &Path, text: &str) -> Result<()> {
        let document = self.parsed(path, text.as_bytes().to_vec());
        self.state().read.insert(path.to_path_buf(), (String::new(), document.clone()));
        document.map(|_| ())
    }

    fn parsed(&self, path: &Path, bytes: Vec<u8>) -> Result<Option<Node>> {
        let source = Source::decoded(path, bytes)?;
        let documents = yaml::parse(&self.vault.plain(source)?)?;
        for warning in documents.warnings {
            match self.duplicates {
                Duplicates::Warn => self.warn(warning),
                Duplicates::Refuse => return Err(Box::new(warning)),
                Duplicates::Ignore => {}
            }
        }
        match documents.nodes.get(1) {
            Some(second) => Err(Box::new(Diagnostic::input("the file has more than one YAML document").at(second.place()))),
            None => Ok(documents.nodes.into_iter().next().filter(|node| !node.is_null())),
        }
    }

    /// A file's variables: a dictionary, or nothing.
    pub(super) fn variables(&self, path: &Path) -> Result<Vars> {
        let Some(node) = self.document(path)? else { return Ok(Vars::new()) };
        let Some(pairs) = node.as_map() else {
            let error = Diagnostic::input(format!("a file of variables must be a dictionary, not {}", kind(&node)));
            return Err(Box::new(error.at(node.place())));
        };
        let mut vars = Vars::new();
        for (key, value) in pairs {
            match key.as_str() {
                Some(name) => vars.push((name.to_string(), value.clone())),
                None => self.warn(Diagnostic::input("the name of a variable must be text; this one is left out").at(key.place())),
            }
        }
        Ok(vars)
    }

    /// The variables of several files; of equal names the last is kept.
    pub(super) fn merged(&self, paths: &[PathBuf]) -> Result<Vars> {
        let mut merged = IndexMap::new();
        for path in paths {
            merged.extend(self.variables(path)?);
        }
        Ok(merged.into_iter().collect())
    }

    /// Keeps a warning, once.
    pub(super) fn warn(&self, warning: Diagnostic) {
        let place = warning.place.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut state = self.state();
        if state.warned.insert(format!("{place} {}", warning.summary)) {
            state.warnings.push(warning);
        }
    }

    /// The warnings that have not been taken yet.
    pub(super) fn take_warnings(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.state().warnings)
    }

    /// Every file read, with its SHA-256.
    pub(super) fn digests(&self) -> Vec<(PathBuf, String)> {
        self.state().read.iter().map(|(path, (digest, _))| (path.clone(), digest.clone())).collect()
    }

    /// The role in this folder, if it was read before.
    pub(super) fn known_role(&self, folder: &Path) -> Option<Arc<Role>> {
        self.state().roles.get(folder).cloned()
    }

    /// Keeps a role.
    pub(super) fn keep_role(&self, role: Arc<Role>) {
        self.state().roles.insert(role.path.clone(), role);
    }
}

/// The names in a folder, sorted; none when it cannot be read.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
