//! The compiled graph: nodes in the order of their names, triggers, joins, exits.
//!
//! Owns: the ids that everything else uses, and the lookups between names and ids.
//! Never: is changed after it was built; every topology that exists is valid.

use crate::state::{ChannelId, Shape};
use std::collections::HashMap;
use std::sync::Arc;

/// The name of the entry of every graph.
pub const START: &str = "__start__";
/// The name of the handler of all nodes that have none of their own.
pub const DEFAULT_HANDLER: &str = "__default_error_handler__";
/// The name of the end of every graph.
pub const END: &str = "__end__";

/// The place of a node among the names of all nodes, sorted: ids and names have one order.
pub type NodeId = u32;
/// The place of a join.
pub type JoinId = u32;
/// What can make a node run: `0..nodes` is the trigger of that node's edges, then one for each join.
pub type TriggerId = u32;

/// How a graph takes its input and tells its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nodes and edges over a state; the input is an update of the state.
    Graph,
    /// One function with memoised tasks; the input is its argument, the output what it returns.
    Function,
}

/// One node, as the machine sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name, unique in the graph.
    pub name: Arc<str>,
    /// Whether it runs only when nothing else can.
    pub is_deferred: bool,
    /// What makes it run, its own edge trigger first.
    pub triggers: Vec<TriggerId>,
    /// Where its writes go when it has finished, in order.
    pub exits: Vec<Exit>,
    /// The node that runs in its place when it has failed for good.
    pub on_error: Option<NodeId>,
    /// Where its commands may go, if it declares that; for pictures and checks.
    pub ends: Option<Vec<Arc<str>>>,
    /// The channels of the state that it reads; `None` for all.
    pub reads: Option<Vec<ChannelId>>,
    /// Its own graph's picture is drawn in its place, if it is a subgraph.
    pub is_subgraph: bool,
    /// Whether it is a subgraph whose states can be looked at.
    pub has_history: bool,
}

/// One way out of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// To a node, always.
    Edge(NodeId),
    /// To the end: nothing is triggered.
    End,
    /// One of the sources of a join.
    Join(JoinId),
    /// To where a function says; the number is its place among all routers of the graph.
    Router {
        /// The place of its function.
        router: u32,
        /// The names that it may give, if it declares them: label and target.
        paths: Option<Vec<(Arc<str>, Arc<str>)>>,
    },
}

/// An edge from several nodes to one, which runs when all of them have.
#[derive(Debug, Clone)]
pub struct Join {
    /// `join:a+b:c`, as the name of its channel.
    pub name: Arc<str>,
    /// The nodes that must have run.
    pub sources: Vec<NodeId>,
    /// The node that then runs.
    pub target: NodeId,
}

/// A valid graph.
#[derive(Debug)]
pub struct Topology {
    pub(crate) name: Arc<str>,
    pub(crate) style: Style,
    pub(crate) shape: Arc<Shape>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ids: HashMap<Arc<str>, NodeId>,
    pub(crate) declared: Vec<NodeId>,
    pub(crate) joins: Vec<Join>,
    pub(crate) start: NodeId,
    pub(crate) deferred: Vec<TriggerId>,
    pub(crate) input: Option<Vec<ChannelId>>,
    pub(crate) output: Option<Vec<ChannelId>>,
}

impl Topology {
    /// The graph's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How it takes input and tells output.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// The channels of its state.
    #[must_use]
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// All nodes in the order of their ids, the entry among them.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes in the order in which they were declared, the entry first.
    #[must_use]
    pub fn declared(&self) -> &[NodeId] {
        &self.declared
    }

    /// All joins.
    #[must_use]
    pub fn joins(&self) -> &[Join] {
        &self.joins
    }

    /// The node of this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// The name of the node of this id.
    #[must_use]
    pub fn node_name(&self, id: NodeId) -> &str {
        self.node(id).map_or("", |node| &node.name)
    }

    /// The id of the node of this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<NodeId> {
        self.ids.get(name).copied()
    }

    /// The entry of the graph; of a function, the function itself.
    #[must_use]
    pub fn start(&self) -> NodeId {
        self.start
    }

    /// Whether the node is the hidden entry, which tells nothing of itself.
    #[must_use]
    pub fn is_hidden(&self, id: NodeId) -> bool {
        id == self.start && self.style == Style::Graph
    }

    /// How many triggers there are.
    #[must_use]
    pub fn trigger_count(&self) -> usize {
        self.nodes.len() + self.joins.len()
    }

    /// The node that a trigger makes run.
    #[must_use]
    pub fn trigger_target(&self, trigger: TriggerId) -> Option<NodeId> {
        let index = trigger as usize;
        if index < self.nodes.len() {
            return Some(trigger);
        }
        self.joins.get(index - self.nodes.len()).map(|join| join.target)
    }

    /// The trigger of a join.
    #[must_use]
    pub fn join_trigger(&self, join: JoinId) -> TriggerId {
        let first = TriggerId::try_from(self.nodes.len()).unwrap_or(TriggerId::MAX);
        first + join
    }

    /// The name of a trigger's channel: `__start__`, `branch:to:a`, `join:a+b:c`.
    #[must_use]
    pub fn trigger_name(&self, trigger: TriggerId) -> String {
        let index = trigger as usize;
        match self.nodes.get(index) {
            Some(_) if trigger == self.start => START.to_owned(),
            Some(node) => format!("branch:to:{}", node.name),
            None => self
                .joins
                .get(index - self.nodes.len())
                .map_or_else(String::new, |join| join.name.to_string()),
        }
    }

    /// The triggers of deferred nodes.
    #[must_use]
    pub fn deferred(&self) -> &[TriggerId] {
        &self.deferred
    }

    /// Whether an input may write the channel.
    #[must_use]
    pub fn takes_input(&self, channel: ChannelId) -> bool {
        self.input.as_ref().is_none_or(|channels| channels.contains(&channel))
    }

    /// Whether the channel is told in the output.
    #[must_use]
    pub fn tells(&self, channel: ChannelId) -> bool {
        self.output.as_ref().is_none_or(|channels| channels.contains(&channel))
    }
}

/// Some nodes of a graph: those at which a run stops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NodeSet {
    /// None.
    #[default]
    None,
    /// All but the entry: `*`.
    All,
    /// These.
    Some(Vec<NodeId>),
}

impl NodeSet {
    /// Whether the node of this id is one of them.
    #[must_use]
    pub fn has(&self, id: NodeId) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(ids) => ids.contains(&id),
        }
    }

    /// The nodes of these names; `*` stands for all.
    ///
    /// # Errors
    /// The first name that no node has.
    pub fn of<'a>(topology: &Topology, names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut ids = Vec::new();
        for name in names {
            if name == "*" {
                return Ok(Self::All);
            }
            ids.push(topology.id(name).ok_or_else(|| name.to_owned())?);
        }
        Ok(if ids.is_empty() { Self::None } else { Self::Some(ids) })
    }
}
