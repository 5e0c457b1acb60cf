//! What a chat template sees: messages and tools in the form of the library `transformers`.
//!
//! Owns: that form, and the walk over all texts that somebody outside wrote.
//! Never: renders a template.

use super::json;
use genesis_mesh_core::{Message, ToolCall, ToolSpec};
use serde_json::{Value, json};

/// A conversation as templates expect it.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    /// An array of objects with `role`, `content` and, where they are, `name`, `tool_calls`, `tool_call_id`.
    pub(super) messages: Value,
    /// An array of objects `{"type": "function", "function": {…}}`; null without tools.
    pub(super) tools: Value,
}

impl Conversation {
    pub(super) fn new(messages: &[Message], tools: &[ToolSpec]) -> Self {
        let messages = Value::Array(messages.iter().map(message).collect());
        let tools = if tools.is_empty() { Value::Null } else { tools.iter().map(tool).collect() };
        Self { messages, tools }
    }

    /// A character that is in no text of the conversation: one that Unicode keeps for a program's own
    /// use, U+FDD0 unless somebody wrote it.
    pub(super) fn unused_character(&self) -> char {
        let texts = format!("{}{}", self.messages, self.tools);
        let mut candidates = ('\u{FDD0}'..='\u{FDEF}').chain('\u{F0000}'..='\u{10FFFD}');
        candidates.find(|candidate| !texts.contains(*candidate)).unwrap_or('\u{FDD0}')
    }

    /// The same conversation with each text changed by `change`, also names and the keys of objects.
    pub(super) fn map_text(self, change: &impl Fn(&str) -> String) -> Self {
        let message = |message: Value| match message {
            // The keys of a message are ours.
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| (key, map_text(value, change))).collect()
            }
            other => other,
        };
        let messages = match self.messages {
            Value::Array(messages) => messages.into_iter().map(message).collect(),
            other => other,
        };
        Self { messages, tools: map_text(self.tools, change) }
    }
}

fn map_text(value: Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => items.into_iter().map(|item| map_text(item, change)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (change(&key), map_text(value, change))).collect()
        }
        other => other,
    }
}

fn message(message: &Message) -> Value {
    let mut value = json!({ "role": message.role.as_str(), "content": message.content });
    if let Value::Object(fields) = &mut value {
        if let Some(name) = &message.name {
            fields.insert("name".to_owned(), json!(name));
        }
        if !message.tool_calls.is_empty() {
            fields.insert("tool_calls".to_owned(), message.tool_calls.iter().map(tool_call).collect());
        }
        if let Some(id) = &message.tool_call_id {
            fields.insert("tool_call_id".to_owned(), json!(id));
        }
    }
    value
}

/// A tool as the text that models are trained to read.
pub(crate) fn tool_text(spec: &ToolSpec) -> String {
    json::spaced(&tool(spec)).unwrap_or_default()
}

/// A call as the text that models of the Hermes form are trained to write.
pub(crate) fn call_text(call: &ToolCall) -> String {
    json::spaced(&json!({ "name": call.name, "arguments": arguments(call) })).unwrap_or_default()
}

/// Templates read the arguments as an object; a model may have written something else.
fn arguments(call: &ToolCall) -> Value {
    serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!(call.arguments))
}

fn tool_call(call: &ToolCall) -> Value {
    let arguments = arguments(call);
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    })
}
