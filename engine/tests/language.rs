//! The language: playbooks of `tests/language/*.case` give, host by host, what ansible-core 2.19 was seen to give.
//!
//! A case is a file of sections `-- NAME --`: the files of a folder, of which `site.yml` is run; `hosts` is its inventory
//! (unless given: `a` and `b` in `g1`, `c` in `g2`, all local), `args` are more arguments of the command, `expect` holds lines
//! `HOST|STATUS|TASK`, each followed by what `debug` says as `HOST|>|LINE`, and `exit CODE` at last.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const INVENTORY: &str = "[g1]\na\nb\n[g2]\nc\n[all:vars]\nansible_connection=local\n";

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(60);

fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        match line.strip_prefix("-- ").and_then(|l| l.strip_suffix(" --")) {
            Some(name) => current = Some(sections.entry(name.to_string()).or_insert_with(String::new)),
            None => {
                if let Some(section) = &mut current {
                    section.push_str(line);
                    section.push('\n');
                }
            }
        }
    }
    sections
}

fn lay_out(dir: &Path, files: &BTreeMap<String, String>) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(dir.join("hosts"), INVENTORY).unwrap();
    for (name, text) in files.iter().filter(|(name, _)| !["expect", "args"].contains(&name.as_str())) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// What the program says on standard error, and its exit code.
fn run(dir: &Path, args: &[&str]) -> (String, Option<i32>) {
    let said = std::fs::File::create(dir.join("said")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(args).args(["-i", "hosts", "site.yml"]).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    command.env("NO_COLOR", "1").env("XDG_CACHE_HOME", dir.join("cache"));
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let code = child.wait().unwrap().code();
    (std::fs::read_to_string(dir.join("said")).unwrap(), code)
}

/// The start of a line about a task: its status, host, and the rest.
fn heading(line: &str) -> Option<(&str, &str, &str)> {
    let known = ["ok", "changed", "skipped", "failed", "ignored", "rescued", "unreachable", "unknown", "item", "again"];
    let (status, rest) = line.trim_start().split_once("  ")?;
    let (host, rest) = rest.split_once("  ")?;
    (known.contains(&status) && line.find(status) == Some(11 - status.len())).then_some((status, host, rest))
}

/// Whether a task is an include or `meta`, which Ansible tells of otherwise.
fn is_silent(task: &str) -> bool {
    let bare = task.rsplit(" : ").next().unwrap_or(task);
    ["inc", "ansible.builtin.inc", "meta"].iter().any(|start| bare.starts_with(start)) && !bare.starts_with("include_vars")
}

/// Lines as in `expect`, host by host.
fn observed(said: &str, code: Option<i32>) -> String {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut host, mut speaks) = (None, false);
    for line in said.lines() {
        if line.starts_with("failed: ") || line.starts_with("unreachable: ") {
            break;
        }
        if !line.starts_with(' ') {
            speaks = false;
        }
        if let Some((status, name, rest)) = heading(line) {
            speaks = matches!(status, "ok" | "changed" | "item");
            host = Some(name.to_string());
            if matches!(status, "item" | "again") {
                continue;
            }
            let task = rest.rsplit_once("  ").map_or(rest, |(task, _)| task);
            let task = task.split(" (on ").next().unwrap_or(task);
            let status = if status == "rescued" { "failed" } else { status };
            let lines = hosts.entry(name.to_string()).or_default();
            if !is_silent(task) || !matches!(status, "ok" | "changed") {
                lines.push(format!("{name}|{status}|{task}"));
            }
        } else if let (Some(text), Some(host), true) = (line.strip_prefix("    "), &host, speaks) {
            let detail = ["! ", "+ ", "~ ", "- "].iter().any(|sign| text.strip_prefix("         ").is_some_and(|t| t.starts_with(sign)));
            if !detail {
                let line = format!("{host}|>|{text}");
                hosts.entry(host.clone()).or_default().push(line);
            }
        }
    }
    let mut out = String::new();
    hosts.values().flatten().for_each(|line| writeln!(out, "{line}").unwrap());
    writeln!(out, "exit {}", code.map_or_else(|| "by a signal".to_string(), |c| c.to_string())).unwrap();
    out
}

fn problem(name: &str, text: &str) -> Option<String> {
    let files = sections(text);
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &files);
    let more: Vec<&str> = files.get("args").map(|a| a.split_whitespace().collect()).unwrap_or_default();
    let (said, code) = run(dir.path(), &[&["apply", "-y", "-v"][..], &more].concat());
    let (seen, expected) = (observed(&said, code), &files["expect"]);
    if seen == *expected {
        return None;
    }
    let diff = similar::TextDiff::from_lines(expected.as_str(), &seen);
    let tail: Vec<&str> = said.lines().filter(|l| !l.is_empty()).collect();
    let tail = tail[tail.len().saturating_sub(40)..].join("\n");
    Some(format!("== {name}\n{}\n-- said\n{tail}\n", diff.unified_diff().context_radius(2)))
}

#[test]
fn playbooks_give_what_ansible_gives() {
    let only = std::env::var("CASE").ok();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language");
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let mut problems = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_none_or(|o| name.contains(o.as_str())) {
            problems.extend(problem(&name, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
