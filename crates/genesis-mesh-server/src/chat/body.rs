//! The body of a chat request: one struct that is the contract, and its JSON schema.
//!
//! Owns: the fields that are read, their ranges and defaults.
//! Never: decides what they mean to a model; `ask` does.
//! Source: the `OpenAI` chat API; `top_k`, `min_p` and `repetition_penalty` are vLLM's. Fields that are not named
//! here are ignored, since clients send new ones before servers know them.

mod message;

use message::RequestMessage;

use genesis_mesh::{FunctionForm, Stop, ToolChoiceForm, ToolForm};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The body of `POST /v1/chat/completions`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct ChatBody {
    /// The agent that answers; a model is an agent too.
    pub(crate) model: String,
    /// The conversation, which the agent continues as the assistant.
    #[schemars(length(min = 1))]
    pub(crate) messages: Vec<RequestMessage>,
    /// The most tokens of one answer; without it the model's context is the limit.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(crate) max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`, which wins.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(crate) max_tokens: Option<u32>,
    /// How freely tokens are picked: 1 (the default) as the model was trained, 0 always the most likely one.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(crate) temperature: Option<f32>,
    /// Only the most likely tokens that together reach this probability; 1 (the default) means all.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) top_p: Option<f32>,
    /// Only the `top_k` most likely tokens are picked from; 0 and -1 (the default) mean all.
    #[schemars(range(min = -1, max = 4_294_967_295_u32))]
    pub(crate) top_k: Option<i64>,
    /// Only tokens at least `min_p` times as likely as the best one; 0 (the default) means all.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) min_p: Option<f32>,
    /// Makes tokens that were seen before less likely; 1 (the default) changes nothing.
    #[schemars(range(max = 2.0), extend("exclusiveMinimum" = 0))]
    pub(crate) repetition_penalty: Option<f32>,
    /// Makes tokens less likely the more often the answer has them already; 0 (the default) changes nothing.
    #[schemars(range(min = -2.0, max = 2.0))]
    pub(crate) frequency_penalty: Option<f32>,
    /// Makes tokens that the answer has already less likely; 0 (the default) changes nothing.
    #[schemars(range(min = -2.0, max = 2.0))]
    pub(crate) presence_penalty: Option<f32>,
    /// The same seed gives the same answer to the same request; without it each answer is drawn anew.
    #[schemars(range(min = -9_223_372_036_854_775_808_i64, max = 18_446_744_073_709_551_615_u64))]
    pub(crate) seed: Option<i128>,
    /// How many answers are made, each a choice of its own; 1 is the default. A seed counts up over them.
    #[schemars(range(min = 1, max = 8))]
    pub(crate) n: Option<u8>,
    /// Whether the answer is logged as a run: it survives this server, and `/v1/runs/{id}/events` reads it again. The
    /// run's id is that of the completion.
    pub(crate) store: Option<bool>,
    /// Text that ends the answer and is not part of it.
    pub(crate) stop: Option<Stop>,
    /// Whether each token comes with its log probability.
    pub(crate) logprobs: Option<bool>,
    /// How many rivals of each token are told too; needs `logprobs`.
    #[schemars(range(min = 0, max = 20))]
    pub(crate) top_logprobs: Option<u8>,
    /// The form that the answer must have.
    pub(crate) response_format: Option<FormatEntry>,
    /// The tools that the model may call.
    #[schemars(length(max = 128))]
    pub(crate) tools: Option<Vec<ToolEntry>>,
    /// Whether it calls one; without it the model decides.
    pub(crate) tool_choice: Option<ToolChoiceForm>,
    /// Whether one answer may make several calls; true is the default.
    pub(crate) parallel_tool_calls: Option<bool>,
    /// Whether the answer comes as events while it is made; false is the default.
    pub(crate) stream: Option<bool>,
    /// What a stream tells besides the answer.
    pub(crate) stream_options: Option<StreamOptions>,
    /// Not supported, so only null: use `tools`.
    pub(crate) functions: Option<()>,
    /// Not supported, so only null: use `tool_choice`.
    pub(crate) function_call: Option<()>,
}

/// What a stream tells besides the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) struct StreamOptions {
    /// Whether a last chunk without choices tells what the answer cost.
    pub(crate) include_usage: Option<bool>,
}

/// The form that the answer must have.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FormatEntry {
    /// Free text, the default.
    Text {},
    /// Any JSON object.
    JsonObject {},
    /// JSON that validates against a schema.
    JsonSchema {
        /// The schema with its name.
        json_schema: SchemaEntry,
    },
    /// Text of a context-free grammar; this server's own.
    Grammar {
        /// The grammar in Lark syntax; its start rule is `start`.
        lark: String,
    },
    /// Text that a regular expression matches as a whole; this server's own.
    Regex {
        /// The regular expression.
        regex: String,
    },
}

/// A JSON schema with its name. The answer always keeps to it, whatever `strict` says.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct SchemaEntry {
    /// The schema (2020-12).
    pub(crate) schema: Map<String, Value>,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ToolEntry {
    /// A function of the client's.
    Function {
        /// What the model is told of it.
        function: FunctionEntry,
    },
}

/// What a model is told of a function. The arguments always keep to the schema, whatever `strict` says.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct FunctionEntry {
    /// The name by which the model calls it: letters, digits, `_` and `-`, at most 64.
    #[schemars(regex(pattern = "^[a-zA-Z0-9_-]{1,64}$"))]
    pub(crate) name: String,
    /// What it does, in the words that the model reads.
    pub(crate) description: Option<String>,
    /// The JSON schema (2020-12) of its arguments; without it, it takes none.
    pub(crate) parameters: Option<Map<String, Value>>,
}

impl From<ToolEntry> for ToolForm {
    fn from(tool: ToolEntry) -> Self {
        let ToolEntry::Function { function } = tool;
        let FunctionEntry { name, description, parameters } = function;
        Self::Function { function: FunctionForm { name, description, parameters, strict: None } }
    }
}

impl ChatBody {
    /// The JSON schema of this struct, which checks what clients send.
    pub(crate) fn json_schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }
}
