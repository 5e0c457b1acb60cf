//! What is declared of a graph, in any order.
//!
//! Owns: `TopologyBuilder`, which takes declarations.
//! Never: judges or compiles them; `check.rs` and `build.rs` do.

use super::problem::GraphProblem;

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
    /// Whether that graph keeps no history.
    pub is_forgetful: bool,
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
    pub(super) input: Option<Vec<String>>,
    pub(super) output: Option<Vec<String>>,
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
}
