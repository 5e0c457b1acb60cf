//! What a model answers: pieces of text, tool calls, and one end with its usage.
//!
//! Owns: `ModelEvent` and its parts.
//! Never: carries an error; a failed stream yields `Err(ModelError)` as its last item.

use crate::message::{ToolCall, ToolCallDelta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One item of a model's answer. A stream is any number of pieces, then one `Done`.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The next piece of the answer: never empty, never a split character.
    Text {
        /// The piece.
        text: String,
        /// One entry a token of this piece, if the request asked for them.
        logprobs: Vec<TokenLogprob>,
    },
    /// A piece of a call while it is made. A preview: the whole call follows as `ToolCall` with the same id, and
    /// who reads only that misses nothing. A model that makes calls at once sends none.
    ToolCallDelta(ToolCallDelta),
    /// The model calls a tool; the call is complete. Calls come in the order in which they were begun.
    ToolCall(ToolCall),
    /// The tokens behind the pieces since the last such event, if the request asked for them: with all of them in
    /// `made`, an equal request goes on exactly here. It follows its pieces at once, without a wait in between.
    Tokens(Vec<u32>),
    /// The end: nothing follows.
    Done {
        /// What the answer cost.
        usage: Usage,
        /// Why it ended.
        finish_reason: FinishReason,
    },
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model finished, or wrote a stop string.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The model called tools and waits for their results.
    ToolCalls,
    /// A provider's filter ended it.
    ContentFilter,
    /// The caller stopped it.
    Cancelled,
}

/// What an answer cost, in tokens of the model that made it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens read: the prompt with its template.
    pub input_tokens: u64,
    /// Tokens made, also those after the last visible text (an end token, a stop string).
    pub output_tokens: u64,
    /// The sum of both.
    pub total_tokens: u64,
}

impl Usage {
    /// The usage of `input` tokens read and `output` tokens made.
    #[must_use]
    pub fn new(input: u64, output: u64) -> Self {
        Self { input_tokens: input, output_tokens: output, total_tokens: input + output }
    }
}

/// The log probability of one token, with its best rivals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLogprob {
    /// The token's text; bytes that are no whole character are replaced by U+FFFD.
    pub token: String,
    /// Its natural log probability, before temperature and filters.
    pub logprob: f32,
    /// The token's bytes.
    pub bytes: Vec<u8>,
    /// The most likely tokens at this place, best first; the picked one may be among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}
