//! Lookups of files on the controller.

use super::{Lookup, Request};
use crate::source::{Place, Source};
use crate::template::convert::{data, text_of};
use crate::template::errors::{carry, refuse};
use crate::template::filters::glob;
use crate::template::render::{Syntax, evaluate_with};
use minijinja::Error;
use modules::value::Value;
use std::path::{Path, PathBuf};

pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("file", file),
    ("unvault", file),
    ("template", template),
    ("fileglob", fileglob),
    ("filetree", filetree),
    ("first_found", first_found),
    ("ini", ini),
    ("csvfile", csvfile),
];

/// The file that `name` means among the folders for `kind`.
fn located(request: &Request<'_>, name: &str, kind: &str) -> Option<PathBuf> {
    let name = crate::template::filters::expanded_user(name);
    let folders = request.frame.search_path(kind);
    folders.iter().map(|f| f.join(&name)).chain(Path::new(&name).is_absolute().then(|| PathBuf::from(&name))).find(|p| p.exists())
}

fn contents(request: &Request<'_>, name: &str, kind: &str) -> Result<(PathBuf, String), Error> {
    let path = located(request, name, kind).ok_or_else(|| not_found(request, name, kind))?;
    let bytes = std::fs::read(&path).map_err(|e| refuse(format!("cannot read {}: {e}", path.display())))?;
    let plain = request.frame.engines().vault().content(&path, &bytes).map_err(|d| carry(*d))?;
    if plain.is_some() {
        crate::template::taint::secret();
    }
    let text = String::from_utf8_lossy(plain.as_deref().unwrap_or(&bytes)).into_owned();
    Ok((path, text))
}

fn not_found(request: &Request<'_>, name: &str, kind: &str) -> Error {
    let folders = request.frame.search_path(kind);
    let error = crate::error::Diagnostic::new(crate::error::Kind::Template, format!("the file `{name}` was not found"));
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

fn template(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let frame = match request.option("template_vars")? {
        Some(Value::Map(m)) => request.frame.with(m.iter().map(|(k, v)| (k.to_string(), v.clone())).collect()),
        _ => request.frame.clone(),
    };
    let mut out = Vec::new();
    for name in request.texts() {
        let (path, text) = contents(request, &name, "templates")?;
        let (mut syntax, body, lines) = Syntax::of(&text);
        for option in
            ["variable_start_string", "variable_end_string", "comment_start_string", "comment_end_string", "trim_blocks", "lstrip_blocks"]
        {
            if let Some(value) = request.text(option)? {
                syntax.set(option, &value);
            }
        }
        let place = Place { source: Source::new(path, text.as_str()), line: 1, column: 1, length: 0 };
        let rendered = evaluate_with(&syntax, body, &place, Some(lines), &frame).map_err(|d| carry(*d))?;
        out.push(match data(&rendered)? {
            Value::Null => Value::str(""),
            text @ Value::Str(_) => text,
            _ => Value::from(text_of(&rendered)?),
        });
    }
    Ok(out)
}

fn fileglob(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in request.texts() {
        let term = crate::template::filters::expanded_user(&term);
        let found = match Path::new(&term).is_absolute() {
            true => glob(Path::new(&term)),
            false => request.frame.search_path("files").iter().map(|f| glob(&f.join(&term))).find(|f| !f.is_empty()).unwrap_or_default(),
        };
        out.extend(found.into_iter().map(|p| Value::from(p.display().to_string())));
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
            Some(map) => {
                skip |= map.get("skip").is_some_and(Value::truthy);
                add(names(map.get("files")), names(map.get("paths")));
            }
            None => add(vec![term.to_string()], Vec::new()),
        }
    }
    for path in &wanted {
        let name = path.display().to_string();
        let found = ["files", "templates", "vars", "tasks"].iter().find_map(|kind| located(request, &name, kind));
        if let Some(found) = found {
            return Ok(vec![Value::from(found.display().to_string())]);
        }
    }
    match skip {
        true => Ok(Vec::new()),
        false => {
            let list: Vec<String> = wanted.iter().map(|p| p.display().to_string()).collect();
            Err(carry(
                crate::error::Diagnostic::new(crate::error::Kind::Template, "none of these files was found")
                    .note(list.join(", "))
                    .hint("`skip: true` lets it find nothing"),
            ))
        }
    }
}

fn ini(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let (_, text) = contents(request, &request.text("file")?.unwrap_or_else(|| "ansible.ini".into()), "files")?;
    let section = request.text("section")?.unwrap_or_else(|| "global".into());
    let properties = request.text("type")?.as_deref() == Some("properties");
    let other = request.text("default")?.unwrap_or_default();
    let mut inside = properties;
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = properties || name.trim() == section;
        } else if let Some((key, value)) = line.split_once(['=', ':'])
            && inside
        {
            found.push((key.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    if request.flag("re", false)? {
        let mut out = Vec::new();
        for term in request.texts() {
            let pattern = crate::template::filters::pattern(&term, false, false)?;
            out.extend(found.iter().filter(|(k, _)| pattern.is_match(k).unwrap_or(false)).map(|(_, v)| Value::str(v)));
        }
        return Ok(out);
    }
    Ok(request
        .texts()
        .map(|key| Value::str(found.iter().rev().find(|(k, _)| *k == key.to_lowercase()).map_or(&other, |(_, v)| v)))
        .collect())
}

/// The fields of a line: quoted fields may hold the delimiter, `""` is a quote (RFC 4180).
fn fields(line: &str, delimiter: char) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                out.last_mut().into_iter().for_each(|f| f.push('"'));
            }
            '"' => quoted = !quoted,
            c if c == delimiter && !quoted => out.push(String::new()),
            c => out.last_mut().into_iter().for_each(|f| f.push(c)),
        }
    }
    out
}

fn csvfile(request: &Request<'_>) -> Result<Vec<Value>, Error> {
    let (_, text) = contents(request, &request.text("file")?.unwrap_or_else(|| "ansible.csv".into()), "files")?;
    let delimiter = match request.text("delimiter")?.as_deref() {
        None | Some("TAB" | "t" | "\t") => '\t',
        Some(d) => d.chars().next().unwrap_or('\t'),
    };
    let column = |name: &str, other: i64| -> Result<usize, Error> {
        Ok(request.options.int(usize::MAX, name)?.and_then(|c| usize::try_from(c).ok()).unwrap_or(other as usize))
    };
    let (wanted, key) = (column("col", 1)?, column("keycol", 0)?);
    let other = request.option("default")?;
    let mut out = Vec::new();
    for term in request.texts() {
        let row = text.lines().map(|l| fields(l, delimiter)).find(|f| f.get(key).is_some_and(|k| *k == term));
        match row.and_then(|f| f.get(wanted).cloned()) {
            Some(field) => out.push(Value::from(field)),
            None => out.extend(other.clone()),
        }
    }
    Ok(out)
}
