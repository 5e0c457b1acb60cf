//! The builder of topologies: takes declarations in any order, gives a valid graph or all mistakes.
//!
//! Owns: what was declared, and its compilation to ids.
//! Never: judges a graph; that is `check.rs`.

use super::check;
use super::problem::{GraphError, GraphProblem};
use super::topology::{END, Exit, Join, Node, NodeId, START, Style, Topology};
use crate::state::{ChannelId, Shape};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a node is beside its code.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Whether it runs only when nothing else can.
    pub is_deferred: bool,
    /// The node that runs in its place when it has failed for good.
    pub on_error: Option<String>,
    /// Where its commands may go; `None` leaves it open.
    pub ends: Option<Vec<String>>,
    /// The channels that it reads; `None` for all.
    pub reads: Option<Vec<String>>,
    /// Whether it can return commands at all.
    pub may_goto: bool,
    /// Whether it is a graph itself.
    pub is_subgraph: bool,
}

/// A declared node.
#[derive(Debug)]
pub(super) struct DeclaredNode {
    pub(super) name: String,
    pub(super) options: NodeOptions,
}

/// A declared branch: the source, and the labels with their targets if they are declared.
#[derive(Debug)]
pub(super) struct DeclaredBranch {
    pub(super) from: String,
    pub(super) paths: Option<Vec<(String, String)>>,
}

/// Takes the declarations of a graph.
#[derive(Debug)]
pub struct TopologyBuilder {
    pub(super) name: String,
    pub(super) nodes: Vec<DeclaredNode>,
    pub(super) edges: Vec<(String, String)>,
    pub(super) joins: Vec<(Vec<String>, String)>,
    pub(super) branches: Vec<DeclaredBranch>,
    pub(super) problems: Vec<GraphProblem>,
    input: Option<Vec<String>>,
    output: Option<Vec<String>>,
}

impl TopologyBuilder {
    /// A graph of this name without nodes.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            nodes: Vec::new(),
            edges: Vec::new(),
            joins: Vec::new(),
            branches: Vec::new(),
            problems: Vec::new(),
            input: None,
            output: None,
        }
    }

    /// Adds a node.
    pub fn node(&mut self, name: impl Into<String>, options: NodeOptions) {
        self.nodes.push(DeclaredNode { name: name.into(), options });
    }

    /// Changes the options of the node that was added last under this name.
    pub fn options(&mut self, name: &str) -> Option<&mut NodeOptions> {
        self.nodes.iter_mut().rev().find(|node| node.name == name).map(|node| &mut node.options)
    }

    /// Adds an edge.
    pub fn edge(&mut self, from: impl Into<String>, to: impl Into<String>) {
        self.edges.push((from.into(), to.into()));
    }

    /// Adds an edge that waits for all its sources.
    pub fn join(&mut self, from: Vec<String>, to: impl Into<String>) {
        self.joins.push((from, to.into()));
    }

    /// Adds a branch and gives the place of its router.
    pub fn branch(&mut self, from: impl Into<String>, paths: Option<Vec<(String, String)>>) -> u32 {
        self.branches.push(DeclaredBranch { from: from.into(), paths });
        u32::try_from(self.branches.len() - 1).unwrap_or(u32::MAX)
    }

    /// Narrows the channels that an input may write.
    pub fn input(&mut self, channels: Vec<String>) {
        self.input = Some(channels);
    }

    /// Narrows the channels that are told as output.
    pub fn output(&mut self, channels: Vec<String>) {
        self.output = Some(channels);
    }

    /// Adds a mistake that a higher floor has found.
    pub fn problem(&mut self, problem: GraphProblem) {
        self.problems.push(problem);
    }

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
