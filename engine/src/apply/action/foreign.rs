//! Modules of others: read here, told apart by how they take their arguments, sent to the host and run there.

use super::super::task::At;
use super::{Performed, is_live, on_host};
use crate::error::{Diagnostic, Kind, Result};
use crate::playbook::library;
use crate::source::unreadable;
use crate::template::{Binding, Scope};
use crate::vars::HostScope;
use modules::value::{Map, Value};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// The version of ansible-core whose behaviour modules find.
const VERSION: &str = "2.19.14";

/// The module's file, for a name that is none of this program's modules.
pub(super) fn find(at: &At<'_>, scope: &HostScope, short: &str) -> Option<PathBuf> {
    let written = &at.task.action.module;
    let name = if written.contains("{{") { short } else { written.as_str() };
    let folders: Vec<PathBuf> = scope.search_path("library").into_iter().filter(|folder| folder.ends_with("library")).collect();
    library::find(name, &folders, &at.task.path)
}

/// How a module takes its arguments, told from its text as Ansible tells it.
fn kind(source: &[u8]) -> &'static str {
    let holds = |text: &str| source.windows(text.len()).any(|window| window == text.as_bytes());
    let imports = ["from ansible.module_utils", "import ansible.module_utils", "from ansible_collections.", "import ansible_collections."];
    if source.contains(&0) {
        "json"
    } else if imports.iter().any(|import| holds(import)) {
        "packed"
    } else if holds("<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>") {
        "inserted"
    } else if holds("WANT_JSON") {
        "json"
    } else {
        "pairs"
    }
}

/// Runs the module of this file on the task's host.
pub(super) async fn run(at: &At<'_>, scope: &HostScope, name: &str, path: &Path, args: Map) -> Result<Performed> {
    let source = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    let kind = kind(&source);
    let aware = kind == "packed" || String::from_utf8_lossy(&source).contains("check_mode");
    let mut arguments = args;
    if kind != "pairs" {
        arguments.extend(internal(at, scope, name)?);
    }
    let contents = at.run.remotes.contents();
    let mut call = Map::new();
    call.insert("module".into(), name.into());
    call.insert("arguments".into(), arguments.into());
    call.insert("_kind".into(), kind.into());
    call.insert("_aware".into(), Value::Bool(aware));
    if kind == "packed" {
        let Some(ansible) = library::installed() else {
            let error = Diagnostic::input(format!("the module `{name}` needs Ansible's Python library, which is not on this machine"));
            let error = error.at(&at.task.action.place).note(format!("it is `{}`", path.display()));
            return Err(Box::new(error.hint("install ansible-core here: `engine` then sends its library along")));
        };
        let archive = pack(&ansible.package, path, &String::from_utf8_lossy(&source))
            .map_err(|e| Diagnostic::new(Kind::System, "cannot pack Ansible's Python library").note(e.to_string()))?;
        call.insert("_support".into(), contents.keep(archive).into());
    }
    call.insert("_blob".into(), contents.keep(source).into());
    if let Some(python) = text(at, scope, "ansible_python_interpreter")?.filter(|python| !python.starts_with("auto")) {
        call.insert("_interpreter".into(), python.into());
    }
    on_host(at, scope, "foreign", call).await
}

/// A variable of the host as text.
fn text(at: &At<'_>, scope: &HostScope, name: &str) -> Result<Option<String>> {
    Ok(match scope.lookup(name) {
        Some(Binding::Value(value)) => Some(value),
        Some(Binding::Source(node)) => Some(at.run.templates.value(&node, &scope.shared())?),
        _ => None,
    }
    .filter(|value| value.first_unknown().is_none() && !matches!(value, Value::Null))
    .map(|value| value.reveal().to_string()))
}

/// What Ansible tells every module beside its arguments.
fn internal(at: &At<'_>, scope: &HostScope, name: &str) -> Result<Map> {
    let known: [(&str, Value); 9] = [
        ("_ansible_check_mode", Value::Bool(!is_live(at, scope)?)),
        ("_ansible_no_log", Value::Bool(at.hidden)),
        ("_ansible_debug", Value::Bool(false)),
        ("_ansible_diff", Value::Bool(true)),
        ("_ansible_verbosity", Value::Int(0)),
        ("_ansible_version", VERSION.into()),
        ("_ansible_module_name", name.into()),
        ("_ansible_syslog_facility", "LOG_USER".into()),
        ("_ansible_selinux_special_fs", Value::list(["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"].map(Value::str))),
    ];
    Ok(known.into_iter().map(|(key, value)| (Value::str(key), value)).collect())
}

