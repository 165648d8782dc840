//! `engine plan`: what would change.

use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use super::session::{Session, runtime};
use super::{Done, print};
use crate::apply::{Gone, Run};
use crate::error::{EXIT_DONE, EXIT_FAILED, EXIT_PENDING, EXIT_UNREACHABLE};
use crate::event::Observers;
use crate::plan::Recorder;
use crate::report::live::Live;
use crate::report::paint::Paint;
use crate::report::plan_text;
use std::sync::Arc;

/// Show what would change, host by host, and change nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    #[command(flatten)]
    hosts: InventoryOptions,
    #[command(flatten)]
    playbook: PlaybookOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Exit with 2 when changes are pending, 0 when there are none
    #[arg(long)]
    detailed_exitcode: bool,
}

impl Plan {
    pub(super) fn run(&self) -> Done {
        let session = Session::open(&self.hosts, &self.playbook, &self.connection, true)?;
        let (plan, run) = planned(&session)?;
        Ok(match code(&run) {
            EXIT_DONE if self.detailed_exitcode && plan.totals().any() => EXIT_PENDING,
            code => code,
        })
    }
}

/// Runs the playbooks on the hosts' overlays, and shows the plan: what would change, then what failed.
pub(super) fn planned(session: &Session) -> Result<(crate::plan::Plan, Arc<Run>), Vec<crate::error::Diagnostic>> {
    let recorder = Arc::new(Recorder::default());
    let live = Arc::new(Live::new(session.verbosity, true));
    let run = session.run(false, Arc::new(Observers(vec![recorder.clone(), live.clone()])))?;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let done = run.playbooks(&session.playbooks).await;
        run.remotes.close().await;
        done
    });
    let plan = recorder.plan();
    if done.is_ok() {
        print(&plan_text::render(&plan, Paint::stdout()));
    }
    eprint!("{}", live.failures());
    done.map(|()| (plan, run))
}

/// The exit code that hosts' progress asks for.
pub(super) fn code(run: &Run) -> u8 {
    let counts = run.progress.counts();
    let unreachable = counts.iter().any(|(_, c, gone)| c.unreachable > 0 && *gone == Some(Gone::Unreachable));
    let failed = counts.iter().any(|(_, _, gone)| *gone == Some(Gone::Failed));
    match (failed, unreachable) {
        (true, _) => EXIT_FAILED,
        (false, true) => EXIT_UNREACHABLE,
        _ => EXIT_DONE,
    }
}
