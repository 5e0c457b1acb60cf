//! Tasks: one node that runs in one step, its input and what became of it.
//!
//! Owns: `Task` and its states, and the questions that a task asks.
//! Never: runs anything.

use super::fault::Failure;
use super::id::{InterruptId, TaskId};
use super::path::TaskPath;
use super::write::TaskWrite;
use crate::graph::NodeId;
use crate::state::{ChannelValue, StateCell};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One node that runs in a step, or a call from within one.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id: the same whenever the step is planned again.
    pub id: TaskId,
    /// The node; for a call, the node that calls.
    pub node: NodeId,
    /// Its name: that of the node, or of the function that was called.
    pub name: Arc<str>,
    /// Why it runs.
    pub path: TaskPath,
    /// How long it may run, if its `Send` says so.
    pub run_timeout: Option<Duration>,
    /// Answers to its questions so far, in order.
    pub answers: Vec<Value>,
    /// The questions that it asked last, answered or not.
    pub interrupts: Vec<Interrupt>,
    /// Why it failed last, even if it has run again since.
    pub failure: Option<Box<Failure>>,
    /// Whether it is a call that may run once at most and has begun, and nobody knows yet what came of it.
    pub is_begun: bool,
    /// What became of it.
    pub status: TaskStatus,
}

/// What became of a task.
#[derive(Debug, Clone)]
pub enum TaskStatus {
    /// It must run.
    Ready,
    /// It ran, and these are its writes.
    Finished(Vec<TaskWrite>),
    /// It waits for answers.
    Interrupted,
    /// It failed for good.
    Failed {
        /// Why.
        failure: Failure,
        /// Whether a handler runs in its place.
        is_handled: bool,
    },
}

/// What a task reads.
#[derive(Clone)]
pub enum TaskInput {
    /// The state as it was when the step began.
    State(StateCell),
    /// The value that a `Send`, a call or the caller of a function gave it.
    Value(Arc<dyn ChannelValue>),
}

impl fmt::Debug for TaskInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(_) => f.write_str("State"),
            Self::Value(value) => f.debug_tuple("Value").field(&&**value).finish(),
        }
    }
}

/// A question that a task asks of whoever started the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interrupt {
    /// Names the question in an answer.
    pub id: InterruptId,
    /// What is asked.
    pub value: Value,
    /// The JSON schema that an answer must fit, if there is one.
    #[serde(default)]
    pub response_schema: Option<Value>,
}
