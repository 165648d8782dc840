//! A network of its own on this machine, so that what listens on fixed ports meets nothing else.

use crate::Program;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Nobody's numbers; cases of unprivileged users run as nobody when the tests run as root.
pub const NOBODY: u32 = 65534;

/// A network namespace with nothing but loopback; its processes end when it is dropped.
pub struct Sandbox {
    holder: Child,
    root: bool,
}

impl Sandbox {
    /// A new one.
    ///
    /// # Panics
    /// When the kernel allows this user none.
    #[expect(clippy::new_without_default, reason = "it starts a process")]
    pub fn new() -> Sandbox {
        let id = Command::new("id").arg("-u").output().unwrap_or_else(|e| panic!("id: {e}"));
        let root = id.stdout == b"0\n";
        let mut unshare = Command::new("unshare");
        unshare.args(if root { ["--net"].as_slice() } else { ["--net", "--map-root-user"].as_slice() });
        unshare.args(["sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"]);
        let mut holder = unshare.stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("unshare: {e}"));
        let mut said = String::new();
        let heard = holder.stdout.take().map(|out| BufReader::new(out).read_line(&mut said));
        assert!(
            matches!(heard, Some(Ok(_))) && said == "ready\n",
            "no network namespace can be made; as another user than root it needs user namespaces"
        );
        Sandbox { holder, root }
    }

    /// Whether the tests run as root.
    pub fn root(&self) -> bool {
        self.root
    }

    /// The program, run in this network, and as nobody where the tests run as root.
    #[must_use]
    pub fn unprivileged(&self, program: Program) -> Program {
        let pid = self.holder.id().to_string();
        if !self.root {
            return program.under(["nsenter", "--target", &pid, "--net", "--user", "--preserve-credentials"]);
        }
        let nobody = NOBODY.to_string();
        program.under(["nsenter", "--target", &pid, "--net", "setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"])
    }

    /// What a shell line prints in this network.
    ///
    /// # Panics
    /// When it fails.
    pub fn sh(&self, line: &str) -> String {
        let run = self.unprivileged(Program::new("sh", ["-c", line], &PathBuf::from("/"), &PathBuf::from("/"))).run();
        run.expect(0).out
    }

    fn processes(&self) -> Vec<String> {
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let own = network(&self.holder.id().to_string());
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok());
        all.filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()) && own.is_some() && network(pid) == own).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // What a failed case left running goes with its network.
        let _ = Command::new("kill").arg("-KILL").args(self.processes()).stderr(Stdio::null()).status();
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
