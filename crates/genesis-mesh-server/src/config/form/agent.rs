//! The tables `[agents.NAME]`: a model, a prompt and what is made of the answer.
//!
//! Owns: their keys.
//! Never: compiles a template or a schema; setup's checks do.

use genesis_mesh::Stop;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// An agent: a model with a prompt; without `prompt` and `messages` the model as it is, under another name.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct AgentForm {
    /// The name of its model in this file.
    pub(in crate::config) model: String,
    /// What it does, in a few words for people.
    pub(in crate::config) description: Option<String>,
    /// The system message, a Jinja template over the input's fields.
    pub(in crate::config) system: Option<String>,
    /// Messages between the system message and the prompt, for example a question with its answer as a pattern.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(in crate::config) messages: Vec<MessageForm>,
    /// The user message, a Jinja template over the input's fields.
    pub(in crate::config) prompt: Option<String>,
    /// The JSON schema of the input, or `file:PATH`; without it each variable of the templates is required.
    pub(in crate::config) input_schema: Option<SchemaForm>,
    /// What is made of the answer: `text`, `lines`, `json`, `{ json_schema = … }` or `{ regex = "…" }`.
    #[schemars(extend("default" = "text"))]
    pub(in crate::config) output: Option<OutputForm>,
    /// The most tokens of an answer; as many as the model's context holds without it.
    #[schemars(range(min = 1))]
    pub(in crate::config) max_tokens: Option<u32>,
    /// How freely tokens are picked; 0 always takes the most likely one.
    #[schemars(range(min = 0.0, max = 2.0), extend("default" = 0.0))]
    pub(in crate::config) temperature: Option<f32>,
    /// Only the `top_k` most likely tokens are picked from; 0 means all.
    #[schemars(extend("default" = 0))]
    pub(in crate::config) top_k: Option<u32>,
    /// Only the most likely tokens that together reach this probability.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0, "default" = 1.0))]
    pub(in crate::config) top_p: Option<f32>,
    /// Only tokens at least `min_p` times as likely as the best one.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = 0.0))]
    pub(in crate::config) min_p: Option<f32>,
    /// The same seed gives the same answer to the same input; drawn anew each time without it.
    pub(in crate::config) seed: Option<u64>,
    /// Makes tokens that were seen before less likely.
    #[schemars(range(max = 2.0), extend("exclusiveMinimum" = 0, "default" = 1.0))]
    pub(in crate::config) repetition_penalty: Option<f32>,
    /// Makes tokens less likely the more often the answer has them already.
    #[schemars(range(min = -2.0, max = 2.0), extend("default" = 0.0))]
    pub(in crate::config) frequency_penalty: Option<f32>,
    /// Makes tokens that the answer has already less likely.
    #[schemars(range(min = -2.0, max = 2.0), extend("default" = 0.0))]
    pub(in crate::config) presence_penalty: Option<f32>,
    /// Text that ends the answer and is not part of it.
    pub(in crate::config) stop: Option<Stop>,
}

/// One message.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct MessageForm {
    /// Who speaks.
    pub(in crate::config) role: RoleForm,
    /// What is said, a Jinja template.
    pub(in crate::config) content: String,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RoleForm {
    System,
    User,
    Assistant,
}

/// A JSON schema: a table, or `file:PATH` of a JSON file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum SchemaForm {
    File(String),
    Table(Map<String, Value>),
}

/// What is made of an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum OutputForm {
    Named(TextOutput),
    JsonSchema(JsonOutput),
    Regex(RegexOutput),
}

/// The text as it is, a list of its lines, or a JSON object.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum TextOutput {
    Text,
    Lines,
    Json,
}

/// JSON that a schema describes.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct JsonOutput {
    /// The schema.
    pub(in crate::config) json_schema: SchemaForm,
}

/// The first match of a regular expression.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::config) struct RegexOutput {
    /// The regular expression.
    pub(in crate::config) regex: String,
}
