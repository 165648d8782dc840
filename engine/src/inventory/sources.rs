//! Finds out what each `-i` is - file, folder, script, list of hosts - and has it read.

use super::draft::Draft;
use super::{Inventory, Reading, files, ini, script, yaml};
use crate::error::{Diagnostic, Result};
use crate::source::{Place, Source};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Endings of files in an inventory folder that are no inventories.
const IGNORED: [&str; 12] = [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// Folders within each other.
const DEPTH_LIMIT: usize = 20;

/// Reads all sources; all errors at once.
pub(super) fn read(sources: &[String], reading: &Reading) -> Result<Inventory, Vec<Diagnostic>> {
    let mut draft = Draft { reading: reading.clone(), ..Draft::default() };
    draft.inventory.reading = reading.clone();
    let mut read = 0;
    for written in sources {
        let before = draft.reading.lenient.then(|| draft.inventory.clone());
        source(written, &mut draft);
        match before {
            Some(before) if !draft.errors.is_empty() => left_out(written, before, &mut draft),
            _ => read += 1,
        }
    }
    if reading.needs_all && read < sources.len() {
        let summary = "Completely failed to parse inventory source";
        return Err(vec![Diagnostic::input(summary)]);
    }
    if read == 0 && reading.lenient {
        if reading.needs_one && !sources.is_empty() {
            return Err(vec![Diagnostic::input("No inventory was parsed, please check your configuration and options.")]);
        }
        draft.warn(Diagnostic::input("No inventory was parsed, only implicit localhost is available"));
    }
    draft.settle();
    for written in sources.iter().filter(|s| !is_list(s)) {
        draft.folder(&folder_of(Path::new(written)));
    }
    if draft.errors.is_empty() { Ok(draft.inventory) } else { Err(draft.errors) }
}

/// Leaves a source out that cannot be read, and says why.
fn left_out(written: &str, before: Inventory, draft: &mut Draft) {
    draft.inventory = before;
    for error in std::mem::take(&mut draft.errors) {
        let words = error.label.as_ref().map_or_else(String::new, |label| format!(": {label}"));
        let place = error.place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
        draft.warn(Diagnostic::input(format!("Failed to parse inventory {written}: {}{words}{place}", error.summary)));
    }
    draft.warn(Diagnostic::input(format!("Unable to parse {written} as an inventory source")));
}

/// The folder whose `group_vars/` and `host_vars/` belong to a source.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    let parent = || path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    if path.is_dir() { path.to_path_buf() } else { parent() }
}

fn is_list(written: &str) -> bool {
    written.contains(',') && !Path::new(written).exists()
}

fn source(written: &str, draft: &mut Draft) {
    if is_list(written) {
        let place = Place { length: 0, ..Place::nowhere("--inventory") };
        for host in written.split(',').map(str::trim).filter(|h| !h.is_empty()) {
            draft.hosts(host, "ungrouped", &place);
        }
        return;
    }
    let path = PathBuf::from(written);
    draft.source = Some(path.clone());
    draft.inventory.sources.push(path.clone());
    if path.is_dir() {
        folder(&path, draft, 0);
    } else if let Err(error) = file(&path, draft) {
        let listed = !path.exists() && !written.contains('/') && !matches!(ending(&path).as_str(), "yml" | "yaml" | "json" | "ini");
        draft.errors.push(if listed { error.hint(format!("for a list of hosts, end it with a comma: `-i {written},`")) } else { *error });
    }
    draft.source = None;
}

