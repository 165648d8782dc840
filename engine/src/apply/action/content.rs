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
            return Err(misplaced(at, ArgumentError { argument: Some(key), message, hint, familiar: None }));
        }
    }
    if let Some((message, familiar)) = contradiction(name, &args) {
        return Err(Box::new(Diagnostic::input(message).at(&at.task.action.place).said(familiar)));
    }
    match name {
        "template" => return template(at, scope, args),
        "script" => script(at, scope, &mut args)?,
        "assemble" => return assemble(at, scope, args),
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

/// What speaks against the source and destination given, in this program's words and in Ansible's.
fn contradiction(name: &str, args: &Map) -> Option<(String, &'static str)> {
    let given = |key: &str| args.get(key).is_some_and(|v| !matches!(v.reveal(), Value::Null) && v.as_str() != Some(""));
    let content = args.get("content").is_some_and(|v| !matches!(v.reveal(), Value::Null));
    match name {
        "copy" if given("src") && content => {
            Some(("`copy` takes either `src` or `content`, not both".into(), "src and content are mutually exclusive"))
        }
        "copy" if !given("dest") => Some(("`copy` needs the argument `dest`".into(), "dest is required")),
        "copy" if !given("src") && !content => Some(("`copy` needs `src` or `content`".into(), "src (or content) is required")),
        "template" if !given("src") || !given("dest") => {
            let missing = if given("src") { "dest" } else { "src" };
            Some((format!("`template` needs the argument `{missing}`"), "src and dest are required"))
        }
        "unarchive" if !given("src") || !given("dest") => {
            let missing = if given("src") { "dest" } else { "src" };
            Some((format!("`unarchive` needs the argument `{missing}`"), "src (or content) and dest are required"))
        }
        _ => None,
    }
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
        let remote = "If you are using a module and expect the file to exist on the remote, see the remote_src option";
        error.said = Some(format!("Could not find or access '{name}' on the Ansible Controller.\n{remote}"));
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
        let follow = flag(args, "local_follow", true);
        walk(&mut keep, path, &prefix, follow, &mut Vec::new(), &mut tree)?;
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

/// Reads a folder of the controller, links followed or kept as links. A link that leads nowhere, or back to a folder it stands in,
/// is always kept.
fn walk(keep: &mut Keep<'_>, dir: &Path, beneath: &Path, follow: bool, above: &mut Vec<PathBuf>, tree: &mut Vec<Value>) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| unreadable(dir, &e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    if !beneath.as_os_str().is_empty() {
        let mode = std::fs::metadata(dir).map_err(|e| unreadable(dir, &e))?.permissions().mode() & 0o7777;
        tree.push(entry(beneath, "directory", mode, None));
    }
    above.push(dir.canonicalize().map_err(|e| unreadable(dir, &e))?);
    for path in paths {
        let inner = beneath.join(path.file_name().unwrap_or_default());
        if let Ok(target) = std::fs::read_link(&path)
            && (!follow || path.canonicalize().is_ok_and(|real| above.contains(&real)) || !path.exists())
        {
            tree.push(link(&inner, &target));
            continue;
        }
        let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
        match metadata.is_dir() {
            true => walk(keep, &path, &inner, follow, above, tree)?,
            false => {
                let blob = keep.file(&path)?;
                tree.push(entry(&inner, "file", metadata.permissions().mode() & 0o7777, Some(blob)));
            }
        }
    }
    above.pop();
    Ok(())
}

fn entry(path: &Path, kind: &str, mode: u32, blob: Option<String>) -> Value {
    let path = path.display().to_string();
    Value::map([("path", path.into()), ("kind", kind.into()), ("mode", format!("{mode:04o}").into()), ("blob", Value::from(blob))])
}

fn link(path: &Path, target: &Path) -> Value {
    let text = |path: &Path| Value::from(path.display().to_string());
    Value::map([("path", text(path)), ("kind", "link".into()), ("target", text(target))])
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
        let error = Diagnostic::input("`script` needs a file").at(&at.task.action.place);
        return Err(Box::new(error.said(modules::script::NO_SCRIPT)));
    };
    let path = find(at, scope, "files", file)?;
    let decrypt = args.get("decrypt").is_none_or(|v| bool::from_value(v).unwrap_or(true));
    let blob = Keep { at, decrypt, encrypted: false }.file(&path)?;
    args.insert("_blob".into(), blob.into());
    args.insert("_source_name".into(), path.file_name().unwrap_or_default().to_string_lossy().into_owned().into());
    args.insert("_raw_params".into(), if hidden { Value::from(line).into_secret() } else { line.into() });
    Ok(())
}

