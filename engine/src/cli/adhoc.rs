//! Called as `ansible`: one task on the hosts of a pattern.

use super::options::{ConnectionOptions, InventoryOptions, PlaybookOptions};
use super::print;
use super::session::{Session, runtime};
use crate::error::Diagnostic;
use crate::event::Observers;
use crate::report::minimal::Minimal;
use clap::Parser;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Exit code for options that do not go together.
const OPTIONS: u8 = 5;

/// Runs one task on hosts, with the options and exit codes of `ansible`.
#[derive(Debug, Parser)]
#[command(name = "ansible", version = super::called::VERSION, max_term_width = 100)]
pub(super) struct AdHoc {
    #[command(flatten)]
    hosts: InventoryOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Which hosts
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// The module
    #[arg(short = 'm', long = "module-name", value_name = "MODULE", default_value = "command")]
    module: String,
    /// Its arguments: name=value words, or a dictionary in JSON
    #[arg(short = 'a', long = "args", value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    args: String,
    /// Extra variables: name=value, YAML or JSON, or @FILE
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    extra_vars: Vec<String>,
    /// Change nothing
    #[arg(short = 'C', long)]
    check: bool,
    /// Show what changes in files
    #[arg(short = 'D', long)]
    diff: bool,
    /// A line a host
    #[arg(short = 'o', long)]
    one_line: bool,
    /// List the hosts, and do nothing
    #[arg(long)]
    list_hosts: bool,
    /// The folder that stands for a playbook's
    #[arg(long, value_name = "FOLDER")]
    playbook_dir: Option<PathBuf>,
    /// Seconds after which the task has failed
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u64>,
    /// Run in the background, for so many seconds at most
    #[arg(short = 'B', long, value_name = "SECONDS")]
    background: Option<u64>,
    /// Seconds between looks at what runs in the background
    #[arg(short = 'P', long, value_name = "SECONDS", default_value = "15")]
    poll: u64,
    /// Forget the facts that earlier runs kept
    #[arg(long)]
    flush_cache: bool,
}

impl AdHoc {
    pub(super) fn run(&self) -> Result<u8, Vec<Diagnostic>> {
        let short = crate::playbook::short_name(&self.module);
        if matches!(short, "command" | "shell" | "raw" | "script") && self.args.trim().is_empty() && !self.list_hosts {
            eprintln!("[ERROR]: No argument passed to {} module", self.module);
            return Ok(OPTIONS);
        }
        let playbook = PlaybookOptions {
            playbooks: Vec::new(),
            extra_vars: self.extra_vars.clone(),
            tags: Vec::new(),
            skip_tags: Vec::new(),
            force_handlers: false,
            start_at_task: None,
        };
        let folder = super::session::base_folder(self.playbook_dir.as_deref());
        let text = self.play().to_string();
        let hosts = InventoryOptions { lenient: true, ..self.hosts.clone() };
        let mut session = Session::of_text(&hosts, &playbook, &self.connection, self.diff, (folder.join("adhoc"), text))?;
        session.familiar();
        if self.flush_cache {
            session.flush_cache();
        }
        let setting = super::config::Config::read().text("ANSIBLE_STDOUT_CALLBACK", "defaults", "stdout_callback");
        let minimal = Minimal::new(self.one_line || setting.as_deref() == Some("oneline"), self.diff);
        let run = session.run(!self.check, Arc::new(Observers(vec![Arc::new(minimal)])))?;
        if self.list_hosts {
            let hosts = session.selected(&self.pattern)?;
            let lines: String = hosts.iter().map(|h| format!("    {h}\n")).collect();
            print(&format!("  hosts ({}):\n{lines}", hosts.len()));
            return Ok(0);
        }
        runtime()?.block_on(async {
            let done = run.playbooks(&session.playbooks).await;
            run.remotes.close().await;
            done
        })?;
        Ok(super::familiar::code(&run))
    }

    /// A play of the one task.
    fn play(&self) -> Json {
        let args: Json = match serde_json::from_str(&self.args) {
            Ok(map @ Json::Object(_)) => map,
            _ => Json::from(self.args.as_str()),
        };
        let mut task = match (self.module.contains("{{"), &args) {
            (false, Json::String(text)) if text.is_empty() => json!({ &self.module: null }),
            (false, args) => json!({ &self.module: args }),
            (true, Json::String(text)) => json!({ "action": format!("{} {text}", self.module) }),
            (true, args) => json!({ "action": { "module": self.module }, "args": args }),
        };
        if let Some(seconds) = self.task_timeout {
            task["timeout"] = seconds.into();
        }
        if let Some(seconds) = self.background {
            task["async"] = seconds.into();
            task["poll"] = self.poll.into();
        }
        json!([{ "name": "Ansible Ad-Hoc", "hosts": self.pattern, "gather_facts": false, "tasks": [task] }])
    }
}
