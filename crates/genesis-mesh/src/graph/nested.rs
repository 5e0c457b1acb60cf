//! Graphs that a node runs by itself: a call of a graph from within a node's code.
//!
//! Owns: `Context::run_graph`.
//! Never: starts a run of its own: the graph belongs to the run of the node, and stops with it.

use super::drive::End;
use super::error::NodeError;
use super::handle::Graph;
use super::live::Context;
use super::outcome::Outcome;
use super::start::{IntoInput, input_of};
use super::subgraph::{Child, Keep, run_child};
use genesis_mesh_core::state::State;

impl Context {
    /// Runs a graph within this node, with an input of its own, to its end. Its events are part of the run's, and its
    /// checkpoints are kept with the task: when the node runs again after a stop, the graph goes on where it stood.
    ///
    /// # Errors
    /// The graph's error, or its question, which the node must return by `?`.
    pub async fn run_graph<C: State>(
        &self,
        graph: &Graph<C>,
        input: impl IntoInput<C>,
    ) -> Result<Outcome<C>, NodeError> {
        let core = graph.core();
        let input = input_of(core, input.into_input()).map_err(NodeError::from)?;
        match run_child(std::sync::Arc::clone(core), Keep::Inherit, input, self).await? {
            Child::Ended(live) => Outcome::of(&live, End::Done).map_err(NodeError::from),
            Child::Command(command) => Err(NodeError::parent(command)),
        }
    }
}
