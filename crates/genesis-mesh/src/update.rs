//! Updates: what a run tells its caller while it works, in their JSON form.
//!
//! Owns: the closed set of updates and their field names, which are the wire format of `/ws/{agent}`.
//! Never: carries a failure; a run that fails yields `Err(RunError)` as its last item.

use genesis_mesh_core::{FinishReason, ModelError, TokenLogprob, ToolCall, ToolCallDelta, Usage};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// One update of a run: any number of deltas and tool calls, at most one output, then one `Done`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Update {
    /// The next piece of the answer's text.
    Delta {
        /// The piece: never empty, never a split character.
        text: String,
        /// One entry a token of this piece, if the input asked for them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<TokenLogprob>,
    },
    /// A piece of a tool call while it is made: a preview, the whole call follows.
    ToolCallDelta(ToolCallDelta),
    /// The model calls a tool; the call is complete.
    ToolCall(ToolCall),
    /// What a pipeline's parser made of the whole answer.
    Output {
        /// The parsed value.
        value: Value,
    },
    /// The end: nothing follows.
    Done {
        /// What the run cost.
        usage: Usage,
        /// Why it ended.
        finish_reason: FinishReason,
    },
}

/// Why a run that was accepted did not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The answer is not in the form that the agent's parser reads.
    #[error("the answer is no {form}: {reason}")]
    OutputInvalid {
        /// What the parser reads: `JSON`, `match`.
        form: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl RunError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::OutputInvalid { .. } => "output_invalid",
        }
    }

    /// Whether the same run may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.is_retryable(),
            Self::OutputInvalid { .. } => false,
        }
    }

    /// The input field at fault, if there is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Model(error) => model_param(error),
            Self::OutputInvalid { .. } => None,
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
