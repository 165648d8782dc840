//! `set_fact`, `include_vars` and `setup`: what hosts are known for.

use super::super::task::At;
use super::{Learner, Performed, performed, send, target};
use crate::error::{Diagnostic, Result};
use crate::vars::{HostScope, write};
use modules::args::FromValue;
use modules::value::{Map, Value};
use std::path::{Path, PathBuf};

/// `set_fact`: every argument but `cacheable` becomes a variable of the host.
pub(super) fn set_fact(at: &At<'_>, scope: &HostScope, mut args: Map) -> Result<Performed> {
    let cacheable = args.shift_remove("cacheable").is_some_and(|v| bool::from_value(&v).unwrap_or(false));
    let (owner, learner) = match super::facts_go_to(at, scope)? {
        Some(other) => (other.clone(), Learner::Delegate(other)),
        None => (at.host.to_string(), Learner::Nobody),
    };
    if args.is_empty() {
        return Err(Box::new(Diagnostic::input("`set_fact` needs at least one variable").at(&at.task.action.place)));
    }
    let mut set = Vec::new();
    for (name, value) in &args {
        let name = name.to_string();
        let mut letters = name.chars();
        let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !starts || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let place = at.task.action.args.iter().find(|(k, _)| *k == name).map_or(&at.task.action.place, |(_, n)| n.place());
            let error = Diagnostic::input(format!("`{name}` cannot be the name of a variable")).at(place);
            return Err(Box::new(error.hint("a name has letters, digits and underscores, and does not start with a digit")));
        }
        // At once, so that the next item of a loop builds on it.
        at.run.fleet.remember(&owner, &name, value.clone());
        set.push((name, value.clone()));
    }
    if cacheable {
        at.run.fleet.learn(&owner, &args);
    }
    let mut returns = Map::new();
    returns.insert("ansible_facts".into(), args.into());
    // What is registered names the facts; they live as variables of the host, not among its gathered facts.
    let mut performed = Performed::ok(returns);
    performed.set = set;
    performed.learner = learner;
    Ok(performed)
}

/// `include_vars`: variables of a file or folder become the host's, as written.
pub(super) fn include_vars(at: &At<'_>, scope: &HostScope, args: &Map) -> Result<Performed> {
    if let Some(what) = args.values().find_map(Value::first_unknown) {
        return Ok(Performed::unknown(format!("reads variables from a file that depends on {what}")));
    }
    let text = |name: &str| args.get(name).map(|v| v.reveal().to_string());
    let files = match (text("dir"), text("file").or_else(|| text("_raw_params"))) {
        (Some(dir), _) => folder(at, scope, &dir, args)?,
        (None, Some(file)) => {
            let file = file.trim();
            Files { paths: vec![find(scope, file).ok_or_else(|| missing(at, scope, file))?], odd: None }
        }
        (None, None) => return Err(Box::new(Diagnostic::input("`include_vars` needs a file").at(&at.task.action.place))),
    };
    if let Some(odd) = files.odd {
        let mut returns = Map::new();
        returns.insert("message".into(), format!("{} does not have a valid extension", odd.display()).into());
        return Ok(Performed { returns, ..Performed::failed(format!("`{}` does not have a valid extension", odd.display())) });
    }
    let files = files.paths;
    let mut included = Vec::new();
    for file in &files {
        included.extend(at.run.compiler.loader.variables(file)?);
    }
    let memory = at.run.fleet.memory(at.host);
    let shown: Map = included.iter().map(|(k, v)| (Value::str(k), v.raw())).collect();
    match text("name") {
        Some(name) => {
            let pairs = included
                .iter()
                .map(|(k, v)| (crate::yaml::Node::new(v.place().clone(), crate::yaml::Data::Str(k.as_str().into())), v.clone()));
            let node = crate::yaml::Node::new(at.task.action.place.clone(), crate::yaml::Data::Map(pairs.collect()));
            write(&memory.included).insert(name, node);
        }
        None => write(&memory.included).extend(included),
    }
    let mut returns = Map::new();
    returns.insert("ansible_included_var_files".into(), Value::list(files.iter().map(|f| Value::str(f.display().to_string()))));
    returns.insert("ansible_facts".into(), shown.into());
    let mut performed = Performed::ok(returns);
    performed.learner = Learner::Nobody;
    Ok(performed)
}

/// The files that are read; the first whose name ends otherwise than allowed.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    odd: Option<PathBuf>,
}

fn find(scope: &HostScope, file: &str) -> Option<PathBuf> {
    use crate::template::Scope;
    scope.search_path("vars").iter().map(|dir| dir.join(file)).find(|p| p.is_file())
}

fn missing(at: &At<'_>, scope: &HostScope, file: &str) -> Box<Diagnostic> {
    use crate::template::Scope;
    let action = &at.task.action;
    let named = action.args.iter().find(|(name, _)| name == "file").map(|(_, node)| node).or(action.free_form.as_ref());
    let error =
        Diagnostic::input(format!("variables file `{file}` does not exist")).at(named.map_or(&action.place, crate::yaml::Node::place));
    Box::new(error.note(format!("looked in {}", crate::source::listed(&scope.search_path("vars")))))
}

/// Files of a folder as `include_vars: dir=` selects them, sorted.
fn folder(at: &At<'_>, scope: &HostScope, dir: &str, args: &Map) -> Result<Files> {
    use crate::template::Scope;
    let found = scope.search_path("vars").iter().map(|base| base.join(dir)).find(|p| p.is_dir());
    let root = found.ok_or_else(|| missing(at, scope, dir))?;
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
    let odd = files.iter().find(|f| !skips_unknown && !allowed(f)).cloned();
    files.retain(allowed);
    Ok(Files { paths: files, odd })
}

fn collect(dir: &Path, level: i64, depth: i64, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| Diagnostic::input(format!("cannot read {}", dir.display())).note(e.to_string()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    into.extend(paths.iter().filter(|p| p.is_file()).cloned());
    for sub in paths.iter().filter(|p| p.is_dir() && (depth == 0 || level < depth)) {
        collect(sub, level + 1, depth, into)?;
    }
    Ok(())
}

/// `setup`: facts of the host, remembered; then the `vars_files` that depend on them can be read.
pub(super) async fn gather(at: &At<'_>, scope: &HostScope, args: Map) -> Result<Performed> {
    let target = target(at, scope)?;
    let module = modules::registry::find("setup").ok_or_else(|| Diagnostic::input("this build has no module `setup`"))?;
    (module.check)(&args).map_err(|e| super::misplaced(at, e))?;
    let response = send(at, scope, &target, "setup", args).await?;
    let mut done = performed(response, target.delegate.clone());
    let other = super::facts_go_to(at, scope)?;
    if let Some(facts) = done.returns.get("ansible_facts").and_then(Value::as_map) {
        // Now, because the files below may be named by them.
        at.run.fleet.learn(other.as_deref().unwrap_or(at.host), facts);
    }
    done.learner = other.map_or(Learner::Own, Learner::Delegate);
    super::super::play::vars_files(at.run, &at.batch.instance, Some(at.host))?;
    Ok(done)
}
