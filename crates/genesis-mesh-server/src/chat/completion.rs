//! What a chat answer looks like: the completion, its chunks, and their parts.
//!
//! Owns: the field names and their order, which `chunk` writes by hand for the hottest of them.
//! Never: makes an answer; `whole` and `stream` do.
//! Source: the `OpenAI` chat API, with `null` where it has `null`.

use super::stamp::Stamp;
use genesis_mesh::{FinishReason, TokenLogprob, ToolCall, Usage};
use schemars::JsonSchema;
use serde::Serialize;

/// What computes the answers: equal fingerprints give equal answers to equal requests with a seed.
pub(super) const FINGERPRINT: &str = concat!("genesis-mesh-", env!("CARGO_PKG_VERSION"));

/// What stands for a probability of zero, whose logarithm JSON cannot write.
const LOGPROB_MIN: f32 = -9999.0;

/// The answer to a chat request that does not stream.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChatCompletion<'a> {
    /// Unique.
    pub(crate) id: &'a str,
    /// What this is.
    #[schemars(extend("const" = "chat.completion"))]
    pub(crate) object: &'static str,
    /// When it was asked for, in seconds since 1970.
    pub(crate) created: i64,
    /// The agent that answered.
    pub(crate) model: &'a str,
    /// The version of what computed it.
    pub(crate) system_fingerprint: &'static str,
    /// The answers, one unless `n` asked for more.
    pub(crate) choices: Vec<Choice>,
    /// What they cost together.
    pub(crate) usage: ChatUsage,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Choice {
    /// Which of the `n` it is, from 0.
    pub(crate) index: usize,
    /// What was answered.
    pub(crate) message: AnswerMessage,
    /// The log probabilities of its tokens, if they were asked for.
    pub(crate) logprobs: Option<ChoiceLogprobs>,
    /// Why it ended.
    pub(crate) finish_reason: Finish,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct AnswerMessage {
    /// Who speaks.
    #[schemars(extend("const" = "assistant"))]
    pub(crate) role: &'static str,
    /// The text; null if there is none beside the tool calls.
    pub(crate) content: Option<String>,
    /// Always null: what a model refuses is said in `content`.
    pub(crate) refusal: Option<String>,
    /// The tools that the model calls, if it calls any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<AnswerToolCall>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct AnswerToolCall {
    /// What the tool message names.
    pub(crate) id: String,
    /// What is called.
    #[schemars(extend("const" = "function"))]
    pub(crate) r#type: &'static str,
    /// Which function, and with what.
    pub(crate) function: AnswerFunction,
}

/// Which function is called, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct AnswerFunction {
    /// The function's name.
    pub(crate) name: String,
    /// The arguments as JSON text, as the model wrote them.
    pub(crate) arguments: String,
}

impl From<ToolCall> for AnswerToolCall {
    fn from(call: ToolCall) -> Self {
        let function = AnswerFunction { name: call.name, arguments: call.arguments };
        Self { id: call.id, r#type: "function", function }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finish {
    /// The model finished, or wrote a stop string.
    Stop,
    /// The most tokens, or the end of the context.
    Length,
    /// The model called tools and waits for their results.
    ToolCalls,
    /// A provider's filter ended it.
    ContentFilter,
}

impl Finish {
    /// `None` for an answer that was stopped: it has no end that a client may take for whole.
    pub(super) fn of(reason: FinishReason) -> Option<Self> {
        match reason {
            FinishReason::Stop => Some(Self::Stop),
            FinishReason::Length => Some(Self::Length),
            FinishReason::ToolCalls => Some(Self::ToolCalls),
            FinishReason::ContentFilter => Some(Self::ContentFilter),
            FinishReason::Cancelled => None,
        }
    }
}

/// What answers cost, in tokens of the model that made them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ChatUsage {
    /// Tokens read: the prompt, counted once for all choices.
    pub(crate) prompt_tokens: u64,
    /// Tokens made, of all choices.
    pub(crate) completion_tokens: u64,
    /// The sum of both.
    pub(crate) total_tokens: u64,
}

impl ChatUsage {
    /// Adds what one more choice cost.
    pub(super) fn add(&mut self, usage: Usage) {
        self.prompt_tokens = self.prompt_tokens.max(usage.input_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(usage.output_tokens);
        self.total_tokens = self.prompt_tokens.saturating_add(self.completion_tokens);
    }
}

/// The log probabilities of an answer or of a piece of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChoiceLogprobs {
    /// One entry a token.
    pub(crate) content: Vec<LogprobEntry>,
    /// Always null.
    pub(crate) refusal: Option<Vec<LogprobEntry>>,
}

/// The log probability of a token, with its best rivals.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct LogprobEntry {
    /// The token's text; bytes that are no whole character are replaced by U+FFFD.
    pub(crate) token: String,
    /// Its natural log probability; -9999 stands for what never happens.
    pub(crate) logprob: f32,
    /// The token's bytes.
    pub(crate) bytes: Vec<u8>,
    /// The most likely tokens at this place, best first.
    pub(crate) top_logprobs: Vec<RivalEntry>,
}

