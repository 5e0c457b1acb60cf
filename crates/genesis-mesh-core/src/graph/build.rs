//! From declarations to a topology: names become ids, and every mistake is found first.
//!
//! Owns: the compilation of a graph.
//! Never: judges a graph; that is `check.rs`.

use super::check;
use super::declare::{DeclaredBranch, DeclaredNode, TopologyBuilder};
use super::problem::{GraphError, GraphProblem};
use super::topology::{END, Exit, Join, Node, NodeId, START, Style, Topology};
use crate::state::{ChannelId, Shape};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl TopologyBuilder {
    /// The valid graph.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn build(mut self, shape: Option<Arc<Shape>>, style: Style) -> Result<Topology, GraphError> {
        let fail = |name: &str, problems| Err(GraphError { graph: name.to_owned(), problems });
        let Some(shape) = shape else {
            self.problems.push(GraphProblem::NoShape);
            return fail(&self.name, self.problems);
        };
        let mut problems = std::mem::take(&mut self.problems);
        problems.extend(check::names(&self));
        if style == Style::Graph {
            problems.extend(check::edges(&self));
        }
        let input = channels(&shape, "the input", self.input.take(), &mut problems);
        let output = channels(&shape, "the output", self.output.take(), &mut problems);
        let mut reads = Vec::new();
        for node in &mut self.nodes {
            let place = format!("the input of `{}`", node.name);
            let channels = channels(&shape, &place, node.options.reads.take(), &mut problems);
            reads.extend(channels.map(|channels| (node.name.clone(), channels)));
        }
        if problems.is_empty() && style == Style::Graph {
            problems.extend(check::ways(&self));
        }
        if !problems.is_empty() {
            return fail(&self.name, problems);
        }
        let mut topology = self.compile(shape, style, input, output);
        for (name, channels) in reads {
            if let Some(node) = topology.id(&name).and_then(|id| topology.nodes.get_mut(id as usize)) {
                node.reads = Some(channels);
            }
        }
        Ok(topology)
    }

    /// The topology of declarations that are known to be right.
    fn compile(
        self,
        shape: Arc<Shape>,
        style: Style,
        input: Option<Vec<ChannelId>>,
        output: Option<Vec<ChannelId>>,
    ) -> Topology {
        let entry = (style == Style::Graph).then(|| START.to_owned());
        let declared: Vec<Arc<str>> =
            entry.into_iter().chain(self.nodes.iter().map(|node| node.name.clone())).map(Arc::from).collect();
        let mut names = declared.clone();
        names.sort();
        let ids: HashMap<Arc<str>, NodeId> = names.iter().cloned().zip(0..).collect();
        let id = |name: &str| ids.get(name).copied().unwrap_or_default();
        let mut nodes: Vec<Node> = names.iter().cloned().zip(0..).map(|(name, id)| bare(name, id)).collect();
        for DeclaredNode { name, options } in self.nodes {
            if let Some(node) = nodes.get_mut(id(&name) as usize) {
                node.is_deferred = options.is_deferred;
                node.on_error = options.on_error.map(|name| id(&name));
                node.ends = options.ends.map(|ends| ends.into_iter().map(Arc::from).collect());
                node.is_subgraph = options.is_subgraph;
                node.has_history = options.is_subgraph && !options.is_forgetful;
            }
        }
        let joins = connect(&mut nodes, &ids, &self.edges, self.joins, self.branches);
        let first = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        for (join, place) in joins.iter().zip(first..) {
            if let Some(node) = nodes.get_mut(join.target as usize) {
                node.triggers.push(place);
            }
        }
        let declared: Vec<NodeId> = declared.iter().map(|name| id(name)).collect();
        let start = declared.first().copied().unwrap_or_default();
        let name = Arc::from(self.name);
        let deferred = nodes.iter().filter(|node| node.is_deferred);
        let deferred = deferred.flat_map(|node| node.triggers.iter().copied()).collect();
        Topology { name, style, shape, start, deferred, declared, nodes, joins, input, output, ids }
    }
}

/// Gives all nodes their ways out, and gives the joins that they lead to.
fn connect(
    nodes: &mut [Node],
    ids: &HashMap<Arc<str>, NodeId>,
    edges: &[(String, String)],
    joins: Vec<(Vec<String>, String)>,
    branches: Vec<DeclaredBranch>,
) -> Vec<Join> {
    let id = |name: &str| ids.get(name).copied().unwrap_or_default();
    let mut exit = |from: &str, exit: Exit| {
        if let Some(node) = nodes.get_mut(id(from) as usize) {
            node.exits.push(exit);
        }
    };
    for (from, to) in edges {
        exit(from, if to == END { Exit::End } else { Exit::Edge(id(to)) });
    }
    let mut compiled: Vec<Join> = Vec::new();
    let mut known = HashSet::new();
    for (mut sources, target) in joins.into_iter().filter(|(_, target)| target != END) {
        // A source that is named twice runs once, and a join that is declared twice waits once.
        let mut seen = HashSet::new();
        sources.retain(|source| seen.insert(source.clone()));
        let name: Arc<str> = Arc::from(format!("join:{}:{target}", sources.join("+")));
        if !known.insert(Arc::clone(&name)) {
            continue;
        }
        let place = u32::try_from(compiled.len()).unwrap_or(u32::MAX);
        sources.iter().for_each(|source| exit(source, Exit::Join(place)));
        let sources = sources.iter().map(|source| id(source)).collect();
        compiled.push(Join { name, sources, target: id(&target) });
    }
    for (branch, router) in branches.into_iter().zip(0..) {
        let paths = branch.paths.map(|paths| {
            paths.into_iter().map(|(label, target)| (Arc::from(label), Arc::from(target))).collect()
        });
        exit(&branch.from, Exit::Router { router, paths });
    }
    compiled
}

fn bare(name: Arc<str>, id: NodeId) -> Node {
    Node {
        name,
        is_deferred: false,
        triggers: vec![id],
        exits: Vec::new(),
        on_error: None,
        ends: None,
        reads: None,
        is_subgraph: false,
        has_history: false,
    }
}

/// The ids of the named channels; those that are unknown become problems.
fn channels(
    shape: &Shape,
    place: &str,
    names: Option<Vec<String>>,
    problems: &mut Vec<GraphProblem>,
) -> Option<Vec<ChannelId>> {
    let mut ids = Vec::new();
    for name in names? {
        match shape.id(&name) {
            Some(id) => ids.push(id),
            None => problems.push(GraphProblem::UnknownChannel { place: place.to_owned(), channel: name }),
        }
    }
    Some(ids)
}
