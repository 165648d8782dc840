//! `include_vars`: variables of a file or folder become the host's, as written.

use super::super::task::At;
use super::{Learner, Performed};
use crate::error::{Diagnostic, Result};
use crate::playbook::Vars;
use crate::template::{Binding, Scope};
use crate::vars::{HostScope, merge, write};
use crate::yaml::{Data, Node};
use indexmap::IndexMap;
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::path::{Path, PathBuf};

/// Arguments that go with a file.
const OF_FILE: [&str; 2] = ["file", "_raw_params"];
/// Arguments that go with a folder.
const OF_FOLDER: [&str; 6] = ["dir", "depth", "files_matching", "ignore_files", "extensions", "ignore_unknown_extensions"];
/// Arguments that go with both.
const OF_BOTH: [&str; 2] = ["name", "hash_behaviour"];
/// Folders within each other; links may lead in circles.
const DEPTH_LIMIT: i64 = 64;
/// What the result says where a file is not there.
const NOWHERE: &str =
    "on the Ansible Controller.\nIf you are using a module and expect the file to exist on the remote, see the remote_src option";

/// Reads the files that the arguments name.
pub(super) fn include_vars(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("reads variables from a file that depends on {what}")));
    }
    if let Some(why) = refusal(args) {
        return Ok(Performed::failed(why));
    }
    let text = |name: &str| args.get(name).map(|v| v.reveal().to_string());
    let files = match (text("dir"), text("file").or_else(|| text("_raw_params"))) {
        (Some(dir), _) => match folder(at, scope, &dir, args)? {
            Ok(files) => files,
            Err(failed) => return Ok(*failed),
        },
        (None, file) => {
            // A lookup that found nothing says so by an empty value.
            let named = ["file", "_raw_params"].iter().find_map(|name| args.get(*name)).is_some_and(Value::truthy);
            let file = file.filter(|_| named).unwrap_or_default();
            let file = file.trim();
            match find(scope, file) {
                Some(path) => vec![path],
                None => return Ok(missing(at, scope, file)),
            }
        }
    };
    let mut included = Vars::new();
    for file in &files {
        match at.run.compiler.loader.variables(file) {
            Ok(vars) => included.extend(vars),
            Err(error) if error.summary.contains("must be a dictionary") => {
                return Ok(failed(&format!("{} must be stored as a dictionary/hash", file.display()), *error));
            }
            Err(error) => return Err(error),
        }
    }
    for (name, node) in &included {
        at.run.compiler.loader.warn_if_reserved(name, node.place());
    }
    let vars = named(at, text("name"), included);
    let vars = if text("hash_behaviour").as_deref() == Some("merge") { over(scope, vars) } else { vars };
    let shown: Map = vars.iter().map(|(k, v)| (Value::str(k), v.raw())).collect();
    let memory = at.run.fleet.memory(at.host);
    let mut known = write(&memory.included);
    for (name, node) in vars {
        let below = known.get(&name).filter(|_| at.run.fleet.options.merge);
        let node = below.map_or_else(|| node.clone(), |below| merge::nodes(below, &node));
        known.insert(name, node);
    }
    let mut returns = Map::new();
    returns.insert("ansible_included_var_files".into(), Value::list(files.iter().map(|f| Value::str(f.display().to_string()))));
    returns.insert("ansible_facts".into(), shown.into());
    Ok(Performed { learner: Learner::Nobody, ..Performed::ok(returns) })
}

/// What is wrong with the arguments' names.
fn refusal(args: &Map) -> Option<String> {
    let given = |names: &[&str]| args.keys().filter_map(Value::as_str).any(|k| names.contains(&k));
    if given(&OF_FILE) && given(&OF_FOLDER) {
        return Some("You are mixing file only and dir only arguments, these are incompatible".into());
    }
    let known = |k: &&str| OF_FILE.contains(k) || OF_FOLDER.contains(k) || OF_BOTH.contains(k);
    let wrong = args.keys().filter_map(Value::as_str).find(|k| !known(k))?;
    Some(format!("{wrong} is not a valid option in include_vars"))
}

/// The variables by their names, or all of them as one dictionary.
fn named(at: &At<'_>, name: Option<String>, included: Vars) -> IndexMap<String, Node> {
    let Some(name) = name else { return included.into_iter().collect() };
    let all: IndexMap<String, Node> = included.into_iter().collect();
    let pairs = all.into_iter().map(|(k, v)| (Node::new(v.place().clone(), Data::Str(k.as_str().into())), v));
    IndexMap::from([(name, Node::new(at.task.action.place.clone(), Data::Map(pairs.collect())))])
}

