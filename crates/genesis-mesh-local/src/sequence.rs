//! A sequence: one answer on its way through the engine.
//!
//! Owns: its tokens, its pages, its sampler and grammar, and the channel to whoever asked.
//! Never: computes; the scheduler puts it into batches and hands it logits.
//! Flow: made by `LocalModel`, queued, run by the scheduler token by token, ended by exactly one `End`.

use crate::forward::Forward;
use crate::grammar::{GrammarError, GrammarState};
use crate::kernel::Kernels;
use crate::kv::Pages;
use crate::sample::{Logprobs, Sampler, log_softmax_top};
use genesis_mesh_core::{FinishReason, ModelError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// What the engine tells about one answer.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The next token.
    Token {
        id: u32,
        /// If the request asked for them.
        logprobs: Option<Box<Logprobs>>,
        /// Whether nothing but the end comes after it, and that at once.
        is_last: bool,
    },
    /// The end; nothing follows.
    End(Result<FinishReason, ModelError>),
}

/// One answer on its way.
pub(crate) struct Sequence {
    /// The prompt, then the answer so far, of which an earlier run may have made a part. Never empty.
    pub(crate) tokens: Vec<u32>,
    pub(crate) prompt_len: usize,
    /// The most tokens of prompt and answer together.
    pub(crate) len_max: usize,
    pub(crate) end_tokens: Arc<[u32]>,
    pub(crate) sampler: Sampler,
    pub(crate) grammar: Option<GrammarState>,
    /// Rivals to report for each token, if log probabilities are wanted.
    pub(crate) logprobs: Option<usize>,
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) reply: mpsc::Sender<Reply>,
    /// The pages of the tokens, of which the first `computed` are in them.
    pub(crate) pages: Pages,
    pub(crate) computed: usize,
    /// Whether the cache was asked for the prompt's prefix.
    pub(crate) started: bool,
}

impl Sequence {
    /// Tokens that are not computed yet, the newest included.
    pub(crate) fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether only the newest token is to be computed: the sequence makes its answer.
    pub(crate) fn is_decoding(&self) -> bool {
        self.started && self.pending() == 1 && self.tokens.len() > self.prompt_len
    }

    /// The reason to end before the next step, if there is one.
    pub(crate) fn stopped(&self) -> Option<FinishReason> {
        (self.cancel.load(Ordering::Relaxed) || self.reply.is_closed()).then_some(FinishReason::Cancelled)
    }

    /// Picks the token after the last one and tells it. Gives the end, if this was the last token.
    pub(crate) fn pick(
        &mut self,
        kernels: &Kernels,
        logits: &mut [f32],
    ) -> Option<Result<FinishReason, ModelError>> {
        let mask = match self.grammar.as_mut().map(GrammarState::mask).transpose() {
            Ok(mask) => mask,
            Err(error) => return Some(Err(self.grammar_fault(&error))),
        };
        // The sampler uses the logits as scratch, so what is reported of them is kept first.
        let reported = self.logprobs.map(|top| (top, logits.to_vec()));
        let position = self.tokens.len() as u64;
        let picked = if self.sampler.is_greedy() && mask.is_none() {
            Some(Forward::argmax(kernels, logits))
        } else {
            self.sampler.pick(logits, mask, &self.tokens, position)
        };
        let Some(token) = picked else {
            return Some(Err(ModelError::Failed { message: "no token is possible".to_owned() }));
        };
        if let Some(grammar) = &mut self.grammar
            && let Err(error) = grammar.commit(token)
        {
            return Some(Err(self.grammar_fault(&error)));
        }
        self.tokens.push(token);
        let logprobs = reported.map(|(top, raw)| Box::new(log_softmax_top(&raw, token, top)));
        let end = self.end_after(token);
        // The channel has room for every token of the answer; if it is closed the next step ends this.
        let _ = self.reply.try_send(Reply::Token { id: token, logprobs, is_last: end.is_some() });
        end.map(Ok)
    }

    /// The end that the answer has already, by its newest token; `None` if it goes on, or has no token.
    pub(crate) fn end_so_far(&self) -> Option<FinishReason> {
        let answer = self.tokens.get(self.prompt_len..).unwrap_or_default();
        answer.last().and_then(|token| self.end_after(*token))
    }

    fn end_after(&self, token: u32) -> Option<FinishReason> {
        if self.end_tokens.contains(&token) || self.grammar.as_ref().is_some_and(GrammarState::is_finished) {
            return Some(FinishReason::Stop);
        }
        (self.tokens.len() >= self.len_max).then_some(FinishReason::Length)
    }

    /// A grammar that fails on the way is one that asks for more work than a step may take: the caller's mistake.
    fn grammar_fault(&self, error: &GrammarError) -> ModelError {
        let is_of_calls = self.grammar.as_ref().is_some_and(GrammarState::is_of_calls);
        let param = if is_of_calls { "tools" } else { "response_format" };
        ModelError::InvalidRequest { param: Some(param.to_owned()), message: error.to_string() }
    }

    /// Tells the end.
    pub(crate) fn end(&self, end: Result<FinishReason, ModelError>) {
        let _ = self.reply.try_send(Reply::End(end));
    }
}
