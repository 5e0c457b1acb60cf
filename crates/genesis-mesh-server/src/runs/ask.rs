//! The body of `POST /v1/runs`: one struct that is the contract.
//!
//! Owns: the fields that are read.
//! Never: checks an input; the agent's schema does.

use crate::http::answer::ErrorAnswer;
use crate::presence::present;
use genesis_mesh::graph::InterruptId;
use genesis_mesh::log::IfBusy;
use genesis_mesh::{Ask, InputError, Submission};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The body of `POST /v1/runs`: an agent, and one of `input`, `answer`, `answers`, `go_on`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunBody {
    /// The agent that runs.
    agent: String,
    /// What it is to work on: a value that fits its schema.
    #[serde(default, deserialize_with = "present")]
    input: Option<Value>,
    /// The answer to the one question that its thread asks; `null` is one.
    #[serde(default, deserialize_with = "present")]
    answer: Option<Value>,
    /// Answers by the ids of their questions.
    #[schemars(with = "Option<BTreeMap<String, Value>>")]
    answers: Option<BTreeMap<InterruptId, Value>>,
    /// Go on where its thread stands.
    #[serde(default)]
    go_on: bool,
    /// The thread that it runs on, which begins with its first run; without it a graph runs on one of its own.
    #[schemars(length(min = 1, max = 255))]
    thread_id: Option<String>,
    /// What becomes of it if its thread has a run that has not ended.
    #[serde(default)]
    if_busy: IfBusy,
    /// What its caller says of it.
    #[serde(default)]
    metadata: Map<String, Value>,
    /// How long it is kept after its end; without it until it is deleted.
    ttl_seconds: Option<u64>,
}

/// What is asked for.
///
/// # Errors
/// The body is not as the contract says.
pub(super) fn read(body: Value) -> Result<Submission, ErrorAnswer> {
    let invalid = |field: &str, message: String| ErrorAnswer::invalid_input(&InputError::at(field, message));
    let body: RunBody =
        serde_json::from_value(body).map_err(|error| invalid("", format!("the body is no run: {error}")))?;
    let ask = match (body.input, body.answer, body.answers, body.go_on) {
        (Some(value), None, None, false) => Ask::Input { value },
        (None, Some(value), None, false) => Ask::Answer { value },
        (None, None, Some(values), false) => Ask::Answers { values },
        (None, None, None, true) => Ask::GoOn,
        _ => {
            let message = "give exactly one of `input`, `answer`, `answers`, `go_on`".to_owned();
            return Err(invalid("input", message));
        }
    };
    Ok(Submission {
        thread: body.thread_id,
        if_busy: body.if_busy,
        metadata: body.metadata,
        ttl_ms: body.ttl_seconds.map(|seconds| seconds.saturating_mul(1000)),
        ..Submission::new(body.agent, ask)
    })
}

/// The field of a body that asks for this.
pub(super) fn field(ask: &Ask) -> &'static str {
    match ask {
        Ask::Input { .. } | Ask::Chat { .. } => "input",
        Ask::Answer { .. } => "answer",
        Ask::Answers { .. } => "answers",
        Ask::GoOn => "go_on",
    }
}
