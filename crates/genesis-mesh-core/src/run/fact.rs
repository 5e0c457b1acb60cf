//! Facts: what happened in a run. The state of a run is what its facts, applied in order, make of it.
//!
//! Owns: the closed list of facts, in their typed form.
//! Never: holds a wish; facts are in the past.

use super::fault::Failure;
use super::id::{CheckpointId, InterruptId, TaskId};
use super::path::TaskPath;
use super::task::Interrupt;
use super::write::TaskWrite;
use crate::graph::NodeId;
use crate::state::ChannelValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a checkpoint came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A run began with an input.
    Input,
    /// A step was committed.
    Loop,
    /// The state was changed from outside.
    Update,
    /// A run began again from an earlier checkpoint.
    Fork,
}

/// What answers a question that a run asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The answer to the one question that is open.
    One(Value),
    /// Answers by the ids of their questions.
    ById(BTreeMap<InterruptId, Value>),
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A run began with an input; what an earlier run left undone is dropped.
    InputReceived {
        /// The checkpoint before its first step.
        checkpoint: CheckpointId,
        /// The input: writes to the state, or the argument of a function.
        input: Input,
    },
    /// A run went on from where it stands.
    Resumed {
        /// The answer to an open question.
        answer: Option<Answer>,
        /// What the caller writes before the step begins.
        writes: Vec<TaskWrite>,
    },
    /// A run began again from an earlier checkpoint; what its tasks had left is dropped.
    Forked {
        /// The new checkpoint.
        checkpoint: CheckpointId,
    },
    /// A task ended well.
    TaskFinished {
        /// The task.
        task: TaskId,
        /// Its writes, in order.
        writes: Vec<TaskWrite>,
        /// The answers that it used.
        answers: Vec<Value>,
    },
    /// A task asks, and waits for answers.
    TaskInterrupted {
        /// The task.
        task: TaskId,
        /// What it asks.
        interrupts: Vec<Interrupt>,
        /// The answers that it has used so far.
        answers: Vec<Value>,
    },
    /// A task failed, and will not be tried again in this run.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// Why.
        failure: Failure,
        /// Whether its handler runs in its place.
        is_handled: bool,
        /// The answers that it had used.
        answers: Vec<Value>,
    },
    /// A task called a function, which is a task of its own.
    TaskCalled {
        /// The caller.
        caller: TaskId,
        /// The place among the caller's calls.
        index: u32,
        /// The function's name.
        name: Arc<str>,
    },
    /// A call that may run once at most is about to run: until it ends well or fails, nobody knows what it did.
    CallBegun {
        /// The call's task.
        task: TaskId,
    },
    /// All tasks of a step had ended, and their writes are in the state.
    StepCommitted {
        /// The checkpoint after it.
        checkpoint: CheckpointId,
    },
    /// The state was changed from outside, as if these nodes had written.
    StateUpdated {
        /// The checkpoint after it.
        checkpoint: CheckpointId,
        /// Who is said to have written what; none clears what is to be done.
        updates: Vec<(NodeId, Vec<TaskWrite>)>,
    },
}

/// What a run begins with.
#[derive(Clone)]
pub enum Input {
    /// Writes to the state.
    Writes(Vec<TaskWrite>),
    /// The argument of a function.
    Argument(Arc<dyn ChannelValue>),
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Writes(writes) => f.debug_tuple("Writes").field(writes).finish(),
            Self::Argument(value) => f.debug_tuple("Argument").field(&&**value).finish(),
        }
    }
}

/// The path that a call from within the task at `caller` has.
pub(super) fn call_path(caller: &TaskPath, index: u32) -> TaskPath {
    TaskPath::Call(Arc::new(caller.clone()), index)
}
