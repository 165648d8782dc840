//! Filters on paths, and what files match a pattern.

use super::Pure;
use super::lists::list_of;
use crate::template::call::Call;
use crate::template::convert::python_name;
use crate::template::errors::refuse;
use minijinja::Error;
use modules::value::Value;
use std::path::{Component, Path, PathBuf};

pub(super) const FILTERS: &[(&str, Pure)] = &[
    ("basename", |v, _| {
        let path = v.to_string();
        Ok(Value::str(path.rsplit('/').next().unwrap_or_default()))
    }),
    ("dirname", |v, _| Ok(Value::from(dirname(&v.to_string())))),
    ("splitext", |v, _| {
        let path = v.to_string();
        let name = path.rfind('/').map_or(0, |i| i + 1);
        let start = name + path[name..].chars().take_while(|c| *c == '.').count();
        let cut = path[start..].rfind('.').map_or(path.len(), |i| start + i);
        Ok(Value::list([Value::str(&path[..cut]), Value::str(&path[cut..])]))
    }),
    ("path_join", |v, _| {
        let parts = match v {
            Value::List(_) => list_of(v)?,
            Value::Str(_) => vec![v.clone()],
            other => return Err(refuse(format!("|path_join expects string or sequence, got {} instead", python_name(other)))),
        };
        Ok(Value::from(parts.iter().fold(String::new(), |at, part| joined(&at, &part.to_string()))))
    }),
    ("realpath", |v, _| {
        let path = absolute(&v.to_string());
        Ok(Value::from(std::fs::canonicalize(&path).unwrap_or(path).display().to_string()))
    }),
    ("abspath", |v, _| Ok(Value::from(absolute(&v.to_string()).display().to_string()))),
    ("normpath", |v, _| Ok(Value::from(normal(&v.to_string())))),
    ("commonpath", commonpath),
    ("relpath", relpath),
    ("expanduser", |v, _| Ok(Value::from(expanded_user(&v.to_string())))),
    ("expandvars", |v, _| Ok(Value::from(expanded_variables(&v.to_string())))),
    ("fileglob", |v, _| Ok(Value::list(glob(Path::new(&v.to_string())).into_iter().map(|p| Value::from(p.display().to_string()))))),
    ("win_basename", |v, _| {
        let path = v.to_string();
        Ok(Value::str(path.rsplit(['\\', '/']).next().unwrap_or_default()))
    }),
    ("win_dirname", |v, _| {
        let path = v.to_string();
        Ok(Value::str(path.rfind(['\\', '/']).map_or("", |i| path[..i].trim_end_matches(['\\', '/']))))
    }),
    ("win_splitdrive", |v, _| {
        let path = v.to_string();
        let cut = if path.as_bytes().get(1) == Some(&b':') { 2 } else { 0 };
        Ok(Value::list([Value::str(&path[..cut]), Value::str(&path[cut..])]))
    }),
];

fn dirname(path: &str) -> String {
    let Some(cut) = path.rfind('/') else { return String::new() };
    let head = &path[..=cut];
    match head.trim_end_matches('/') {
        "" => head.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

fn joined(left: &str, right: &str) -> String {
    match right {
        r if r.starts_with('/') || left.is_empty() => r.to_owned(),
        r if left.ends_with('/') => format!("{left}{r}"),
        r => format!("{left}/{r}"),
    }
}

fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let rooted = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".into(),
        (false, rest) => rest,
    }
}

fn absolute(path: &str) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    PathBuf::from(normal(&here.join(path).display().to_string()))
}

fn relpath(value: &Value, call: &Call) -> Result<Value, Error> {
    let path = absolute(&value.to_string());
    let start = absolute(&call.text(0, "start")?.unwrap_or_else(|| ".".into()));
    let parts =
        |p: &Path| p.components().filter(|c| matches!(c, Component::Normal(_))).map(|c| c.as_os_str().to_owned()).collect::<Vec<_>>();
    let (path, start) = (parts(&path), parts(&start));
    let same = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = (same..start.len()).map(|_| "..".into());
    let relative: PathBuf = up.chain(path[same..].iter().cloned()).collect();
    let text = relative.display().to_string();
    Ok(Value::from(if text.is_empty() { ".".into() } else { text }))
}

fn commonpath(value: &Value, _: &Call) -> Result<Value, Error> {
    let Value::List(paths) = value else {
        return Err(refuse(format!("|commonpath expects sequence, got {} instead", python_name(value))));
    };
    let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
    let mut common: Option<Vec<&str>> = None;
    for path in &paths {
        let parts: Vec<&str> = path.split('/').collect();
        common = Some(match common {
            None => parts,
            Some(c) => c.iter().zip(&parts).take_while(|(a, b)| a == b).map(|(a, _)| *a).collect(),
        });
    }
    let text = common.unwrap_or_default().join("/");
    Ok(Value::from(if text.is_empty() && paths.iter().all(|p| p.starts_with('/')) { "/".into() } else { text }))
}

fn home(user: &str) -> Option<String> {
    if user.is_empty() {
        return std::env::var("HOME").ok();
    }
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&user)).then(|| fields.get(5).map(ToString::to_string)).flatten()
    })
}

/// `~` and `~user` at the start become the home folder.
pub(in crate::template) fn expanded_user(path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    home(user).map_or_else(|| path.to_owned(), |home| format!("{}{tail}", home.trim_end_matches('/')))
}

fn expanded_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, tail, whole) = match after.strip_prefix('{').and_then(|a| a.split_once('}')) {
            Some((name, tail)) => (name, tail, rest.len() - at - tail.len()),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], &after[end..], end + 1)
            }
        };
        match std::env::var(name) {
            Ok(value) if !name.is_empty() => out.push_str(&value),
            _ => out.push_str(&rest[at..at + whole]),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The files, not folders, that match a pattern with `*`, `?` and `[…]`, in order.
pub(in crate::template) fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str().to_string_lossy().into_owned();
        if !part.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|p| p.push(&part));
            continue;
        }
        let matcher = super::patterns::glob_regex(&part);
        let mut next = Vec::new();
        for folder in found {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
            let Ok(entries) = std::fs::read_dir(here) else { continue };
            let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
            next.extend(
                names
                    .filter(|n| {
                        n.starts_with('.') == part.starts_with('.') && matcher.as_ref().is_some_and(|m| m.is_match(n).unwrap_or(false))
                    })
                    .map(|n| folder.join(n)),
            );
        }
        found = next;
    }
    found.retain(|p| p.is_file());
    found.sort();
    found
}
