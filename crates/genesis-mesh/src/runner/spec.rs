//! What a run is to do, in the form in which its row keeps it.
//!
//! Owns: `Ask`, its JSON, and the seed that makes a second attempt equal to the first.
//! Never: checks an input; the agent does before the run is accepted.

use crate::chat::RunInput;
use genesis_mesh_core::GenerateRequest;
use genesis_mesh_core::log::Run;
use genesis_mesh_core::run::{InterruptId, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use twox_hash::XxHash3_128;

/// What is asked of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// To run with a JSON value that fits its schema.
    Input {
        /// The value.
        value: Value,
    },
    /// To answer a chat request.
    Chat {
        /// The request.
        request: Box<GenerateRequest>,
    },
    /// To go on with the answer to the one open question of its thread.
    Answer {
        /// The answer.
        value: Value,
    },
    /// To go on with answers by the ids of their questions.
    Answers {
        /// The answers.
        values: BTreeMap<InterruptId, Value>,
    },
    /// To go on where its thread stands: after a breakpoint, a failure or a stop.
    GoOn,
}

impl From<RunInput> for Ask {
    fn from(input: RunInput) -> Self {
        match input {
            RunInput::Value(value) => Self::Input { value },
            RunInput::Chat(request) => Self::Chat { request },
        }
    }
}

impl From<Value> for Ask {
    fn from(value: Value) -> Self {
        Self::Input { value }
    }
}

/// The `input` of a run's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    #[serde(flatten)]
    pub(super) ask: Ask,
    /// The seed of answers whose request gives none.
    pub(super) seed: u64,
    /// Whether it is told to the observer of the mesh that drives it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_observed: bool,
}

/// What two equal requests have in common.
pub(super) fn body_hash(agent: &str, thread: Option<&str>, ask: &Ask) -> u128 {
    let body = serde_json::json!([agent, thread, ask]).to_string();
    XxHash3_128::oneshot(body.as_bytes())
}

/// The thread of a run of a graph that was given none.
pub(crate) fn own_thread(run: RunId) -> String {
    format!("_run:{run}")
}

/// The thread of a run as its principal named it; `None` if it was given none.
#[must_use]
pub fn named_thread(run: &Run) -> Option<&str> {
    run.thread.as_deref().filter(|thread| *thread != own_thread(run.id)).map(thread_label)
}

/// What separates a principal from the names of its threads; no name that a caller chooses has it.
const SEPARATOR: char = '\u{1f}';

/// The name under which the store knows a principal's thread: no other principal reaches it.
#[must_use]
pub fn thread_name(principal: Option<&str>, thread: &str) -> String {
    match principal {
        Some(principal) => format!("{principal}{SEPARATOR}{thread}"),
        None => thread.to_owned(),
    }
}

/// The name of a thread as its principal knows it.
#[must_use]
pub fn thread_label(name: &str) -> &str {
    name.split_once(SEPARATOR).map_or(name, |(_, thread)| thread)
}
