//! `tempfile`: a new, private file or directory with a name of its own.

use crate::host::Host;
use crate::module::{Halt, Outcome};
use std::path::PathBuf;

crate::choices! {
    pub enum State { File = "file", Directory = "directory" }
}

crate::arguments! {
    pub struct Args {
        /// What to make.
        state: State = State::File,
        /// The directory to make it in, by default that for temporary files.
        path: Option<PathBuf>,
        /// What its name begins with.
        prefix: String = "ansible.".to_string(),
        /// What its name ends with.
        suffix: String = String::new(),
    }
}

crate::module! {
    name: "tempfile", collection: "ansible.builtin", aliases: [], effects: Local,
    doc: "Makes a new file (mode 0600) or directory (mode 0700) that no other has the name of. Its `path` is known after apply.",
    examples: [r#"{"state": "directory", "suffix": ".build"}"#],
}

fn converge(args: &Args, host: &mut Host) -> Result<Outcome, Halt> {
    for (name, part) in [("prefix", &args.prefix), ("suffix", &args.suffix)] {
        if part.contains('/') {
            return Err(Halt::failed(format!("{name} must be a valid file name component")));
        }
    }
    let directory = args.path.clone().unwrap_or_else(std::env::temp_dir);
    match host.temporary(&directory, &args.prefix, &args.suffix, args.state == State::Directory)? {
        Some(path) => host.describe(&path, Outcome::new().with("path", path.display().to_string())),
        None => Ok(Outcome::new().with_unknown("path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, returned};
    use serde_json::json;

    #[test]
    fn makes_private_ones_with_own_names() {
        let mut bench = Bench::new();
        let args = json!({"path": "/scratch", "suffix": ".x"});
        let planned = bench.run(false, &MODULE, args.clone());
        assert!(planned.result.unwrap().returns.get("path").unwrap().first_unknown().is_some());
        assert!(bench.tree().is_empty());
        let (first, changes) = bench.apply(&MODULE, args.clone());
        let (second, _) = bench.apply(&MODULE, args);
        assert_eq!(planned.changes, changes);
        assert_ne!(returned(&first, "path"), returned(&second, "path"));
        assert!(returned(&first, "path").ends_with(".x") && returned(&first, "mode") == "0600");
        let (dir, _) = bench.apply(&MODULE, json!({"path": "/scratch", "state": "directory"}));
        assert_eq!((returned(&dir, "mode"), returned(&dir, "state")), ("0700".into(), "directory".into()));
        assert!(bench.failure(&MODULE, json!({"path": "/scratch/no"})).contains("/no"));
        let outside = json!({"path": "/scratch", "prefix": "../x"});
        assert_eq!(bench.failure(&MODULE, outside), "prefix must be a valid file name component");
    }
}