fn folder(path: &Path, draft: &mut Draft, depth: usize) {
    let names = match files::entries(path) {
        Ok(names) if depth < DEPTH_LIMIT => names,
        Ok(_) => return draft.errors.push(Diagnostic::input(format!("folders nest too deep at `{}`", path.display()))),
        Err(error) => return draft.errors.push(*error),
    };
    for name in names {
        let ignored = name.starts_with('.') || IGNORED.iter().any(|e| name.ends_with(e));
        if ignored || matches!(name.as_str(), "group_vars" | "host_vars") {
            continue;
        }
        let inner = path.join(&name);
        if inner.is_dir() {
            folder(&inner, draft, depth + 1);
            continue;
        }
        let errors = draft.errors.len();
        if let Err(error) = file(&inner, draft) {
            draft.errors.push(*error);
        }
        // Keys, certificates and notes may lie beside inventories; only what is meant as one must be readable.
        if !matches!(ending(&inner).as_str(), "" | "yml" | "yaml" | "json" | "ini") {
            let excused = draft.errors.split_off(errors);
            draft.inventory.warnings.extend(excused.into_iter().map(|e| e.note(format!("`{}` is skipped", inner.display()))));
        }
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn file(path: &Path, draft: &mut Draft) -> Result<()> {
    match nature(path) {
        Nature::Script => return script::read(path, draft),
        Nature::Unstarted if !matches!(ending(path).as_str(), "yml" | "yaml" | "json" | "ini") => {
            return Err(Box::new(
                Diagnostic::input(format!("`{}` looks like an inventory script but is not executable", path.display()))
                    .hint(format!("make it so: chmod +x {}", path.display())),
            ));
        }
        _ => {}
    }
    let source = draft.reading.vault.source(path)?;
    if ending(path) == "toml" {
        return Err(Box::new(
            Diagnostic::input(format!("`{}`: inventories in TOML are not supported", path.display())).hint("write it as YAML or INI"),
        ));
    }
    if !matches!(ending(path).as_str(), "" | "yml" | "yaml" | "json") {
        ini::read(&source, draft);
        return Ok(());
    }
    text(&source, draft)
}

/// YAML if it is a dictionary; else INI, unless that fails too and the file claims or seems to be YAML.
fn text(source: &Source, draft: &mut Draft) -> Result<()> {
    let not_yaml = match crate::yaml::parse(source) {
        Ok(documents) => match documents.nodes.first() {
            None => return Ok(()),
            Some(root) if root.as_map().is_some() || (root.is_null() && documents.nodes.len() == 1) => {
                draft.inventory.warnings.extend(documents.warnings);
                yaml::read(root, draft);
                return Ok(());
            }
            Some(root) => {
                let error = Diagnostic::input("an inventory in YAML must be a dictionary of groups").at(root.place());
                Box::new(error.label(format!("this is {}", crate::error::with_article(root.type_name()))))
            }
        },
        Err(error) => error,
    };
    let claims = matches!(ending(source.path()).as_str(), "yml" | "yaml" | "json");
    let groups = ["all:", "---", "ungrouped:", "{"];
    let seems = source.text().lines().any(|line| groups.iter().any(|g| line.starts_with(g)));
    if !claims && !seems {
        ini::read(source, draft);
        return Ok(());
    }
    let (errors, before) = (draft.errors.len(), draft.inventory.clone());
    ini::read(source, draft);
    if draft.errors.len() > errors {
        draft.errors.truncate(errors);
        draft.inventory = before;
        return Err(not_yaml);
    }
    Ok(())
}

enum Nature {
    /// Executable, and a program.
    Script,
    /// Begins with `#!`, but is not executable.
    Unstarted,
    Text,
}

fn nature(path: &Path) -> Nature {
    // Looking into a pipe would take its first bytes away from the reader.
    let Some(meta) = fs::metadata(path).ok().filter(fs::Metadata::is_file) else { return Nature::Text };
    let mut start = [0; 4];
    let read = fs::File::open(path).and_then(|mut f| f.read(&mut start)).unwrap_or(0);
    let program = start[..read].starts_with(b"#!") || start[..read] == *b"\x7fELF";
    let executable = meta.permissions().mode() & 0o111 != 0;
    match (program, executable) {
        (true, true) => Nature::Script,
        (true, false) => Nature::Unstarted,
        _ => Nature::Text,
    }
}
