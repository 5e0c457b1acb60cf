//! The stream: tokens of the engine become text for whoever asked.
//!
//! Owns: detokenising, stop strings, tool calls and the usage of one answer, in the reader's task. Stop strings are
//! looked for in text, not in calls.
//! Never: holds up the engine: it works when the reader asks, from a channel with room for the whole answer. Never
//! tells tokens whose text it holds back, but for those that brought a piece, too: what is told is, passed again,
//! this very state.

use crate::detokenize::Detokenizer;
use crate::sequence::Reply;
use crate::stop::StopMatcher;
use crate::tokenizer::Tokenizer;
use crate::tools::{CallReader, Piece};
use futures_core::Stream;
use genesis_mesh_core::{FinishReason, ModelError, ModelEvent, TokenLogprob, Usage};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// The events of one answer.
pub(crate) struct AnswerStream {
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) replies: mpsc::Receiver<Reply>,
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) stop: StopMatcher,
    pub(crate) detokenizer: Detokenizer,
    /// Finds tool calls, if the answer can have any.
    pub(crate) calls: Option<CallReader>,
    pub(crate) has_called: bool,
    /// What has been read and not been told yet.
    pub(crate) read: VecDeque<ModelEvent>,
    /// Log probabilities of tokens whose text is held back.
    pub(crate) logprobs: Vec<TokenLogprob>,
    pub(crate) tells_tokens: bool,
    /// Tokens since the last that were told, if they are told at all.
    pub(crate) untold: Vec<u32>,
    /// Whether what has been read waits for the end, which is certain to come at once: the last token, the text that
    /// was held back until the end and the tokens go out together, so that no cut falls between them.
    pub(crate) awaits_end: bool,
    pub(crate) prompt_tokens: u64,
    pub(crate) answer_tokens: u64,
    pub(crate) state: State,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// The last text is out; `Done` comes next.
    Ending(FinishReason),
    Ended,
}

impl Stream for AnswerStream {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if !self.awaits_end
                && let Some(event) = self.read.pop_front()
            {
                return Poll::Ready(Some(Ok(event)));
            }
            match self.state {
                State::Ended => return Poll::Ready(None),
                State::Ending(finish_reason) => {
                    self.state = State::Ended;
                    let usage = Usage::new(self.prompt_tokens, self.answer_tokens);
                    return Poll::Ready(Some(Ok(ModelEvent::Done { usage, finish_reason })));
                }
                State::Open => {}
            }
            match ready!(self.replies.poll_recv(context)) {
                Some(Reply::Token { id, logprobs, is_last }) => {
                    self.token(id, logprobs.as_deref());
                    self.awaits_end = is_last && self.state == State::Open;
                    if !self.awaits_end && (!self.read.is_empty() || self.state != State::Open) {
                        self.tell_tokens();
                    }
                }
                Some(Reply::End(Ok(reason))) => self.end(reason),
                Some(Reply::End(Err(error))) => return self.fail(error),
                None => return self.fail(ModelError::Failed { message: "the engine stopped".to_owned() }),
            }
        }
    }
}

impl AnswerStream {
    /// Takes tokens that an earlier run made and told, and the end that came with the last of them, if one did. `false`
    /// if a stop string ends the answer before them.
    pub(crate) fn pass(&mut self, made: &[u32], end: Option<FinishReason>) -> bool {
        for id in made {
            if self.state != State::Open {
                return false;
            }
            self.token(*id, None);
        }
        if let (State::Open, Some(reason)) = (self.state, end) {
            self.end(reason);
        }
        self.read.clear();
        self.untold.clear();
        true
    }

    fn token(&mut self, id: u32, logprobs: Option<&crate::sample::Logprobs>) {
        self.answer_tokens += 1;
        if self.tells_tokens {
            self.untold.push(id);
        }
        if let Some(logprobs) = logprobs {
            let top = logprobs.top.iter().map(|(id, logprob)| self.logprob(*id, *logprob)).collect();
            let picked = TokenLogprob { top, ..self.logprob(id, logprobs.picked) };
            self.logprobs.push(picked);
        }
        let text = self.detokenizer.push(self.tokenizer.token_bytes(id));
        let Some(calls) = &mut self.calls else { return self.said(&text) };
        for piece in calls.push(id, &text) {
            match piece {
                Piece::Text(text) => self.said(&text),
                Piece::Delta(delta) => self.called(ModelEvent::ToolCallDelta(delta)),
                Piece::Call(call) => {
                    self.has_called = true;
                    self.called(ModelEvent::ToolCall(call));
                }
            }
            if self.state != State::Open {
                return;
            }
        }
    }

    /// Takes the next text of the answer.
    fn said(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let released = self.stop.push(text);
        if released.stop.is_some() {
            // The engine sees the flag before its next step; what it made beyond is not told.
            self.cancel.store(true, Ordering::Relaxed);
            self.replies.close();
            self.state = State::Ending(FinishReason::Stop);
        }
        self.tell(released.text);
    }

    /// Takes the next piece of a call. No stop string can begin before it and end after it.
    fn called(&mut self, event: ModelEvent) {
        let text = self.stop.finish();
        self.tell(text);
        // Log probabilities go with text.
        self.logprobs.clear();
        self.read.push_back(event);
    }

    fn end(&mut self, reason: FinishReason) {
        self.awaits_end = false;
        let mut tail = self.calls.as_mut().map(CallReader::finish).unwrap_or_default();
        // A character that was cut can't be a part of a whole call.
        let cut = self.detokenizer.finish();
        if !self.has_called {
            tail.push_str(&cut);
        }
        let released = self.stop.push(&tail);
        let text = released.text + &self.stop.finish();
        self.tell(text);
        // A cancelled answer ends anywhere: its last text is not where an undisturbed one would stand.
        if reason != FinishReason::Cancelled {
            self.tell_tokens();
        }
        let reason = match reason {
            _ if released.stop.is_some() => FinishReason::Stop,
            FinishReason::Stop if self.has_called => FinishReason::ToolCalls,
            reason => reason,
        };
        self.state = State::Ending(reason);
    }

    fn fail(&mut self, error: ModelError) -> Poll<Option<Result<ModelEvent, ModelError>>> {
        self.state = State::Ended;
        self.awaits_end = false;
        self.read.clear();
        Poll::Ready(Some(Err(error)))
    }

    fn tell_tokens(&mut self) {
        if !self.untold.is_empty() {
            self.read.push_back(ModelEvent::Tokens(std::mem::take(&mut self.untold)));
        }
    }

    fn tell(&mut self, text: String) {
        if !text.is_empty() {
            let logprobs = std::mem::take(&mut self.logprobs);
            self.read.push_back(ModelEvent::Text { text, logprobs });
        }
    }

    fn logprob(&self, id: u32, logprob: f32) -> TokenLogprob {
        let bytes = self.tokenizer.token_bytes(id).to_vec();
        TokenLogprob { token: String::from_utf8_lossy(&bytes).into_owned(), logprob, bytes, top: Vec::new() }
    }
}
