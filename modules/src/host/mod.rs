//! The only way to the system: reads answer from the host or from what this run wrote; writes are recorded as changes.
//!
//! A `Host` is *live* (writes happen) or an *overlay* (writes are remembered in memory). Modules cannot tell which:
//! `is_live` is for the kinds in this folder only.

pub mod accounts;
pub mod attributes;
pub mod command;
pub mod crontabs;
pub mod digest;
pub mod edit;
pub mod facts;
pub mod files;
pub mod firewall;
pub(crate) mod foreign;
pub mod init;
pub mod jobs;
pub mod kernel;
pub mod mounts;
pub mod names;
pub mod overlay;
pub mod packages;
pub mod processes;
pub mod settings;

pub mod temporary;
pub mod units;
pub mod wait;
pub mod web;
pub mod words;

use crate::change::Change;
use crate::module::Halt;
pub use command::{Command, Output};
pub use files::Files;
pub use names::Names;
use overlay::Overlay;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where file content comes from that travels by hash.
pub trait Blobs: Send {
    /// The content with this SHA-256 (hex), fetched from `engine` if this host lacks it.
    fn fetch(&mut self, hash: &str) -> Result<Vec<u8>, Halt>;
}

/// One host as one user sees it, for one module run after another.
pub struct Host {
    live: bool,
    overlay: Overlay,
    changes: Vec<Change>,
    warnings: Vec<String>,
    looks_only: bool,
    environment: Vec<(String, String)>,
    deadline: Option<Instant>,
    children: Arc<command::Children>,
    blobs: Box<dyn Blobs>,
}

impl Host {
    /// A host whose content comes from `blobs`; starts as an overlay.
    pub fn new(blobs: Box<dyn Blobs>) -> Host {
        Host {
            live: false,
            overlay: Overlay::default(),
            changes: Vec::new(),
            warnings: Vec::new(),
            looks_only: false,
            environment: Vec::new(),
            deadline: None,
            children: Arc::default(),
            blobs,
        }
    }

    /// Prepares the next module run: whether writes happen, and the task's environment. A live run ends the plan before
    /// it: what that remembered may not be true any more.
    pub fn begin(&mut self, live: bool, environment: Vec<(String, String)>) {
        self.live = live;
        self.environment = environment;
        self.deadline = None;
        self.changes.clear();
        self.warnings.clear();
        self.looks_only = false;
        if live {
            self.overlay = Overlay::default();
        }
    }

    /// Forgets what a plan remembered.
    pub fn forget(&mut self) {
        self.overlay = Overlay::default();
    }

    /// The module run that began only looks, within a run that changes: it sees the host alone, and what tasks that only
    /// looked before it would have made is missing.
    pub fn only_look(&mut self) {
        self.forget();
        self.looks_only = true;
    }

    /// Tells the user something, however the module run ends; once.
    pub(crate) fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// What the user should know of the module run that ends.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Bounds the module run that began: from then on its programs are ended and it fails at its next step.
    pub fn limit(&mut self, time: Duration) {
        self.deadline = Instant::now().checked_add(time);
    }

    /// What is left of the time of this module run; `None` when it has no limit.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits, for modules that look again and again.
    ///
    /// # Errors
    /// When the time of the module run is over.
    pub fn pause(&mut self, time: Duration) -> Result<(), Halt> {
        std::thread::sleep(self.time_left().map_or(time, |left| left.min(time)));
        match self.time_left() {
            Some(Duration::ZERO) => Err(Halt::failed("the time limit of the task is over")),
            _ => Ok(()),
        }
    }

    /// The program that runs, for a thread that may have to end it.
    pub fn children(&self) -> Arc<command::Children> {
        Arc::clone(&self.children)
    }

    /// Ends a module run: the changes recorded since `begin`.
    pub fn finish(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The changes recorded so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether the task has recorded a change so far.
    pub fn changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Users and groups by name and number.
    pub fn names(&mut self) -> Names<'_> {
        Names::of(self)
    }

    /// Files, directories and links.
    pub fn files(&mut self) -> Files<'_> {
        Files::of(self)
    }

    /// The content with this SHA-256, from the controller if need be.
    pub fn content(&mut self, hash: &str) -> Result<Vec<u8>, Halt> {
        self.blobs.fetch(hash)
    }

    /// Runs a program that changes nothing; in plans too.
    ///
    /// # Errors
    /// When it cannot be started. A non-zero exit is not an error: see [`Output::require`].
    pub fn query(&mut self, command: &Command) -> Result<Output, Halt> {
        self.run(command)
    }

    fn run(&self, command: &Command) -> Result<Output, Halt> {
        let around = command::Surroundings { environment: &self.environment, deadline: self.deadline, children: &self.children };
        command::run(command, &around)
    }

    /// Runs a program that may change anything, and records a change of kind `command`, named by its line.
    /// Under the overlay it does not run and the answer is `None`: known after apply. From then on, what is missing
    /// on this host is *unknown*, not absent, because the program may make it.
    pub fn execute(&mut self, command: &Command) -> Result<Option<Output>, Halt> {
        self.record(Change::new(crate::change::Action::Run, "command", command.line()));
        if !self.live {
            self.overlay.run_unpredicted(&format!("`{}`", command.line()));
        }
        self.perform(command)
    }

    /// Runs a program as part of a kind's own recorded change; `None` under the overlay. Nothing becomes unknown:
    /// the kind remembers in the overlay what the program would have done.
    pub(crate) fn perform(&mut self, command: &Command) -> Result<Option<Output>, Halt> {
        if self.live { self.run(command).map(Some) } else { Ok(None) }
    }

    /// In a plan: does `work` as if what may have been made by what ran before were missing, and records its changes with
    /// an unknown state before.
    pub(crate) fn as_if_missing<T>(&mut self, why: &str, work: impl FnOnce(&mut Host) -> Result<T, Halt>) -> Result<T, Halt> {
        let unpredicted = self.overlay.unpredicted.take();
        self.changes.clear();
        let done = work(self);
        self.overlay.unpredicted = unpredicted;
        if done.is_err() {
            self.changes.clear();
        }
        for field in self.changes.iter_mut().flat_map(|c| &mut c.fields) {
            if matches!(field.before, crate::value::Value::Null) {
                field.before = crate::value::Value::unknown(why);
            }
        }
        done
    }

    /// Records a change.
    pub(crate) fn record(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Whether writes happen. For kinds only.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// What this plan has written in memory. For kinds only.
    pub(crate) fn overlay(&mut self) -> &mut Overlay {
        &mut self.overlay
    }

    /// The overlay as bytes, for another user's agent on the same host.
    pub fn take_overlay(&mut self) -> Vec<u8> {
        // Writing to memory what serde derived cannot fail; were it to, the reader would refuse the empty bytes.
        rmp_serde::to_vec_named(&self.overlay).unwrap_or_default()
    }

    /// Goes on from another agent's overlay.
    pub fn put_overlay(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        self.overlay = Overlay::parse(bytes)?;
        Ok(())
    }
}
