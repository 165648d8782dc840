//! Modules that come with playbooks: files in `library` folders, in collections, and beside an installed ansible-core.

use super::short_name;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// How many folders above a file of tasks may hold the `library` that it uses: a role's tasks lie four below the playbook.
const ABOVE: usize = 6;
/// Endings of files that describe modules or were made from them.
const NO_MODULES: [&str; 7] = ["md", "txt", "rst", "pyc", "yml", "yaml", "json"];
/// Programs of ansible-core whose first line says which Python has it.
const SIBLINGS: [&str; 3] = ["ansible-config", "ansible-doc", "ansible-galaxy"];

/// The file of a module that is none of this program's own. `first` are folders that come before those found from `near`,
/// a file of tasks.
pub fn find(name: &str, first: &[PathBuf], near: &Path) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return None;
    }
    let builtin = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
    if builtin.is_none() && name.split('.').count() > 2 {
        return in_collection(name, near);
    }
    let name = builtin.unwrap_or(name);
    folders(first, near).iter().find_map(|folder| named(folder, name)).or_else(|| {
        let installed = installed()?.package.join("modules").join(format!("{name}.py"));
        installed.is_file().then_some(installed)
    })
}

/// The folders of modules that a file of tasks can see, nearest first.
fn folders(first: &[PathBuf], near: &Path) -> Vec<PathBuf> {
    let near = std::path::absolute(near).unwrap_or_else(|_| near.to_path_buf());
    let mut folders = first.to_vec();
    for above in near.ancestors().skip(1).take(ABOVE) {
        folders.push(above.join("library"));
        // A role that the play uses lends its modules to the play.
        let roles = std::fs::read_dir(above.join("roles")).into_iter().flatten().flatten();
        folders.extend(roles.map(|role| role.path().join("library")));
    }
    folders.extend(std::env::var_os("ANSIBLE_LIBRARY").iter().flat_map(std::env::split_paths));
    folders.extend(home().map(|home| home.join(".ansible/plugins/modules")));
    folders.push("/usr/share/ansible/plugins/modules".into());
    folders
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}

/// The module of this name in a folder: a file called so, with any ending or none.
fn named(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
        let whole = path.file_name().is_some_and(|file| file == name);
        let stem = path.file_stem().is_some_and(|stem| stem == name) && !NO_MODULES.contains(&ending.as_str());
        (whole || stem) && path.is_file()
    });
    found.sort();
    found.into_iter().next()
}

fn in_collection(name: &str, near: &Path) -> Option<PathBuf> {
    let mut parts: Vec<&str> = name.split('.').collect();
    let module = parts.pop()?;
    let inner: PathBuf = ["ansible_collections"].iter().chain(&parts[..2]).chain(["plugins", "modules"].iter()).collect();
    let beneath: PathBuf = parts[2..].iter().collect();
    collections(near).iter().find_map(|root| named(&root.join(&inner).join(&beneath), module))
}

/// The folders that hold `ansible_collections`.
pub fn collections(near: &Path) -> Vec<PathBuf> {
    let near = std::path::absolute(near).unwrap_or_else(|_| near.to_path_buf());
    let mut roots: Vec<PathBuf> = near.ancestors().skip(1).take(ABOVE).map(|above| above.join("collections")).collect();
    // A file of a collection itself.
    roots.extend(near.ancestors().find(|above| above.ends_with("ansible_collections")).and_then(Path::parent).map(Path::to_path_buf));
    roots.extend(std::env::var_os("ANSIBLE_COLLECTIONS_PATH").iter().flat_map(std::env::split_paths));
    roots.extend(home().map(|home| home.join(".ansible/collections")));
    roots.push("/usr/share/ansible/collections".into());
    roots.extend(installed().and_then(|ansible| ansible.package.parent().map(Path::to_path_buf)));
    roots
}

/// An ansible-core on this machine.
#[derive(Debug)]
pub struct Installed {
    /// The folder of its Python package `ansible`.
    pub package: PathBuf,
}

/// The ansible-core beside this program, asked for once: that of the `ansible-…` programs in PATH, else of `python3`.
pub fn installed() -> Option<&'static Installed> {
    static FOUND: OnceLock<Option<Installed>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let programs = SIBLINGS.iter().flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)));
            let mut pythons: Vec<PathBuf> = programs.filter_map(|program| python_of(&program)).collect();
            pythons.push("python3".into());
            pythons.dedup();
            pythons.iter().find_map(|python| package(python)).map(|package| Installed { package })
        })
        .as_ref()
}

/// The Python that a script's first line names.
fn python_of(program: &Path) -> Option<PathBuf> {
    let text = std::fs::read(program).ok()?;
    let line = String::from_utf8_lossy(text.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?).into_owned();
    let python = line.split_whitespace().next().filter(|word| word.rsplit('/').next().is_some_and(|name| name.starts_with("python")))?;
    Some(python.into())
}

fn package(python: &Path) -> Option<PathBuf> {
    let print = "import ansible.module_utils.basic, ansible, os; print(os.path.dirname(ansible.__file__))";
    let output = Command::new(python).args(["-c", print]).stderr(std::process::Stdio::null()).output().ok()?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    (output.status.success() && folder.join("module_utils").is_dir()).then_some(folder)
}

/// Whether a module's file can be found under this name, so that a task may call it.
pub fn has(name: &str, near: &Path) -> bool {
    short_name(name).len() > 1 && find(name, &[], near).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_modules_near_tasks() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("beneath")).expect("made");
            std::fs::write(&path, "").expect("written");
            path
        };
        let (own, shared) = (put("roles/r/library/greet.sh"), put("library/wave.py"));
        let collected = put("collections/ansible_collections/ns/col/plugins/modules/mod.py");
        put("library/wave.md");
        let tasks = dir.path().join("roles/r/tasks/main.yml");
        assert_eq!(find("greet", &[], &tasks), Some(own.clone()));
        assert_eq!(find("wave", &[], &tasks), Some(shared.clone()));
        assert_eq!(find("greet", &[], &dir.path().join("site.yml")), Some(own));
        assert_eq!(find("ns.col.mod", &[], &tasks), Some(collected));
        assert_eq!(find("wave.py", &[], &tasks), Some(shared));
        for none in ["ns.col.none", "no-such-module-here", "../wave", ""] {
            assert_eq!(find(none, &[], &tasks), None, "{none}");
        }
    }
}
