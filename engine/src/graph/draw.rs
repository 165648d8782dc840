//! Graphs as DOT, Mermaid and SVG, grouped by play.

use super::StepKind;
use super::dag::{Dag, Edge, Vertex};
use petgraph::Direction;
use petgraph::stable_graph::NodeIndex;
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use std::collections::HashMap;
use std::fmt::Write;

/// A play's name and graph.
pub type Play = (String, Dag);

/// Graphviz' language; one cluster a play.
pub fn dot(plays: &[Play]) -> String {
    let mut out = String::from("digraph engine {\n  rankdir=TB;\n  compound=true;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (number, (name, dag)) in plays.iter().enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label={};", quoted(name));
        for node in dag.node_indices() {
            let shape = if matches!(dag[node], Vertex::Barrier | Vertex::Meet { .. }) { ", shape=point" } else { "" };
            let _ = writeln!(out, "    p{number}n{} [label={}{shape}];", node.index(), quoted(&label(&dag[node])));
        }
        for edge in dag.edge_references() {
            let style = if *edge.weight() == Edge::Barrier { " [style=dashed]" } else { "" };
            let _ = writeln!(out, "    p{number}n{} -> p{number}n{}{style};", edge.source().index(), edge.target().index());
        }
        out.push_str("  }\n");
    }
    // One play after the other; the edge ends at the clusters' borders.
    let drawn: Vec<usize> = plays.iter().enumerate().filter(|(_, (_, dag))| dag.node_count() > 0).map(|(n, _)| n).collect();
    for pair in drawn.windows(2) {
        if let (Some(last), Some(first)) = (plays[pair[0]].1.node_indices().next_back(), plays[pair[1]].1.node_indices().next()) {
            let (a, b) = (pair[0], pair[1]);
            let _ = writeln!(out, "  p{a}n{} -> p{b}n{} [ltail=cluster_{a}, lhead=cluster_{b}];", last.index(), first.index());
        }
    }
    out.push_str("}\n");
    out
}

/// Mermaid's flowchart; one subgraph a play. Code forges draw it in Markdown.
pub fn mermaid(plays: &[Play]) -> String {
    let mut out = String::from("flowchart TD\n");
    for (number, (name, dag)) in plays.iter().enumerate() {
        let _ = writeln!(out, "  subgraph p{number}[{}]", mermaid_text(name));
        for node in dag.node_indices() {
            let id = format!("p{number}n{}", node.index());
            let _ = match dag[node] {
                Vertex::Barrier | Vertex::Meet { .. } => writeln!(out, "    {id}(( ))"),
                _ => writeln!(out, "    {id}[{}]", mermaid_text(&label(&dag[node]))),
            };
        }
        for edge in dag.edge_references() {
            let arrow = if *edge.weight() == Edge::Barrier { "-.->" } else { "-->" };
            let _ = writeln!(out, "    p{number}n{} {arrow} p{number}n{}", edge.source().index(), edge.target().index());
        }
        out.push_str("  end\n");
    }
    for number in 1..plays.len() {
        let _ = writeln!(out, "  p{} --> p{number}", number - 1);
    }
    out
}

fn label(vertex: &Vertex) -> String {
    match vertex {
        Vertex::Run { step, host } => format!("{host}: {}", step_name(&step.kind)),
        Vertex::Once { step, hosts } => format!("once for {} hosts: {}", hosts.len(), step_name(&step.kind)),
        Vertex::Unfold { step, .. } => match step.kind {
            StepKind::Flush(_) => "run notified handlers".to_string(),
            _ => format!("unfold: {}", step_name(&step.kind)),
        },
        Vertex::Barrier | Vertex::Meet { .. } => "all hosts".to_string(),
    }
}

