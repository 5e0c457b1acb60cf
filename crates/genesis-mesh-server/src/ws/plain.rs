//! The codec of the plain agent socket: a text message is a command, an update is a text message.
//!
//! Owns: the JSON of `/ws/{agent}`: inputs, `{"type":"cancel"}`, updates and errors.
//! Never: touches a socket or an agent; an input's meaning is checked by the mesh.
//! Flow: `socket` decodes what it received and encodes what it has to say.

use crate::served::Refusal;
use bytes::{BufMut, BytesMut};
use genesis_mesh::RunError;
use serde::Serialize;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;

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

/// Encodes messages into one buffer that is cut into frames, so that most frames cost no allocation.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    buffer: BytesMut,
}

impl Encoder {
    /// The buffer's growth, in bytes: some dozens of deltas.
    const CHUNK_BYTES: usize = 4096;
    /// Space that most deltas fit into, in bytes.
    const MESSAGE_BYTES: usize = 256;

    /// `message` as the text of one frame.
    pub(super) fn encode(&mut self, message: &impl Serialize) -> Utf8Bytes {
        if self.buffer.capacity() < Self::MESSAGE_BYTES {
            self.buffer.reserve(Self::CHUNK_BYTES);
        }
        if let Err(error) = serde_json::to_writer((&mut self.buffer).writer(), message) {
            tracing::error!(%error, "a message could not be encoded");
            self.buffer.clear();
        }
        // JSON is always UTF-8; an empty text stands for the case that can't be.
        Utf8Bytes::try_from(self.buffer.split().freeze()).unwrap_or_default()
    }

    /// Gives the buffer's memory back, for a socket that has nothing to say for now.
    pub(super) fn rest(&mut self) {
        self.buffer = BytesMut::new();
    }
}

#[cfg(test)]
mod tests;
