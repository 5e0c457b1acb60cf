//! Updates: what a run tells its caller while it works, in their JSON form.
//!
//! Owns: the closed set of updates and their field names, which are the wire format of `/ws/{agent}`.
//! Never: carries a failure; a run that fails yields `Err(RunError)` as its last item.

use crate::graph::GraphRunError;
use genesis_mesh_core::{FinishReason, ModelError, TokenLogprob, ToolCall, ToolCallDelta, Usage};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// One update of a run: any number of deltas, tool calls and writes of nodes, at most one output, then one `Done`.
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
    /// A node of a graph has ended, and this is what it wrote.
    #[serde(rename = "update")]
    Written {
        /// The graph within the graph, as `node:task`, joined by `|`; empty for the agent's own.
        #[serde(skip_serializing_if = "String::is_empty")]
        ns: String,
        /// The node.
        node: String,
        /// The channels that it wrote, with what it wrote.
        values: Value,
    },
    /// What a node of a graph writes to the stream by itself.
    Custom {
        /// The graph within the graph; empty for the agent's own.
        #[serde(skip_serializing_if = "String::is_empty")]
        ns: String,
        /// The node.
        node: String,
        /// What it writes.
        value: Value,
    },
    /// A graph asks, and waits for answers.
    Interrupt {
        /// The questions: `id`, `value`, and `response_schema` if an answer must fit one.
        interrupts: Value,
    },
    /// What a pipeline's parser made of the whole answer, or the state that a graph came to.
    Output {
        /// The value.
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
    /// A graph did not come to its end.
    #[error("{message}")]
    Graph {
        /// The stable name of what happened: `node_failed`, `recursion_limit`, …
        code: &'static str,
        /// What happened.
        message: String,
        /// Whether the same run may succeed later.
        is_retryable: bool,
    },
}

impl RunError {
    pub(crate) fn graph(error: &GraphRunError) -> Self {
        Self::Graph { code: error.code(), message: error.to_string(), is_retryable: error.is_retryable() }
    }

    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::OutputInvalid { .. } => "output_invalid",
            Self::Graph { code, .. } => code,
        }
    }

    /// Whether the same run may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.is_retryable(),
            Self::OutputInvalid { .. } => false,
            Self::Graph { is_retryable, .. } => *is_retryable,
        }
    }

    /// The input field at fault, if there is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Model(error) => model_param(error),
            Self::OutputInvalid { .. } | Self::Graph { .. } => None,
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
