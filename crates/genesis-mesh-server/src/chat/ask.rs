//! From a chat body to what is asked: the agent, the request, how many answers, and in which form they come.
//!
//! Owns: what absent fields mean, and which fields contradict each other.
//! Never: checks a range; the body's schema has.

use super::body::{ChatBody, FormatEntry};
use genesis_mesh::{
    GenerateRequest, Grammar, InputError, Prompt, Sampling, Schema, Stop, ToolChoice, ToolForm,
};
use serde_json::Value;
use std::mem;

/// What a chat request asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    /// The agent that answers.
    pub(super) agent: String,
    /// What its model is asked.
    request: GenerateRequest,
    /// How many answers are made, 1 to 8.
    choices: u8,
    /// Whether each token comes with its log probability.
    pub(super) has_logprobs: bool,
    /// Whether they come as events.
    /// Whether each choice is a logged run.
    pub(super) is_logged: bool,
    pub(super) is_stream: bool,
    /// Whether a stream tells its usage.
    pub(super) has_usage_chunk: bool,
}

impl Ask {
    /// What `body` asks for; `schema` is that of [`ChatBody`].
    ///
    /// # Errors
    /// A body that the schema refuses, and fields that contradict each other or are not supported.
    pub(super) fn read(body: Value, schema: &Schema) -> Result<Self, InputError> {
        refuse_legacy(&body)?;
        Self::new(schema.read(body)?)
    }

    fn new(body: ChatBody) -> Result<Self, InputError> {
        let logprobs = logprobs(&body)?;
        let sampling = sampling(&body);
        let messages = body.messages.into_iter().enumerate();
        let messages = messages.map(|(index, message)| message.into_message(index));
        let tools = body.tools.unwrap_or_default().into_iter().map(ToolForm::from).collect();
        let tools = ToolForm::into_specs(tools)?;
        let tool_choice =
            body.tool_choice.map_or(Ok(ToolChoice::default()), |choice| choice.into_choice(&tools))?;
        let request = GenerateRequest {
            prompt: Prompt::Messages(messages.collect::<Result<_, _>>()?),
            max_tokens: body.max_completion_tokens.or(body.max_tokens),
            sampling,
            stop: body.stop.map(stop_texts).unwrap_or_default(),
            grammar: body.response_format.and_then(grammar),
            tools,
            tool_choice,
            is_single_tool_call: body.parallel_tool_calls == Some(false),
            logprobs,
            ..GenerateRequest::default()
        };
        Ok(Self {
            agent: body.model,
            has_logprobs: request.logprobs.is_some(),
            request,
            choices: body.n.unwrap_or(1),
            is_logged: body.store.unwrap_or(false),
            is_stream: body.stream.unwrap_or(false),
            has_usage_chunk: body.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        })
    }

    /// Takes the request of each choice: the same prompt, and seeds that count up.
    pub(super) fn take_requests(&mut self) -> Vec<GenerateRequest> {
        let first = mem::take(&mut self.request);
        let mut requests = vec![first; usize::from(self.choices)];
        for (index, request) in (0..).zip(&mut requests) {
            request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(index));
        }
        requests
    }
}

/// Old clients that send these get an answer that names the field to use.
fn refuse_legacy(body: &Value) -> Result<(), InputError> {
    for (field, instead) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if body.get(field).is_some_and(|value| !value.is_null()) {
            return Err(InputError::at(field, format!("not supported; use `{instead}`")));
        }
    }
    Ok(())
}

fn logprobs(body: &ChatBody) -> Result<Option<u8>, InputError> {
    match (body.logprobs.unwrap_or(false), body.top_logprobs) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(InputError::at("top_logprobs", "needs `logprobs` to be true")),
    }
}

fn sampling(body: &ChatBody) -> Sampling {
    /// What the clients of this API expect where they say nothing; a request that must be the same twice says 0.
    const TEMPERATURE: f32 = 1.0;
    let default = Sampling::default();
    // A positive number may be too small for an f32; it must not become the 0 that is not allowed. A `top_p` of 0
    // keeps the most likely token alone, and so does the smallest positive one.
    let positive = |value: f32| value.max(f32::MIN_POSITIVE);
    Sampling {
        temperature: body.temperature.unwrap_or(TEMPERATURE),
        top_k: body.top_k.map_or(default.top_k, |top_k| u32::try_from(top_k).unwrap_or(0)),
        top_p: body.top_p.map_or(default.top_p, positive),
        min_p: body.min_p.unwrap_or(default.min_p),
        repetition_penalty: body.repetition_penalty.map_or(default.repetition_penalty, positive),
        frequency_penalty: body.frequency_penalty.unwrap_or(default.frequency_penalty),
        presence_penalty: body.presence_penalty.unwrap_or(default.presence_penalty),
        // A negative seed is a seed too: the same 64 bits.
        seed: body.seed.map(|seed| seed as u64),
    }
}

fn stop_texts(stop: Stop) -> Vec<String> {
    match stop {
        Stop::One(text) => vec![text],
        Stop::Many(texts) => texts,
    }
}

fn grammar(format: FormatEntry) -> Option<Grammar> {
    match format {
        FormatEntry::Text {} => None,
        FormatEntry::JsonObject {} => Some(Grammar::JsonObject),
        FormatEntry::JsonSchema { json_schema } => {
            Some(Grammar::JsonSchema(Value::Object(json_schema.schema)))
        }
        FormatEntry::Grammar { lark } => Some(Grammar::Lark(lark)),
        FormatEntry::Regex { regex } => Some(Grammar::Regex(regex)),
    }
}
