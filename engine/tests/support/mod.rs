//! A private sshd on loopback.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An sshd with keys of its own.
pub(crate) struct Server {
    /// Holds the keys, the configuration and the hosts' caches.
    pub(crate) dir: tempfile::TempDir,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    sshd: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

/// A case cannot run here: a failure, unless `ENGINE_TESTS=local` asked for what can run anywhere.
pub(crate) fn left_out(why: &str) {
    let local = std::env::var_os("ENGINE_TESTS").is_some_and(|v| v == "local");
    assert!(local, "{why}: install it, or set ENGINE_TESTS=local to leave such cases out");
    eprintln!("not run: {why}");
}

impl Server {
    /// `None` where no sshd is installed and `ENGINE_TESTS=local` leaves out what needs one.
    pub(crate) fn start() -> Option<Server> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/lib/ssh/sshd"].into_iter().find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            left_out("there is no sshd");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["host", "user", "stranger", "other_host"] {
            key(&at(name));
        }
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        std::fs::create_dir(at("cache")).unwrap();
        // As root, sshd wants its empty folder; without root it does not look.
        let _ = std::fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nAuthorizedKeysFile {0}/authorized\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nSetEnv XDG_CACHE_HOME={0}/cache\n",
            dir.path().display()
        );
        std::fs::write(at("config"), config).unwrap();
        let known = |name: &str| {
            let public = std::fs::read_to_string(at(&format!("{name}.pub"))).unwrap();
            format!("[127.0.0.1]:{port} {public}")
        };
        std::fs::write(at("known"), known("host")).unwrap();
        std::fs::write(at("changed"), known("other_host")).unwrap();
        let sshd = Command::new(sshd).args(["-D", "-f"]).arg(at("config")).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Server { dir, port, sshd };
        for _ in 0..100 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sshd does not answer");
    }

    /// One of its files: `user` and `stranger` are private keys, of which it lets `user` in; `known` has its host key, `changed` another.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
