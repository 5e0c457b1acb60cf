//! What ends a node early, and why a run of a graph fails.
//!
//! Owns: `NodeError`, which nodes return, and `GraphRunError`, which runs end with.
//! Never: is matched by its text; programs read `code()` and the names of kinds.

use super::command::ParentCommand;
use genesis_mesh_core::ModelError;
use genesis_mesh_core::run::{Failure, Interrupt, InterruptId, RecordError, StepError};
use genesis_mesh_core::store::StoreError;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a node did not return: it failed, or it waits for an answer. Any error converts into it by `?`.
pub struct NodeError(pub(crate) Box<Reason>);

#[derive(Debug)]
pub(crate) enum Reason {
    /// It asks, or something within it does; empty if something within it stopped at a breakpoint.
    Interrupted(Vec<Interrupt>),
    /// Something within it sends a command to the graph around it.
    Parent(ParentCommand),
    /// It failed.
    Failed { failure: Failure, source: Option<Arc<dyn Error + Send + Sync>> },
    /// The answer to its question does not fit; it still waits for another.
    InvalidAnswer { message: String },
}

impl NodeError {
    /// A failure of the kind `error` that will be the same when the node runs again.
    #[must_use]
    pub fn new(error: impl Into<String>, message: impl Into<String>) -> Self {
        Self::failed(Failure::new(error, message))
    }

    /// Says that the node may succeed when it runs again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        if let Reason::Failed { failure, .. } = &mut *self.0 {
            failure.is_retryable = true;
        }
        self
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self(Box::new(Reason::Failed { failure, source: None }))
    }

    pub(crate) fn interrupted(interrupts: Vec<Interrupt>) -> Self {
        Self(Box::new(Reason::Interrupted(interrupts)))
    }

    pub(crate) fn parent(command: ParentCommand) -> Self {
        Self(Box::new(Reason::Parent(command)))
    }

    pub(crate) fn invalid_answer(message: String) -> Self {
        Self(Box::new(Reason::InvalidAnswer { message }))
    }

    /// The error of code that must not ask, as it would run again with the answer.
    pub(crate) fn without_question(self) -> Self {
        match &*self.0 {
            Reason::Interrupted(_) | Reason::InvalidAnswer { .. } => {
                let message = "a call that may run once at most can't ask, as it would run again with the answer: ask before it";
                Self::new("QuestionInOnce", message)
            }
            Reason::Parent(_) | Reason::Failed { .. } => self,
        }
    }

    /// A run's error as the error of the node that it ran in.
    fn of_run(error: GraphRunError) -> Self {
        match error {
            GraphRunError::NodeFailed { failure, source, .. } => {
                Self(Box::new(Reason::Failed { failure, source }))
            }
            other => {
                let name = match &other {
                    GraphRunError::RecursionLimit { .. } => "GraphRecursionError",
                    GraphRunError::Step(_) => "InvalidUpdateError",
                    _ => "GraphRunError",
                };
                Self::new(name, other.to_string())
            }
        }
    }

    /// The failure as it is kept and told.
    pub(crate) fn failure(&self) -> Failure {
        match &*self.0 {
            Reason::Failed { failure, .. } => failure.clone(),
            Reason::InvalidAnswer { message } => Failure::new("InvalidAnswer", message.clone()),
            Reason::Parent(_) => {
                Failure::new("ParentCommand", "there is no graph around this one to take the command")
            }
            Reason::Interrupted(_) => Failure::new("Interrupted", "the node waits for an answer"),
        }
    }
}

impl fmt::Debug for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure().message)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for NodeError {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(failure) = any.downcast_ref::<Failure>() {
            return Self::failed(failure.clone());
        }
        if let Some(error) = any.downcast_ref::<GraphRunError>() {
            return Self::of_run(error.clone());
        }
        let is_retryable = match any.downcast_ref::<ModelError>() {
            Some(error) => error.is_retryable(),
            // What is not known to be final is worth a try, if the node's policy asks for tries.
            None => true,
        };
        let name = std::any::type_name::<E>();
        let name = name.split('<').next().unwrap_or(name).rsplit("::").next().unwrap_or(name);
        let failure = Failure { error: name.to_owned(), message: error.to_string(), is_retryable };
        Self(Box::new(Reason::Failed { failure, source: Some(Arc::new(error)) }))
    }
}

/// Why a run of a graph did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GraphRunError {
    /// A node failed for good.
    #[error("the node `{node}` failed: {failure}")]
    NodeFailed {
        /// The node; within subgraphs, the names on the way to it, joined by `/`.
        node: String,
        /// Why.
        failure: Failure,
        /// The error that the node returned, if it came from this process.
        #[source]
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// The run took as many steps as it may.
    #[error(
        "the graph did not come to its end within {limit} steps; raise the recursion limit if it needs more"
    )]
    RecursionLimit {
        /// The limit.
        limit: u32,
    },
    /// The writes of a step exclude each other.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value can't be kept or read back.
    #[error("{0}")]
    Record(Arc<RecordError>),
    /// The input does not fit the state.
    #[error("{}", problems.join("; "))]
    InvalidInput {
        /// What does not fit.
        problems: Vec<String>,
    },
    /// There is neither input nor anything to go on with.
    #[error("there is no input, and no earlier run on this thread to go on with")]
    EmptyInput,
    /// One answer, and several questions.
    #[error("{} questions wait for an answer; answer them by their ids: {}", pending.len(), list(pending))]
    AmbiguousAnswer {
        /// The ids of the open questions.
        pending: Vec<InterruptId>,
    },
    /// The call needs a thread, and so a store.
    #[error("this needs a thread: give the graph a store, and the run a thread")]
    NoThread,
    /// The thread does not have the checkpoint.
    #[error("the thread has no checkpoint {checkpoint}")]
    UnknownCheckpoint {
        /// The id that was asked for.
        checkpoint: String,
    },
    /// A state update that can't be made.
    #[error("{reason}")]
    InvalidUpdate {
        /// Why, and what would be right.
        reason: String,
    },
}

fn list(ids: &[InterruptId]) -> String {
    ids.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ")
}

impl From<RecordError> for GraphRunError {
    fn from(error: RecordError) -> Self {
        Self::Record(Arc::new(error))
    }
}

impl From<serde_json::Error> for GraphRunError {
    fn from(error: serde_json::Error) -> Self {
        Self::Record(Arc::new(error.into()))
    }
}

/// What a panic of a node, or of other code that is not ours, comes to.
fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure::new("Panic", text.unwrap_or_else(|| "the node panicked".to_owned()))
}

impl NodeError {
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        Self::failed(panicked(panic))
    }
}

impl GraphRunError {
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        Self::NodeFailed { node: String::new(), failure: panicked(panic), source: None }
    }

    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NodeFailed { .. } => "node_failed",
            Self::RecursionLimit { .. } => "recursion_limit",
            Self::Step(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Record(error) => error.code(),
            Self::InvalidInput { .. } => "invalid_input",
            Self::EmptyInput => "empty_input",
            Self::AmbiguousAnswer { .. } => "ambiguous_answer",
            Self::NoThread => "no_thread",
            Self::UnknownCheckpoint { .. } => "checkpoint_not_found",
            Self::InvalidUpdate { .. } => "invalid_update",
        }
    }

    /// Whether the same run may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NodeFailed { failure, .. } => failure.is_retryable,
            Self::Store(error) => error.is_retryable(),
            _ => false,
        }
    }
}
