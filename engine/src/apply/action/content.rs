//! What the controller prepares for modules that carry content: `copy`, `template`, `unarchive`, `script`, `binary`; and
//! `fetch`, which brings content back.

use super::super::task::At;
use super::{Performed, is_live, misplaced, performed, send, target};
use crate::error::{Diagnostic, Kind, Result};
use crate::event::Changed;
use crate::source::unreadable;
use crate::template::Scope;
use crate::vars::HostScope;
use base64::Engine;
use modules::args::{ArgumentError, FromValue};
use modules::change::{Action, Change};
use modules::value::{Map, Value};
use sha1::Digest;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A module call that is ready to be sent, or what keeps a plan from knowing it.
pub(super) enum Prepared {
    /// Module and arguments.
    Ready {
        /// Its short name.
        module: String,
        /// Arguments, the program's own among them.
        args: Map,
    },
    /// Known after apply.
    Unknown(String),
}

/// Turns content of the controller into hashes that the host may ask for.
pub(super) fn prepare(at: &At<'_>, scope: &HostScope, name: &str, mut args: Map) -> Result<Prepared> {
    for (key, _) in &args {
        let key = key.to_string();
        if key.starts_with('_') && key != "_raw_params" {
            let hint = Some("names that start with `_` are the program's own".to_string());
            let message = format!("`{name}` has no argument `{key}`");
            return Err(misplaced(at, ArgumentError { argument: Some(key), message, hint }));
        }
    }
    match name {
        "template" => return template(at, scope, args),
        "script" => script(at, scope, &mut args)?,
        _ => {}
    }
    let remote = ["remote_src", "copy"].iter().find_map(|n| args.get(*n).map(|v| (*n, bool::from_value(v).unwrap_or(false))));
    let here = match remote {
        Some(("copy", copied)) => copied,
        Some((_, remote)) => !remote,
        None => true,
    };
    let source = args.get("src").map(|v| v.reveal().to_string());
    let carried = matches!(name, "copy" | "binary") || name == "unarchive" && !source.as_deref().unwrap_or_default().contains("://");
    if let (Some(source), true, true) = (source, here, carried) {
        if let Some(what) = args.get("src").and_then(Value::first_unknown) {
            return Ok(Prepared::Unknown(what.to_string()));
        }
        let path = find(at, scope, "files", &source)?;
        if attach(at, &mut args, &source, &path)? {
            secret(name, &mut args);
        }
    }
    if args.get("content").is_some_and(Value::has_secret) || at.hidden {
        secret(name, &mut args);
    }
    Ok(Prepared::Ready { module: name.to_string(), args })
}

/// Marks content that must not be shown.
fn secret(name: &str, args: &mut Map) {
    if name == "copy" {
        args.insert("_secret".into(), Value::Bool(true));
    }
}

/// Where a file of the controller is, as Ansible searches: the role, the task file's folder, the playbook's.
fn find(at: &At<'_>, scope: &HostScope, kind: &str, name: &str) -> Result<PathBuf> {
    let home = name.strip_prefix("~/").and_then(|rest| std::env::var_os("HOME").map(|home| Path::new(&home).join(rest)));
    let wanted = home.unwrap_or_else(|| PathBuf::from(name));
    let folders = scope.search_path(kind);
    let found = folders.iter().map(|dir| dir.join(&wanted)).chain([wanted.clone()]).find(|p| p.exists());
    found.ok_or_else(|| {
        let place = at.task.action.args.iter().find(|(k, _)| k == "src").map_or(&at.task.action.place, |(_, n)| n.place());
        let what = if kind == "templates" { "template" } else { "file" };
        let error = Diagnostic::input(format!("{what} `{name}` does not exist")).at(place);
        let near = folders.iter().find_map(|dir| crate::source::near(&dir.join(&wanted)));
        let mut error = error.note(format!("looked in {}", crate::source::listed(&folders)));
        error.hints.extend(near.map(|near| format!("did you mean `{near}`?")));
        Box::new(error)
    })
}

/// Whether any of it was encrypted.
fn attach(at: &At<'_>, args: &mut Map, written: &str, path: &Path) -> Result<bool> {
    let decrypt = args.get("decrypt").is_none_or(|v| bool::from_value(v).unwrap_or(true));
    let mut keep = Keep { at, decrypt, encrypted: false };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.is_dir() {
        let mut tree = Vec::new();
        // As rsync and Ansible do: `dir` puts the folder itself beneath the destination, `dir/` what is in it.
        let prefix = if written.ends_with('/') { PathBuf::new() } else { PathBuf::from(&name) };
        walk(&mut keep, path, &prefix, &mut tree)?;
        args.insert("_tree".into(), Value::list(tree));
    } else {
        args.insert("_blob".into(), keep.file(path)?.into());
    }
    args.insert("_source_name".into(), name.into());
    if args.get("mode").and_then(Value::as_str) == Some("preserve") {
        let metadata = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        args.insert("_mode".into(), format!("{:04o}", metadata.permissions().mode() & 0o7777).into());
    }
    args.shift_remove("src");
    Ok(keep.encrypted)
}

