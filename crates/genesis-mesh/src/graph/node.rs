//! Nodes without their types: functions that take what a task reads and give what it writes.
//!
//! Owns: the way from an async function to a node, and from a function to a branch.
//! Never: catches a panic or a timeout; `drive/attempt.rs` does.

use super::command::{Goto, IntoGotos};
use super::error::NodeError;
use super::input::NodeInput;
use super::live::{Context, NodeFn, RouterFn};
use super::output::IntoOutput;
use genesis_mesh_core::state::State;
use std::future::Future;
use std::sync::Arc;

/// A function that can be a node of a graph over `S`: `async fn(input) -> output` or `async fn(input, Context) -> output`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a node of a graph over `{S}`",
    note = "a node is an async function of the state (`Snapshot<{S}>`, `{S}`, a part, `Sent<T>`), with a `Context` second if it needs one, that returns an update, a `Command`, `()` or a `Result` of these"
)]
pub trait IntoNode<S, Form>: Sized {
    /// Whether it can say where to go next.
    const MAY_GOTO: bool;

    /// The code without its types.
    fn into_node(self) -> NodeCode;
}

/// A node's code, as the builder takes it.
pub struct NodeCode(pub(crate) NodeFn);

impl std::fmt::Debug for NodeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeCode")
    }
}

impl<S, F, I, Fut> IntoNode<S, (I,)> for F
where
    S: State,
    F: Fn(I) -> Fut + Send + Sync + 'static,
    I: NodeInput<S>,
    Fut: Future + Send + 'static,
    Fut::Output: IntoOutput<S>,
{
    const MAY_GOTO: bool = <Fut::Output as IntoOutput<S>>::MAY_GOTO;

    fn into_node(self) -> NodeCode {
        NodeCode(Arc::new(move |input, _, shape| match I::from_input(input, &shape) {
            Ok(input) => {
                let work = self(input);
                Box::pin(async move { work.await.into_output(&shape) })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }))
    }
}

impl<S, F, I, Fut> IntoNode<S, (I, Context)> for F
where
    S: State,
    F: Fn(I, Context) -> Fut + Send + Sync + 'static,
    I: NodeInput<S>,
    Fut: Future + Send + 'static,
    Fut::Output: IntoOutput<S>,
{
    const MAY_GOTO: bool = <Fut::Output as IntoOutput<S>>::MAY_GOTO;

    fn into_node(self) -> NodeCode {
        NodeCode(Arc::new(move |input, context, shape| match I::from_input(input, &shape) {
            Ok(input) => {
                let work = self(input, context);
                Box::pin(async move { work.await.into_output(&shape) })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }))
    }
}

/// What a branch's function returns: targets, or a `Result` of them.
pub trait IntoRoute {
    /// The targets.
    ///
    /// # Errors
    /// The function failed.
    fn into_route(self) -> Result<Vec<Goto>, NodeError>;
}

impl<T: IntoGotos> IntoRoute for T {
    fn into_route(self) -> Result<Vec<Goto>, NodeError> {
        Ok(self.into_gotos())
    }
}

/// A branch that may fail.
#[derive(Debug)]
pub struct Fallible<T>(pub Result<T, NodeError>);

impl<T: IntoGotos> IntoRoute for Fallible<T> {
    fn into_route(self) -> Result<Vec<Goto>, NodeError> {
        self.0.map(IntoGotos::into_gotos)
    }
}

/// The router of a function of the state.
pub(crate) fn router<S: State, R: IntoRoute>(route: impl Fn(&S) -> R + Send + Sync + 'static) -> RouterFn {
    Arc::new(move |cell| {
        let state = cell
            .typed::<S>()
            .ok_or_else(|| NodeError::new("InvalidInput", "the state has the type of another graph"))?;
        route(&state).into_route()
    })
}
