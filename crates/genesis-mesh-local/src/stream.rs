//! The stream: tokens of the engine become text for whoever asked.
//!
//! Owns: detokenising, stop strings and the usage of one answer, in the reader's task.
//! Never: holds up the engine: it works when the reader asks, from a channel with room for the whole answer.

use crate::detokenize::Detokenizer;
use crate::sequence::Reply;
use crate::stop::StopMatcher;
use crate::tokenizer::Tokenizer;
use futures_core::Stream;
use genesis_mesh_core::{FinishReason, ModelError, ModelEvent, TokenLogprob, Usage};
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
    /// Log probabilities of tokens whose text is held back.
    pub(crate) logprobs: Vec<TokenLogprob>,
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
            match self.state {
                State::Ended => return Poll::Ready(None),
                State::Ending(finish_reason) => {
                    self.state = State::Ended;
                    let usage = Usage::new(self.prompt_tokens, self.answer_tokens);
                    return Poll::Ready(Some(Ok(ModelEvent::Done { usage, finish_reason })));
                }
                State::Open => {}
            }
            let event = match ready!(self.replies.poll_recv(context)) {
                Some(Reply::Token { id, logprobs }) => self.token(id, logprobs.as_deref()),
                Some(Reply::End(Ok(reason))) => self.end(reason),
                Some(Reply::End(Err(error))) => return self.fail(error),
                None => return self.fail(ModelError::Failed { message: "the engine stopped".to_owned() }),
            };
            if let Some(event) = event {
                return Poll::Ready(Some(Ok(event)));
            }
        }
    }
}

impl AnswerStream {
    fn token(&mut self, id: u32, logprobs: Option<&crate::sample::Logprobs>) -> Option<ModelEvent> {
        self.answer_tokens += 1;
        if let Some(logprobs) = logprobs {
            let top = logprobs.top.iter().map(|(id, logprob)| self.logprob(*id, *logprob)).collect();
            let picked = TokenLogprob { top, ..self.logprob(id, logprobs.picked) };
            self.logprobs.push(picked);
        }
        let text = self.detokenizer.push(self.tokenizer.token_bytes(id));
        if text.is_empty() {
            return None;
        }
        let released = self.stop.push(&text);
        if released.stop.is_some() {
            // The engine sees the flag before its next step; what it made beyond is not told.
            self.cancel.store(true, Ordering::Relaxed);
            self.replies.close();
            self.state = State::Ending(FinishReason::Stop);
        }
        self.text(released.text)
    }

    fn end(&mut self, reason: FinishReason) -> Option<ModelEvent> {
        self.state = State::Ending(reason);
        let tail = self.detokenizer.finish();
        let mut text = self.stop.push(&tail).text;
        text.push_str(&self.stop.finish());
        self.text(text)
    }

    fn fail(&mut self, error: ModelError) -> Poll<Option<Result<ModelEvent, ModelError>>> {
        self.state = State::Ended;
        Poll::Ready(Some(Err(error)))
    }

    fn text(&mut self, text: String) -> Option<ModelEvent> {
        (!text.is_empty()).then(|| ModelEvent::Text { text, logprobs: std::mem::take(&mut self.logprobs) })
    }

    fn logprob(&self, id: u32, logprob: f32) -> TokenLogprob {
        let bytes = self.tokenizer.token_bytes(id).to_vec();
        TokenLogprob { token: String::from_utf8_lossy(&bytes).into_owned(), logprob, bytes, top: Vec::new() }
    }
}