/// Dictionaries over those that the host has under the same names.
fn over(scope: &HostScope, vars: IndexMap<String, Node>) -> IndexMap<String, Node> {
    let merged = |(name, node): (String, Node)| {
        let below = scope.lookup(&name);
        match below.map(|below| merge::bindings(&below, Binding::Source(node.clone()))) {
            Some(Binding::Source(merged)) => (name, merged),
            _ => (name, node),
        }
    };
    vars.into_iter().map(merged).collect()
}

fn find(scope: &HostScope, file: &str) -> Option<PathBuf> {
    scope.search_path("vars").iter().map(|dir| dir.join(file)).find(|p| p.is_file())
}

/// A failure whose result says why as Ansible's does.
fn failed(message: &str, problem: Diagnostic) -> Performed {
    let broken = Performed::broken(&problem);
    let mut returns = Map::new();
    returns.insert("ansible_facts".into(), Map::new().into());
    returns.insert("ansible_included_var_files".into(), Value::list([]));
    returns.insert("message".into(), message.into());
    // An `ignore_errors` or `rescue` may be waiting for it.
    Performed { returns, broken: false, ..broken }
}

fn missing(at: &At<'_>, scope: &HostScope, file: &str) -> Performed {
    let action = &at.task.action;
    let named = action.args.iter().find(|(name, _)| name == "file").map(|(_, node)| node).or(action.free_form.as_ref());
    let folders = scope.search_path("vars");
    let error = Diagnostic::input(format!("variables file `{file}` does not exist")).at(named.map_or(&action.place, Node::place));
    let error = error.note(format!("looked in {}", crate::source::listed(&folders)));
    let searched: String = folders.iter().map(|dir| format!("\n\t{}", dir.join(file).display())).collect();
    let message = match file {
        "" => format!("Could not find file {NOWHERE}"),
        _ => format!("Could not find or access '{file}'\nSearched in:{searched} {NOWHERE}"),
    };
    failed(&message, error)
}

/// Files of a folder as `include_vars: dir=` selects them, sorted; or why that fails.
fn folder(at: &At<'_>, scope: &HostScope, dir: &str, args: &Map) -> Result<Result<Vec<PathBuf>, Box<Performed>>> {
    let folders = scope.search_path("vars");
    let Some(root) = folders.iter().map(|base| base.join(dir)).find(|p| p.is_dir()) else {
        let error = Diagnostic::input(format!("the folder of variables `{dir}` does not exist")).at(&at.task.action.place);
        let path = folders.last().map_or_else(|| PathBuf::from(dir), |base| base.join(dir));
        let error = error.note(format!("looked in {}", crate::source::listed(&folders)));
        return Ok(Err(Box::new(failed(&format!("{} directory does not exist", path.display()), error))));
    };
    let texts = |name: &str| args.get(name).map(Vec::<String>::from_value).transpose();
    let wrong = |why: String| Box::new(Diagnostic::input(format!("an argument of `include_vars` {why}")).at(&at.task.action.place));
    let endings = texts("extensions").map_err(wrong)?.unwrap_or_else(|| ["yml", "yaml", "json"].map(String::from).to_vec());
    let ignored = texts("ignore_files").map_err(wrong)?.unwrap_or_default();
    let matching = args.get("files_matching").map(|v| fancy_regex::Regex::new(&v.reveal().to_string()));
    let matching = matching.transpose().map_err(|e| wrong(format!("`files_matching` is not a regular expression: {e}")))?;
    let depth = args.get("depth").and_then(|v| i64::from_value(v).ok()).unwrap_or(0);
    let skips_unknown = args.get("ignore_unknown_extensions").is_some_and(|v| bool::from_value(v).unwrap_or(false));
    let mut files = Vec::new();
    collect(&root, 1, depth, &mut files)?;
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.retain(|file| {
        let matches = matching.as_ref().is_none_or(|m| m.is_match(&*name(file)).unwrap_or(false));
        matches && !ignored.contains(&name(file))
    });
    let allowed = |file: &PathBuf| endings.iter().any(|e| **e == *file.extension().unwrap_or_default().to_string_lossy());
    if let Some(odd) = files.iter().find(|f| !skips_unknown && !allowed(f)) {
        let endings = endings.iter().map(|e| format!("'{e}'")).collect::<Vec<_>>().join(", ");
        let error = Diagnostic::input(format!("`{}` does not have a valid extension", odd.display())).at(&at.task.action.place);
        let message = format!("{} does not have a valid extension: {endings}", odd.display());
        return Ok(Err(Box::new(failed(&message, error))));
    }
    files.retain(allowed);
    Ok(Ok(files))
}

fn collect(dir: &Path, level: i64, depth: i64, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| Diagnostic::input(format!("cannot read {}", dir.display())).note(e.to_string()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    into.extend(paths.iter().filter(|p| p.is_file()).cloned());
    for sub in paths.iter().filter(|p| p.is_dir() && level < DEPTH_LIMIT && (depth == 0 || level < depth)) {
        collect(sub, level + 1, depth, into)?;
    }
    Ok(())
}