/// Keeps files of the controller for hosts, decrypted where they are encrypted.
struct Keep<'a> {
    at: &'a At<'a>,
    decrypt: bool,
    encrypted: bool,
}

impl Keep<'_> {
    fn file(&mut self, path: &Path) -> Result<String> {
        let contents = self.at.run.remotes.contents();
        if !self.decrypt || !starts_encrypted(path) {
            return contents.keep_file(path);
        }
        let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
        let plain = self.at.run.templates.vault().content(path, &bytes)?;
        self.encrypted |= plain.is_some();
        Ok(contents.keep(plain.map_or(bytes, |plain| plain.to_vec())))
    }
}

/// Large files are not read just to see that they are not encrypted.
fn starts_encrypted(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(32).read_to_end(&mut start));
    read.is_ok() && crate::vault::is_encrypted(&start)
}

fn walk(keep: &mut Keep<'_>, dir: &Path, beneath: &Path, tree: &mut Vec<Value>) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| unreadable(dir, &e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    if !beneath.as_os_str().is_empty() {
        let mode = std::fs::metadata(dir).map_err(|e| unreadable(dir, &e))?.permissions().mode() & 0o7777;
        tree.push(entry(beneath, "directory", mode, None));
    }
    for path in paths {
        let inner = beneath.join(path.file_name().unwrap_or_default());
        let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
        match metadata.is_dir() {
            true => walk(keep, &path, &inner, tree)?,
            false => {
                let blob = keep.file(&path)?;
                tree.push(entry(&inner, "file", metadata.permissions().mode() & 0o7777, Some(blob)));
            }
        }
    }
    Ok(())
}

fn entry(path: &Path, kind: &str, mode: u32, blob: Option<String>) -> Value {
    let path = path.display().to_string();
    Value::map([("path", path.into()), ("kind", kind.into()), ("mode", format!("{mode:04o}").into()), ("blob", Value::from(blob))])
}

/// `template`: rendered here, sent as `copy`.
fn template(at: &At<'_>, scope: &HostScope, mut args: Map) -> Result<Prepared> {
    let Some(source) = args.shift_remove("src") else {
        return Err(Box::new(Diagnostic::input("`template` needs the argument `src`").at(&at.task.action.place)));
    };
    if let Some(what) = source.first_unknown() {
        return Ok(Prepared::Unknown(what.to_string()));
    }
    let path = find(at, scope, "templates", &source.reveal().to_string())?;
    let text = at.run.templates.vault().source(&path)?;
    let mut locals = Map::new();
    let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string();
    for (name, value) in [("template_path", shown.clone()), ("template_fullpath", shown), ("template_destpath", text_of(&args, "dest"))] {
        locals.insert(name.into(), value.into());
    }
    if crate::template::Scope::lookup(scope, "ansible_managed").is_none() {
        locals.insert("ansible_managed".into(), "Ansible managed".into());
    }
    let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
    locals.insert("template_uid".into(), metadata.uid().into());
    locals.insert("template_mtime".into(), metadata.mtime().into());
    locals.insert("template_host".into(), rustix::system::uname().nodename().to_string_lossy().into_owned().into());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    locals.insert("template_run_date".into(), now.into());
    let scope = scope.with_locals(locals);
    let options = template_options(at, &mut args)?;
    let body = text.text().to_owned();
    let encrypted = text.is_secret();
    let place = crate::source::Place { source: text, line: 1, column: 1, length: 0 };
    let rendered = at.run.templates.file(&body, &options, &place, &scope.shared())?;
    if let Some(what) = rendered.first_unknown() {
        return Ok(Prepared::Unknown(what.to_string()));
    }
    if rendered.has_secret() || encrypted || at.hidden {
        secret("copy", &mut args);
    }
    let text = rendered.reveal().to_string();
    let encoding = args.shift_remove("output_encoding").map(|v| v.reveal().to_string()).unwrap_or_default();
    let bytes = crate::template::encoded(&text, &encoding).map_err(|e| e.at(&at.task.action.place))?;
    args.insert("_blob".into(), at.run.remotes.contents().keep(bytes).into());
    args.insert("_source_name".into(), path.file_name().unwrap_or_default().to_string_lossy().into_owned().into());
    if args.get("mode").and_then(Value::as_str) == Some("preserve") {
        let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
        args.insert("_mode".into(), format!("{:04o}", metadata.permissions().mode() & 0o7777).into());
    }
    Ok(Prepared::Ready { module: "copy".into(), args })
}

