//! Outcomes: what a run has come to.
//!
//! Owns: the final state, typed and as JSON, and the questions that are open.
//! Never: makes JSON before it is asked for.

use super::drive::End;
use super::error::GraphRunError;
use super::live::Live;
use genesis_mesh_core::graph::{Style, Topology};
use genesis_mesh_core::run::{CheckpointHead, Failure, Interrupt};
use genesis_mesh_core::state::{ChannelValue, Snapshot, State, StateCell};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What a run has come to: its end, a breakpoint, or questions.
pub struct Outcome<S> {
    pub(super) topology: Arc<Topology>,
    pub(super) cell: StateCell,
    pub(super) returned: Option<Arc<dyn ChannelValue>>,
    pub(super) partial: Option<Value>,
    pub(super) interrupts: Vec<Interrupt>,
    pub(super) checkpoint: Option<CheckpointHead>,
    pub(super) is_done: bool,
    pub(super) is_drained: bool,
    pub(super) state: PhantomData<fn() -> S>,
}

impl<S> Outcome<S> {
    /// What a graph has come to that was driven to `end`.
    pub(super) fn of(live: &Live, end: End) -> Result<Self, GraphRunError> {
        let interrupts = match end {
            End::Interrupted(interrupts) => interrupts,
            End::Done | End::Stopped => Vec::new(),
            End::Parent(_) => {
                let failure =
                    Failure::new("ParentCommand", "there is no graph around this one to take the command");
                return Err(GraphRunError::NodeFailed { node: String::new(), failure, source: None });
            }
        };
        let machine = live.machine();
        let view = if interrupts.is_empty() { None } else { Some(machine.view(true)?) };
        let is_done = machine.is_planned() && machine.tasks().is_empty();
        Ok(Self {
            topology: Arc::clone(machine.topology()),
            cell: machine.state().clone(),
            returned: machine.returned().cloned(),
            partial: view.map(|view| view.values),
            interrupts,
            checkpoint: machine.head(),
            is_done,
            is_drained: !is_done && live.env.is_draining(),
            state: PhantomData,
        })
    }
}

impl<S: State> Outcome<S> {
    /// The state after the last committed step; `None` for a function.
    #[must_use]
    pub fn state(&self) -> Option<Snapshot<S>> {
        self.cell.typed()
    }
}

impl<S> Outcome<S> {
    /// The output as JSON: an object of the told channels, or what a function returned.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn values(&self) -> Result<Value, GraphRunError> {
        let mut values: Map<String, Value> = match &self.partial {
            Some(Value::Object(partial)) => partial.clone(),
            Some(partial) => return Ok(partial.clone()),
            None if self.topology.style() == Style::Function => {
                return Ok(self.returned.as_ref().map_or(Ok(Value::Null), |value| value.to_json())?);
            }
            None => self.topology.shape().json(&self.cell)?,
        };
        values.retain(|name, _| self.topology.shape().id(name).is_some_and(|id| self.topology.tells(id)));
        Ok(Value::Object(values))
    }

    /// What a function returned, as a `T`.
    ///
    /// # Errors
    /// The function has not returned, or not a `T`.
    pub fn returned<T: DeserializeOwned + Clone + 'static>(&self) -> Result<T, GraphRunError> {
        match self.returned.as_ref().and_then(|value| value.as_any().downcast_ref::<T>()) {
            Some(value) => Ok(value.clone()),
            None => Ok(serde_json::from_value(self.values()?)?),
        }
    }

    /// The questions that wait for an answer.
    #[must_use]
    pub fn interrupts(&self) -> &[Interrupt] {
        &self.interrupts
    }

    /// Whether nothing is left to do; else the run stopped at a breakpoint, a question, or was drained.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether the run stopped because it was asked to, before it was done.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// The checkpoint that the run stands on.
    #[must_use]
    pub fn checkpoint(&self) -> Option<CheckpointHead> {
        self.checkpoint
    }
}

impl<S> fmt::Debug for Outcome<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("values", &self.values())
            .field("interrupts", &self.interrupts)
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}
