//! `engine apply`: plan, ask, change.

use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use super::plan::{code, planned};
use super::session::{Session, runtime};
use super::{Done, print};
use crate::error::{EXIT_DONE, EXIT_INTERRUPTED};
use crate::event::Observers;
use crate::plan::Recorder;
use crate::report::live::Live;
use crate::report::paint::Paint;
use crate::report::plan_text;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Show what would change, ask, and change it.
#[derive(Debug, clap::Args)]
pub(super) struct Apply {
    #[command(flatten)]
    hosts: InventoryOptions,
    #[command(flatten)]
    playbook: PlaybookOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Change nothing: the same as `engine plan`
    #[arg(short = 'C', long)]
    check: bool,
    /// Show what changed as diffs
    #[arg(short = 'D', long)]
    diff: bool,
    /// Do not ask, and do not plan first
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Apply {
    pub(super) fn run(&self) -> Done {
        let session = Session::open(&self.hosts, &self.playbook, &self.connection, self.diff)?;
        let asks = !self.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if self.check || asks {
            let (plan, run) = planned(&session)?;
            if self.check || code(&run) != EXIT_DONE || !plan.totals().any() {
                return Ok(code(&run));
            }
            if !confirmed() {
                eprintln!("Nothing was changed.");
                return Ok(EXIT_INTERRUPTED);
            }
        }
        self.change(&session)
    }

    fn change(&self, session: &Session) -> Done {
        let recorder = Arc::new(Recorder::default());
        let live = Arc::new(Live::new(session.verbosity, false));
        let run = session.run(true, Arc::new(Observers(vec![recorder.clone(), live.clone()])))?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let runtime = runtime()?;
        let done = runtime.block_on(async {
            let (watched, seen) = (run.clone(), interrupted.clone());
            let watch = tokio::spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    seen.store(true, Ordering::Relaxed);
                    watched.stop();
                    eprintln!("Interrupted: what runs comes to its end, nothing further starts. Again to end at once.");
                    if tokio::signal::ctrl_c().await.is_ok() {
                        std::process::exit(EXIT_INTERRUPTED.into());
                    }
                }
            });
            let done = run.playbooks(&session.playbooks).await;
            watch.abort();
            run.remotes.close().await;
            done
        });
        if self.diff {
            print(&plan_text::changes(&recorder.plan(), Paint::stdout()));
        }
        let counts: Vec<_> = run.progress.counts().into_iter().map(|(host, counts, _)| (host, counts)).collect();
        if done.is_ok() || !counts.is_empty() {
            eprint!("{}", live.finish(&counts));
        }
        done?;
        if interrupted.load(Ordering::Relaxed) {
            return Ok(EXIT_INTERRUPTED);
        }
        Ok(code(&run))
    }
}

fn confirmed() -> bool {
    eprint!("\nApply these changes? Only `yes` is accepted: ");
    let mut line = String::new();
    // Whoever cannot be asked has not agreed.
    let asked = std::io::stderr().flush().and_then(|()| std::io::stdin().lock().read_line(&mut line));
    asked.is_ok() && line.trim() == "yes"
}