fn text_of(args: &Map, name: &str) -> String {
    args.get(name).map(|v| v.reveal().to_string()).unwrap_or_default()
}

/// The arguments of `template` that say how Jinja reads it.
fn template_options(at: &At<'_>, args: &mut Map) -> Result<Vec<(&'static str, String)>> {
    let mut options = Vec::new();
    for name in ["trim_blocks", "lstrip_blocks"] {
        if let Some(value) = args.shift_remove(name) {
            let flag = bool::from_value(&value).map_err(|why| Diagnostic::input(format!("`{name}` {why}")).at(&at.task.action.place))?;
            options.push((name, flag.to_string()));
        }
    }
    let strings = [
        "block_start_string",
        "block_end_string",
        "variable_start_string",
        "variable_end_string",
        "comment_start_string",
        "comment_end_string",
        "newline_sequence",
    ];
    for name in strings {
        if let Some(value) = args.shift_remove(name) {
            options.push((name, value.reveal().to_string()));
        }
    }
    Ok(options)
}

/// `script`: the first word is a file of the controller, the rest its arguments.
fn script(at: &At<'_>, scope: &HostScope, args: &mut Map) -> Result<()> {
    let line = args.shift_remove("_raw_params").or_else(|| args.shift_remove("cmd")).unwrap_or_else(|| Value::str(""));
    let (hidden, line) = (line.has_secret(), line.reveal().to_string());
    let words = crate::transport::split_args(&line).map_err(|e| e.at(&at.task.action.place))?;
    let Some(file) = words.first() else {
        return Err(Box::new(Diagnostic::input("`script` needs a file").at(&at.task.action.place)));
    };
    let path = find(at, scope, "files", file)?;
    let decrypt = args.get("decrypt").is_none_or(|v| bool::from_value(v).unwrap_or(true));
    let blob = Keep { at, decrypt, encrypted: false }.file(&path)?;
    args.insert("_blob".into(), blob.into());
    args.insert("_source_name".into(), path.file_name().unwrap_or_default().to_string_lossy().into_owned().into());
    args.insert("_raw_params".into(), if hidden { Value::from(line).into_secret() } else { line.into() });
    Ok(())
}

/// `fetch`: a file of the host into a folder of the controller.
pub(super) async fn fetch(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    let needed = |name: &str| {
        let missing = || Box::new(Diagnostic::input(format!("`fetch` needs the argument `{name}`")).at(&at.task.action.place));
        args.get(name).ok_or_else(missing)
    };
    let (source, dest) = (needed("src")?, needed("dest")?);
    if let Some(what) = source.first_unknown().or(dest.first_unknown()) {
        return Ok(Performed::unknown(format!("fetches what depends on {what}")));
    }
    let flag = |name: &str, default: bool| args.get(name).map_or(default, |v| bool::from_value(v).unwrap_or(default));
    let (source, dest) = (source.reveal().to_string(), dest.reveal().to_string());
    let target = target(at, scope)?;
    let slurp: Map = [(Value::str("src"), Value::str(&source))].into_iter().collect();
    let done = performed(send(at, scope, &target, "slurp", slurp).await?, target.delegate.clone());
    if done.status == crate::event::Status::Failed && !flag("fail_on_missing", true) {
        let mut returns = Map::new();
        returns.insert("msg".into(), "the remote file does not exist, not transferring, ignored".into());
        return Ok(Performed::ok(returns));
    }
    let Some(encoded) = done.returns.get("content").and_then(Value::as_str) else { return Ok(done) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|e| Diagnostic::new(Kind::Failed, format!("`{source}` did not arrive whole")).note(e.to_string()))?;
    let base = at.batch.instance.dir.join(&dest);
    let path = match flag("flat", false) {
        true if dest.ends_with('/') => base.join(Path::new(&source).file_name().unwrap_or_default()),
        true => base,
        false => base.join(at.host).join(source.trim_start_matches('/')),
    };
    let mut returns = Map::new();
    let checksum: String = sha1::Sha1::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    returns.insert("dest".into(), path.display().to_string().into());
    returns.insert("checksum".into(), checksum.into());
    let before = std::fs::read(&path).ok();
    if before.as_deref() == Some(&bytes[..]) {
        return Ok(Performed::ok(returns));
    }
    let action = if before.is_some() { Action::Update } else { Action::Create };
    let change = Change::new(action, "fetched file", path.display().to_string());
    if is_live(at, scope)? {
        let parent = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        std::fs::create_dir_all(&parent)
            .and_then(|()| std::fs::write(&path, &bytes))
            .map_err(|e| Box::new(Diagnostic::new(Kind::System, format!("cannot write `{}`", path.display())).note(e.to_string())))?;
    }
    Ok(Performed { changed: Changed::Yes, changes: vec![change], ..Performed::ok(returns) })
}
