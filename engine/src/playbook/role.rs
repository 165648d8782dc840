//! Roles: where they are searched, and what their folders hold.

use super::files::{Files, names_in};
use super::keywords::{Owner, kind};
use super::reader::Reader;
use super::{Item, RoleUse, Vars};
use crate::error::{Diagnostic, Result};
use crate::yaml::{Data, Node};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where ansible-core looks when no roles path is configured.
const DEFAULT_PATH: &[&str] = &["~/.ansible/roles", "/usr/share/ansible/roles", "/etc/ansible/roles"];

/// Where ansible-core looks for collections besides `collections/` beside the playbook.
const COLLECTIONS: &[&str] = &["~/.ansible/collections", "/usr/share/ansible/collections"];

/// Endings of the files in a role's folders, in the order in which they are tried.
const ENDINGS: &[&str] = &[".yml", ".yaml", ".json", ""];

/// What `meta/main` may hold; other keys are left alone with a warning.
const META: &[&str] = &["allow_duplicates", "dependencies", "galaxy_info", "argument_specs", "collections"];

/// A role's files. Task files other than `main` are read on demand with [`Role::tasks`].
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name: the folder's, or `namespace.collection.role`.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// `defaults/main` (a file or a folder of files).
    pub defaults: Vars,
    /// `vars/main`.
    pub vars: Vars,
    /// `meta/main`: dependencies.
    pub dependencies: Vec<RoleUse>,
    /// `meta/main`: `allow_duplicates`.
    pub allow_duplicates: bool,
    /// `meta/argument_specs` or `argument_specs` in `meta/main`, as written.
    pub argument_specs: Option<Node>,
    files: Arc<Files>,
}

impl Role {
    /// `tasks/NAME.yml` (`.yaml`, no ending); none when `main` is not there.
    ///
    /// # Errors
    /// No such file, or what is wrong in it.
    pub fn tasks(&self, from: &str) -> Result<Vec<Item>> {
        self.items("tasks", from, Owner::Task)
    }

    /// `handlers/NAME.yml`; none when `main` is not there.
    ///
    /// # Errors
    /// No such file, or what is wrong in it.
    pub fn handlers(&self, from: &str) -> Result<Vec<Item>> {
        self.items("handlers", from, Owner::Handler)
    }

    /// `defaults/NAME` or `vars/NAME` (`kind`), for `defaults_from` and `vars_from`.
    ///
    /// # Errors
    /// No such file, or what is wrong in it.
    pub fn variables(&self, kind: &str, from: &str) -> Result<Vars> {
        self.files.merged(&self.variable_files(kind, from)?)
    }

    fn items(&self, kind: &str, from: &str, owner: Owner) -> Result<Vec<Item>> {
        match self.file(kind, from)? {
            Some(path) => task_file(&self.files, &path, owner),
            None => Ok(Vec::new()),
        }
    }

    /// The file of this name in one of the role's folders (`tasks`, `handlers`, …); only `main` may be missing.
    ///
    /// # Errors
    /// No such file.
    pub fn file(&self, kind: &str, from: &str) -> Result<Option<PathBuf>> {
        match existing(&self.path.join(kind), from).into_iter().find(|path| path.is_file()) {
            None if from != "main" => Err(self.missing(kind, from)),
            found => Ok(found),
        }
    }

    fn variable_files(&self, kind: &str, from: &str) -> Result<Vec<PathBuf>> {
        match existing(&self.path.join(kind), from).into_iter().next() {
            None if from != "main" => Err(self.missing(kind, from)),
            None => Ok(Vec::new()),
            Some(folder) if folder.is_dir() => Ok(files_below(&folder)),
            Some(file) => Ok(vec![file]),
        }
    }

    fn missing(&self, kind: &str, from: &str) -> Box<Diagnostic> {
        let folder = self.path.join(kind);
        let names = names_in(&folder);
        let stems = names.iter().map(|name| name.split('.').next().unwrap_or(name));
        let error = Diagnostic::input(format!("role `{}` has no `{kind}/{from}.yml`", self.name));
        Box::new(error.note(format!("searched in {}", folder.display())).nearest(from, stems))
    }

    /// Reads a role's folder.
    fn read(name: String, path: PathBuf, files: &Arc<Files>) -> Result<Role> {
        let mut role = Role {
            name,
            path,
            defaults: Vars::new(),
            vars: Vars::new(),
            dependencies: Vec::new(),
            allow_duplicates: false,
            argument_specs: None,
            files: Arc::clone(files),
        };
        role.defaults = role.variables("defaults", "main")?;
        role.vars = role.variables("vars", "main")?;
        role.read_meta()?;
        Ok(role)
    }

