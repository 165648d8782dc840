//! Walks a graph in parallel: a node runs when all it waits for are done. Knows nothing of hosts or tasks.

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::NodeIndexable;
use std::collections::HashMap;

/// What running a node leads to: more of the graph between it and what waits for it, or nothing.
pub type Growth<N, E> = Option<Box<dyn FnOnce(&mut StableDiGraph<N, E>, NodeIndex) -> Vec<NodeIndex> + Send>>;

/// Runs every node once, in the order of the edges; as many at a time as are ready.
///
/// When a node grows the graph, the function it answers adds nodes that (directly or not) wait for it, and names those
/// that end the addition: what waited for the node then waits for these too.
pub async fn walk<N, E, F>(dag: &mut StableDiGraph<N, E>, edge: impl Fn() -> E, mut run: F)
where
    N: Clone,
    F: FnMut(N) -> BoxFuture<'static, Growth<N, E>>,
{
    let mut waits: HashMap<NodeIndex, usize> = HashMap::new();
    let mut running = FuturesUnordered::new();
    let nodes: Vec<NodeIndex> = dag.node_indices().collect();
    let mut ready: Vec<NodeIndex> = Vec::new();
    for node in nodes {
        match dag.neighbors_directed(node, Direction::Incoming).count() {
            0 => ready.push(node),
            n => drop(waits.insert(node, n)),
        }
    }
    loop {
        for node in ready.drain(..) {
            let work = run(dag[node].clone());
            running.push(async move { (node, work.await) });
        }
        let Some((node, growth)) = running.next().await else { break };
        if let Some(grow) = growth {
            grow_after(dag, node, grow, &edge, &mut waits);
        }
        let mut next: Vec<NodeIndex> = dag.neighbors_directed(node, Direction::Outgoing).collect();
        next.sort();
        for after in next {
            if let Some(count) = waits.get_mut(&after) {
                *count -= 1;
                if *count == 0 {
                    waits.remove(&after);
                    ready.push(after);
                }
            }
        }
    }
}

type Grow<N, E> = Box<dyn FnOnce(&mut StableDiGraph<N, E>, NodeIndex) -> Vec<NodeIndex> + Send>;

fn grow_after<N, E>(
    dag: &mut StableDiGraph<N, E>,
    node: NodeIndex,
    grow: Grow<N, E>,
    edge: &impl Fn() -> E,
    waits: &mut HashMap<NodeIndex, usize>,
) {
    let successors: Vec<NodeIndex> = dag.neighbors_directed(node, Direction::Outgoing).collect();
    // Nodes are never removed, so what is new has the higher numbers.
    let first = dag.node_bound();
    let ends = grow(dag, node);
    for after in successors {
        for end in &ends {
            dag.add_edge(*end, after, edge());
            *waits.entry(after).or_default() += 1;
        }
    }
    for new in (first..dag.node_bound()).map(NodeIndex::new) {
        waits.insert(new, dag.neighbors_directed(new, Direction::Incoming).count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn trace(dag: &mut StableDiGraph<&'static str, ()>, grow_at: Option<&'static str>) -> Vec<&'static str> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let log = seen.clone();
        runtime.block_on(walk(
            dag,
            || (),
            move |name| {
                let log = log.clone();
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    log.lock().expect("not poisoned").push(name);
                    if Some(name) != grow_at {
                        return None;
                    }
                    let grow: Grow<&'static str, ()> = Box::new(|dag, at| {
                        let (x, y) = (dag.add_node("x"), dag.add_node("y"));
                        dag.add_edge(at, x, ());
                        dag.add_edge(x, y, ());
                        vec![y]
                    });
                    Some(grow)
                })
            },
        ));
        std::mem::take(&mut *seen.lock().expect("not poisoned"))
    }

    #[test]
    fn runs_each_node_once_in_order() {
        let mut dag = StableDiGraph::new();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| dag.add_node(n));
        for (from, to) in [(a, b), (a, c), (b, d), (c, d)] {
            dag.add_edge(from, to, ());
        }
        let mut seen = trace(&mut dag, None);
        // The two in the middle wait only for the first.
        seen[1..3].sort_unstable();
        assert_eq!(seen, ["a", "b", "c", "d"]);
    }

    #[test]
    fn what_grows_stands_between_a_node_and_what_waits_for_it() {
        let mut dag = StableDiGraph::new();
        let [a, b, c] = ["a", "b", "c"].map(|n| dag.add_node(n));
        dag.add_edge(a, b, ());
        dag.add_edge(b, c, ());
        assert_eq!(trace(&mut dag, Some("b")), ["a", "b", "x", "y", "c"]);
    }
}
