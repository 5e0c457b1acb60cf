//! What goes wrong in a run, as data.
//!
//! Owns: the failure of a task, which a store keeps, and the errors of a step, which no write of it survives.
//! Never: decides what follows; the machine does.

use super::id::TaskId;
use serde::{Deserialize, Serialize};

/// Why a task failed, as it is kept and told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of error, a stable name: `NodeTimeout`, `Panic`, or what the node's error type is called.
    pub error: String,
    /// What happened.
    pub message: String,
    /// Whether the same task may succeed when it runs again.
    #[serde(default)]
    pub is_retryable: bool,
}

impl Failure {
    /// A failure of the kind `error`.
    #[must_use]
    pub fn new(error: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error: error.into(), message: message.into(), is_retryable: false }
    }

    /// The failure of a task that was stopped because a sibling failed.
    #[must_use]
    pub fn cancelled() -> Self {
        Self { error: "Cancelled".to_owned(), message: String::new(), is_retryable: true }
    }

    /// Says that the same task may succeed when it runs again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.is_retryable = true;
        self
    }
}

/// Why a fact can't be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Two writes of one step to a channel that takes one.
    #[error(
        "`{channel}` takes one write in a step, and got one from `{first}` and one from `{second}`; give the field a reducer, or let one node write it"
    )]
    ConcurrentUpdate {
        /// The channel.
        channel: String,
        /// The node whose write came first.
        first: String,
        /// The node whose write came second.
        second: String,
    },
    /// Two overwrites of one step.
    #[error("`{channel}` takes one overwrite in a step, and `{second}` sent another")]
    ConcurrentOverwrite {
        /// The channel.
        channel: String,
        /// The node whose write came second.
        second: String,
    },
    /// A reducer refused a write.
    #[error("`{node}` wrote to `{channel}` what its reducer refuses: {reason}")]
    Refused {
        /// The channel.
        channel: String,
        /// The node that wrote.
        node: String,
        /// The reducer's words.
        reason: String,
    },
    /// A fact about a task that this step does not have.
    #[error("no task of this step has the id {task}")]
    UnknownTask {
        /// The id.
        task: TaskId,
    },
    /// A step was committed before all its tasks had ended.
    #[error("the step has tasks that are not finished")]
    Unfinished,
}

impl StepError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ConcurrentUpdate { .. } | Self::ConcurrentOverwrite { .. } | Self::Refused { .. } => {
                "invalid_update"
            }
            Self::UnknownTask { .. } | Self::Unfinished => "invalid_fact",
        }
    }

    /// Whether it may succeed later: never, the same writes are refused again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}
