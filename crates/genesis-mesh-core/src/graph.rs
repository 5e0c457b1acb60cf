//! Graphs: which nodes there are, what makes each of them run, and where their writes go.
//!
//! Owns: the compiled `Topology`, its builder that finds every mistake at once, and its pictures.
//! Never: holds a node's code; the runner keeps functions beside the ids that a topology gives.
//! Flow: a builder makes a [`Topology`]; the run machine and the runner read it, nothing changes it.

mod topology;
mod problem;
mod declare;
mod check;
mod build;
mod picture;

pub use declare::{NodeOptions, TopologyBuilder};
pub use picture::{Picture, PictureEdge, PictureNode};
pub use problem::{GraphError, GraphProblem};
pub use topology::{
    DEFAULT_HANDLER, END, Exit, Join, JoinId, Node, NodeId, NodeSet, START, Style, Topology, TriggerId,
};
