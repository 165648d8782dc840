//! Lookups of files on the controller.

use super::{Lookup, Request};
use crate::source::{Place, Source};
use crate::template::convert::{data, python_name, text_of};
use crate::template::errors::{carry, refuse};
use crate::template::filters::glob;
use crate::template::render::{Syntax, evaluate_with};
use minijinja::Error;
use modules::value::Value;
use std::path::{Path, PathBuf};

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("file", file),
    ("unvault", unvault),
    ("template", template),
    ("fileglob", fileglob),
    ("filetree", filetree),
    ("first_found", first_found),
];

/// A path as lookups give it: from the root.
fn absolute(path: &Path) -> Value {
    Value::from(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string())
}

/// The file that `name` means among the folders for `kind`.
fn located(request: &Request<'_>, name: &str, kind: &str) -> Option<PathBuf> {
    let name = crate::template::filters::expanded_user(name);
    let folders = request.frame.search_path(kind);
    folders.iter().map(|f| f.join(&name)).chain(Path::new(&name).is_absolute().then(|| PathBuf::from(&name))).find(|p| p.exists())
}

pub(super) fn contents(request: &Request<'_>, name: &str, kind: &str) -> Result<(PathBuf, String), Error> {
    let (path, bytes) = bytes(request, name, kind)?;
    Ok((path, String::from_utf8_lossy(&bytes).into_owned()))
}

/// A file and what is in it, decrypted.
pub(super) fn bytes(request: &Request<'_>, name: &str, kind: &str) -> Result<(PathBuf, Vec<u8>), Error> {
    let path = located(request, name, kind).ok_or_else(|| not_found(request, name, kind))?;
    let bytes = std::fs::read(&path).map_err(|e| refuse(format!("cannot read {}: {e}", path.display())))?;
    let plain = request.frame.engines().vault().content(&path, &bytes).map_err(|d| carry(*d))?;
    if plain.is_some() {
        crate::template::taint::secret();
    }
    Ok((path, plain.map_or(bytes, |plain| plain.to_vec())))
}

fn not_found(request: &Request<'_>, name: &str, kind: &str) -> Error {
    let folders = request.frame.search_path(kind);
    let error = crate::error::Diagnostic::new(crate::error::Kind::Template, format!("the file `{name}` was not found"))
        .said(format!("Unable to access the file '{name}': File not found: No such file or directory"));
    carry(if folders.is_empty() { error } else { error.note(format!("looked in {}", crate::source::listed(&folders))) })
}

fn file(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let (left, right) = (request.flag("lstrip", false)?, request.flag("rstrip", true)?);
    let read = |name: String| {
        let (_, text) = contents(request, &name, "files")?;
        let text = if left { text.trim_start() } else { &text };
        Ok(Value::str(if right { text.trim_end() } else { text }))
    };
    request.texts().map(read).collect()
}

/// The whole content, encrypted or not.
fn unvault(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    request.texts().map(|name| Ok(Value::from(contents(request, &name, "files")?.1))).collect()
}

fn template(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let own: indexmap::IndexMap<String, Value> = match request.option("template_vars")? {
        Some(Value::Map(m)) => m.iter().map(|(k, v)| (k.to_string(), v.clone())).collect(),
        _ => indexmap::IndexMap::new(),
    };
    let mut out = Vec::new();
    for name in request.texts() {
        let (path, text) = contents(request, &name, "templates")?;
        let mut names = about(request, &path);
        names.extend(own.clone());
        let frame = request.frame.with(names);
        let mut syntax = Syntax::default();
        for option in
            ["variable_start_string", "variable_end_string", "comment_start_string", "comment_end_string", "trim_blocks", "lstrip_blocks"]
        {
            if let Some(value) = request.text(option)? {
                syntax.set(option, &value);
            }
        }
        let (syntax, body, lines) = syntax.with_header(&text)?;
        let place = Place { source: Source::new(path, text.as_str()), line: 1, column: 1, length: 0 };
        let rendered = evaluate_with(&syntax, body, &place, Some(lines), &frame).map_err(|d| carry(*d))?;
        out.push(if request.flag("convert_data", true)? { data(&rendered)? } else { Value::from(text_of(&rendered)?) });
    }
    Ok(out)
}

