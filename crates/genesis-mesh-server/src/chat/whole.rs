//! An answer in one piece: a run read to its end.
//!
//! Owns: what a run's updates are in a message.
//! Never: waits longer than the run.

use super::completion::{AnswerMessage, AnswerToolCall, Choice, ChoiceLogprobs, Finish};
use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use crate::served::ServedRun;
use futures_util::StreamExt;
use genesis_mesh::{Update, Usage};

/// The whole answer of `run` as choice `index`.
///
/// # Errors
/// The run failed, or was stopped.
///
/// # Cancel safety
/// Dropping the future stops the run.
pub(super) async fn choice(
    mut run: ServedRun,
    index: usize,
    has_logprobs: bool,
) -> Result<(Choice, Usage), ErrorAnswer> {
    let mut content = String::new();
    let mut logprobs = Vec::new();
    let mut tool_calls = Vec::new();
    while let Some(update) = run.next().await {
        match update.map_err(|error| ErrorAnswer::from(&error))? {
            Update::Delta { text, logprobs: mut more, .. } => {
                content.push_str(&text);
                logprobs.append(&mut more);
            }
            Update::ToolCall(call) => tool_calls.push(AnswerToolCall::from(call)),
            // A preview of what follows, and what the text says already.
            // What nodes of a graph write has no place in a completion.
            Update::Run { .. }
            | Update::ToolCallDelta(_)
            | Update::Output { .. }
            | Update::Written { .. }
            | Update::Custom { .. }
            | Update::Interrupt { .. } => {}
            Update::Reset { .. } => {
                content.clear();
                logprobs.clear();
                tool_calls.clear();
            }
            Update::Done { usage, finish_reason } => {
                let finish_reason = Finish::of(finish_reason).ok_or(HttpError::Stopping)?;
                let content = Some(content).filter(|text| tool_calls.is_empty() || !text.is_empty());
                let message = AnswerMessage { role: "assistant", content, refusal: None, tool_calls };
                let logprobs = has_logprobs.then(|| ChoiceLogprobs::new(logprobs));
                return Ok((Choice { index, message, logprobs, finish_reason }, usage));
            }
        }
    }
    Err(ErrorAnswer::from(&genesis_mesh::ModelError::Truncated))
}
