//! The language: playbooks of `tests/language/*.case` give, host by host, what ansible-core 2.19 was seen to give.
//!
//! A case is a file of sections `-- NAME --`: the files of a folder, of which `site.yml` is run; `hosts` is its inventory
//! (unless given: `a` and `b` in `g1`, `c` in `g2`, all local), `args` are more arguments of the command, `expect` holds lines
//! `HOST|STATUS|TASK`, each followed by what `debug` says as `HOST|>|LINE`, and `exit CODE` at last.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
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
    command.args(args).args(["-i", "hosts", "site.yml"]).current_dir(dir).stdin(Stdio::null());
    command.stdout(std::fs::File::create(dir.join("told")).unwrap()).stderr(said);
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
    let silent = ["inc", "ansible.builtin.inc", "meta"];
    let includes_role = task.split(" : ").any(|part| part.ends_with("include_role"));
    includes_role || silent.iter().any(|start| bare.starts_with(start)) && !bare.starts_with("include_vars")
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

/// The files of `tests/language` with this ending.
fn files(ending: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == ending));
    paths.sort();
    paths
}

/// What a command says on standard output, with the folder's name left out.
fn told(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap();
    std::fs::read_to_string(dir.join("told")).unwrap().replace(&whole.display().to_string(), "DIR")
}

#[test]
fn playbooks_give_what_ansible_gives() {
    let only = std::env::var("CASE").ok();
    let mut problems = Vec::new();
    for path in files("case") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_none_or(|o| name.contains(o.as_str())) {
            problems.extend(problem(&name, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A plan of what it cannot know goes on to the end, and says of each task what it waits for.
#[test]
fn plans_do_not_fail_for_what_they_cannot_know() {
    for path in files("plan") {
        let sections = sections(&std::fs::read_to_string(&path).unwrap());
        let Some(expected) = sections.get("expect") else { continue };
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), &sections);
        let (said, code) = run(dir.path(), &["plan"]);
        let seen = format!("{}exit {}\n", told(dir.path()), code.unwrap());
        let diff = similar::TextDiff::from_lines(expected.as_str(), &seen);
        assert!(seen == *expected, "{}:\n{}\n{said}", path.display(), diff.unified_diff());
    }
}

/// What the plan of a folder of files shows is what `apply --diff` shows, and after it there is nothing to do.
#[test]
fn plans_show_what_apply_does() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/changes.plan")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &sections(&text));
    let (said, code) = run(dir.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(code, Some(2), "{said}");
    let planned = told(dir.path());
    let (planned, _) = planned.rsplit_once("\nPlan: ").unwrap();
    let (said, code) = run(dir.path(), &["apply", "-y", "--diff"]);
    assert_eq!(code, Some(0), "{said}");
    let applied = told(dir.path());
    assert_eq!(planned.trim_end(), applied.trim_end());
    assert!(planned.contains("handler-a") && planned.contains("rescued-b") && planned.contains("q-b"), "{planned}");
}

/// Hidden results, secret variables and what is made of them are shown nowhere.
#[test]
fn secrets_are_shown_nowhere() {
    let site = "- hosts: a
  gather_facts: false
  vars: {word: hush-hush}
  tasks:
    - shell: echo {{ word }}; echo {{ word }} >&2; exit 1
      no_log: true
      register: r
      ignore_errors: true
    - debug: {msg: 'got {{ r.stdout }} {{ r.stdout | upper }}'}
    - debug: {var: r}
    - copy: {content: 'a\nb {{ r.stdout }}\n', dest: '{{ playbook_dir }}/f'}
    - copy: {content: 'x\ny {{ word }}\n', dest: '{{ playbook_dir }}/g'}
      no_log: true
    - set_fact: {made: '{{ r.stdout }}!'}
    - debug: {msg: '{{ item }}'}
      loop: ['{{ made }}', '{{ r }}']
    - shell: echo {{ made }}
      register: again
    - debug: {msg: '{{ item }} {{ word | length }}'}
      loop: ['{{ word }}']
      no_log: true
    - assert: {that: r.stdout == 'other', fail_msg: 'it is {{ r.stdout }}'}
      ignore_errors: true
    - fail: {msg: 'failed with {{ word }}'}
      no_log: true
";
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &BTreeMap::from([("site.yml".to_string(), site.to_string())]));
    for args in [&["plan", "-vv"][..], &["apply", "-y", "-vvv", "--diff"]] {
        let (said, code) = run(dir.path(), args);
        let shown = format!("{said}{}", told(dir.path()));
        assert!(!shown.to_lowercase().contains("hush-hush"), "{args:?} shows it:\n{shown}");
        assert_eq!(code, Some(3), "{shown}");
    }
    assert!(std::fs::read_to_string(dir.path().join("f")).unwrap().contains("b hush-hush"));
}

/// What scripts of the inventory and hosts say is data, whatever it looks like.
#[test]
fn data_is_never_code() {
    let script = "#!/bin/sh
echo '{\"all\": {\"hosts\": [\"a\"]}, \"_meta\": {\"hostvars\": {\"a\": {\"ansible_connection\": \"local\", \"x\": \"{{ 1 + 1 }}\"}}}}'
";
    let site = "- hosts: a
  gather_facts: false
  tasks:
    - shell: cat evil
      register: r
    - set_fact: {f: '{{ r.stdout }}', g: {h: ['{{ x }}']}}
    - debug: {msg: '{{ x }} {{ f }} {{ g.h[0] }} {{ hostvars.a.f }} {{ vars.f }} {{ r.stdout_lines[0] }}'}
    - debug: {msg: '{{ f }}'}
      loop: '{{ r.stdout_lines }}'
      loop_control: {label: '{{ item }}'}
    - debug: {msg: held}
      when: f == r.stdout
";
    let files = [("hosts", script), ("site.yml", site), ("evil", "{{ lookup('pipe', 'touch pwned') }}\n")];
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &files.map(|(n, t)| (n.to_string(), t.to_string())).into());
    let site = site.replace("cat evil", &format!("cat {}/evil", dir.path().display()));
    std::fs::write(dir.path().join("site.yml"), site).unwrap();
    let (said, code) = run(dir.path(), &["apply", "-y", "-vv"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("    {{ 1 + 1 }} {{ lookup") && said.contains("    held"), "{said}");
    assert!(!dir.path().join("pwned").exists());
}
