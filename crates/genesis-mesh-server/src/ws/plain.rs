//! The codec of the plain agent socket: a text message is a command, an update is a text message.
//!
//! Owns: the JSON of `/ws/{agent}`: inputs, commands (`{"type":"cancel"}`), updates with their numbers, errors.
//! Never: touches a socket or an agent; an input's meaning is checked by the mesh.
//! Flow: `socket` decodes what it received; `speech` encodes what there is to say, one delta a token by hand.

use crate::escape::escape;
use crate::presence::present;
use crate::served::Refusal;
use genesis_mesh::graph::InterruptId;
use genesis_mesh::log::{EventClass, LogEvent, Seq};
use genesis_mesh::{Ask, LogError, RunError, RunId, StartError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// Run the agent: with an input, or with the answer to what its thread asks.
    Start(Ask),
    /// Read the log of a run on, from the event after this one.
    Resume { run: RunId, after: Seq },
    /// Stop the run that goes on; without one, nothing is to do.
    Cancel,
}

/// Messages that are no input: objects with exactly these fields.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Reserved {
    Cancel {},
    Resume {
        run_id: String,
        #[serde(default)]
        after: Seq,
    },
    Answer {
        #[serde(default, deserialize_with = "present")]
        value: Option<Value>,
        values: Option<BTreeMap<InterruptId, Value>>,
    },
    GoOn {},
}

/// What is wrong with a message, in the words of the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the message is no JSON: {reason}")]
    InvalidJson { reason: String },
    #[error("the message must be a JSON object, got {given}")]
    NotAnObject { given: &'static str },
    #[error("the message is no valid command: {reason}")]
    InvalidCommand { reason: String },
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
            Self::NotAnObject { .. } | Self::InvalidCommand { .. } => "invalid_input",
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
/// `InvalidJson` with line and column, `NotAnObject`, or `InvalidCommand`.
pub(super) fn decode(text: &str) -> Result<Command, MessageError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| MessageError::InvalidJson { reason: error.to_string() })?;
    let given = match value {
        Value::Object(fields) => return command(fields),
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
    };
    Err(MessageError::NotAnObject { given })
}

/// An object is an input, unless it is one of the reserved messages.
fn command(fields: Map<String, Value>) -> Result<Command, MessageError> {
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    let known: &[&str] = match kind {
        "cancel" | "go_on" => &["type"],
        "resume" => &["type", "run_id", "after"],
        "answer" => &["type", "value", "values"],
        _ => &[],
    };
    if known.is_empty() || !fields.keys().all(|field| known.contains(&field.as_str())) {
        return Ok(Command::Start(Ask::Input { value: Value::Object(fields) }));
    }
    let invalid = |reason: String| MessageError::InvalidCommand { reason };
    let reserved =
        serde_json::from_value(Value::Object(fields)).map_err(|error| invalid(error.to_string()))?;
    Ok(match reserved {
        Reserved::Cancel {} => Command::Cancel,
        Reserved::GoOn {} => Command::Start(Ask::GoOn),
        Reserved::Resume { run_id, after } => {
            let run =
                run_id.parse().map_err(|_| invalid(format!("`run_id` is no id of a run: {run_id:?}")))?;
            Command::Resume { run, after }
        }
        Reserved::Answer { value: Some(value), values: None } => Command::Start(Ask::Answer { value }),
        Reserved::Answer { value: None, values: Some(values) } => Command::Start(Ask::Answers { values }),
        Reserved::Answer { .. } => {
            return Err(invalid("give exactly one of `value` and `values`".to_owned()));
        }
    })
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
        let param = match error {
            // On a socket that is what the message is.
            Refusal::Start(StartError::CannotGoOn { .. }) => Some("type"),
            _ => error.param(),
        };
        Self { error: ErrorBody { code: error.code(), message: error.to_string(), param } }
    }
}

impl<'a> From<&'a LogError> for ErrorReply<'a> {
    fn from(error: &'a LogError) -> Self {
        Self { error: ErrorBody { code: error.code(), message: error.to_string(), param: None } }
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

/// Adds the next text of a delta message that was started, as JSON has it already.
pub(super) fn continue_escaped(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// Adds the end of a delta message, with the number of the last event in it if it is one of a log.
pub(super) fn end_delta(seq: Option<Seq>, out: &mut Vec<u8>) {
    match seq {
        None => out.extend_from_slice(DELTA_END),
        Some(seq) => {
            out.push(b'"');
            end_event(seq, out);
        }
    }
}

/// Adds an event of a log: its JSON with its number.
pub(super) fn encode_event(event: &LogEvent, out: &mut Vec<u8>) {
    // One object, as the log's contract says.
    out.extend_from_slice(event.data.strip_suffix('}').unwrap_or(&event.data).as_bytes());
    end_event(event.seq, out);
}

fn end_event(seq: Seq, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","seq":"#);
    out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    out.push(b'}');
}

/// The text of a delta that says nothing else, as JSON has it.
pub(super) fn plain_text(event: &LogEvent) -> Option<&str> {
    if event.class != EventClass::Delta {
        return None;
    }
    let text = event.data.strip_prefix(r#"{"type":"delta","text":""#)?.strip_suffix(r#""}"#)?;
    // A quote that no backslash escapes would end the text before the end of the object.
    let mut is_escaped = false;
    let is_text = text.bytes().all(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        !ends
    });
    is_text.then_some(text)
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