/// `assemble`: with `remote_src: false` the fragments are files of the controller.
fn assemble(at: &At<'_>, scope: &HostScope, mut args: Map) -> Result<Prepared> {
    let remote = args.get("remote_src").is_none_or(|v| bool::from_value(v).unwrap_or(true));
    let Some(source) = args.get("src").filter(|_| !remote) else {
        return Ok(Prepared::Ready { module: "assemble".into(), args });
    };
    if let Some(what) = source.first_unknown() {
        return Ok(Prepared::Unknown(what.to_string()));
    }
    let path = find(at, scope, "files", &source.reveal().to_string())?;
    let decrypt = args.get("decrypt").is_none_or(|v| bool::from_value(v).unwrap_or(true));
    let (mut keep, mut tree) = (Keep { at, decrypt, encrypted: false }, Vec::new());
    walk(&mut keep, &path, Path::new(""), true, &mut Vec::new(), &mut tree)?;
    args.insert("_tree".into(), Value::list(tree));
    Ok(Prepared::Ready { module: "assemble".into(), args })
}

/// `fetch`: a file of the host into a folder of the controller.
pub(super) async fn fetch(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    let needed = |name: &str| {
        let error = || Diagnostic::input(format!("`fetch` needs the argument `{name}`")).at(&at.task.action.place);
        let missing = || Box::new(error().said("src and dest are required"));
        args.get(name).filter(|v| !matches!(v, Value::Null)).ok_or_else(missing)
    };
    let (source, dest) = (needed("src")?, needed("dest")?);
    if let Some(what) = source.first_unknown().or(dest.first_unknown()) {
        return Ok(Performed::unknown(format!("fetches what depends on {what}")));
    }
    for (name, value) in [("source", source), ("dest", dest)] {
        if matches!(value.reveal(), Value::List(_) | Value::Map(_)) {
            return Ok(Performed::failed(format!("Invalid type supplied for {name} option, it must be a string")));
        }
    }
    if at.run.live && !is_live(at, scope)? {
        let mut returns = Map::new();
        returns.insert("msg".into(), "check mode not (yet) supported for this module".into());
        return Ok(Performed { status: crate::event::Status::Skipped, ..Performed::ok(returns) });
    }
    let (source, dest) = (source.reveal().to_string(), dest.reveal().to_string());
    let target = target(at, scope)?;
    let slurp: Map = [(Value::str("src"), Value::str(&source))].into_iter().collect();
    let done = performed(send(at, scope, &target, "slurp", slurp).await?, target.delegate.clone());
    if done.status == crate::event::Status::Failed {
        return Ok(not_fetched(done, flag(args, "fail_on_missing", true)));
    }
    let Some(encoded) = done.returns.get("content").and_then(Value::as_str) else { return Ok(done) };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|e| Diagnostic::new(Kind::Failed, format!("`{source}` did not arrive whole")).note(e.to_string()))?;
    let path = match goes_to(at, args, &source, &dest) {
        Ok(path) => path,
        Err(message) => return Ok(Performed::failed(message)),
    };
    let hex = |digest: &[u8]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let checksum = hex(&sha1::Sha1::digest(&bytes));
    let mut returns = Map::new();
    returns.insert("dest".into(), path.display().to_string().into());
    returns.insert("checksum".into(), checksum.as_str().into());
    let before = std::fs::read(&path).ok();
    let changed = before.as_deref() != Some(&bytes[..]);
    if changed {
        returns.insert("remote_checksum".into(), checksum.into());
        returns.insert("remote_md5sum".into(), Value::Null);
    } else {
        returns.insert("file".into(), source.into());
    }
    returns.insert("md5sum".into(), modules::host::digest::hex("md5", &bytes).into());
    if !changed {
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

fn flag(args: &Map, name: &str, default: bool) -> bool {
    args.get(name).map_or(default, |v| bool::from_value(v).unwrap_or(default))
}

/// Where `fetch` puts a file; the error is why it cannot.
fn goes_to(at: &At<'_>, args: &Map, source: &str, dest: &str) -> std::result::Result<PathBuf, String> {
    let base = at.batch.instance.dir.join(dest);
    if !flag(args, "flat", false) {
        return Ok(base.join(at.host).join(source.trim_start_matches('/')));
    }
    if !dest.ends_with('/') {
        let why = "dest is an existing directory, use a trailing slash if you want to fetch src into that directory";
        return if base.is_dir() { Err(why.into()) } else { Ok(base) };
    }
    let path = base.join(Path::new(source).file_name().unwrap_or_default());
    if path.is_dir() {
        let why = "is an existing directory, use another path that does not point to an existing directory";
        return Err(format!("calculated dest '{}' {why}", path.display()));
    }
    Ok(path)
}

/// The result of a `fetch` that could not read its file: what is missing may be allowed to be.
fn not_fetched(mut done: Performed, fails: bool) -> Performed {
    let said = done.message.clone().unwrap_or_default();
    let plain = if said.starts_with("File not found") {
        "the remote file does not exist"
    } else if said.starts_with("Source is a directory") {
        "remote file is a directory, fetch cannot work on directories"
    } else {
        return done;
    };
    if fails {
        done.returns.insert("msg".into(), plain.into());
        return done;
    }
    let mut returns = Map::new();
    returns.insert("msg".into(), format!("{plain}, not transferring, ignored").into());
    Performed::ok(returns)
}
