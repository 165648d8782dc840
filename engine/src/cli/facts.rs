//! `engine facts`: what is known of hosts.

use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use super::session::{Session, runtime};
use super::{Done, print};
use crate::apply::Run;
use crate::event::{Observers, Status};
use crate::plan::Recorder;
use crate::report::live::Live;
use std::sync::Arc;

/// Show the facts of hosts.
#[derive(Debug, clap::Args)]
pub(super) struct Facts {
    #[command(flatten)]
    hosts: InventoryOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Which hosts
    #[arg(value_name = "PATTERN", default_value = "all")]
    pattern: String,
    /// Only facts whose names match, e.g. `ansible_memtotal_mb` or `ansible_*_mb`
    #[arg(long, value_name = "GLOB")]
    filter: Vec<String>,
}

impl Facts {
    pub(super) fn run(&self) -> Done {
        let text = serde_json::json!([{
            "name": "facts", "hosts": self.pattern, "gather_facts": false,
            "tasks": [{"name": "Gathering Facts", "setup": {"filter": self.filter}}],
        }]);
        // A playbook of one task, so that facts come the same way as in any run.
        let folder =
            tempfile::tempdir().map_err(|e| vec![crate::error::Diagnostic::input("cannot make a temporary folder").note(e.to_string())])?;
        let path = folder.path().join("facts.yaml");
        std::fs::write(&path, text.to_string())
            .map_err(|e| vec![crate::error::Diagnostic::input("cannot write a temporary file").note(e.to_string())])?;
        let playbook = PlaybookOptions {
            start_at_task: None,
            playbooks: vec![path],
            extra_vars: Vec::new(),
            tags: Vec::new(),
            skip_tags: Vec::new(),
            force_handlers: false,
        };
        let session = Session::open(&self.hosts, &playbook, &self.connection, false)?;
        let (recorder, live) = (Arc::new(Recorder::default()), Arc::new(Live::new(0, true)));
        let run = session.run(false, Arc::new(Observers(vec![recorder.clone(), live.clone()])))?;
        runtime()?.block_on(async {
            let done = run.playbooks(&session.playbooks).await;
            run.remotes.close().await;
            done
        })?;
        print(&as_json(&recorder));
        eprint!("{}", live.failures());
        Ok(exit_code(&run))
    }
}

fn exit_code(run: &Run) -> u8 {
    super::plan::code(run)
}

fn as_json(recorder: &Recorder) -> String {
    let plan = recorder.plan();
    let mut hosts = serde_json::Map::new();
    for (host, result) in plan.plays.iter().flat_map(|p| p.tasks.values()).flat_map(|t| &t.hosts) {
        if result.status == Status::Ok {
            let facts = result.value.get("ansible_facts").map(modules::value::Value::to_json);
            hosts.insert(host.clone(), facts.unwrap_or_default());
        }
    }
    format!("{}\n", serde_json::to_string_pretty(&hosts).unwrap_or_default())
}
