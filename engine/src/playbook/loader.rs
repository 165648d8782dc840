//! The loader: what the rest of the program reads playbooks, task files, variables and roles with.

use super::files::{Duplicates, Files};
use super::keywords::Owner;
use super::reader::Reader;
use super::role::{self, Role};
use super::{Item, PlayItem, Playbook, Vars};
use crate::error::{Diagnostic, Result};
use crate::source::{Place, Source};
use crate::vault::Vault;
use crate::yaml::Node;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads playbooks, task files, variable files and roles; keeps what it has read and the warnings.
#[derive(Debug)]
pub struct Loader {
    files: Arc<Files>,
    roles_path: Vec<PathBuf>,
}

impl Loader {
    /// With the folders that roles are searched in after those beside the playbook (`roles_path`); when there are none,
    /// in ansible-core's default folders.
    pub fn new(roles_path: Vec<PathBuf>) -> Loader {
        Loader { files: Arc::default(), roles_path }
    }

    /// Opens encrypted files by these passwords.
    #[must_use]
    pub fn decrypting(self, vault: Arc<Vault>) -> Loader {
        self.reading(vault, Duplicates::default())
    }

    /// The same, with what becomes of duplicate keys.
    #[must_use]
    pub fn reading(self, vault: Arc<Vault>, duplicates: Duplicates) -> Loader {
        Loader { files: Arc::new(Files::new(vault, duplicates)), ..self }
    }

    /// Reads a playbook.
    ///
    /// # Errors
    /// All errors of the file at once.
    pub fn playbook(&self, path: &Path) -> Result<Playbook, Vec<Diagnostic>> {
        let document = self.files.document(path).map_err(|error| vec![*error])?;
        let Some(document) = document else {
            let place = Place { source: Source::new(path, ""), line: 0, column: 0, length: 0 };
            return Err(vec![Diagnostic::input("the playbook is empty").at(&place)]);
        };
        let mut reader = Reader::new(path, &self.files);
        let plays = reader.plays(&document);
        reader.finish(Playbook { path: path.to_path_buf(), plays })
    }

    /// Reads a task file (for `import_tasks`, `include_tasks`). Handlers may stand in it as well.
    ///
    /// # Errors
    /// The first error of the file; the others are its notes.
    pub fn tasks(&self, path: &Path) -> Result<Vec<Item>> {
        role::task_file(&self.files, path, Owner::Handler)
    }

    /// The YAML of a file, whatever it holds; none when it is empty.
    ///
    /// # Errors
    /// A file that cannot be read, or is no YAML.
    pub fn document(&self, path: &Path) -> Result<Option<Node>> {
        self.files.document(path)
    }

    /// Reads a playbook as far as it can be read, with all that is wrong in it.
    pub fn survey(&self, path: &Path) -> (Vec<PlayItem>, Vec<Diagnostic>) {
        let document = match self.files.document(path) {
            Ok(document) => document,
            Err(error) => return (Vec::new(), vec![*error]),
        };
        let Some(document) = document else { return (Vec::new(), Vec::new()) };
        let mut reader = Reader::new(path, &self.files);
        (reader.plays(&document), reader.errors())
    }

    /// Reads a task file as far as it can be read, with all that is wrong in it.
    pub fn survey_tasks(&self, path: &Path) -> (Vec<Item>, Vec<Diagnostic>) {
        match self.files.document(path) {
            Ok(Some(document)) if document.as_list().is_some() => {
                let mut reader = Reader::new(path, &self.files);
                (reader.items(Some(&document), Owner::Handler), reader.errors())
            }
            // No list: the usual reading says why.
            _ => (Vec::new(), self.tasks(path).err().map(|error| *error).into_iter().collect()),
        }
    }

    /// Reads a file of variables.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no dictionary.
    pub fn variables(&self, path: &Path) -> Result<Vars> {
        self.files.variables(path)
    }

    /// Finds and reads a role: in collections when named so, then in `playbook_dir/roles`, the roles path, in `near`
    /// (the folder around the role that asks), and in `playbook_dir`.
    ///
    /// # Errors
    /// A role that is nowhere, with every folder searched; or what is wrong in its files.
    pub fn role(&self, name: &str, playbook_dir: &Path, near: Option<&Path>) -> Result<Arc<Role>> {
        role::find(&self.files, &self.roles_path, name, playbook_dir, near)
    }

    /// Warns of a variable that hides a keyword's or a function's name.
    pub fn warn_if_reserved(&self, name: &str, place: &Place) {
        if super::keywords::is_reserved(name) {
            self.files.warn(Diagnostic::input(format!("Found variable using reserved name '{name}'")).at(place));
        }
    }

    /// Takes a file's text that nobody has to write to a file.
    ///
    /// # Errors
    /// Text that is no YAML.
    pub fn provide(&self, path: &Path, text: &str) -> Result<()> {
        self.files.provide(path, text)
    }

    /// Warnings since the last call; each is given once.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.files.take_warnings()
    }

    /// Every file read so far, with its SHA-256 in hexadecimal, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        self.files.digests()
    }
}
