//! The answer's wire form: the fields of a chat completion and of its chunks that mean something here.
//!
//! Owns: reading JSON into them. Unknown fields are passed over, absent ones are fine.
//! Never: decides what they mean; `decode.rs` does.
//! Source: `ChatCompletionChunk` and `ChatCompletion` of OpenAI's clients.

use genesis_mesh_core::TokenLogprob;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;

/// A text that is borrowed where JSON has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A chunk of a stream, or a whole completion.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    /// An error in place of an answer.
    #[serde(default)]
    pub(super) error: Option<Value>,
    /// `error` in the errors of some servers.
    #[serde(borrow, default)]
    pub(super) object: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: u32,
    /// What is new, in a chunk.
    #[serde(borrow, default)]
    pub(super) delta: Option<Delta<'a>>,
    /// All of it, in a whole completion.
    #[serde(borrow, default)]
    pub(super) message: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(default)]
    pub(super) logprobs: Option<WireLogprobs>,
}

#[derive(Deserialize, Default)]
pub(super) struct Delta<'a> {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<WireCall<'a>>>,
    /// Thoughts, by their two names; not told, but a sign of life.
    #[serde(default)]
    pub(super) reasoning_content: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) reasoning: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct WireCall<'a> {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<WireFunction<'a>>,
}

#[derive(Deserialize, Default)]
pub(super) struct WireFunction<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(default)]
    pub(super) arguments: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    pub(super) prompt_tokens: Option<u64>,
    #[serde(default)]
    pub(super) completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct WireLogprobs {
    #[serde(default)]
    pub(super) content: Option<Vec<WireLogprob>>,
    #[serde(default)]
    pub(super) refusal: Option<Vec<WireLogprob>>,
}

#[derive(Deserialize)]
pub(super) struct WireLogprob {
    token: String,
    logprob: f32,
    /// `null` where a token has no bytes of its own.
    #[serde(default)]
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    top_logprobs: Option<Vec<WireLogprob>>,
}

impl From<WireLogprob> for TokenLogprob {
    fn from(wire: WireLogprob) -> Self {
        let bytes = wire.bytes.unwrap_or_else(|| wire.token.as_bytes().to_vec());
        let top = wire.top_logprobs.into_iter().flatten().map(Self::from).collect();
        Self { token: wire.token, logprob: wire.logprob, bytes, top }
    }
}