/// The log probability of a token that may have been picked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct RivalEntry {
    /// The token's text.
    pub(crate) token: String,
    /// Its natural log probability.
    pub(crate) logprob: f32,
    /// The token's bytes.
    pub(crate) bytes: Vec<u8>,
}

impl ChoiceLogprobs {
    /// The entries of `tokens`.
    pub(super) fn new(tokens: Vec<TokenLogprob>) -> Self {
        Self { content: tokens.into_iter().map(LogprobEntry::from).collect(), refusal: None }
    }
}

impl From<TokenLogprob> for LogprobEntry {
    fn from(token: TokenLogprob) -> Self {
        let rival = |rival: TokenLogprob| {
            let logprob = rival.logprob.max(LOGPROB_MIN);
            RivalEntry { token: rival.token, logprob, bytes: rival.bytes }
        };
        let top_logprobs = token.top.into_iter().map(rival).collect();
        let logprob = token.logprob.max(LOGPROB_MIN);
        Self { token: token.token, logprob, bytes: token.bytes, top_logprobs }
    }
}

/// One event of an answer that streams.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChatChunk<'a> {
    /// The same in all chunks of an answer.
    pub(crate) id: &'a str,
    /// What this is.
    #[schemars(extend("const" = "chat.completion.chunk"))]
    pub(crate) object: &'static str,
    /// When the answer was asked for, in seconds since 1970.
    pub(crate) created: i64,
    /// The agent that answers.
    pub(crate) model: &'a str,
    /// The version of what computes it.
    pub(crate) system_fingerprint: &'static str,
    /// The news of one choice; empty in the chunk that tells the usage.
    pub(crate) choices: Vec<ChunkChoice>,
    /// What the answer cost, in the last chunk if it was asked for; null in those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<ChatUsage>,
}

impl<'a> ChatChunk<'a> {
    /// A chunk that says nothing yet.
    pub(super) fn new(stamp: &'a Stamp) -> Self {
        Self {
            id: &stamp.id,
            object: "chat.completion.chunk",
            created: stamp.created,
            model: &stamp.model,
            system_fingerprint: FINGERPRINT,
            choices: Vec::new(),
            usage: None,
        }
    }
}

/// The news of one choice.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChunkChoice {
    /// Which of the `n` it is, from 0.
    pub(crate) index: usize,
    /// What comes next.
    pub(crate) delta: ChunkDelta,
    /// The log probabilities of this piece's tokens, if they were asked for.
    pub(crate) logprobs: Option<ChoiceLogprobs>,
    /// Why the choice ended, in its last chunk.
    pub(crate) finish_reason: Option<Finish>,
}

/// What comes next in a choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ChunkDelta {
    /// Who speaks; in a choice's first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'static str>,
    /// The next piece of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// The next pieces of tool calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ChunkToolCall>,
}

/// The next piece of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ChunkToolCall {
    /// Which call of this choice, from 0.
    pub(crate) index: usize,
    /// The call's id, in its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// What is called, in its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<&'static str>,
    /// The function's name in the first piece, and the next piece of its arguments.
    pub(crate) function: ChunkFunction,
}

/// The next piece of a function call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ChunkFunction {
    /// The function's name, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The next piece of the arguments' JSON text.
    pub(crate) arguments: String,
}