/// Ansible's library for modules as a zip archive, with the `module_utils` that lie beside the module and, for one of a
/// collection, those of the collections that it names.
fn pack(package: &Path, module: &Path, source: &str) -> std::io::Result<Vec<u8>> {
    let mut files: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    gather(&package.join("module_utils"), Path::new("ansible/module_utils"), &mut files)?;
    files.insert("ansible/release.py".into(), package.join("release.py"));
    let beside = module.parent().and_then(Path::parent).map(|above| above.join("module_utils"));
    if let Some(beside) = beside.filter(|folder| folder.is_dir()) {
        gather(&beside, Path::new("ansible/module_utils"), &mut files)?;
    }
    let roots = library::collections(module);
    let mut pending = named_collections(source);
    pending.extend(own_collection(module));
    let mut done: Vec<PathBuf> = Vec::new();
    while let Some(collection) = pending.pop().filter(|_| done.len() < 20) {
        if done.contains(&collection) {
            continue;
        }
        let inner = Path::new("ansible_collections").join(&collection).join("plugins/module_utils");
        if let Some(root) = roots.iter().find(|root| root.join(&inner).is_dir()) {
            let before = files.len();
            gather(&root.join(&inner), &inner, &mut files)?;
            if files.len() > before {
                let texts =
                    files.iter().filter(|(name, _)| name.starts_with(&inner)).filter_map(|(_, path)| std::fs::read_to_string(path).ok());
                pending.extend(texts.flat_map(|text| named_collections(&text)));
            }
        }
        done.push(collection);
    }
    archive(&files)
}

/// `namespace/name` of the collections whose library a text imports.
fn named_collections(text: &str) -> Vec<PathBuf> {
    let names = text.split("ansible_collections.").skip(1).filter_map(|rest| {
        let mut parts = rest.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        Some(Path::new(parts.next()?).join(parts.next()?))
    });
    names.collect()
}

/// `namespace/name` of the collection that a module's file lies in.
fn own_collection(module: &Path) -> Option<PathBuf> {
    let parts: Vec<_> = module.components().map(|part| part.as_os_str()).collect();
    let at = parts.iter().rposition(|part| *part == "ansible_collections")?;
    Some(Path::new(parts.get(at + 1)?).join(parts.get(at + 2)?))
}

fn gather(folder: &Path, inner: &Path, files: &mut BTreeMap<PathBuf, PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = inner.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            gather(&path, &name, files)?;
        } else if path.extension().is_some_and(|ending| ending == "py") {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// The files under their names, with an empty `__init__.py` for every folder that lacks one.
fn archive(files: &BTreeMap<PathBuf, PathBuf>) -> std::io::Result<Vec<u8>> {
    // The same files give the same bytes, so that a host is sent them once.
    let options = zip::write::SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut folders: Vec<PathBuf> = files.keys().flat_map(|name| name.ancestors().skip(1).map(Path::to_path_buf)).collect();
    folders.sort();
    folders.dedup();
    let inits = folders.iter().filter(|folder| !folder.as_os_str().is_empty()).map(|folder| folder.join("__init__.py"));
    for init in inits.filter(|init| !files.contains_key(init)) {
        zip.start_file(init.to_string_lossy(), options)?;
    }
    for (name, path) in files {
        zip.start_file(name.to_string_lossy(), options)?;
        zip.write_all(&std::fs::read(path)?)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_kinds_apart() {
        for (source, expected) in [
            (&b"#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n"[..], "packed"),
            (b"#!/usr/bin/perl\n# WANT_JSON\n", "json"),
            (b"\x7fELF\0", "json"),
            (b"#!/bin/sh\nx='<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>'\n", "inserted"),
            (b"#!/bin/sh\n. $1\n", "pairs"),
        ] {
            assert_eq!(kind(source), expected);
        }
    }

    #[test]
    fn names_collections() {
        let text = "from ansible_collections.community.general.plugins.module_utils.x import y\nimport ansible_collections.a.b_c";
        assert_eq!(named_collections(text), [Path::new("community/general"), Path::new("a/b_c")]);
        let module = Path::new("/c/ansible_collections/ns/col/plugins/modules/m.py");
        assert_eq!(own_collection(module), Some("ns/col".into()));
    }
}
