//! A model's answer as a logged run: for a bare model or a pipeline.
//!
//! Owns: how an answer that was cut goes on: at its next token where the model can, else from the beginning.
//! Never: logs a piece without the tokens behind it, if the model tells them: what is in the log can be gone on from.

use super::history::{History, Memo};
use super::job::{Ended, Job, event, last_event};
use crate::agent::ModelCall;
use crate::run::{Answer, Told};
use crate::update::{RunError, Update};
use futures_util::StreamExt;
use genesis_mesh_core::log::{EventClass, NewEvent, RunEnd, RunStatus};
use genesis_mesh_core::{FinishReason, Usage};

/// Answers `call` and logs what is told.
pub(super) async fn answer(job: &Job<'_>, call: ModelCall, history: History) -> Result<Ended, RunError> {
    let ModelCall { model, mut request, parser } = call;
    let goes_on = model.goes_on();
    let is_cut = history.has_spoken || !history.tokens.is_empty();
    request.sampling.seed.get_or_insert(job.seed);
    request.tells_tokens = goes_on;
    let mut text = history.text;
    if goes_on {
        request.made = history.tokens;
    } else if is_cut {
        let reset = Update::Reset { message: None, attempt: job.attempt() };
        job.writer.push([event(&reset, EventClass::Fact, None)]);
        text.clear();
    }
    let mut stop = job.cancel();
    let stream = tokio::select! {
        stream = model.generate(request) => stream?,
        () = stop.asked() => return Ok(cancelled(Usage::default())),
    };
    let mut answer = Answer::new(stream, parser, text);
    let (mut group, mut tokens) = (Vec::new(), Vec::new());
    loop {
        job.writer.room().await;
        // A model that never waits must not keep its thread.
        tokio::task::consume_budget().await;
        let told = tokio::select! {
            biased;
            () = stop.asked(), if !stop.is_seen => {
                answer.cancel();
                continue;
            }
            told = answer.next() => told,
        };
        match told {
            Some(Ok(Told::Update(done @ Update::Done { finish_reason, .. }))) => {
                group.push(last_event(&done));
                return Ok(ended(group, finish_reason));
            }
            Some(Ok(Told::Update(update))) => {
                group.push(event(&update, class_of(&update), None));
                if !goes_on {
                    job.writer.push(group.drain(..));
                }
            }
            Some(Ok(Told::Tokens(more))) => {
                tokens.extend(more);
                if let Some(last) = group.last_mut() {
                    remember(last, &mut tokens);
                    job.writer.push_progress(group.drain(..));
                }
            }
            Some(Err(error)) => {
                job.writer.push(group.drain(..));
                return Err(error);
            }
            None => return Err(genesis_mesh_core::ModelError::Truncated.into()),
        }
    }
}

/// What is made of tokens is a delta; an output is a fact.
fn class_of(update: &Update) -> EventClass {
    match update {
        Update::Delta { .. } | Update::ToolCallDelta(_) => EventClass::Delta,
        _ => EventClass::Fact,
    }
}

fn remember(event: &mut NewEvent, tokens: &mut Vec<u32>) {
    let memo = Memo { tokens: std::mem::take(tokens), ..Memo::default() };
    event.memo = memo.to_json();
}

/// The end of a run that was stopped before its model began.
fn cancelled(usage: Usage) -> Ended {
    let done = Update::Done { usage, finish_reason: FinishReason::Cancelled };
    ended(vec![last_event(&done)], FinishReason::Cancelled)
}

fn ended(events: Vec<NewEvent>, reason: FinishReason) -> Ended {
    let is_cancelled = reason == FinishReason::Cancelled;
    let status = if is_cancelled { RunStatus::Cancelled } else { RunStatus::Succeeded };
    Ended { events, end: RunEnd { status, error: None, rolls_back: false } }
}
