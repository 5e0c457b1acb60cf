//! Random graphs: edges forward, branches anywhere, joins, deferred nodes and error handlers.

use crate::shape::shape;
use genesis_mesh_core::graph::{END, NodeOptions, START, Style, Topology, TopologyBuilder};
use proptest::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// In no order, so that the order of names and that of declarations differ.
const NAMES: [&str; 6] = ["m", "c", "x", "a", "q", "e"];

#[derive(Debug, Clone)]
pub(crate) struct NodeSpec {
    edges: Vec<u8>,
    branch: Vec<u8>,
    is_deferred: bool,
    handler: Option<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct GraphSpec {
    nodes: Vec<NodeSpec>,
    joins: Vec<(Vec<u8>, u8)>,
    entry: Vec<u8>,
    /// What the nodes do.
    pub(crate) seed: u64,
}

pub(crate) fn graphs() -> impl Strategy<Value = GraphSpec> {
    let some = |most| prop::collection::vec(any::<u8>(), 0..most);
    let handler = prop::option::weighted(0.2, any::<u8>());
    let node = (some(3), some(4), prop::bool::weighted(0.15), handler);
    let node = node.prop_map(|(edges, branch, is_deferred, handler)| NodeSpec {
        edges,
        branch,
        is_deferred,
        handler,
    });
    let join = (prop::collection::vec(any::<u8>(), 1..4), any::<u8>());
    let nodes = prop::collection::vec(node, 1..=NAMES.len());
    let parts =
        (nodes, prop::collection::vec(join, 0..3), prop::collection::vec(any::<u8>(), 1..3), any::<u64>());
    parts.prop_map(|(nodes, joins, entry, seed)| GraphSpec { nodes, joins, entry, seed })
}

impl GraphSpec {
    pub(crate) fn names(&self) -> &[&'static str] {
        &NAMES[..self.nodes.len()]
    }

    pub(crate) fn name(&self, place: u8) -> &'static str {
        NAMES[place as usize % self.nodes.len()]
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        let mut graph = TopologyBuilder::new("random");
        for (name, node) in NAMES.iter().zip(&self.nodes) {
            let options = NodeOptions {
                is_deferred: node.is_deferred,
                on_error: node.handler.map(|place| self.name(place).to_owned()),
                // Commands may go anywhere, so that no node is without a way to the end.
                may_goto: true,
                ..NodeOptions::default()
            };
            graph.node(*name, options);
        }
        for place in &self.entry {
            graph.edge(START, self.name(*place));
        }
        for (place, node) in self.nodes.iter().enumerate() {
            let later = &self.names()[place + 1..];
            for edge in &node.edges {
                graph.edge(
                    NAMES[place],
                    later.get(*edge as usize % (later.len() + 1)).copied().unwrap_or(END),
                );
            }
            if !node.branch.is_empty() {
                let target = |to: &u8| if to.is_multiple_of(7) { END } else { self.name(*to) };
                let paths = node.branch.iter().map(|to| (target(to).to_owned(), target(to).to_owned()));
                graph.branch(NAMES[place], Some(paths.collect()));
            }
        }
        for (sources, target) in &self.joins {
            let sources = sources.iter().map(|place| self.name(*place).to_owned());
            graph.join(sources.collect(), self.name(*target));
        }
        Arc::new(graph.build(Some(Arc::new(shape())), Style::Graph).expect("a valid graph"))
    }
}

/// A number that follows from `parts` alone.
pub(crate) fn draw(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