    fn read_meta(&mut self) -> Result<()> {
        if let Some(path) = self.file("meta", "main")?
            && let Some(meta) = self.files.document(&path)?
        {
            let mut reader = Reader::new(&path, &self.files);
            self.allow_duplicates = reader.allow_duplicates(&meta);
            self.dependencies = reader.dependencies(&meta);
            self.argument_specs = meta.get("argument_specs").cloned();
            reader.finish_with_first(())?;
        }
        let specs = existing(&self.path.join("meta"), "argument_specs").into_iter().find(|path| path.is_file());
        if let Some(path) = specs
            && let Some(document) = self.files.document(&path)?
        {
            self.argument_specs = document.get("argument_specs").cloned().or(self.argument_specs.take());
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn dependencies(&mut self, meta: &Node) -> Vec<RoleUse> {
        let Some(pairs) = meta.as_map() else {
            self.error(Diagnostic::input(format!("a role's `meta/main` must be a dictionary, not {}", kind(meta))).at(meta.place()));
            return Vec::new();
        };
        for (key, _) in pairs {
            let name = key.as_str().unwrap_or_default();
            if !META.contains(&name) {
                let warning = Diagnostic::input(format!("a role's `meta/main` has no key `{name}`")).at(key.place());
                self.files.warn(warning.nearest(name, META.iter().copied()));
            }
        }
        let list = meta.get("dependencies").filter(|list| !list.is_null());
        if let Some(other) = list.filter(|list| list.as_list().is_none()) {
            self.error(Diagnostic::input(format!("`dependencies` must be a list, not {}", kind(other))).at(other.place()));
        }
        self.role_uses(list)
    }

    fn allow_duplicates(&mut self, meta: &Node) -> bool {
        let Some(flag) = meta.get("allow_duplicates").filter(|flag| !flag.is_null()) else { return false };
        match flag.data() {
            Data::Bool(yes) => *yes,
            Data::Str(text) => matches!(text.trim().to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1" | "y" | "t"),
            Data::Int(number) => *number == 1,
            _ => {
                self.error(Diagnostic::input("`allow_duplicates` must be a boolean").at(flag.place()));
                false
            }
        }
    }
}

/// Reads a file of tasks; an empty one has none.
pub(super) fn task_file(files: &Files, path: &Path, owner: Owner) -> Result<Vec<Item>> {
    let Some(document) = files.document(path)? else { return Ok(Vec::new()) };
    if document.as_list().is_none() {
        let what = format!("a file of tasks must be a list, not {}", kind(&document));
        let error = Diagnostic::input(what).at(document.place());
        return Err(Box::new(if document.as_map().is_some() { error.hint("start each task with `- `") } else { error }));
    }
    let mut reader = Reader::new(path, files);
    let items = reader.items(Some(&document), owner);
    reader.finish_with_first(items)
}

/// What exists under `NAME` with one of the endings, in their order; a name that has its ending comes first.
fn existing(folder: &Path, name: &str) -> Vec<PathBuf> {
    let has_ending = ENDINGS[..3].iter().any(|ending| name.ends_with(ending));
    let first = has_ending.then(|| folder.join(name));
    let rest = ENDINGS.iter().map(|ending| folder.join(format!("{name}{ending}")));
    first.into_iter().chain(rest).filter(|path| path.exists()).collect()
}

/// The files of variables below a folder, sorted by path; hidden files and backups are left out.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in names_in(folder).into_iter().filter(|name| !name.starts_with('.') && !name.ends_with('~')) {
        let path = folder.join(&name);
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if !name.contains('.') || ENDINGS[..3].iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
    files
}

/// Finds and reads a role.
pub(super) fn find(files: &Arc<Files>, roles_path: &[PathBuf], name: &str, playbook_dir: &Path, near: Option<&Path>) -> Result<Arc<Role>> {
    let folders = search_folders(roles_path, playbook_dir, near);
    let in_collection = collection_role(name, playbook_dir);
    let plain = folders.iter().map(|folder| folder.join(home(name)));
    let candidates = in_collection.iter().cloned().chain(plain).chain([home(name)]);
    let Some(path) = candidates.into_iter().find(|path| path.is_dir()) else {
        return Err(Box::new(not_found(name, &folders)));
    };
    if let Some(role) = files.known_role(&path) {
        return Ok(role);
    }
    let folder_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let shown = if in_collection.contains(&path) { name.to_string() } else { folder_name.unwrap_or_else(|| name.to_string()) };
    let role = Arc::new(Role::read(shown, path, files)?);
    files.keep_role(Arc::clone(&role));
    Ok(role)
}

/// The folders in which a role is searched by its name, in ansible-core's order.
fn search_folders(roles_path: &[PathBuf], playbook_dir: &Path, near: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = vec![playbook_dir.join("roles")];
    if roles_path.is_empty() {
        folders.extend(DEFAULT_PATH.iter().map(|path| home(path)));
    } else {
        folders.extend(roles_path.iter().cloned());
    }
    folders.extend(near.map(Path::to_path_buf));
    folders.push(playbook_dir.to_path_buf());
    let mut once = Vec::new();
    for folder in folders {
        if !once.contains(&folder) {
            once.push(folder);
        }
    }
    once
}

/// Where the role of a collection (`namespace.collection.role`) may be.
fn collection_role(name: &str, playbook_dir: &Path) -> Vec<PathBuf> {
    let mut parts = name.splitn(3, '.');
    let (Some(namespace), Some(collection), Some(role)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    if name.contains('/') || [namespace, collection, role].contains(&"") {
        return Vec::new();
    }
    let bases = std::iter::once(playbook_dir.join("collections")).chain(COLLECTIONS.iter().map(|path| home(path)));
    let below = Path::new("ansible_collections").join(namespace).join(collection).join("roles").join(role.replace('.', "/"));
    bases.map(|base| base.join(&below)).collect()
}

/// A path with its `~/` resolved.
fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn not_found(name: &str, folders: &[PathBuf]) -> Diagnostic {
    let known: Vec<String> = folders.iter().rev().skip(1).rev().flat_map(|folder| names_in(folder)).collect();
    let error = Diagnostic::input(format!("role `{name}` was not found"));
    error.note(format!("searched in: {}", crate::source::listed(folders))).nearest(name, known.iter().map(String::as_str))
}
