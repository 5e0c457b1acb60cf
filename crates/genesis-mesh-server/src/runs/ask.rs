//! The body of `POST /v1/runs`: one struct that is the contract.
//!
//! Owns: the fields that are read.
//! Never: checks an input; the agent's schema does.

use crate::http::answer::ErrorAnswer;
use genesis_mesh::graph::InterruptId;
use genesis_mesh::log::IfBusy;
use genesis_mesh::{Ask, InputError, Submission};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The body: one of `input`, `answer`, `answers`, `go_on`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunBody {
    agent: String,
    input: Option<Value>,
    answer: Option<Value>,
    answers: Option<BTreeMap<InterruptId, Value>>,
    #[serde(default)]
    go_on: bool,
    thread_id: Option<String>,
    #[serde(default)]
    if_busy: IfBusy,
    #[serde(default)]
    metadata: Map<String, Value>,
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
