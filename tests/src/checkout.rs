//! A copy of what a user has after cloning and building: playbooks, inventories, and the stand-in where the build puts it.

use crate::program::{built, repository};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A copy of the repository's `playbooks/` and `inventory/`, with a home beside it.
pub struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// A new one that everybody may read, and this user id may write.
    ///
    /// # Panics
    /// When it cannot be made.
    #[expect(clippy::new_without_default, reason = "it copies files")]
    pub fn new() -> Checkout {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("cannot make a folder: {e}"));
        let script = r#"set -e
            mkdir -p "$2/home" "$2/repository/target/$(uname -m)-unknown-linux-gnu/release"
            cp -r "$1/playbooks" "$1/inventory" "$2/repository"
            cp "$3" "$2/repository/target/$(uname -m)-unknown-linux-gnu/release/loom"
            chmod 755 "$2"
            if [ "$(id -u)" = 0 ]; then chown -R nobody: "$2"; fi"#;
        let status = Command::new("sh").args(["-c", script, "copy"]).arg(repository()).arg(folder.path()).arg(built("loom")).status();
        assert!(status.is_ok_and(|s| s.success()), "cannot copy the repository");
        Checkout { folder }
    }

    /// The repository's root.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// An empty home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A path in the repository.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }
}
