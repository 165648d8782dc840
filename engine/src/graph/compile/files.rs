//! Where the files of imports and includes are.

use crate::error::Diagnostic;
use crate::graph::Context;
use crate::source::Place;
use crate::vars::PlayInstance;
use std::path::PathBuf;

/// Where the file of an import or include is: beside the file that names it, in the role's `tasks`, beside the playbook.
pub fn task_file(name: &str, context: &Context, play: &PlayInstance) -> Option<PathBuf> {
    candidates(name, context, play).into_iter().find(|p| p.is_file())
}

fn candidates(name: &str, context: &Context, play: &PlayInstance) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for dir in context.dirs.iter().rev() {
        paths.push(dir.join(name));
    }
    if let Some(role) = &context.role {
        paths.push(role.role.path.join("tasks").join(name));
        paths.push(role.role.path.join(name));
    }
    paths.push(play.dir.join("tasks").join(name));
    paths.push(play.dir.join(name));
    paths.dedup();
    paths
}

/// The error for a task file that is nowhere.
pub fn missing_file(name: &str, context: &Context, play: &PlayInstance, place: &Place) -> Box<Diagnostic> {
    let mut error = Diagnostic::input(format!("task file `{name}` does not exist")).at(place);
    let paths = candidates(name, context, play);
    let near = paths.iter().find_map(|path| crate::source::near(path));
    error = error.note(format!("looked for {}", crate::source::listed(&paths)));
    error.hints.extend(near.map(|near| format!("did you mean `{near}`?")));
    Box::new(error)
}
