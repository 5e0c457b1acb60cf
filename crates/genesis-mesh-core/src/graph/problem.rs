//! What can be wrong with a graph.
//!
//! Owns: the closed list of mistakes, with the names that are at fault.
//! Never: stops at the first one; `build` gives all of them.

use std::fmt;

/// A graph that can't be built: every mistake in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// The graph's name.
    pub graph: String,
    /// All mistakes, in the order in which the graph was declared; never empty.
    pub problems: Vec<GraphProblem>,
}

impl GraphError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "invalid_graph"
    }

    /// Whether the same graph may build later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the graph `{}` is not valid:", self.graph)?;
        for problem in &self.problems {
            write!(f, "\n- {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for GraphError {}

/// One mistake in a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphProblem {
    /// Two nodes have one name.
    #[error("two nodes are named `{node}`")]
    DuplicateNode {
        /// The name.
        node: String,
    },
    /// A name that no node may have.
    #[error("`{node}` can't be the name of a node: {reason}")]
    InvalidName {
        /// The name.
        node: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// An edge, a branch or a policy names a node that there isn't.
    #[error("{place} names the node `{node}`, which does not exist{}", close.as_ref().map(|close| format!("; did you mean `{close}`?")).unwrap_or_default())]
    UnknownNode {
        /// Where it is named.
        place: String,
        /// The name.
        node: String,
        /// The closest name that there is.
        close: Option<String>,
    },
    /// An edge that begins at the end, or ends at the start.
    #[error("{place} {reason}")]
    InvalidEdge {
        /// Which edge.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A join of no nodes.
    #[error("the join to `{target}` has no sources")]
    EmptyJoin {
        /// The node that would run.
        target: String,
    },
    /// Nothing follows the start.
    #[error("nothing follows the start: add an edge from START")]
    NoEntry,
    /// No way leads to a node.
    #[error("no way leads from START to the node `{node}`")]
    Unreachable {
        /// The node.
        node: String,
    },
    /// A run that comes to a node can never end.
    #[error("no way leads from the node `{node}` to END")]
    NoWayToEnd {
        /// The node.
        node: String,
    },
    /// A channel is named that the state does not have.
    #[error("{place} names the channel `{channel}`, which the state does not have")]
    UnknownChannel {
        /// Where it is named.
        place: String,
        /// The name.
        channel: String,
    },
    /// The state has no channels that are known.
    #[error("the state's channels are not known: give the builder a shape")]
    NoShape,
    /// A setting of a node is out of range.
    #[error("{place}: {reason}")]
    InvalidSetting {
        /// Which setting of which node.
        place: String,
        /// What would be right.
        reason: String,
    },
}
