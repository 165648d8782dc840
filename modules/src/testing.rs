//! Runs a module in tests, live or planned, beneath a temporary directory.

use crate::change::Change;
use crate::host::{Blobs, Host};
use crate::module::{Halt, Module, Outcome};
use crate::value::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Content by SHA-256, as `engine` would send it.
#[derive(Clone, Default)]
struct Stock(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Blobs for Stock {
    fn fetch(&mut self, hash: &str) -> Result<Vec<u8>, Halt> {
        self.0.lock().expect("no test panics inside").get(hash).cloned().ok_or_else(|| Halt::failed(format!("no content {hash}")))
    }
}

/// A host to run modules on. In arguments, `/scratch` stands for its temporary directory.
pub(crate) struct Bench {
    pub(crate) host: Host,
    dir: tempfile::TempDir,
    stock: Stock,
}

/// What a run of a module gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<Outcome, Halt>,
    pub(crate) changes: Vec<Change>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let stock = Stock::default();
        Bench { host: Host::new(Box::new(stock.clone())), dir: tempfile::tempdir().expect("a temporary directory"), stock }
    }

    /// The real path of `/scratch/NAME`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Stocks content and returns its SHA-256.
    pub(crate) fn blob(&mut self, content: &[u8]) -> String {
        let hash = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect::<String>();
        self.stock.0.lock().expect("no test panics inside").insert(hash.clone(), content.to_vec());
        hash
    }

    /// Writes a file beneath the temporary directory, with its parents.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("beneath the directory")).expect("parents");
        fs::write(path, content).expect("written");
    }

    /// The content of a file beneath the temporary directory; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read(self.path(name)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Every path beneath the temporary directory with its kind, mode and content, sorted.
    pub(crate) fn tree(&self) -> Vec<String> {
        fn walk(dir: &std::path::Path, base: &std::path::Path, out: &mut Vec<String>) {
            use std::os::unix::fs::PermissionsExt;
            for entry in fs::read_dir(dir).expect("readable").map(|e| e.expect("an entry").path()) {
                let meta = fs::symlink_metadata(&entry).expect("there");
                let name = entry.strip_prefix(base).expect("beneath").display().to_string();
                let mode = meta.permissions().mode() & 0o7777;
                if meta.is_dir() {
                    out.push(format!("{name}/ {mode:o}"));
                    walk(&entry, base, out);
                } else if meta.is_symlink() {
                    out.push(format!("{name} -> {}", fs::read_link(&entry).expect("a link").display()));
                } else {
                    out.push(format!("{name} {mode:o} {}", String::from_utf8_lossy(&fs::read(&entry).unwrap_or_default())));
                }
            }
        }
        let mut out = Vec::new();
        walk(self.dir.path(), self.dir.path(), &mut out);
        out.sort();
        out
    }

    /// Runs a module once.
    pub(crate) fn run(&mut self, live: bool, module: &Module, args: serde_json::Value) -> Ran {
        let scratch = self.dir.path().display().to_string();
        let args: serde_json::Value =
            serde_json::from_str(&args.to_string().replace("/scratch", &scratch)).expect("still JSON after the substitution");
        let args = Value::from_json(&args);
        self.host.begin(live, Vec::new());
        let result = (module.converge)(args.as_map().expect("arguments are an object"), &mut self.host);
        Ran { result, changes: self.host.finish() }
    }

    /// Runs a module live and expects it to succeed.
    pub(crate) fn apply(&mut self, module: &Module, args: serde_json::Value) -> (Outcome, Vec<Change>) {
        let ran = self.run(true, module, args);
        (ran.result.expect("the module succeeds"), ran.changes)
    }

    /// The message with which a live run fails.
    pub(crate) fn failure(&mut self, module: &Module, args: serde_json::Value) -> String {
        match self.run(true, module, args).result {
            Err(Halt::Failed(failure)) => failure.message,
            other => panic!("expected a failure, not {other:?}"),
        }
    }

    /// Plans, applies and applies again, and holds the module to its promises: the plan touches nothing and foretells
    /// the changes, the second apply makes none. Returns what the first apply answered and changed.
    pub(crate) fn law(&mut self, module: &Module, args: serde_json::Value) -> (Outcome, Vec<Change>) {
        let before = self.tree();
        let mut planned = Host::new(Box::new(self.stock.clone()));
        std::mem::swap(&mut planned, &mut self.host);
        let plan = self.run(false, module, args.clone());
        std::mem::swap(&mut planned, &mut self.host);
        plan.result.expect("the plan succeeds");
        assert_eq!(self.tree(), before, "a plan changes nothing");
        let (outcome, changes) = self.apply(module, args.clone());
        assert_eq!(plan.changes, changes, "the plan is what happens");
        let (_, again) = self.apply(module, args);
        assert_eq!(again, Vec::new(), "a second apply changes nothing");
        (outcome, changes)
    }
}

/// A return value as text in Python's form.
pub(crate) fn returned(outcome: &Outcome, name: &str) -> String {
    outcome.returns.get(name).map_or_else(|| "(none)".to_string(), ToString::to_string)
}

/// A web server on loopback that answers known paths, for one test.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each path with a status (and headers after it, separated by line ends) and a body; all else with 404.
    pub(crate) fn start(answers: &[(&str, &str, &str)]) -> Server {
        use std::io::{BufRead, BufReader, Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let answers: HashMap<String, (String, String)> =
            answers.iter().map(|(path, status, body)| (path.to_string(), (status.to_string(), body.to_string()))).collect();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                let (mut head, mut length) = (String::new(), 0);
                while let Ok(read) = reader.read_line(&mut head) {
                    let line = head[head.len() - read..].to_lowercase();
                    length = line.strip_prefix("content-length:").and_then(|n| n.trim().parse().ok()).unwrap_or(length);
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let path = head.split_whitespace().nth(1).unwrap_or_default().to_string();
                record.lock().expect("no test panics inside").push(head + &String::from_utf8_lossy(&body));
                let (status, body) = answers.get(&path).cloned().unwrap_or(("404 Not Found".into(), String::new()));
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Server { url, seen }
    }

    /// The requests so far, head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no test panics inside").clone()
    }
}

/// A tar archive of files, and of directories where a name ends with `/`.
pub(crate) fn tarball(members: &[(&str, &str, u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content, mode) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        builder.append_data(&mut header, name, content.as_bytes()).expect("a member");
    }
    builder.into_inner().expect("an archive")
}
