//! A voice: one run of a stream, whose updates become chunks.
//!
//! Owns: which tool calls were begun and how much of each was sent.
//! Never: ends the stream; the last voice that ends does.

use super::super::chunk::ChunkWriter;
use super::super::completion::{
    ChoiceLogprobs, ChunkChoice, ChunkDelta, ChunkFunction, ChunkToolCall, Finish,
};
use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use crate::served::ServedRun;
use futures_util::StreamExt;
use genesis_mesh::{ModelError, ToolCall, Update, Usage};
use std::task::{Context, Poll};

/// One choice of an answer.
pub(super) struct Voice {
    index: usize,
    /// `None` after its end.
    run: Option<ServedRun>,
    has_logprobs: bool,
    calls: Vec<BegunCall>,
}

/// A tool call of which pieces were sent.
struct BegunCall {
    id: String,
    /// The arguments that were sent, in bytes.
    sent_bytes: usize,
}

/// What a voice did.
pub(super) enum Said {
    /// A piece, or something that is not told here.
    Piece,
    /// Its end, and what it cost.
    End(Usage),
}

impl Voice {
    pub(super) fn new(index: usize, run: ServedRun, has_logprobs: bool) -> Self {
        Self { index, run: Some(run), has_logprobs, calls: Vec::new() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.run.is_none()
    }

    /// Writes the first chunk, which says who speaks.
    pub(super) fn introduce(&self, writer: &mut ChunkWriter) {
        let delta =
            ChunkDelta { role: Some("assistant"), content: Some(String::new()), tool_calls: Vec::new() };
        self.write(writer, delta);
    }

    /// Writes the next update, if there is one.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        writer: &mut ChunkWriter,
    ) -> Poll<Result<Said, ErrorAnswer>> {
        let Some(run) = &mut self.run else { return Poll::Pending };
        let Poll::Ready(update) = run.poll_next_unpin(context) else { return Poll::Pending };
        let told = match update {
            Some(Ok(update)) => self.tell(update, writer),
            Some(Err(error)) => Err(ErrorAnswer::from(&error)),
            None => Err(ErrorAnswer::from(&ModelError::Truncated)),
        };
        Poll::Ready(told)
    }

    fn tell(&mut self, update: Update, writer: &mut ChunkWriter) -> Result<Said, ErrorAnswer> {
        match update {
            Update::Delta { text, .. } if !self.has_logprobs => writer.text(self.index, &text),
            Update::Delta { text, logprobs, .. } => {
                let delta = ChunkDelta { content: Some(text), ..ChunkDelta::default() };
                let logprobs = Some(ChoiceLogprobs::new(logprobs));
                writer.choice(&ChunkChoice { index: self.index, delta, logprobs, finish_reason: None });
            }
            Update::ToolCallDelta(piece) => {
                self.call_piece(writer, &piece.id, &piece.name, piece.arguments);
            }
            Update::ToolCall(call) => self.call_rest(writer, call),
            // What a pipeline's parser made of the text, which was told.
            Update::Run { .. }
            | Update::Output { .. }
            | Update::Written { .. }
            | Update::Custom { .. }
            | Update::Interrupt { .. } => {}
            // What was sent can't be taken back: the client asks again, as after any answer that was cut.
            Update::Reset { .. } => return Err(ErrorAnswer::from(&ModelError::Truncated)),
            Update::Done { usage, finish_reason } => {
                let finish_reason = Some(Finish::of(finish_reason).ok_or(HttpError::Stopping)?);
                let (delta, logprobs) = (ChunkDelta::default(), None);
                writer.choice(&ChunkChoice { index: self.index, delta, logprobs, finish_reason });
                self.run = None;
                return Ok(Said::End(usage));
            }
        }
        Ok(Said::Piece)
    }

    /// Writes a piece of a call; its first piece says which tool is called.
    fn call_piece(&mut self, writer: &mut ChunkWriter, id: &str, name: &str, arguments: String) {
        let sent_bytes = arguments.len();
        let piece = match self.calls.iter_mut().enumerate().find(|(_, call)| call.id == id) {
            Some((index, call)) => {
                call.sent_bytes += sent_bytes;
                ChunkToolCall {
                    index,
                    id: None,
                    r#type: None,
                    function: ChunkFunction { name: None, arguments },
                }
            }
            None => {
                let (index, id) = (self.calls.len(), id.to_owned());
                self.calls.push(BegunCall { id: id.clone(), sent_bytes });
                let function = ChunkFunction { name: Some(name.to_owned()), arguments };
                ChunkToolCall { index, id: Some(id), r#type: Some("function"), function }
            }
        };
        self.write(writer, ChunkDelta { tool_calls: vec![piece], ..ChunkDelta::default() });
    }

    /// Writes what was not sent in pieces: nothing, the rest of the arguments, or the whole call.
    fn call_rest(&mut self, writer: &mut ChunkWriter, call: ToolCall) {
        let begun = self.calls.iter().find(|begun| begun.id == call.id);
        let rest = match begun {
            Some(begun) => call.arguments.get(begun.sent_bytes..).unwrap_or_default().to_owned(),
            None => call.arguments,
        };
        if begun.is_none() || !rest.is_empty() {
            self.call_piece(writer, &call.id, &call.name, rest);
        }
    }

    fn write(&self, writer: &mut ChunkWriter, delta: ChunkDelta) {
        writer.choice(&ChunkChoice { index: self.index, delta, logprobs: None, finish_reason: None });
    }
}
