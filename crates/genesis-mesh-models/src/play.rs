//! Playing an answer: the stream of one scripted generation.
//!
//! Owns: pace, `max_tokens`, stop strings, cancel, usage and the end of one answer.
//! Never: spawns a task or keeps a channel: each poll makes the next event, and a dropped stream is just gone.
//! Flow: `Plan` settles at the start how far the answer goes; `Play` goes there, one token a step.

mod plan;

use crate::cancel::Cancel;
use crate::script::Answer;
use futures_core::Stream;
use genesis_mesh_core::{FinishReason, ModelError, ModelEvent, TokenLogprob, ToolCall, ToolCallDelta, Usage};
pub(crate) use plan::Plan;
use plan::{End, Visible};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Sleep, sleep};

/// An answer that is being played.
pub(crate) struct Play {
    answer: Arc<Answer>,
    plan: Plan,
    cancel: Arc<Cancel>,
    /// Tokens played, also those that stay invisible, and those that an earlier run played.
    played: u64,
    /// How many of them are told, if they are told at all. A token is named by its place in the answer.
    told: Option<u64>,
    /// Whether an event was told whose tokens are not.
    owes_tokens: bool,
    /// The running delay; made at the first one, since it needs a runtime.
    delay: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl Play {
    pub(crate) fn new(answer: Arc<Answer>, plan: Plan, cancel: Arc<Cancel>) -> Self {
        let played = plan.made;
        let told = plan.tells_tokens.then_some(played);
        Self { answer, plan, cancel, played, told, owes_tokens: false, delay: None, is_over: false }
    }

    /// Ready when the next token may come, or when the answer was cancelled.
    fn poll_delay(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.answer.delay.is_zero() {
            return Poll::Ready(());
        }
        if self.cancel.poll_asked(context) {
            return Poll::Ready(());
        }
        let pace = self.answer.delay;
        let delay = self.delay.get_or_insert_with(|| Box::pin(sleep(pace)));
        ready!(delay.as_mut().poll(context));
        // From the last deadline, not from now: a slow reader doesn't slow the model.
        let next = delay.deadline() + pace;
        delay.as_mut().reset(next);
        Poll::Ready(())
    }

    /// The event of the token at `index`; `None` if a stop string hides it.
    fn event(&self, index: u64) -> Option<ModelEvent> {
        if let Some(piece) = self.answer.piece(index) {
            let text = match self.plan.visible(index) {
                Visible::Whole => piece,
                Visible::UpTo(end) => piece.get(..end)?,
                Visible::Nothing => "",
            };
            return (!text.is_empty()).then(|| self.text(text));
        }
        self.call_event(index - self.answer.piece_count())
    }

    /// The event of the token at `index` of the calls: a piece of one, or a whole one.
    fn call_event(&self, mut index: u64) -> Option<ModelEvent> {
        for (place, call) in self.answer.tool_calls.iter().take(self.plan.calls).enumerate() {
            if index >= call.token_count() {
                index -= call.token_count();
                continue;
            }
            let number = self.plan.calls_before + place + 1;
            let (id, name) = (call.id.clone().unwrap_or_else(|| format!("call_{number}")), call.name.clone());
            return Some(match call.pieces.get(usize::try_from(index).ok()?) {
                Some(piece) => {
                    ModelEvent::ToolCallDelta(ToolCallDelta { id, name, arguments: piece.clone() })
                }
                None => ModelEvent::ToolCall(ToolCall { id, name, arguments: call.arguments.clone() }),
            });
        }
        None
    }

    /// The tokens since the last that were told; `None` if there are none.
    fn tokens(&mut self) -> Option<ModelEvent> {
        self.owes_tokens = false;
        let told = self.told.as_mut().filter(|told| **told < self.played)?;
        let places = std::mem::replace(told, self.played)..self.played;
        // A script has far fewer tokens than a `u32` counts.
        Some(ModelEvent::Tokens(places.map(|place| u32::try_from(place).unwrap_or(u32::MAX)).collect()))
    }

    fn text(&self, text: &str) -> ModelEvent {
        let logprobs = self.plan.logprobs.map_or_else(Vec::new, |top| vec![certain(text, top)]);
        ModelEvent::Text { text: text.to_owned(), logprobs }
    }

    fn finish(&mut self, end: End) -> Result<ModelEvent, ModelError> {
        self.is_over = true;
        let reason = match end {
            End::Fails(error) => return Err(error),
            End::Done(reason) => reason,
        };
        // The script's count is that of the whole answer; one that ends early has made what it has played.
        let made = self.answer.output_tokens.filter(|_| self.plan.is_whole(reason)).unwrap_or(self.played);
        Ok(ModelEvent::Done { usage: Usage::new(self.plan.input_tokens, made), finish_reason: reason })
    }
}

/// A scripted token has no rival: its probability is 1.
fn certain(text: &str, top: u8) -> TokenLogprob {
    let alone = TokenLogprob {
        token: text.to_owned(),
        logprob: 0.0,
        bytes: text.as_bytes().to_vec(),
        top: Vec::new(),
    };
    let top = if top > 0 { vec![alone.clone()] } else { Vec::new() };
    TokenLogprob { top, ..alone }
}

impl Stream for Play {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.is_over {
            if this.owes_tokens
                && let Some(tokens) = this.tokens()
            {
                return Poll::Ready(Some(Ok(tokens)));
            }
            if this.cancel.is_asked() {
                return Poll::Ready(Some(this.finish(End::Done(FinishReason::Cancelled))));
            }
            if this.played == this.plan.token_count {
                if let Some(tokens) = this.tokens() {
                    return Poll::Ready(Some(Ok(tokens)));
                }
                let end = this.plan.end.clone();
                return Poll::Ready(Some(this.finish(end)));
            }
            ready!(this.poll_delay(context));
            if this.cancel.is_asked() {
                continue;
            }
            this.played += 1;
            if let Some(event) = this.event(this.played - 1) {
                this.owes_tokens = true;
                return Poll::Ready(Some(Ok(event)));
            }
        }
        Poll::Ready(None)
    }
}
