//! What nodes return: updates, commands, nothing, or an error.
//!
//! Owns: the contract `IntoOutput` and its one form for the runner.
//! Never: folds a write.

use super::command::{Command, Goto, ParentCommand};
use super::error::NodeError;
use genesis_mesh_core::state::{ChannelValue, DynState, Shape, State, Update, ValueError, Write};
use serde_json::Value;
use std::sync::Arc;

/// What a node has returned, whatever its type was.
#[derive(Debug, Default)]
pub struct Output {
    pub(crate) writes: Vec<Write>,
    pub(crate) gotos: Vec<Goto>,
    pub(crate) parent: Option<ParentCommand>,
    /// Of a function: what it returns, and what it keeps.
    pub(crate) returned: Option<(Arc<dyn ChannelValue>, Arc<dyn ChannelValue>)>,
}

/// A type that a node of a graph over `S` can return.
#[diagnostic::on_unimplemented(
    message = "a node of a graph over `{S}` can't return a `{Self}`",
    note = "return an update of the state (`{S}::update()…`), a `Command<{S}>`, `()`, or a `Result` of one of them"
)]
pub trait IntoOutput<S> {
    /// Whether it can say where to go next.
    const MAY_GOTO: bool = false;

    /// Its writes and targets.
    ///
    /// # Errors
    /// A value does not fit its channel, or the node failed.
    fn into_output(self, shape: &Shape) -> Result<Output, NodeError>;
}

impl<S> IntoOutput<S> for () {
    fn into_output(self, _: &Shape) -> Result<Output, NodeError> {
        Ok(Output::default())
    }
}

impl<S: State> IntoOutput<S> for Update<S> {
    fn into_output(self, _: &Shape) -> Result<Output, NodeError> {
        Ok(Output { writes: self.into_writes(), ..Output::default() })
    }
}

impl<S: State> IntoOutput<S> for Command<S> {
    const MAY_GOTO: bool = true;

    fn into_output(self, _: &Shape) -> Result<Output, NodeError> {
        Ok(Output {
            writes: self.update.into_writes(),
            gotos: self.gotos,
            parent: self.parent,
            ..Output::default()
        })
    }
}

impl<S, T: IntoOutput<S>> IntoOutput<S> for Vec<T> {
    const MAY_GOTO: bool = T::MAY_GOTO;

    fn into_output(self, shape: &Shape) -> Result<Output, NodeError> {
        let mut all = Output::default();
        for one in self {
            let one = one.into_output(shape)?;
            all.writes.extend(one.writes);
            all.gotos.extend(one.gotos);
            all.parent = all.parent.or(one.parent);
        }
        Ok(all)
    }
}

impl<S, T: IntoOutput<S>> IntoOutput<S> for Option<T> {
    const MAY_GOTO: bool = T::MAY_GOTO;

    fn into_output(self, shape: &Shape) -> Result<Output, NodeError> {
        self.map_or_else(|| Ok(Output::default()), |output| output.into_output(shape))
    }
}

impl<S, T: IntoOutput<S>, E: Into<NodeError>> IntoOutput<S> for Result<T, E> {
    const MAY_GOTO: bool = T::MAY_GOTO;

    fn into_output(self, shape: &Shape) -> Result<Output, NodeError> {
        self.map_err(Into::into)?.into_output(shape)
    }
}

impl IntoOutput<DynState> for Value {
    /// An object writes its keys; null writes nothing.
    fn into_output(self, shape: &Shape) -> Result<Output, NodeError> {
        let object = match self {
            Value::Object(object) => object,
            Value::Null => return Ok(Output::default()),
            other => {
                let message = format!("a node returns an object of channels or null, not {other}");
                return Err(NodeError::new("InvalidUpdate", message));
            }
        };
        let update = shape.update_from_json(object).map_err(|problems| invalid(&problems))?;
        Ok(Output { writes: update.writes, ..Output::default() })
    }
}

pub(crate) fn invalid(problems: &[ValueError]) -> NodeError {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    NodeError::new("InvalidUpdate", problems.join("; "))
}
