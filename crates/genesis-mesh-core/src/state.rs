//! State: what the nodes of a graph read and write, as named channels with reducers.
//!
//! Owns: channels and their kinds, the shape of a state type, snapshots, and sparse updates.
//! Never: knows nodes, edges or steps; the run machine decides when a write is folded in.
//! Flow: nodes return an [`Update`], the machine folds its writes into a [`StateCell`], nodes read a [`Snapshot`] of it.

mod value;
mod channel;
mod reduce;
mod field;
mod update;
mod shape;
mod json;
mod dynamic;
#[cfg(test)]
mod tests;

pub use channel::{Channel, ChannelId, ChannelKind, ChannelOps, Managed, ReduceError, ValueError};
pub use dynamic::{DynShape, DynState, ShapeProblem};
pub use field::Field;
pub use json::JsonUpdate;
pub use reduce::{Add, Append, Last, Merge, Messages, Reducer, Sum};
pub use shape::{Shape, Snapshot, StateCell};
pub use update::{Update, Write, overwrite_of};
pub use value::{AnyState, BoxValue, ChannelValue};

pub use crate::message::MessageChange;

use std::sync::Arc;

/// A type that graphs have as their state: `#[derive(State)]` implements it.
///
/// Each field is a channel. A field that was never written reads as its default.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of a graph",
    note = "add `#[derive(State)]` to a struct, or describe the state in data with `DynState`"
)]
pub trait State: Clone + Send + Sync + 'static {
    /// The channels of this type; `None` if they are known only when a graph is built (`DynState`).
    fn shape() -> Option<Arc<Shape>>;
}

/// A type with some fields of the state `S`, which nodes can take in its place: `#[derive(Part)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no part of the state `{S}`",
    note = "add `#[derive(Part)]` and `#[part(of = {S})]` to a struct with some fields of the state"
)]
pub trait Part<S>: Sized {
    /// The part, cloned from `state`.
    fn part(state: &S) -> Self;
}
