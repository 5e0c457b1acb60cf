//! What nodes take: the state, a part of it, or what a `Send` gave them.
//!
//! Owns: the contract `NodeInput` and the types that implement it.
//! Never: copies a state that a node only reads.

use super::error::NodeError;
use genesis_mesh_core::run::TaskInput;
use genesis_mesh_core::state::{AnyState, ChannelValue, DynState, Shape, Snapshot, State};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Deref;

/// A type that a node of a graph over `S` can take as its input.
#[diagnostic::on_unimplemented(
    message = "a node of a graph over `{S}` can't take a `{Self}`",
    note = "take `Snapshot<{S}>` (no copy), `{S}` (a copy), a part with `#[derive(Part)] #[part(of = {S})]`, or `Sent<T>` for what a `Send` gives"
)]
pub trait NodeInput<S>: Sized {
    /// Makes it of what a task reads.
    ///
    /// # Errors
    /// The task was given something else.
    fn from_input(input: TaskInput, shape: &Shape) -> Result<Self, NodeError>;
}

impl<S: State> NodeInput<S> for Snapshot<S> {
    fn from_input(input: TaskInput, shape: &Shape) -> Result<Self, NodeError> {
        let cell = match input {
            TaskInput::State(cell) => cell,
            TaskInput::Value(value) => {
                let mut cell = shape.fresh();
                match value.as_any().downcast_ref::<S>() {
                    Some(state) => write_all(shape, &mut cell, state)?,
                    None => write_json(shape, &mut cell, json(&*value)?)?,
                }
                cell
            }
        };
        cell.typed().ok_or_else(|| NodeError::new("InvalidInput", "the state has the type of another graph"))
    }
}

impl<S: State> NodeInput<S> for S {
    fn from_input(input: TaskInput, shape: &Shape) -> Result<Self, NodeError> {
        Ok(Snapshot::<S>::from_input(input, shape)?.deref().clone())
    }
}

impl NodeInput<DynState> for Value {
    fn from_input(input: TaskInput, shape: &Shape) -> Result<Self, NodeError> {
        match input {
            TaskInput::State(cell) => Ok(Value::Object(shape.json(&cell)?)),
            TaskInput::Value(value) => json(&*value),
        }
    }
}

/// What a `Send`, or the caller of a function, gave.
#[derive(Debug, Clone)]
pub struct Sent<T>(pub T);

impl<T> Deref for Sent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S, T: DeserializeOwned + Clone + Send + Sync + 'static> NodeInput<S> for Sent<T> {
    fn from_input(input: TaskInput, shape: &Shape) -> Result<Self, NodeError> {
        value_of(input, shape).map(Self)
    }
}

/// The value that a task was given, as a `T`; a state is read as its JSON.
pub(crate) fn value_of<T: DeserializeOwned + Clone + 'static>(
    input: TaskInput,
    shape: &Shape,
) -> Result<T, NodeError> {
    let json = match input {
        TaskInput::State(cell) => Value::Object(shape.json(&cell)?),
        TaskInput::Value(value) => match value.as_any().downcast_ref::<T>() {
            Some(value) => return Ok(value.clone()),
            None => json(&*value)?,
        },
    };
    serde_json::from_value(json)
        .map_err(|error| NodeError::new("InvalidInput", format!("the task's input does not fit: {error}")))
}

fn json(value: &dyn ChannelValue) -> Result<Value, NodeError> {
    Ok(value.to_json()?)
}

/// Writes every field of a given state into a fresh one.
fn write_all(
    shape: &Shape,
    cell: &mut genesis_mesh_core::state::StateCell,
    state: &AnyState,
) -> Result<(), NodeError> {
    for (channel, id) in shape.channels().iter().zip(0..) {
        if let Some(value) = channel.ops.read(state) {
            shape.fold(cell, id, value, true)?;
        }
    }
    Ok(())
}

fn write_json(
    shape: &Shape,
    cell: &mut genesis_mesh_core::state::StateCell,
    json: Value,
) -> Result<(), NodeError> {
    let Value::Object(object) = json else {
        return Err(NodeError::new(
            "InvalidInput",
            "a task that takes the state was sent a value that is no object",
        ));
    };
    for (name, value) in object {
        let Some((id, channel)) = shape.id(&name).and_then(|id| Some((id, shape.channel(id)?))) else {
            continue;
        };
        let value = channel.ops.accept(Box::new(value), true)?;
        shape.fold(cell, id, value, true)?;
    }
    Ok(())
}
