//! The codec of the plain agent socket: a text message is a command, an update is a text message.
//!
//! Owns: the JSON of `/ws/{agent}`: inputs, `{"type":"cancel"}`, updates and errors.
//! Never: touches a socket or an agent; an input's meaning is checked by the mesh.
//! Flow: `socket` decodes what it received; `speech` encodes what there is to say, one delta a token by hand.

use crate::escape::escape;
use crate::served::Refusal;
use genesis_mesh::RunError;
use serde::Serialize;
use serde_json::Value;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// Run the agent with this input.
    Start(Value),
    /// Stop the run that goes on; without one, nothing is to do.
    Cancel,
}

/// What is wrong with a message, in the words of the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the message is no JSON: {reason}")]
    InvalidJson { reason: String },
    #[error("the message must be a JSON object, got {given}")]
    NotAnObject { given: &'static str },
    #[error("binary messages have no meaning here; send JSON text")]
    Binary,
    #[error("a run is going on; wait for its end, or send {{\"type\":\"cancel\"}}")]
    RunInProgress,
    #[error("the server is stopping; connect again later")]
    Stopping,
    #[error("the message is longer than {bytes_max} bytes, the limit")]
    TooLarge { bytes_max: usize },
    #[error("the message is no valid UTF-8")]
    InvalidUtf8,
    #[error("the frame breaks the WebSocket protocol: {reason}")]
    Protocol { reason: String },
}

impl MessageError {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::NotAnObject { .. } => "invalid_input",
            Self::Binary => "binary_message",
            Self::RunInProgress => "run_in_progress",
            Self::Stopping => "stopping",
            Self::TooLarge { .. } => "message_too_large",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Protocol { .. } => "protocol_error",
        }
    }
}

/// Reads one text message.
///
/// # Errors
/// `InvalidJson` with line and column, or `NotAnObject`.
pub(super) fn decode(text: &str) -> Result<Command, MessageError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| MessageError::InvalidJson { reason: error.to_string() })?;
    let given = match value {
        Value::Object(fields) => {
            let is_cancel = fields.len() == 1 && fields.get("type").is_some_and(|kind| kind == "cancel");
            return Ok(if is_cancel { Command::Cancel } else { Command::Start(Value::Object(fields)) });
        }
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
    };
    Err(MessageError::NotAnObject { given })
}

/// The body of an error message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "error")]
pub(super) struct ErrorReply<'a> {
    error: ErrorBody<'a>,
}

#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: String,
    param: Option<&'a str>,
}

impl<'a> From<&'a MessageError> for ErrorReply<'a> {
    fn from(error: &'a MessageError) -> Self {
        Self { error: ErrorBody { code: error.code(), message: error.to_string(), param: None } }
    }
}

impl<'a> From<&'a Refusal> for ErrorReply<'a> {
    fn from(error: &'a Refusal) -> Self {
        Self { error: ErrorBody { code: error.code(), message: error.to_string(), param: error.param() } }
    }
}

impl<'a> From<&'a RunError> for ErrorReply<'a> {
    fn from(error: &'a RunError) -> Self {
        Self { error: ErrorBody { code: error.code(), message: error.to_string(), param: error.param() } }
    }
}

/// The fixed parts of a delta without log probabilities: `Update::Delta` in its serde form.
const DELTA_START: &[u8] = br#"{"type":"delta","text":""#;
const DELTA_END: &[u8] = br#""}"#;

/// Adds the start of a delta message; texts follow, then its end.
pub(super) fn start_delta(out: &mut Vec<u8>) {
    out.extend_from_slice(DELTA_START);
}

/// Adds the next text of a delta message that was started.
pub(super) fn continue_delta(text: &str, out: &mut Vec<u8>) {
    escape(text, out);
}

/// Adds the end of a delta message.
pub(super) fn end_delta(out: &mut Vec<u8>) {
    out.extend_from_slice(DELTA_END);
}

/// Adds any message.
pub(super) fn encode(message: &impl Serialize, out: &mut Vec<u8>) {
    let before = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, message) {
        tracing::error!(%error, "a message could not be encoded");
        out.truncate(before);
    }
}

#[cfg(test)]
mod tests;