/// What templates know of the file they are in.
fn about(request: &Request<'_>, path: &Path) -> indexmap::IndexMap<String, Value> {
    let path = absolute(path);
    let mut names: indexmap::IndexMap<String, Value> =
        ["template_path", "template_fullpath"].into_iter().map(|name| (name.to_owned(), path.clone())).collect();
    if request.frame.lookup("ansible_managed").is_none() {
        names.insert("ansible_managed".to_owned(), Value::str("Ansible managed"));
    }
    names
}

fn fileglob(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in request.texts() {
        let term = crate::template::filters::expanded_user(&term);
        let found = match Path::new(&term).is_absolute() {
            true => glob(Path::new(&term)),
            false => request.frame.search_path("files").iter().map(|f| glob(&f.join(&term))).find(|f| !f.is_empty()).unwrap_or_default(),
        };
        out.extend(found.iter().map(|p| absolute(p)));
    }
    Ok(out)
}

fn filetree(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for name in request.texts() {
        if let Some(root) = located(request, &name, "files") {
            walk(&root, &root, &mut out)?;
        }
    }
    Ok(out)
}

fn walk(root: &Path, folder: &Path, out: &mut Vec<Value>) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let wrong = |e: std::io::Error| refuse(format!("cannot read {}: {e}", folder.display()));
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).map_err(wrong)?.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        let status = path.symlink_metadata().map_err(wrong)?;
        let state = match status.file_type() {
            t if t.is_dir() => "directory",
            t if t.is_symlink() => "link",
            _ => "file",
        };
        let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        out.push(Value::map([
            ("root", Value::from(format!("{}/", root.display()))),
            ("path", Value::from(relative)),
            ("state", Value::str(state)),
            (
                "src",
                match state {
                    "link" => Value::from(std::fs::read_link(&path).map_err(wrong)?.display().to_string()),
                    _ => Value::from(path.display().to_string()),
                },
            ),
            ("mode", Value::from(format!("0{:o}", status.mode() & 0o7777))),
            ("size", Value::from(status.size())),
            ("uid", Value::from(status.uid())),
            ("gid", Value::from(status.gid())),
            ("mtime", Value::Int(status.mtime())),
        ]));
        if state == "directory" {
            walk(root, &path, out)?;
        }
    }
    Ok(())
}

fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(l)) => l.iter().flat_map(|v| names(Some(v))).collect(),
        Some(v) => v.to_string().split([',', ';']).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect(),
    }
}

fn first_found(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut skip = request.flag("skip", false)?;
    let mut wanted: Vec<PathBuf> = Vec::new();
    let mut add = |files: Vec<String>, paths: Vec<String>| match paths.is_empty() {
        true => wanted.extend(files.into_iter().map(PathBuf::from)),
        false => wanted.extend(paths.iter().flat_map(|p| files.iter().map(move |f| Path::new(p).join(f)))),
    };
    let options = |v: Option<Value>| names(v.as_ref());
    add(options(request.option("files")?), options(request.option("paths")?));
    let mut flat = Vec::new();
    for term in &request.terms {
        match term {
            Value::List(l) => flat.extend(l.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    for term in &flat {
        match term.as_map() {
            None if !matches!(term, Value::Str(_)) => {
                let kind = python_name(term);
                return Err(refuse(format!("Invalid term supplied: a string, a mapping or a list of them is needed, not '{kind}'")));
            }
            Some(map) => {
                skip |= map.get("skip").is_some_and(Value::truthy);
                add(names(map.get("files")), names(map.get("paths")));
            }
            None => add(vec![term.to_string()], Vec::new()),
        }
    }
    for path in &wanted {
        let name = path.display().to_string();
        let found = located(request, &name, request.folder);
        if let Some(found) = found {
            return Ok(vec![absolute(&found)]);
        }
    }
    match skip {
        true => Ok(Vec::new()),
        false => {
            let list: Vec<String> = wanted.iter().map(|p| p.display().to_string()).collect();
            Err(carry(
                crate::error::Diagnostic::new(crate::error::Kind::Template, "none of these files was found")
                    .said("No file was found when using first_found.")
                    .note(list.join(", "))
                    .hint("`skip: true` lets it find nothing"),
            ))
        }
    }
}
