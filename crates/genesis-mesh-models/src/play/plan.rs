//! How far a scripted answer goes, settled before its first token: a script knows its own end.
//!
//! Owns: the first of stop string, token limit, cut and the script's own end.
//! Never: waits or makes events.

use crate::script::{Answer, Asked, Ending};
use genesis_mesh_core::{FinishReason, GenerateRequest, ModelError, ToolChoice};

/// The course of one answer.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Tokens to play before the end.
    pub(super) token_count: u64,
    pub(super) end: End,
    /// Where the visible text ends, if a stop string ends it: the piece, and the byte in it.
    stop: Option<(u64, usize)>,
    pub(super) input_tokens: u64,
    /// Tool calls to play: the first of the script's.
    pub(super) calls: usize,
    /// Tool calls of the conversation so far; ids count on from them.
    pub(super) calls_before: usize,
    pub(super) logprobs: Option<u8>,
    /// Tokens that an earlier run has played.
    pub(super) made: u64,
    pub(crate) tells_tokens: bool,
}

/// How an answer ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    Done(FinishReason),
    Fails(ModelError),
}

/// What of a piece comes before the stop string.
pub(super) enum Visible {
    Whole,
    /// Its first bytes; a character is never split.
    UpTo(usize),
    Nothing,
}

impl Plan {
    /// The course of `answer` to `request`.
    ///
    /// # Errors
    /// `ContextExceeded` if the prompt alone is longer than `context_tokens`; `InvalidRequest` if `made` are not the
    /// answer's first tokens.
    pub(crate) fn new(
        answer: &Answer,
        request: &GenerateRequest,
        asked: &Asked<'_>,
        context_tokens: Option<u32>,
    ) -> Result<Self, ModelError> {
        let input_tokens = answer.input_tokens.unwrap_or_else(|| asked.word_count());
        let room = match context_tokens.map(u64::from) {
            None => u64::MAX,
            Some(context_tokens) => context_tokens
                .checked_sub(input_tokens)
                .ok_or(ModelError::ContextExceeded { prompt_tokens: input_tokens, context_tokens })?,
        };
        let limit = request.max_tokens.map_or(room, |most| room.min(most.into()));
        let calls = calls_of(answer, request);
        let (mut token_count, mut end) = script_end(answer, calls);
        if limit < token_count {
            (token_count, end) = (limit, End::Done(FinishReason::Length));
        }
        let mut plan = Self {
            token_count,
            end,
            stop: None,
            input_tokens,
            calls,
            calls_before: asked.call_count(),
            logprobs: request.logprobs,
            made: request.made.len() as u64,
            tells_tokens: request.tells_tokens,
        };
        if request.stop.iter().any(|stop| !stop.is_empty()) {
            plan.stop_at_first(answer, &request.stop);
        }
        let is_made = (0..).zip(&request.made).all(|(place, token)| place == u64::from(*token));
        if !is_made || plan.made > plan.token_count {
            let message = format!("this answer's tokens are 0 up to {}, in this order", plan.token_count);
            return Err(ModelError::InvalidRequest { param: Some("made".to_owned()), message });
        }
        Ok(plan)
    }

    /// Whether `reason` is the script's own end, not an early one.
    pub(super) fn is_whole(&self, reason: FinishReason) -> bool {
        match reason {
            FinishReason::Stop => self.stop.is_none(),
            FinishReason::ToolCalls => true,
            FinishReason::Length | FinishReason::ContentFilter | FinishReason::Cancelled => false,
        }
    }

    pub(super) fn visible(&self, index: u64) -> Visible {
        match self.stop {
            Some((piece, end)) if index == piece => Visible::UpTo(end),
            Some((piece, _)) if index > piece => Visible::Nothing,
            _ => Visible::Whole,
        }
    }

    /// Ends the plan with the piece that completes a stop string: the one that is whole first, and of several
    /// that the same byte completes the longest.
    fn stop_at_first(&mut self, answer: &Answer, stops: &[String]) {
        let pieces = || (0..self.token_count).map_while(|index| answer.piece(index));
        let text: String = pieces().collect();
        let found = stops.iter().filter(|stop| !stop.is_empty());
        let found =
            found.filter_map(|stop| text.find(stop.as_str()).map(|start| (start + stop.len(), start)));
        let Some((end, start)) = found.min() else { return };
        let (mut offset, mut stop) = (0, None);
        for (index, piece) in (0..).zip(pieces()) {
            let next = offset + piece.len();
            if stop.is_none() && start < next {
                stop = Some((index, start - offset));
            }
            if end <= next {
                (self.token_count, self.end, self.stop) = (index + 1, End::Done(FinishReason::Stop), stop);
                return;
            }
            offset = next;
        }
    }
}

/// How many of the script's calls the request lets a model make.
fn calls_of(answer: &Answer, request: &GenerateRequest) -> usize {
    let all = answer.tool_calls.len();
    match request.tool_choice {
        ToolChoice::None => 0,
        _ if request.is_single_tool_call => all.min(1),
        _ => all,
    }
}

fn script_end(answer: &Answer, calls: usize) -> (u64, End) {
    let token_count = answer.token_count_with(calls);
    match &answer.ending {
        Ending::Cut(after) => (token_count.min(*after), End::Fails(ModelError::Truncated)),
        Ending::Fails(error) => (token_count, End::Fails(error.clone())),
        Ending::Done if calls == 0 => (token_count, End::Done(FinishReason::Stop)),
        Ending::Done => (token_count, End::Done(FinishReason::ToolCalls)),
    }
}
