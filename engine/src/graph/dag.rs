//! Steps times hosts as a directed acyclic graph, one small pass after another.

use super::{Step, StepKind};
use modules::module::Effects;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use std::collections::HashMap;
use std::sync::Arc;

/// The graph of a play. An edge says that its target waits for its source.
pub type Dag = StableDiGraph<Vertex, Edge>;

/// One node.
#[derive(Debug, Clone)]
pub enum Vertex {
    /// A step on one host.
    Run {
        /// What.
        step: Arc<Step>,
        /// Where.
        host: Arc<str>,
    },
    /// A step that one host runs for all of these (`run_once`).
    Once {
        /// What.
        step: Arc<Step>,
        /// For whom; the first that is still active runs it.
        hosts: Arc<[Arc<str>]>,
    },
    /// Where includes or handlers unfold for these hosts, once all of them have got here.
    Unfold {
        /// The include or flush.
        step: Arc<Step>,
        /// For whom.
        hosts: Arc<[Arc<str>]>,
    },
    /// Hosts wait here for each other; nothing runs.
    Barrier,
    /// Hosts wait here for each other, so that who failed the step can end it for all.
    Meet {
        /// The step before.
        step: Arc<Step>,
    },
}

/// Why one node waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// It stands before it on the same host.
    Order,
    /// The task could observe what other hosts did before.
    Barrier,
}

/// How a play orders its hosts against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// A task that could observe other hosts starts only when all have done what stands before it.
    Linear,
    /// Each host goes its own way.
    Free,
}

/// What decides where barriers are needed.
pub struct Order<'a> {
    /// The play's strategy.
    pub strategy: Strategy,
    /// Whether a step reads what another host could have made.
    pub observes: &'a dyn Fn(&Step) -> bool,
    /// Whether one host runs a step for all.
    pub once: &'a dyn Fn(&Step) -> bool,
    /// Whether hosts meet after a step, because its failure may end others.
    pub meets: &'a dyn Fn(&Step) -> bool,
}

/// The last node of each host so far; what is appended next waits for it.
type Tails = HashMap<Arc<str>, NodeIndex>;

/// Steps, and the hosts that go through them together.
pub type Fragment = (Vec<Arc<Step>>, Vec<Arc<str>>);

/// Adds steps for hosts, after `entry` if given; answers the nodes that end it.
pub fn append(dag: &mut Dag, fragments: &[Fragment], entry: Option<NodeIndex>, order: &Order<'_>) -> Vec<NodeIndex> {
    let mut tails = Tails::new();
    for (steps, hosts) in fragments {
        if let Some(entry) = entry {
            for host in hosts {
                tails.entry(host.clone()).or_insert(entry);
            }
        }
        for step in steps {
            add_step(dag, step, hosts, &mut tails, order);
            if step.task().is_some() && order.strategy == Strategy::Linear && (order.meets)(step) {
                join(dag, Vertex::Meet { step: step.clone() }, hosts, &mut tails);
            }
        }
    }
    let mut ends: Vec<NodeIndex> = tails.into_values().filter(|n| Some(*n) != entry).collect();
    ends.sort();
    ends.dedup();
    ends
}

fn add_step(dag: &mut Dag, step: &Arc<Step>, hosts: &[Arc<str>], tails: &mut Tails, order: &Order<'_>) {
    if (order.once)(step) && !matches!(step.kind, StepKind::Flush(_) | StepKind::BlockEnd(_)) {
        let all: Arc<[Arc<str>]> = hosts.into();
        join(dag, Vertex::Once { step: step.clone(), hosts: all.clone() }, hosts, tails);
        if step.is_include() {
            join(dag, Vertex::Unfold { step: step.clone(), hosts: all }, hosts, tails);
        }
        return;
    }
    if matches!(step.kind, StepKind::Flush(_)) {
        unfold(dag, step, hosts, tails, order);
        return;
    }
    if order.strategy == Strategy::Linear && hosts.len() > 1 && needs_barrier(step, order) {
        barrier(dag, hosts, tails);
    }
    for host in hosts {
        let node = dag.add_node(Vertex::Run { step: step.clone(), host: host.clone() });
        if let Some(before) = tails.insert(host.clone(), node) {
            dag.add_edge(before, node, Edge::Order);
        }
    }
    if step.is_include() {
        unfold(dag, step, hosts, tails, order);
    }
}

/// A barrier is needed only before a task that could observe other hosts: its module says so, or what it is given does.
fn needs_barrier(step: &Step, order: &Order<'_>) -> bool {
    if matches!(step.kind, StepKind::BlockEnd(_)) {
        return false;
    }
    if (order.observes)(step) {
        return true;
    }
    let effects = match step.module() {
        "debug" | "set_fact" | "assert" | "fail" | "template" | "setup" | "include_vars" | "script" => Effects::Local,
        "include_tasks" | "include_role" | "include" => Effects::Local,
        name => modules::registry::find(name).map_or(Effects::World, |m| m.effects),
    };
    effects == Effects::World
}

/// Waits of several hosts meet in one node, so that edges grow with the hosts and not with their square.
fn barrier(dag: &mut Dag, hosts: &[Arc<str>], tails: &mut Tails) {
    let mut before: Vec<NodeIndex> = hosts.iter().filter_map(|h| tails.get(h).copied()).collect();
    before.sort();
    before.dedup();
    if before.len() > 1 {
        let node = dag.add_node(Vertex::Barrier);
        before.iter().for_each(|b| {
            dag.add_edge(*b, node, Edge::Barrier);
        });
        hosts.iter().for_each(|h| {
            tails.insert(h.clone(), node);
        });
    }
}

fn unfold(dag: &mut Dag, step: &Arc<Step>, hosts: &[Arc<str>], tails: &mut Tails, order: &Order<'_>) {
    match order.strategy {
        Strategy::Linear => join(dag, Vertex::Unfold { step: step.clone(), hosts: hosts.into() }, hosts, tails),
        Strategy::Free => hosts.iter().for_each(|host| {
            let alone = std::slice::from_ref(host);
            join(dag, Vertex::Unfold { step: step.clone(), hosts: alone.into() }, alone, tails);
        }),
    }
}

/// One node that all these hosts reach and leave together.
fn join(dag: &mut Dag, vertex: Vertex, hosts: &[Arc<str>], tails: &mut Tails) {
    let node = dag.add_node(vertex);
    let mut before: Vec<NodeIndex> = hosts.iter().filter_map(|h| tails.get(h).copied()).collect();
    before.sort();
    before.dedup();
    before.iter().for_each(|b| {
        dag.add_edge(*b, node, Edge::Barrier);
    });
    hosts.iter().for_each(|h| {
        tails.insert(h.clone(), node);
    });
}
