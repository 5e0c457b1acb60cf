//! Why a run does not start.
//!
//! Owns: `StartError`, with its stable codes.
//! Never: is about a run that has begun; that is `RunError`.

use crate::name;
use crate::schema::InputError;
use genesis_mesh_core::ModelError;
use genesis_mesh_core::store::StoreError;

/// Why a run did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No agent has this name.
    #[error("no agent is named `{agent}`; known agents: {}", name::list(known.iter().map(String::as_str)))]
    UnknownAgent {
        /// The name that was asked for.
        agent: String,
        /// All names, sorted.
        known: Vec<String>,
    },
    /// The agent does not accept this input.
    #[error(transparent)]
    InvalidInput(#[from] InputError),
    /// The agent was to go on where a thread stands, or to take an answer, and has no such place.
    #[error("the agent `{agent}` can't go on: {reason}")]
    CannotGoOn {
        /// The agent.
        agent: String,
        /// Why.
        reason: &'static str,
    },
    /// The model does not accept the request, or can't take it now.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store does not take the run: it can't be written, the thread is busy, or the idempotency key was used for
    /// another request.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAgent { .. } => "agent_not_found",
            Self::InvalidInput(_) | Self::CannotGoOn { .. } => "invalid_input",
            Self::Model(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same start may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::UnknownAgent { .. } | Self::InvalidInput(_) | Self::CannotGoOn { .. } => false,
            Self::Model(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
        }
    }

    /// The input field at fault, if there is one. Which one asked an agent to go on is known to the caller.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::UnknownAgent { .. } | Self::CannotGoOn { .. } | Self::Store(_) => None,
            Self::InvalidInput(error) => error.param(),
            Self::Model(error) => model_param(error),
        }
    }
}

/// The field that a model complains about.
pub(crate) fn model_param(error: &ModelError) -> Option<&str> {
    match error {
        ModelError::InvalidRequest { param, .. } => param.as_deref(),
        _ => None,
    }
}
