//! Called as `ansible-playbook`: that program's options, output and exit codes.

use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use super::session::{Session, runtime};
use crate::apply::{Gone, PlayUse, Run};
use crate::error::Diagnostic;
use crate::event::Observers;
use crate::report::familiar::Familiar;
use crate::report::paint::Paint;
use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs Ansible playbooks, with the options and exit codes of `ansible-playbook`.
#[derive(Debug, Parser)]
#[command(name = "ansible-playbook", version = super::called::VERSION, max_term_width = 100)]
struct Options {
    #[command(flatten)]
    hosts: InventoryOptions,
    #[command(flatten)]
    playbook: PlaybookOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Change nothing; show what would change
    #[arg(short = 'C', long)]
    check: bool,
    /// Show what changes in files
    #[arg(short = 'D', long)]
    diff: bool,
    /// Only check that the playbooks can be read
    #[arg(long)]
    syntax_check: bool,
    /// List the hosts that plays select
    #[arg(long)]
    list_hosts: bool,
    /// List the tasks that would run
    #[arg(long)]
    list_tasks: bool,
    /// List the tags there are
    #[arg(long)]
    list_tags: bool,
    /// Forget the facts that earlier runs kept
    #[arg(long)]
    flush_cache: bool,
}

/// Exit codes of `ansible-playbook`.
const FAILED: u8 = 2;
const UNREACHABLE: u8 = 4;
const PARSE: u8 = 4;
const ERROR: u8 = 1;
const USAGE: u8 = 2;

/// Runs with that program's habits.
pub(super) fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // A terminal that is gone cannot be told.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    if options.playbook.playbooks.is_empty() {
        eprintln!("ERROR! You must specify a playbook file to run");
        return ExitCode::from(USAGE);
    }
    match options.run() {
        Ok(code) => ExitCode::from(code),
        Err(errors) => {
            errors.iter().filter_map(|e| e.said.as_ref()).for_each(|said| eprintln!("[ERROR]: {said}"));
            eprint!("{}", crate::error::render_all(&errors, Paint::stderr().colour));
            let missing = errors.iter().any(|e| e.summary.starts_with("playbook `") && e.place.is_none());
            ExitCode::from(if missing { ERROR } else { PARSE })
        }
    }
}

impl Options {
    fn run(&self) -> Result<u8, Vec<Diagnostic>> {
        let hosts = InventoryOptions { lenient: true, ..self.hosts.clone() };
        let mut session = Session::open(&hosts, &self.playbook, &self.connection, self.diff)?;
        session.familiar();
        if self.flush_cache {
            session.flush_cache();
        }
        if self.list_hosts || self.list_tasks || self.list_tags || self.syntax_check {
            session.ask_nobody();
        }
        let familiar = Arc::new(Familiar::new(self.connection.verbose, self.diff));
        let run = session.run(!self.check, Arc::new(Observers(vec![familiar.clone()])))?;
        if self.list_hosts || self.list_tasks || self.list_tags || self.syntax_check {
            return self.list(&run, &session);
        }
        if self.connection.verbose > 1 {
            for path in &session.playbooks {
                println!("\nPLAYBOOK: {}\n{} plays in {}", path.display(), run.flatten(path, &[], 0)?.len(), path.display());
            }
        }
        let done = runtime()?.block_on(async {
            let done = run.playbooks(&session.playbooks).await;
            run.remotes.close().await;
            done
        });
        let counts: Vec<_> = run.progress.counts().into_iter().map(|(host, counts, _)| (host, counts)).collect();
        if done.is_ok() || !counts.is_empty() {
            familiar.recap(&counts);
            if session.shows_statistics {
                familiar.statistics(&crate::vars::lock(&run.stats));
            }
        }
        done.map(|()| code(&run))
    }

    fn list(&self, run: &Arc<Run>, session: &Session) -> Result<u8, Vec<Diagnostic>> {
        for path in &session.playbooks {
            println!("\nplaybook: {}", path.display());
            let plays = run.flatten(path, &[], 0)?;
            let listings = run.listings(path)?;
            for (number, (used, listing)) in plays.iter().zip(&listings).enumerate() {
                if !self.syntax_check {
                    self.list_play(number + 1, used, listing);
                }
            }
        }
        Ok(0)
    }

    fn list_play(&self, number: usize, used: &PlayUse, listing: &crate::apply::Listing) {
        let tags = |tags: &[String]| {
            let mut tags = tags.to_vec();
            tags.sort();
            format!("TAGS: [{}]", tags.join(", "))
        };
        let pattern = used.play.hosts.raw().to_string();
        println!("\n  play #{number} ({pattern}): {}\t{}", listing.name, tags(&listing.tags));
        if self.list_hosts {
            println!("    pattern: ['{pattern}']\n    hosts ({}):", listing.hosts.len());
            listing.hosts.iter().for_each(|h| println!("      {h}"));
        }
        if self.list_tasks {
            println!("    tasks:");
            listing.tasks.iter().for_each(|(name, task_tags)| println!("      {name}\t{}", tags(task_tags)));
        }
        if self.list_tags {
            let mut all: Vec<String> = listing.tasks.iter().flat_map(|(_, t)| t.clone()).collect();
            all.sort();
            all.dedup();
            println!("      TASK {}", tags(&all));
        }
    }
}

/// The exit code of a run, by what came of its hosts.
pub(super) fn code(run: &Run) -> u8 {
    let counts = run.progress.counts();
    // What counts is how hosts are left: `clear_host_errors` forgives failures.
    let failed = counts.iter().any(|(_, _, gone)| *gone == Some(Gone::Failed));
    let unreachable = counts.iter().any(|(_, _, gone)| *gone == Some(Gone::Unreachable));
    match (failed, unreachable) {
        (true, _) => FAILED,
        (false, true) => UNREACHABLE,
        _ => 0,
    }
}
