//! What a model is asked: the prompt, the sampling, the limits and the form of the answer.
//!
//! Owns: `GenerateRequest` and its parts, with their defaults and ranges.
//! Never: validates a wire body; surfaces do, before they build this.

use crate::message::Message;
use serde::{Deserialize, Serialize};

/// One request for text, as a model understands it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateRequest {
    /// What the model reads.
    pub prompt: Prompt,
    /// The most tokens to make, 1 or more; `None` lets the model's context be the limit.
    pub max_tokens: Option<u32>,
    /// How the next token is picked.
    pub sampling: Sampling,
    /// Texts that end the answer and are not part of it; none is empty.
    pub stop: Vec<String>,
    /// The form that the answer must have; `None` leaves it free.
    pub grammar: Option<Grammar>,
    /// The tools that the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it may, must or must not call one.
    pub tool_choice: ToolChoice,
    /// Whether an answer may call one tool at most; else it may call several.
    pub is_single_tool_call: bool,
    /// `Some(n)` asks for the log probability of each token and of its `n` best rivals, 0 to 20.
    pub logprobs: Option<u8>,
    /// Tokens of this answer that were made before, as [`ModelEvent::Tokens`](crate::ModelEvent::Tokens) told them: the
    /// answer goes on after them, and only what is new is told. Of use to models that
    /// [go on](crate::Model::goes_on) alone, with the seed of then.
    pub made: Vec<u32>,
    /// Whether the model tells its tokens too, if it goes on.
    pub tells_tokens: bool,
}

/// What a model reads: a raw text, or a conversation that its chat template renders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Text that is tokenized as it stands, without a template.
    Text(String),
    /// A conversation; the model answers as the assistant.
    Messages(Vec<Message>),
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Messages(Vec::new())
    }
}

/// How the next token is picked from the model's distribution.
///
/// The filters apply in this order: repetition, frequency and presence penalty, temperature, top-k, top-p, min-p.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 picks the most likely token; higher values flatten the distribution. 0.0 to 2.0.
    pub temperature: f32,
    /// Keeps the `top_k` most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the smallest set of tokens whose probability reaches `top_p`. Above 0.0, to 1.0 (all).
    pub top_p: f32,
    /// Drops tokens less likely than `min_p` times the best one. 0.0 (none) to 1.0.
    pub min_p: f32,
    /// Divides (or multiplies, if negative) the logits of tokens seen before. 1.0 changes nothing.
    pub repetition_penalty: f32,
    /// Subtracted from a token's logit for each time that the answer has it already. -2.0 to 2.0; 0.0 changes
    /// nothing.
    pub frequency_penalty: f32,
    /// Subtracted from the logits of tokens that the answer has already. -2.0 to 2.0; 0.0 changes nothing.
    pub presence_penalty: f32,
    /// The same seed gives the same text for the same request; `None` draws one.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    /// Greedy: temperature 0, no filter, no penalty.
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            seed: None,
        }
    }
}

/// The form that an answer must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that validates against this schema (2020-12).
    JsonSchema(serde_json::Value),
    /// A context-free grammar in Lark syntax.
    Lark(String),
    /// A regular expression that the whole answer matches.
    Regex(String),
}

/// A tool as a model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name by which the model calls it.
    pub name: String,
    /// What it does, in the words that the model reads.
    pub description: String,
    /// The JSON schema of its arguments.
    pub parameters: serde_json::Value,
}

/// Whether the model calls a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// It must not.
    None,
    /// It must call one of them.
    Required,
    /// It must call this one.
    Named(String),
}
