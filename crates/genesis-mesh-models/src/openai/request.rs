//! The request: what is asked, in the fields of `POST /chat/completions`.
//!
//! Owns: the mapping from `GenerateRequest`; fields are borrowed and written once.
//! Never: sends a field that is not set, but for the temperature: providers' default is 1, ours is 0.
//! Source: OpenAI's API reference of chat completions; `top_k`, `min_p` and `repetition_penalty` are the names that
//! vLLM, llama.cpp and SGLang read beside them.

use bytes::Bytes;
use genesis_mesh_core::{
    GenerateRequest, Grammar, Message, ModelError, Prompt, Role, Sampling, ToolCall, ToolChoice, ToolSpec,
};
use serde::Serialize;
use serde_json::Value;

/// The name of an answer's JSON schema: the field is required, and models read it.
const SCHEMA_NAME: &str = "answer";

/// The request's body for the model named `model` at the provider.
///
/// # Errors
/// `InvalidRequest` for what the protocol has no field for.
pub(super) fn body(request: &GenerateRequest, model: &str) -> Result<Bytes, ModelError> {
    let Prompt::Messages(messages) = &request.prompt else {
        return Err(invalid("raw_prompt", "this model is behind a chat API: give `messages`"));
    };
    if !request.made.is_empty() {
        return Err(invalid("made", "this model does not go on with a cut answer: ask it from the start"));
    }
    let body = Body {
        model,
        messages: messages.iter().map(WireMessage::new).collect(),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_completion_tokens: request.max_tokens,
        sampling: WireSampling::new(&request.sampling),
        stop: &request.stop,
        response_format: response_format(request.grammar.as_ref())?,
        tools: request.tools.iter().map(WireTool::new).collect(),
        tool_choice: tool_choice(request)?,
        parallel_tool_calls: (request.is_single_tool_call && !request.tools.is_empty()).then_some(false),
        logprobs: request.logprobs.map(|_| true),
        top_logprobs: request.logprobs.filter(|top| *top > 0),
    };
    let bytes = serde_json::to_vec(&body)
        .map_err(|error| ModelError::Failed { message: format!("the request can't be written: {error}") })?;
    Ok(bytes.into())
}

fn invalid(param: &str, message: &str) -> ModelError {
    ModelError::InvalidRequest { param: Some(param.to_owned()), message: message.to_owned() }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(flatten)]
    sampling: WireSampling,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<WireToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u8>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct WireSampling {
    temperature: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repetition_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl WireSampling {
    /// What differs from the neutral values.
    fn new(sampling: &Sampling) -> Self {
        let neutral = Sampling::default();
        let unless = |value: f32, neutral: f32| (value != neutral).then_some(value);
        Self {
            temperature: sampling.temperature,
            top_k: (sampling.top_k != neutral.top_k).then_some(sampling.top_k),
            top_p: unless(sampling.top_p, neutral.top_p),
            min_p: unless(sampling.min_p, neutral.min_p),
            repetition_penalty: unless(sampling.repetition_penalty, neutral.repetition_penalty),
            frequency_penalty: unless(sampling.frequency_penalty, neutral.frequency_penalty),
            presence_penalty: unless(sampling.presence_penalty, neutral.presence_penalty),
            seed: sampling.seed,
        }
    }
}

#[derive(Serialize)]
struct WireMessage<'a> {
    role: Role,
    /// `null` in an assistant message that only calls tools.
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

impl<'a> WireMessage<'a> {
    fn new(message: &'a Message) -> Self {
        let is_only_calls = message.content.is_empty() && !message.tool_calls.is_empty();
        Self {
            role: message.role,
            content: (!is_only_calls).then_some(message.content.as_str()),
            name: message.name.as_deref(),
            tool_calls: message.tool_calls.iter().map(WireToolCall::new).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct WireToolCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> WireToolCall<'a> {
    fn new(call: &'a ToolCall) -> Self {
        let function = CalledFunction { name: &call.name, arguments: &call.arguments };
        Self { id: &call.id, r#type: "function", function }
    }
}

#[derive(Serialize)]
struct WireTool<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> WireTool<'a> {
    fn new(tool: &'a ToolSpec) -> Self {
        let function = OfferedFunction {
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
        };
        Self { r#type: "function", function }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireToolChoice<'a> {
    Word(&'static str),
    Named { r#type: &'static str, function: NamedFunction<'a> },
}

#[derive(Serialize)]
struct NamedFunction<'a> {
    name: &'a str,
}

/// The choice, unless it is the default of the tools that are offered.
///
/// # Errors
/// `InvalidRequest` if a call is required and no tool is offered.
fn tool_choice(request: &GenerateRequest) -> Result<Option<WireToolChoice<'_>>, ModelError> {
    let has_tools = !request.tools.is_empty();
    match &request.tool_choice {
        ToolChoice::Auto => Ok(None),
        ToolChoice::None => Ok(has_tools.then_some(WireToolChoice::Word("none"))),
        _ if !has_tools => Err(invalid("tool_choice", "a call is required, and no tool is offered")),
        ToolChoice::Required => Ok(Some(WireToolChoice::Word("required"))),
        ToolChoice::Named(name) => {
            Ok(Some(WireToolChoice::Named { r#type: "function", function: NamedFunction { name } }))
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    schema: &'a Value,
    /// An answer must have its form: without this a provider only tries.
    strict: bool,
}

fn response_format(grammar: Option<&Grammar>) -> Result<Option<ResponseFormat<'_>>, ModelError> {
    match grammar {
        None => Ok(None),
        Some(Grammar::JsonObject) => Ok(Some(ResponseFormat::JsonObject)),
        Some(Grammar::JsonSchema(schema)) => Ok(Some(ResponseFormat::JsonSchema {
            json_schema: JsonSchema { name: SCHEMA_NAME, schema, strict: true },
        })),
        Some(Grammar::Lark(_) | Grammar::Regex(_)) => {
            Err(invalid("response_format", "this model takes `json_object` and `json_schema` only"))
        }
    }
}

#[cfg(test)]
mod tests;
