//! What a run is started with: a JSON value for the agent's schema, or a chat request that a surface has decoded.
//!
//! Owns: `RunInput`, and what a conversation means to an agent that is no bare model.
//! Never: checks a value; the agent's schema does.
//! Flow: `Mesh::start` takes it; `ReadyAgent::request` makes the model's request of it.

use crate::schema::InputError;
use genesis_mesh_core::{GenerateRequest, Message, Prompt, Role};
use serde_json::{Map, Value};

/// What a run is started with.
#[derive(Debug, Clone, PartialEq)]
pub enum RunInput {
    /// A JSON value, which the agent's schema checks.
    Value(Value),
    /// A chat request whose ranges the surface has checked. A bare model gets it as it is. A pipeline takes its
    /// input from the conversation and keeps its own settings.
    Chat(Box<GenerateRequest>),
}

impl From<Value> for RunInput {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<GenerateRequest> for RunInput {
    fn from(request: GenerateRequest) -> Self {
        Self::Chat(Box::new(request))
    }
}

/// The input of a pipeline in a conversation: the last user message.
///
/// If it is a JSON object, it is the input. Else it is the pipeline's only required field, or its only field.
///
/// # Errors
/// There is no user message, or several fields that the text could be.
pub(crate) fn pipeline_input(prompt: &Prompt, schema: &Value) -> Result<Value, InputError> {
    let text = match prompt {
        Prompt::Text(text) => text,
        Prompt::Messages(messages) => {
            let is_user = |message: &&Message| message.role == Role::User;
            let last = messages.iter().rev().find(is_user);
            let missing =
                || InputError::at("messages", "a user message is required: it is the agent's input");
            &last.ok_or_else(missing)?.content
        }
    };
    if let Ok(fields) = serde_json::from_str::<Map<String, Value>>(text) {
        return Ok(Value::Object(fields));
    }
    let Some(field) = only_field(schema) else {
        let message = "this agent has several fields: let the last user message be a JSON object of them";
        return Err(InputError::at("messages", message));
    };
    Ok(Value::Object(Map::from_iter([(field.to_owned(), Value::String(text.clone()))])))
}

fn only_field(schema: &Value) -> Option<&str> {
    let required = schema.get("required").and_then(Value::as_array);
    if let Some([field]) = required.map(Vec::as_slice) {
        return field.as_str();
    }
    let properties = schema.get("properties")?.as_object()?;
    let mut names = properties.keys();
    match (names.next(), names.next(), required.is_none_or(Vec::is_empty)) {
        (Some(field), None, true) => Some(field),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(text: &str) -> Prompt {
        Prompt::Messages(vec![Message::new(Role::User, text), Message::new(Role::Assistant, "no input")])
    }

    #[test]
    fn a_text_is_the_only_required_field() {
        let schema = json!({"properties": {"topic": {}, "tone": {}}, "required": ["topic"]});
        assert_eq!(pipeline_input(&said("cats"), &schema), Ok(json!({"topic": "cats"})));
        let schema = json!({"properties": {"topic": {}}});
        assert_eq!(pipeline_input(&said("cats"), &schema), Ok(json!({"topic": "cats"})));
    }

    #[test]
    fn an_object_is_the_input_itself() {
        let schema = json!({"required": ["topic", "tone"]});
        let input = pipeline_input(&said(r#"{"topic": "cats", "tone": "dry"}"#), &schema);
        assert_eq!(input, Ok(json!({"topic": "cats", "tone": "dry"})));
    }

    #[test]
    fn a_text_for_several_fields_and_no_user_message_are_refused() {
        let schema = json!({"properties": {"a": {}, "b": {}}, "required": ["a", "b"]});
        assert_eq!(pipeline_input(&said("cats"), &schema).unwrap_err().param(), Some("messages"));
        let nobody = Prompt::Messages(vec![Message::new(Role::System, "x")]);
        assert_eq!(pipeline_input(&nobody, &schema).unwrap_err().param(), Some("messages"));
    }
}
