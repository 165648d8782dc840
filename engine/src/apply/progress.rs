//! How far each host has come: failures, blocks, notified handlers, counts.

use crate::graph::{Part, Section};
use crate::vars::{RoleInstance, lock};
use indexmap::IndexMap;
use modules::value::Map;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Why a host takes no further part in a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// A task failed.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// `meta: end_host` and the like.
    Ended,
}

/// What a run did on one host, as Ansible's recap counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks that ended well, changed or not.
    pub ok: usize,
    /// Tasks that changed something.
    pub changed: usize,
    /// Times that it could not be reached.
    pub unreachable: usize,
    /// Tasks that failed for good.
    pub failed: usize,
    /// Tasks whose condition did not hold.
    pub skipped: usize,
    /// Failures that a `rescue` took up.
    pub rescued: usize,
    /// Failures that were ignored.
    pub ignored: usize,
    /// Tasks that a plan cannot tell about.
    pub unknown: usize,
}

#[derive(Debug, Default)]
struct Block {
    failed: bool,
    rescue_failed: bool,
    always_failed: bool,
}

#[derive(Debug, Default)]
struct HostProgress {
    gone: Option<Gone>,
    blocks: HashMap<u32, Block>,
    notified: BTreeSet<usize>,
    failure: Map,
    ended: Vec<Arc<RoleInstance>>,
    /// Roles that ran a task, by the first use that asks for the same, with the use that did.
    ran: HashMap<usize, Arc<RoleInstance>>,
    counts: Counts,
}

/// All hosts' progress. Hosts are known from their first step on.
#[derive(Debug, Default)]
pub struct Progress(Mutex<IndexMap<String, HostProgress>>);

impl Progress {
    fn with<T>(&self, host: &str, change: impl FnOnce(&mut HostProgress) -> T) -> T {
        change(lock(&self.0).entry(host.to_string()).or_default())
    }

    /// Why the host is out, if it is.
    pub fn gone(&self, host: &str) -> Option<Gone> {
        self.with(host, |h| h.gone)
    }

    /// Takes the host out.
    pub fn leave(&self, host: &str, why: Gone) {
        self.with(host, |h| h.gone = Some(why));
    }

    /// Whether a step within these sections runs on the host now.
    pub fn active(&self, host: &str, sections: &[Section]) -> bool {
        self.with(host, |h| {
            h.gone.is_none()
                && sections.iter().all(|s| {
                    let block = h.blocks.entry(s.block).or_default();
                    match s.part {
                        Part::Body => !block.failed,
                        Part::Rescue => block.failed && !block.rescue_failed,
                        Part::Always => !block.always_failed,
                    }
                })
        })
    }

    /// A step failed: the innermost block that can still act takes it up, or the host is out. True when a `rescue` does.
    pub fn fail(&self, host: &str, sections: &[Section], failure: Map) -> bool {
        self.with(host, |h| {
            if !failure.is_empty() {
                h.failure = failure;
            }
            Self::propagate(h, sections)
        })
    }

    fn propagate(host: &mut HostProgress, sections: &[Section]) -> bool {
        for section in sections.iter().rev() {
            let block = host.blocks.entry(section.block).or_default();
            match section.part {
                Part::Body => {
                    block.failed = true;
                    if section.rescues {
                        return true;
                    }
                    block.rescue_failed = true;
                }
                Part::Rescue => block.rescue_failed = true,
                Part::Always => {
                    block.always_failed = true;
                    continue;
                }
            }
            if section.always {
                // `always` still runs; the block's end passes the failure on.
                return false;
            }
        }
        host.gone = Some(Gone::Failed);
        false
    }

    /// A block ends: what it did not rescue goes on to the blocks around it.
    pub fn end_block(&self, host: &str, block: &Section, outer: &[Section]) {
        self.with(host, |h| {
            let state = h.blocks.remove(&block.block).unwrap_or_default();
            if h.gone.is_some() {
                return;
            }
            if state.failed && state.rescue_failed || state.always_failed {
                Self::propagate(h, outer);
            }
        });
    }

    /// `ansible_failed_task` and `ansible_failed_result` of the last failure, for `rescue`.
    pub fn failure(&self, host: &str) -> Map {
        self.with(host, |h| h.failure.clone())
    }

    /// Remembers that handlers are to run.
    pub fn notify(&self, host: &str, handlers: &[usize]) {
        self.with(host, |h| h.notified.extend(handlers));
    }

    /// Whether a handler is to run; it is then no longer.
    pub fn take_notified(&self, host: &str, handler: usize) -> bool {
        self.with(host, |h| h.notified.remove(&handler))
    }

