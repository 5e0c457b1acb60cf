//! Updates: what a run tells its caller while it works, in their JSON form.
//!
//! Owns: the closed set of updates and their field names, which are the wire format of `/ws/{agent}`.
//! Never: carries a failure; a run that fails yields `Err(RunError)` as its last item.

use crate::graph::GraphRunError;
use crate::start::{StartError, model_param};
use genesis_mesh_core::{FinishReason, ModelError, TokenLogprob, ToolCall, ToolCallDelta, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One update of a run: any number of deltas, tool calls and writes of nodes, at most one output, then one `Done`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Update {
    /// The run is accepted: whatever happens, it comes to an end, and its log is read by this id. The first update of a
    /// run that is logged; others have none.
    Run {
        /// The run.
        run_id: String,
        /// The thread that it runs on, if it is to be used again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread_id: Option<String>,
    },
    /// The next piece of the answer's text.
    Delta {
        /// The piece: never empty, never a split character.
        text: String,
        /// One entry a token of this piece, if the input asked for them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<TokenLogprob>,
        /// The message that it is a piece of, in a graph, which may make several at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// What was told of a message, or of the whole answer, is void: the work was cut, and is done again from its beginning.
    Reset {
        /// The message; `None`: the answer's text and tool calls so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Which attempt begins, from 2.
        attempt: u32,
    },
    /// A piece of a tool call while it is made: a preview, the whole call follows.
    ToolCallDelta(ToolCallDelta),
    /// The model calls a tool; the call is complete.
    ToolCall(ToolCall),
    /// A node of a graph has ended, and this is what it wrote.
    #[serde(rename = "update")]
    Written {
        /// The graph within the graph, as `node:task`, joined by `|`; empty for the agent's own.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        ns: String,
        /// The node.
        node: String,
        /// The channels that it wrote, with what it wrote.
        values: Value,
    },
    /// What a node of a graph writes to the stream by itself.
    Custom {
        /// The graph within the graph; empty for the agent's own.
        #[serde(default, skip_serializing_if = "String::is_empty")]
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

impl Update {
    /// A piece of the answer's text.
    #[must_use]
    pub fn delta(text: impl Into<String>) -> Self {
        Self::Delta { text: text.into(), logprobs: Vec::new(), message: None }
    }
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
    /// As the log of the run tells it.
    #[error("{message}")]
    Logged {
        /// The stable name of what happened.
        code: String,
        /// What happened.
        message: String,
        /// The input field at fault, if there is one.
        param: Option<String>,
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
    /// Why a run that was accepted did not even begin.
    pub(crate) fn of_start(error: &StartError) -> Self {
        let (code, param) = (error.code().to_owned(), error.param().map(str::to_owned));
        Self::Logged { code, message: error.to_string(), param }
    }

    /// The error as the last event of a log.
    pub(crate) fn to_json(&self) -> Value {
        json!({"code": self.code(), "message": self.to_string(), "param": self.param()})
    }

    pub(crate) fn graph(error: &GraphRunError) -> Self {
        Self::Graph { code: error.code(), message: error.to_string(), is_retryable: error.is_retryable() }
    }

    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Model(error) => error.code(),
            Self::OutputInvalid { .. } => "output_invalid",
            Self::Graph { code, .. } => code,
            Self::Logged { code, .. } => code,
        }
    }

    /// Whether the same run may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.is_retryable(),
            Self::OutputInvalid { .. } => false,
            // A log keeps the code alone, which says it of models.
            Self::Logged { code, .. } => ModelError::is_retryable_code(code),
            Self::Graph { is_retryable, .. } => *is_retryable,
        }
    }

    /// The input field at fault, if there is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Model(error) => model_param(error),
            Self::Logged { param, .. } => param.as_deref(),
            Self::OutputInvalid { .. } | Self::Graph { .. } => None,
        }
    }
}
