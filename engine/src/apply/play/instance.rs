//! A play in use: its variables, the answers of its prompts, its files of variables.

use super::super::{PlayUse, Run};
use crate::error::{Diagnostic, Kind, Result};
use crate::graph::check::has_template;
use crate::playbook::Vars;
use crate::vars::{HostScope, PlayInstance, write};
use crate::yaml::Node;
use std::path::Path;
use std::sync::{Arc, RwLock};

pub(super) fn instance(
    run: &Run,
    used: &PlayUse,
    dir: &Path,
    name: String,
    vars: Vars,
    all_hosts: Vec<String>,
    batch: Vec<String>,
) -> Result<Arc<PlayInstance>> {
    let (prompted, rendered) = super::prompt::answers(run, used, &vars)?;
    let vars = vars.into_iter().chain(rendered).collect();
    // Hosts that failed in an earlier batch are no hosts of the play any more.
    let gone = all_hosts.iter().filter(|h| run.progress.gone(h).is_some()).cloned().collect();
    let instance = PlayInstance {
        play: used.play.clone(),
        name,
        vars,
        files: RwLock::default(),
        prompted,
        roles: RwLock::default(),
        used: RwLock::default(),
        all_hosts,
        batch,
        gone: RwLock::new(gone),
        dir: dir.to_path_buf(),
    };
    let instance = Arc::new(instance);
    vars_files(run, &instance, None)?;
    for host in &instance.batch {
        // What needs facts is read once they are there.
        vars_files(run, &instance, Some(host))?;
    }
    Ok(instance)
}

/// Reads `vars_files`: those without templates once for the play; all of them for a host, where there are others. As in
/// Ansible, a file that is not there, or whose name is not known, is left out.
pub(in crate::apply) fn vars_files(run: &Run, play: &Arc<PlayInstance>, host: Option<&str>) -> Result<()> {
    let mut vars = Vars::new();
    if host.is_some() && !play.play.vars_files.iter().any(has_template) {
        return Ok(());
    }
    for node in &play.play.vars_files {
        let choices: Vec<Node> = node.as_list().map_or_else(|| vec![node.clone()], <[Node]>::to_vec);
        if host.is_none() && choices.iter().any(has_template) {
            continue;
        }
        let scope = HostScope {
            fleet: run.fleet.clone(),
            host: host.map(str::to_string),
            play: Some(play.clone()),
            context: None,
            locals: Arc::default(),
        };
        let mut names = Vec::new();
        for choice in &choices {
            match run.templates.value(choice, &scope.shared()) {
                Ok(name) if name.first_unknown().is_none() => names.push(name.reveal().to_string()),
                Err(error) if error.kind != Kind::Undefined => return Err(error),
                _ => {}
            }
        }
        let found = names.iter().flat_map(|n| [play.dir.join("vars").join(n), play.dir.join(n)]).find(|p| p.is_file());
        let Some(path) = found else {
            if names.len() == choices.len() {
                let warning = Diagnostic::input(format!("variables file `{}` does not exist", names.join("`, `")));
                run.warn(warning.at(node.place()).note("the play goes on without it, as under Ansible"));
            }
            continue;
        };
        vars.extend(run.compiler.loader.variables(&path).map_err(|e| e.at(node.place()))?);
    }
    if !vars.is_empty() {
        let mut files = write(&play.files);
        files.insert(host.unwrap_or_default().to_string(), vars);
    }
    Ok(())
}
