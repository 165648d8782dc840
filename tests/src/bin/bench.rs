//! Times engine, ansible-core and pyinfra at the same work on the same fresh hosts, and prints the ratios.

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use tests::Hosts;
use tests::hosts::cache;
use tests::inventories;
use tests::program::{built, repository};

const PEERS: [&str; 2] = ["ansible-core==2.19.14", "pyinfra==3.10"];

/// What the ratios must be at least, first and second apply: against Ansible, against pyinfra.
const GOALS: [(&str, [f64; 2]); 2] = [("ansible-core", [10.0, 25.0]), ("pyinfra", [3.0, 3.0])];

/// Times engine, ansible-core and pyinfra at the same work.
#[derive(Parser)]
struct Cli {
    /// How many hosts
    #[arg(long, default_value_t = 4)]
    hosts: usize,
    /// How often; the best time of each counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    #[command(subcommand)]
    other: Option<Other>,
}

/// Something else than playbooks.
#[derive(clap::Subcommand)]
enum Other {
    /// Read a large inventory, and half of it: against ansible-inventory
    Inventory {
        /// How many hosts
        #[arg(long, default_value_t = 10_000)]
        hosts: usize,
        /// Of ansible-inventory, instead of one that is installed
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
    },
}

/// How many times faster than ansible-inventory an inventory must be read, and how many times longer twice as many hosts may take.
const READING: (f64, f64) = (20.0, 2.6);

/// One of the programs: its name, and how it is started in `benchmark/`.
struct Contender {
    name: &'static str,
    line: Vec<String>,
    /// Whether what it said tells of changes.
    restless: fn(&str) -> bool,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all goals were met.
fn run(cli: &Cli) -> Result<bool, Failure> {
    if let Some(Other::Inventory { hosts, program }) = &cli.other {
        return inventory(*hosts, program.as_deref(), cli.rounds);
    }
    let programs = peers()?;
    // The peers need Python on the hosts.
    let hosts = Hosts::start_with(cli.hosts, &["python3", "python3-apt"])?;
    let home = hosts.folder().join("home");
    std::fs::create_dir_all(&home)?;
    let contenders = contenders(&hosts, &programs)?;
    let mut best = vec![[f64::INFINITY; 2]; contenders.len()];
    for _ in 0..cli.rounds {
        for (contender, best) in contenders.iter().zip(&mut best) {
            hosts.reset()?;
            for (again, best) in best.iter_mut().enumerate() {
                let (seconds, said) = time(contender, &home)?;
                // Speed by leaving something undone does not count.
                if again == 1 && (contender.restless)(&said) {
                    return Err(format!("{} still changes something when it runs again:\n{said}", contender.name).into());
                }
                *best = best.min(seconds);
            }
        }
    }
    Ok(report(&contenders, &best))
}

/// Whether a large inventory is read as fast as it must be, in linear time.
fn inventory(hosts: usize, program: Option<&Path>, rounds: usize) -> Result<bool, Failure> {
    let peer = match program {
        Some(program) => program.to_path_buf(),
        None => peers()?.join("ansible-inventory"),
    };
    let mut times = Vec::new();
    for hosts in [hosts / 2, hosts] {
        let folder = tempfile::tempdir()?;
        inventories::write(folder.path(), hosts)?;
        let path = folder.path().join("hosts.yaml").display().to_string();
        let own = inventories::seconds(&built("engine"), &["inventory", "-i", &path], rounds.max(3))?;
        let theirs = inventories::seconds(&peer, &["--list", "-i", &path], rounds)?;
        println!("{hosts:6} hosts   engine {own:6.2}s   ansible-inventory {theirs:7.2}s   {:5.1}x", theirs / own);
        times.push((own, theirs));
    }
    let (ratio, growth) = (times[1].1 / times[1].0, times[1].0 / times[0].0);
    println!("twice the hosts take {growth:.1} times as long (at most {}), {ratio:.0} times faster (at least {})", READING.1, READING.0);
    Ok(ratio >= READING.0 && growth <= READING.1)
}

/// The folder with the peers' programs, installed there once.
fn peers() -> Result<PathBuf, Failure> {
    let venv = cache().join("peers");
    if !venv.join("bin/pyinfra").exists() {
        eprintln!("installing {}, once", PEERS.join(" and "));
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status()?;
        let installed = Command::new(venv.join("bin/pip")).args(["install", "-q"]).args(PEERS).status()?;
        if !made.success() || !installed.success() {
            return Err("the peers cannot be installed from PyPI".into());
        }
    }
    Ok(venv.join("bin"))
}

fn contenders(hosts: &Hosts, programs: &Path) -> Result<Vec<Contender>, Failure> {
    let inventory = hosts.folder().join("inventory.yaml");
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let config = hosts.folder().join("ssh_config");
    let addresses: Vec<String> = (0..hosts.count()).map(|i| format!("\"node-{i}\"")).collect();
    let targets = hosts.folder().join("inventory.py");
    let data = format!("{{\"ssh_config_file\": \"{}\", \"ssh_user\": \"root\"}}", shown(&config));
    std::fs::write(&targets, format!("hosts = ([{}], {data})\n", addresses.join(", ")))?;
    let line = |program: String, rest: &[&str]| [program].into_iter().chain(rest.iter().map(|&s| s.to_owned())).collect();
    Ok(vec![
        Contender {
            name: "engine",
            line: line(shown(&built("engine")), &["apply", "--yes", "-i", &shown(&inventory), "site.yaml"]),
            restless: |said| !said.contains("no changes"),
        },
        Contender {
            name: "ansible-core",
            line: line(shown(&programs.join("ansible-playbook")), &["-f", "50", "-i", &shown(&inventory), "site.yaml"]),
            restless: |said| said.matches("changed=").count() != said.matches("changed=0 ").count(),
        },
        Contender {
            name: "pyinfra",
            line: line(shown(&programs.join("pyinfra")), &["-y", &shown(&targets), "deploy.py"]),
            restless: |_| false,
        },
    ])
}

/// How many seconds one run takes, and what it says.
fn time(contender: &Contender, home: &Path) -> Result<(f64, String), Failure> {
    let mut command = Command::new(&contender.line[0]);
    command.args(&contender.line[1..]).current_dir(repository().join("tests/benchmark")).env("HOME", home).stdin(Stdio::null());
    command.env("ANSIBLE_PIPELINING", "True").env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3");
    let start = Instant::now();
    let output = command.output()?;
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok((seconds, said));
    }
    Err(format!("{} failed:\n{said}", contender.name).into())
}

fn report(contenders: &[Contender], best: &[[f64; 2]]) -> bool {
    println!("{:14} {:>8} {:>8}   {:>16}", "", "first", "again", "engine is faster");
    let mut met = true;
    for (contender, times) in contenders.iter().zip(best) {
        let ratios = [times[0] / best[0][0], times[1] / best[0][1]];
        let mut row = format!("{:14} {:7.2}s {:7.2}s", contender.name, times[0], times[1]);
        if let Some((_, goals)) = GOALS.iter().find(|(name, _)| *name == contender.name) {
            let reached = ratios.iter().zip(goals).all(|(ratio, goal)| ratio >= goal);
            met &= reached;
            let verdict = if reached { "as wanted" } else { "too little" };
            row += &format!("   {:5.1}x {:5.1}x   {verdict}: at least {}x, {}x", ratios[0], ratios[1], goals[0], goals[1]);
        }
        println!("{row}");
    }
    met
}