fn step_name(kind: &StepKind) -> String {
    match kind {
        StepKind::Task(task) | StepKind::Handler(task, _) => {
            task.name.as_ref().and_then(|n| n.as_str()).unwrap_or(&task.action.module).to_string()
        }
        StepKind::Flush(_) => "run notified handlers".into(),
        StepKind::BlockEnd(_) => "end of block".into(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "))
}

fn mermaid_text(text: &str) -> String {
    format!("\"{}\"", text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;").replace('\n', " "))
}

const BOX: (usize, usize) = (220, 30);
const GAP: (usize, usize) = (24, 22);
const MARGIN: usize = 20;

/// A drawing by itself: each play a frame, each row what can run at the same time.
pub fn svg(plays: &[Play]) -> String {
    let mut body = String::new();
    let (mut top, mut width) = (MARGIN, 0);
    for (name, dag) in plays {
        let rows = rows(dag);
        let wide = rows.iter().map(Vec::len).max().unwrap_or(0);
        let frame = (wide.max(1) * (BOX.0 + GAP.0) + GAP.0, rows.len() * (BOX.1 + GAP.1) + 44);
        let _ = writeln!(
            body,
            r##"<rect x="{MARGIN}" y="{top}" width="{}" height="{}" rx="8" fill="#f6f8fa" stroke="#d0d7de"/><text x="{}" y="{}" font-weight="bold">{}</text>"##,
            frame.0,
            frame.1,
            MARGIN + 12,
            top + 22,
            escaped(name)
        );
        draw_play(&mut body, dag, &rows, top + 36);
        top += frame.1 + MARGIN;
        width = width.max(frame.0);
    }
    let (width, height) = (width + 2 * MARGIN, top);
    let head = r##"<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>"##;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n{head}\n{body}</svg>\n"
    )
}

/// Nodes by their longest way from the start; each in the order of its creation.
fn rows(dag: &Dag) -> Vec<Vec<NodeIndex>> {
    let mut depth: HashMap<NodeIndex, usize> = HashMap::new();
    for node in petgraph::algo::toposort(dag, None).unwrap_or_default() {
        let above = dag.neighbors_directed(node, Direction::Incoming).filter_map(|n| depth.get(&n)).max();
        depth.insert(node, above.map_or(0, |d| d + 1));
    }
    let mut rows = vec![Vec::new(); depth.values().max().map_or(0, |d| d + 1)];
    for node in dag.node_indices() {
        rows[depth[&node]].push(node);
    }
    rows
}

fn draw_play(body: &mut String, dag: &Dag, rows: &[Vec<NodeIndex>], top: usize) {
    let mut at: HashMap<NodeIndex, (usize, usize)> = HashMap::new();
    let wide = rows.iter().map(Vec::len).max().unwrap_or(0);
    for (row, nodes) in rows.iter().enumerate() {
        let indent = (wide - nodes.len()) * (BOX.0 + GAP.0) / 2;
        for (column, node) in nodes.iter().enumerate() {
            at.insert(*node, (MARGIN + GAP.0 + indent + column * (BOX.0 + GAP.0), top + row * (BOX.1 + GAP.1)));
        }
    }
    for edge in dag.edge_references() {
        let (from, to) = (at[&edge.source()], at[&edge.target()]);
        let dash = if *edge.weight() == Edge::Barrier { r#" stroke-dasharray="4 3""# } else { "" };
        let _ = writeln!(
            body,
            r##"<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#57606a" marker-end="url(#a)"{dash}/>"##,
            from.0 + BOX.0 / 2,
            from.1 + BOX.1,
            to.0 + BOX.0 / 2,
            to.1
        );
    }
    for (row, node) in rows.iter().flatten().map(|n| (at[n], n)) {
        let full = label(&dag[*node]);
        let short: String = if full.chars().count() > 32 { full.chars().take(31).chain(['…']).collect() } else { full.clone() };
        let _ = writeln!(
            body,
            r##"<g><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="4" fill="#fff" stroke="#57606a"/><text x="{}" y="{}">{}</text></g>"##,
            escaped(&full),
            row.0,
            row.1,
            BOX.0,
            BOX.1,
            row.0 + 8,
            row.1 + 19,
            escaped(&short)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
