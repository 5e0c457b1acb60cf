//! Unknown outcomes: the question to a person about a call that may run once at most and was stopped in the middle.
//!
//! Owns: the form of the question and of its answer.
//! Never: takes an answer that was not given to this very question: each time that a call is begun again it asks anew.

use super::drive::attempt::settle_call;
use super::error::{NodeError, Reason};
use super::live::Live;
use super::policy::TimeoutPolicy;
use genesis_mesh_core::run::{Failure, Interrupt, InterruptId, Task};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

/// What a person says that came of a call.
pub(super) enum Verdict<T> {
    /// It was done, and this is what it would have given.
    Done(T),
    /// It was not done: it may run.
    NotDone,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Done,
    NotDone,
}

#[derive(Deserialize)]
struct Said {
    outcome: Word,
    #[serde(default)]
    value: Value,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Verdict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Said { outcome, value } = Said::deserialize(deserializer)?;
        match outcome {
            Word::Done => serde_json::from_value(value).map(Self::Done).map_err(D::Error::custom),
            Word::NotDone => Ok(Self::NotDone),
        }
    }
}

fn answer_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "outcome": { "enum": ["done", "not_done"] },
            "value": { "description": "what the call would have given, if it was done" },
        },
        "required": ["outcome"],
    })
}

/// Asks what came of the call `task`, which `failure` stopped if that was in this run. Gives the answer, and all that the
/// call has used.
///
/// # Errors
/// The question, which is kept; or that its answer does not fit, after which another can be given.
pub(super) async fn ask<T: DeserializeOwned>(
    live: &Arc<Live>,
    task: &Arc<Task>,
    failure: Option<&Failure>,
) -> Result<(Verdict<T>, Vec<Value>), NodeError> {
    let context = live.context(task, 1, TimeoutPolicy::default());
    let used = task.answers.len();
    // Earlier answers are of earlier times that the call was begun.
    context.0.answers.lock().unwrap_or_else(PoisonError::into_inner).read = used;
    let mut question = json!({
        "question": "outcome_unknown",
        "call": &*task.name,
        "idempotency_key": context.idempotency_key(),
    });
    if let (Some(failure), Some(fields)) = (failure, question.as_object_mut()) {
        fields.insert("error".to_owned(), json!(failure.to_string()));
    }
    let id = InterruptId::of(&context.namespace(), used);
    // An answer that came before the question was another's.
    let answer = if task.interrupts.iter().any(|asked| asked.id == id) {
        context.ask(question, Some(answer_schema()))
    } else {
        let response_schema = Some(answer_schema());
        Err(NodeError::interrupted(vec![Interrupt { id, value: question, response_schema }]))
    };
    let answers = context.0.used_answers();
    match answer {
        Ok(verdict) => Ok((verdict, answers)),
        Err(error) if matches!(*error.0, Reason::Interrupted(_)) => {
            let asked = settle_call(live, task, (Err(error), answers), false).await;
            Err(asked.err().unwrap_or_else(|| NodeError::new("NoQuestion", "the question was lost")))
        }
        // Its end is not recorded: it would be a known one.
        Err(error) => Err(error),
    }
}