    /// Whether any handler is to run.
    pub fn any_notified(&self, host: &str) -> bool {
        self.with(host, |h| !h.notified.is_empty())
    }

    /// Prepares a play: blocks and handlers are forgotten; who only ended takes part again.
    pub fn enter_play(&self, host: &str) {
        self.with(host, |h| {
            h.blocks.clear();
            h.ended.clear();
            h.ran.clear();
            h.notified.clear();
            if h.gone == Some(Gone::Ended) {
                h.gone = None;
            }
        });
    }

    /// `meta: clear_host_errors`: who failed takes part again from the next play on.
    pub fn clear_errors(&self) {
        for h in lock(&self.0).values_mut() {
            h.gone = h.gone.map(|_| Gone::Ended);
            // What a block around has not rescued yet is forgiven too.
            h.blocks.clear();
            h.failure.clear();
        }
    }

    /// `meta: end_role`: nothing more of this use of a role runs on the host.
    pub fn end_role(&self, host: &str, role: &Arc<RoleInstance>) {
        self.with(host, |h| h.ended.push(role.clone()));
    }

    /// Remembers that a task of this role ran on the host.
    pub fn ran_role(&self, host: &str, role: &Arc<RoleInstance>) {
        self.with(host, |h| {
            h.ran.entry(Self::key(role)).or_insert_with(|| role.clone());
        });
    }

    /// Whether the same role ran before, for this one or one that led to it.
    pub fn has_run(&self, host: &str, role: Option<&Arc<RoleInstance>>) -> bool {
        let mut repeated = std::iter::successors(role, |r| r.parent.as_ref()).filter(|r| r.first.is_some());
        self.with(host, |h| repeated.any(|role| h.ran.get(&Self::key(role)).is_some_and(|ran| !Arc::ptr_eq(ran, role))))
    }

    fn key(role: &Arc<RoleInstance>) -> usize {
        Arc::as_ptr(role.first.as_ref().unwrap_or(role)) as usize
    }

    /// Whether a role, or one that led to it, has ended on the host.
    pub fn has_ended(&self, host: &str, role: Option<&Arc<RoleInstance>>) -> bool {
        let mut chain = std::iter::successors(role, |r| r.parent.as_ref());
        self.with(host, |h| chain.any(|role| h.ended.iter().any(|ended| Arc::ptr_eq(ended, role))))
    }

    /// Counts.
    pub fn count(&self, host: &str, change: impl FnOnce(&mut Counts)) {
        self.with(host, |h| change(&mut h.counts));
    }

    /// Every host's counts, in the order in which they appeared.
    pub fn counts(&self) -> Vec<(String, Counts, Option<Gone>)> {
        lock(&self.0).iter().map(|(name, h)| (name.clone(), h.counts, h.gone)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(block: u32, part: Part, rescues: bool, always: bool) -> Section {
        Section { block, part, rescues, always }
    }

    #[test]
    fn rescue_takes_a_failure_up() {
        let p = Progress::default();
        let body = [section(1, Part::Body, true, true)];
        assert!(p.fail("h", &body, Map::new()));
        assert!(!p.active("h", &body));
        assert!(p.active("h", &[section(1, Part::Rescue, true, true)]));
        assert!(p.active("h", &[section(1, Part::Always, true, true)]));
        p.end_block("h", &body[0], &[]);
        assert_eq!(p.gone("h"), None);
    }

    #[test]
    fn always_runs_and_the_failure_goes_on() {
        let p = Progress::default();
        let body = [section(1, Part::Body, false, true)];
        assert!(!p.fail("h", &body, Map::new()));
        assert!(p.active("h", &[section(1, Part::Always, false, true)]));
        p.end_block("h", &body[0], &[]);
        assert_eq!(p.gone("h"), Some(Gone::Failed));
    }

    #[test]
    fn a_failing_rescue_fails_the_block_around() {
        let p = Progress::default();
        let outer = section(1, Part::Body, true, false);
        p.fail("h", &[outer.clone(), section(2, Part::Body, true, false)], Map::new());
        p.fail("h", &[outer.clone(), section(2, Part::Rescue, true, false)], Map::new());
        assert!(p.active("h", &[section(1, Part::Rescue, true, false)]));
        assert_eq!(p.gone("h"), None);
    }

    #[test]
    fn without_blocks_the_host_is_out() {
        let p = Progress::default();
        assert!(!p.fail("h", &[], Map::new()));
        assert_eq!(p.gone("h"), Some(Gone::Failed));
    }
}
