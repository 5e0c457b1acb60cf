//! The messages of a chat request, and what they say to a model.
//!
//! Owns: their JSON shapes, and their translation to `Message`.
//! Never: renders them; the model's chat template does.
//! Source: the `OpenAI` chat API. Texts of several parts are joined by line ends, as vLLM and llama.cpp do.

use genesis_mesh::{InputError, Message, Role, ToolCall};
use schemars::JsonSchema;
use serde::Deserialize;

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct RequestMessage {
    /// Who speaks.
    pub(crate) role: RequestRole,
    /// What is said; may be left out by an assistant that calls tools.
    pub(crate) content: Option<Content>,
    /// The speaker's name, where a template shows it.
    pub(crate) name: Option<String>,
    /// The calls that an assistant made.
    pub(crate) tool_calls: Option<Vec<RequestToolCall>>,
    /// The call whose result a tool message is.
    pub(crate) tool_call_id: Option<String>,
    /// What an assistant said instead of an answer.
    pub(crate) refusal: Option<String>,
    /// Not supported, so only null: use `tool_calls`.
    pub(crate) function_call: Option<()>,
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RequestRole {
    /// The newer name of `system`.
    Developer,
    /// The instruction that frames the conversation.
    System,
    /// The person or program that asks.
    User,
    /// The agent.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl From<RequestRole> for Role {
    fn from(role: RequestRole) -> Self {
        match role {
            RequestRole::Developer | RequestRole::System => Self::System,
            RequestRole::User => Self::User,
            RequestRole::Assistant => Self::Assistant,
            RequestRole::Tool => Self::Tool,
        }
    }
}

/// What a message says: a text, or parts that make one.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Content {
    /// A text.
    Text(String),
    /// Parts; their texts are joined by line ends.
    Parts(Vec<Part>),
}

/// A part of what a message says: text. Images, audio and files are not read.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// What an assistant said instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
}

/// A call that an assistant made.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RequestToolCall {
    /// A call of a function.
    Function {
        /// The id that the tool message names.
        id: String,
        /// Which function, and with what.
        function: RequestFunction,
    },
}

/// Which function was called, and with what.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
pub(crate) struct RequestFunction {
    /// The function's name.
    pub(crate) name: String,
    /// The arguments as JSON text, as the model wrote them.
    pub(crate) arguments: String,
}

impl From<RequestToolCall> for ToolCall {
    fn from(call: RequestToolCall) -> Self {
        let RequestToolCall::Function { id, function } = call;
        Self { id, name: function.name, arguments: function.arguments }
    }
}

impl From<Content> for String {
    fn from(content: Content) -> Self {
        let text = |part| match part {
            Part::Text { text } | Part::Refusal { refusal: text } => text,
        };
        match content {
            Content::Text(text) => text,
            Content::Parts(parts) => parts.into_iter().map(text).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl RequestMessage {
    /// What the message, the `index`th, says to a model.
    ///
    /// # Errors
    /// A field that its role needs is missing.
    pub(crate) fn into_message(self, index: usize) -> Result<Message, InputError> {
        let missing = |field: &str, role: Role| {
            let message = format!("this field is required in a {} message", role.as_str());
            Err(InputError::at(format!("messages[{index}].{field}"), message))
        };
        let role = Role::from(self.role);
        if role != Role::Assistant && self.content.is_none() {
            return missing("content", role);
        }
        if role == Role::Tool && self.tool_call_id.is_none() {
            return missing("tool_call_id", role);
        }
        Ok(Message {
            id: None,
            role,
            content: self.content.map(String::from).or(self.refusal).unwrap_or_default(),
            name: self.name,
            tool_calls: self.tool_calls.unwrap_or_default().into_iter().map(ToolCall::from).collect(),
            tool_call_id: self.tool_call_id,
        })
    }
}
