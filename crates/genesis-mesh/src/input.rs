//! The input of a bare model: one struct that is the contract, its JSON schema and its meaning.
//!
//! Owns: the fields, their ranges and defaults, and their translation to a `GenerateRequest`.
//! Never: renders a template or knows a socket.
//! Source: field names and ranges follow the `OpenAI` chat API, and vLLM where that has none.

mod form;
mod tools;

pub use form::{JsonSchemaForm, ResponseFormat, Stop};
pub use tools::{FunctionForm, FunctionNameForm, NamedToolForm, ToolChoiceForm, ToolChoiceMode, ToolForm};

use crate::schema::{self, InputError};
use genesis_mesh_core::{GenerateRequest, Message, Prompt, Role, Sampling, ToolChoice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client sends to an agent that is a bare model.
///
/// Exactly one of `prompt`, `messages` and `raw_prompt` is given.
///
/// ```
/// use genesis_mesh::ModelInput;
/// let input = ModelInput { max_tokens: Some(32), ..ModelInput::prompt("Say hello.") };
/// assert_eq!(serde_json::to_value(input).unwrap(), serde_json::json!({"prompt": "Say hello.", "max_tokens": 32}));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["prompt"]}, {"required": ["messages"]}, {"required": ["raw_prompt"]},
]))]
pub struct ModelInput {
    /// One user message, which the model answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub prompt: Option<String>,
    /// A conversation, which the model continues as the assistant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<Message>", length(min = 1))]
    pub messages: Option<Vec<Message>>,
    /// Text that the model continues as it stands, without a chat template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub raw_prompt: Option<String>,
    /// The most tokens to make; without it the model's context is the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub max_tokens: Option<u32>,
    /// How freely tokens are picked; 0 (the default) always takes the most likely one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f32>,
    /// Only the `top_k` most likely tokens are picked from; 0 (the default) means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 4_294_967_295_u32))]
    pub top_k: Option<u32>,
    /// Only the most likely tokens that together reach this probability; 1 (the default) means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub top_p: Option<f32>,
    /// Only tokens at least `min_p` times as likely as the best one; 0 (the default) means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_p: Option<f32>,
    /// The same seed gives the same answer to the same input; without it each answer is drawn anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 18_446_744_073_709_551_615_u64))]
    pub seed: Option<u64>,
    /// Text that ends the answer and is not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Makes tokens that were seen before less likely; 1 (the default) changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2.0), extend("exclusiveMinimum" = 0))]
    pub repetition_penalty: Option<f32>,
    /// Makes tokens less likely the more often the answer has them already; 0 (the default) changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -2.0, max = 2.0))]
    pub frequency_penalty: Option<f32>,
    /// Makes tokens that the answer has already less likely; 0 (the default) changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -2.0, max = 2.0))]
    pub presence_penalty: Option<f32>,
    /// The form that the answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// The tools that the model may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub tools: Option<Vec<ToolForm>>,
    /// Whether it calls one; without it the model decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoiceForm>,
    /// Whether one answer may make several calls; true without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// Whether each delta carries the log probabilities of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many rivals of each token are told too; needs `logprobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub top_logprobs: Option<u8>,
}

impl ModelInput {
    /// An input of one user message and nothing else.
    #[must_use]
    pub fn prompt(text: impl Into<String>) -> Self {
        Self { prompt: Some(text.into()), ..Self::default() }
    }

    /// The JSON schema of this struct, which checks what clients send.
    #[must_use]
    pub fn json_schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Reads `input`, which the schema has accepted already.
    ///
    /// # Errors
    /// What the struct cannot hold although the schema allows it.
    pub(crate) fn read(input: Value) -> Result<Self, InputError> {
        schema::read_checked(input)
    }

    /// What the model is asked.
    ///
    /// # Errors
    /// Fields that contradict each other.
    pub(crate) fn into_request(self) -> Result<GenerateRequest, InputError> {
        let logprobs = self.logprobs()?;
        let sampling = self.sampling();
        let prompt = match (self.prompt, self.messages, self.raw_prompt) {
            (Some(text), None, None) => Prompt::Messages(vec![Message::new(Role::User, text)]),
            (None, Some(messages), None) => Prompt::Messages(messages),
            (None, None, Some(text)) => Prompt::Text(text),
            _ => return Err(InputError::at("", "give exactly one of `prompt`, `messages`, `raw_prompt`")),
        };
        let tools = ToolForm::into_specs(self.tools.unwrap_or_default())?;
        let tool_choice =
            self.tool_choice.map_or(Ok(ToolChoice::default()), |choice| choice.into_choice(&tools))?;
        Ok(GenerateRequest {
            prompt,
            max_tokens: self.max_tokens,
            sampling,
            stop: self.stop.map(Stop::into_texts).unwrap_or_default(),
            grammar: self.response_format.and_then(ResponseFormat::into_grammar),
            tools,
            tool_choice,
            is_single_tool_call: self.parallel_tool_calls == Some(false),
            logprobs,
            ..GenerateRequest::default()
        })
    }

    fn logprobs(&self) -> Result<Option<u8>, InputError> {
        match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, top) => Ok(Some(top.unwrap_or(0))),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(InputError::at("top_logprobs", "needs `logprobs` to be true")),
        }
    }

    fn sampling(&self) -> Sampling {
        let default = Sampling::default();
        // A positive number may be too small for an f32; it must not become the 0 that is not allowed.
        let positive = |value: f32| value.max(f32::MIN_POSITIVE);
        Sampling {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_k: self.top_k.unwrap_or(default.top_k),
            top_p: self.top_p.map_or(default.top_p, positive),
            min_p: self.min_p.unwrap_or(default.min_p),
            repetition_penalty: self.repetition_penalty.map_or(default.repetition_penalty, positive),
            frequency_penalty: self.frequency_penalty.unwrap_or(default.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(default.presence_penalty),
            seed: self.seed,
        }
    }
}

#[cfg(test)]
mod tests;
