//! Decoding: chunks of an answer to the events of a model.
//!
//! Owns: what each field means, the count of pieces, and what a clean end needs.
//! Never: ends an answer that had no `finish_reason`; knows bytes, sockets or time.
//! Flow: `answer.rs` gives the data of each event and asks for the end when the body's end was orderly.

use super::calls::{CallFault, Calls};
use super::chunk::{Choice, Chunk, Delta, WireLogprobs};
use genesis_mesh_core::{FinishReason, ModelEvent, TokenLogprob, Usage};
use serde_json::Value;
use std::collections::VecDeque;

/// Why an answer can't go on.
#[derive(Debug)]
pub(super) enum DecodeFault {
    /// No JSON of an answer, or no whole one.
    Malformed(String),
    /// The server told an error in place of an answer.
    Told(Value),
    /// More than a bound, by name.
    TooLarge(&'static str),
}

impl From<CallFault> for DecodeFault {
    fn from(fault: CallFault) -> Self {
        match fault {
            CallFault::TooLarge => Self::TooLarge("tool calls"),
            CallFault::Nameless => Self::Malformed("a tool call without a name".to_owned()),
        }
    }
}

/// What has come of one answer.
pub(super) struct Decoder {
    calls: Calls,
    has_calls: bool,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
    /// Pieces that came, or their tokens where log probabilities say how many they are.
    pieces: u64,
    /// Log probabilities of tokens whose text has not come: parts of a character.
    held: Vec<TokenLogprob>,
}

impl Decoder {
    /// For an answer to a conversation in which `calls_before` tools were called.
    pub(super) fn new(calls_before: usize) -> Self {
        Self {
            calls: Calls::after(calls_before),
            has_calls: false,
            finish_reason: None,
            usage: None,
            pieces: 0,
            held: Vec::new(),
        }
    }

    /// Takes the JSON of a chunk or of a whole completion, and says whether it was a piece of the answer.
    ///
    /// # Errors
    /// The answer can't go on.
    pub(super) fn take(
        &mut self,
        json: &[u8],
        events: &mut VecDeque<ModelEvent>,
    ) -> Result<bool, DecodeFault> {
        let chunk: Chunk<'_> =
            serde_json::from_slice(json).map_err(|error| DecodeFault::Malformed(error.to_string()))?;
        if let Some(error) = chunk.error {
            return Err(DecodeFault::Told(error));
        }
        if chunk.object.is_some_and(|object| object.0 == "error") {
            let error = serde_json::from_slice(json).unwrap_or_default();
            return Err(DecodeFault::Told(error));
        }
        if let Some(usage) = chunk.usage {
            let (input, output) = (usage.prompt_tokens, usage.completion_tokens);
            self.usage = Some(Usage::new(input.unwrap_or_default(), output.unwrap_or_default()));
        }
        let mut is_piece = false;
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            is_piece |= self.take_choice(choice, events)?;
        }
        Ok(is_piece)
    }

    fn take_choice(
        &mut self,
        choice: Choice<'_>,
        events: &mut VecDeque<ModelEvent>,
    ) -> Result<bool, DecodeFault> {
        let Delta { content, refusal, tool_calls, reasoning, reasoning_content } =
            choice.delta.or(choice.message).unwrap_or_default();
        let tokens = self.hold(choice.logprobs);
        let mut is_piece = reasoning.is_some() || reasoning_content.is_some() || tokens > 0;
        for text in [content, refusal].into_iter().flatten().filter(|text| !text.is_empty()) {
            is_piece = true;
            self.pieces += u64::from(tokens == 0);
            events.push_back(ModelEvent::Text { text, logprobs: std::mem::take(&mut self.held) });
        }
        self.pieces += tokens;
        for call in tool_calls.into_iter().flatten() {
            is_piece = true;
            self.has_calls = true;
            self.pieces += 1;
            self.calls.take(call, events)?;
        }
        if let Some(reason) = choice.finish_reason {
            is_piece = true;
            self.finish_reason = Some(finish_reason(&reason.0)?);
        }
        Ok(is_piece)
    }

    /// Keeps log probabilities for the next text, and counts them.
    fn hold(&mut self, logprobs: Option<WireLogprobs>) -> u64 {
        let Some(WireLogprobs { content, refusal }) = logprobs else { return 0 };
        let before = self.held.len();
        self.held.extend([content, refusal].into_iter().flatten().flatten().map(TokenLogprob::from));
        (self.held.len() - before) as u64
    }

    /// What the answer cost so far. What a server doesn't tell is counted in pieces, mostly a token each; the
    /// prompt's tokens are 0 then, since nothing is known of them.
    pub(super) fn usage(&self) -> Usage {
        self.usage.unwrap_or_else(|| Usage::new(0, self.pieces))
    }

    /// Tells the whole calls and the end. Whoever calls this has seen the body's end, or `[DONE]`.
    ///
    /// # Errors
    /// `Malformed` if there was no `finish_reason`, or a call has no name.
    pub(super) fn finish(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<(), DecodeFault> {
        let Some(reason) = self.finish_reason else {
            return Err(DecodeFault::Malformed("an end without a `finish_reason`".to_owned()));
        };
        self.calls.finish(events)?;
        let finish_reason = match reason {
            // Servers that were told which tool to call say `stop`.
            FinishReason::Stop if self.has_calls => FinishReason::ToolCalls,
            reason => reason,
        };
        events.push_back(ModelEvent::Done { usage: self.usage(), finish_reason });
        Ok(())
    }
}

/// The reason by its name. Servers have own names for a stop, so an unknown one is a stop; those that say that the
/// answer is broken are none.
fn finish_reason(name: &str) -> Result<FinishReason, DecodeFault> {
    match name {
        "length" | "max_tokens" | "model_length" => Ok(FinishReason::Length),
        "tool_calls" | "function_call" => Ok(FinishReason::ToolCalls),
        "content_filter" | "sensitive" => Ok(FinishReason::ContentFilter),
        "error" | "abort" | "aborted" | "cancelled" | "network_error" | "insufficient_system_resource" => {
            Err(DecodeFault::Malformed(format!("`finish_reason` is `{name}`")))
        }
        _ => Ok(FinishReason::Stop),
    }
}

#[cfg(test)]
mod tests;
