//! Runs playbooks by ansible-core on one host and by engine on another, and compares what became of the hosts.

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tests::Hosts;
use tests::hosts::cache;
use tests::program::{built, repository};
use tests::tree::State;

const PEER: &str = "ansible-core==2.19.14";

/// What the peer needs on its host, and what the playbooks use.
const PACKAGES: [&str; 3] = ["python3", "python3-apt", "cron"];

/// What only one of the two leaves behind: its own files; and crontabs, whose first lines say when they were installed.
const OWN: [&str; 4] = ["/.ansible", "/.cache", "/var/lib/engine", "/var/spool/cron/crontabs/"];

/// Compares what ansible-core and engine make of hosts.
#[derive(Parser)]
struct Cli {
    /// Playbooks of `tests/differential`, by the start of their names; all unless given
    playbooks: Vec<String>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many playbooks lead to other hosts.
fn run(cli: &Cli) -> Result<usize, Failure> {
    let ansible = peer()?;
    let hosts = Hosts::start_with(2, &PACKAGES)?;
    let home = hosts.folder().join("home");
    std::fs::create_dir_all(&home)?;
    let inventories = [inventory(&hosts, 0)?, inventory(&hosts, 1)?];
    let mut different = 0;
    let playbooks = playbooks(&cli.playbooks)?;
    for playbook in &playbooks {
        let before = [0, 1].map(|host| State::of(&hosts, host, &[]).lasting());
        let name = playbook.file_stem().unwrap_or_default().to_string_lossy();
        let ansible = apply(Command::new(&ansible).arg("-i").arg(&inventories[0]), playbook, &home)?;
        let engine = apply(Command::new(built("engine")).args(["apply", "--yes", "-i"]).arg(&inventories[1]), playbook, &home)?;
        let after = [0, 1].map(|host| State::of(&hosts, host, &[]).lasting());
        let [by_ansible, by_engine] = [0, 1].map(|host: usize| {
            let mut changes = before[host].changes(&after[host]);
            changes.retain(|line| !OWN.iter().any(|own| line.contains(own)));
            changes
        });
        let mut lines: Vec<String> =
            by_ansible.iter().filter(|line| !by_engine.contains(line)).map(|l| format!("  ansible-core: {l}")).collect();
        lines.extend(by_engine.iter().filter(|line| !by_ansible.contains(line)).map(|l| format!("  engine:       {l}")));
        lines.extend(contents(&hosts, &lines));
        // What neither can do compares nothing.
        if !ansible.0 || !engine.0 {
            lines.push(format!("  ansible-core {}, engine {}\n{}\n{}", said(ansible.0), said(engine.0), ansible.1, engine.1));
        }
        match lines.is_empty() {
            true => println!("equal      {name} ({} changes)", by_engine.len()),
            false => {
                different += 1;
                println!("different  {name}\n{}", lines.join("\n"));
            }
        }
    }
    println!("{} of {} playbooks lead to equal hosts", playbooks.len() - different, playbooks.len());
    Ok(different)
}

fn said(success: bool) -> &'static str {
    if success { "succeeds" } else { "fails" }
}

/// The texts below /srv that differ between the hosts, for people.
fn contents(hosts: &Hosts, lines: &[String]) -> Vec<String> {
    let paths = lines.iter().filter_map(|line| Some(&line[line.find("/srv/")?..line.rfind(": ")?]));
    let paths: std::collections::BTreeSet<&str> = paths.collect();
    let text = |path: &str, host| std::fs::read(hosts.root(host).join(path.trim_start_matches('/'))).unwrap_or_default();
    let differing = paths.into_iter().filter(|path| text(path, 0) != text(path, 1));
    differing
        .flat_map(|path| {
            let shown = |host| String::from_utf8_lossy(&text(path, host)).into_owned();
            [format!("    {path} by ansible-core:\n{}", shown(0)), format!("    {path} by engine:\n{}", shown(1))]
        })
        .collect()
}

/// `ansible-playbook`, installed once.
fn peer() -> Result<PathBuf, Failure> {
    let venv = cache().join("ansible");
    let program = venv.join("bin/ansible-playbook");
    if !program.exists() {
        eprintln!("installing {PEER}, once");
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status()?;
        let installed = Command::new(venv.join("bin/pip")).args(["install", "-q", PEER]).status()?;
        if !made.success() || !installed.success() {
            return Err(format!("{PEER} cannot be installed from PyPI").into());
        }
    }
    Ok(program)
}

/// An inventory of one of the hosts; both are called `target`, so that playbooks cannot tell them apart.
fn inventory(hosts: &Hosts, host: usize) -> Result<PathBuf, Failure> {
    let path = hosts.folder().join(format!("target-{host}.ini"));
    let (key, known) = (hosts.key(), hosts.known_hosts());
    let text = format!(
        "target ansible_host={} ansible_user=root ansible_ssh_private_key_file={} ansible_ssh_common_args='-o UserKnownHostsFile={}'\n",
        hosts.address(host),
        key.display(),
        known.display()
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

fn playbooks(wanted: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(repository().join("tests/differential"))?.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    found.sort();
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        wanted.is_empty() || wanted.iter().any(|start| name.starts_with(start.as_str()))
    };
    found.retain(is_wanted);
    Ok(found)
}

/// Whether a run succeeds, and the end of what it says.
fn apply(command: &mut Command, playbook: &Path, home: &Path) -> Result<(bool, String), Failure> {
    let dir = repository().join("tests/differential");
    command.arg(playbook).current_dir(dir).env("HOME", home).stdin(Stdio::null());
    command.env("ANSIBLE_PIPELINING", "True").env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3").env("ANSIBLE_NOCOLOR", "1");
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = said.lines().rev().take(25).collect();
    Ok((output.status.success(), tail.into_iter().rev().map(|line| format!("    | {line}\n")).collect()))
}
