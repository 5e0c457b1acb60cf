//! What a run of a graph says: its events as updates.
//!
//! Owns: which event is told as what, the run's usage, and its last words.
//! Never: knows who hears them: the reader of a run, or its log.

use crate::update::Update;
use genesis_mesh_core::run::{TaskEnd, TaskId, WriteRecord};
use genesis_mesh_core::stream::{Event, EventKind, MessagePiece, StreamMode};
use genesis_mesh_core::{FinishReason, Usage};
use serde_json::{Value, json};

/// What a run of a graph has come to.
#[derive(Debug)]
pub(crate) struct GraphEnd {
    pub(crate) values: Value,
    /// The open questions, a JSON list.
    pub(crate) interrupts: Value,
    /// Whether nothing is left to do; else it stopped at a breakpoint or a question.
    pub(crate) is_done: bool,
}

/// An update, and the task that it is of.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) update: Update,
    pub(crate) task: TaskId,
    /// The task has ended, now or in an earlier run; what is kept of an earlier one is told again as `is_kept`.
    pub(crate) has_ended: bool,
    pub(crate) is_kept: bool,
}

/// The voice of one run.
#[derive(Debug)]
pub(crate) struct GraphSpeech {
    usage: Usage,
    /// Whether the run's last message must still be told as text.
    needs_text: bool,
}

impl GraphSpeech {
    /// `is_chat`: who asked reads text alone, so a last message that no model streamed is told as text.
    pub(crate) fn new(is_chat: bool) -> Self {
        Self { usage: Usage::default(), needs_text: is_chat }
    }

    /// The last words of a run that was stopped.
    pub(crate) fn cancelled(&self) -> Update {
        Update::Done { usage: self.usage, finish_reason: FinishReason::Cancelled }
    }

    /// The last words of a run that came to its end.
    pub(crate) fn end(&mut self, end: GraphEnd) -> Vec<Update> {
        let mut said = Vec::with_capacity(3);
        if end.interrupts != json!([]) {
            said.push(Update::Interrupt { interrupts: end.interrupts });
        }
        if let Some(text) = last_text(&end.values).filter(|_| self.needs_text) {
            said.push(Update::delta(text));
        }
        said.push(Update::Output { value: end.values });
        said.push(Update::Done { usage: self.usage, finish_reason: FinishReason::Stop });
        said
    }

    /// What an event says, if anything.
    pub(crate) fn event(&mut self, event: Event) -> Option<Said> {
        let ns = event.ns.to_string();
        match event.kind {
            EventKind::MessageDelta { task, message, piece, .. } => {
                let update = self.piece(message, piece)?;
                Some(Said { update, task, has_ended: false, is_kept: false })
            }
            EventKind::Custom { task, name, value } => {
                let update = Update::Custom { ns, node: name, value };
                Some(Said { update, task, has_ended: false, is_kept: false })
            }
            EventKind::TaskEnded { task, ref name, ref end, is_cached, .. } => {
                let TaskEnd::Finished(writes) = end else { return None };
                let is_call = is_call(writes);
                let modes = [StreamMode::Updates].into_iter().collect();
                let shown = event.parts(modes).into_iter().next();
                let shown = shown.and_then(|mut part| part.data.get_mut(name).map(Value::take));
                let values = shown.filter(|values| is_call || !values.is_null())?;
                let update = Update::Written { ns, node: name.clone(), values };
                Some(Said { update, task, has_ended: true, is_kept: is_cached })
            }
            _ => None,
        }
    }

    fn piece(&mut self, message: String, piece: MessagePiece) -> Option<Update> {
        match piece {
            MessagePiece::Text(text) if text.is_empty() => None,
            MessagePiece::Text(text) => {
                self.needs_text = false;
                Some(Update::Delta { text, logprobs: Vec::new(), message: Some(message) })
            }
            MessagePiece::ToolCallDelta { delta, .. } => Some(Update::ToolCallDelta(delta)),
            MessagePiece::ToolCall(call) => Some(Update::ToolCall(call)),
            MessagePiece::Done { usage, .. } => {
                let (before, now) = (self.usage, usage);
                self.usage = Usage::new(
                    before.input_tokens + now.input_tokens,
                    before.output_tokens + now.output_tokens,
                );
                None
            }
            MessagePiece::Whole(_) => None,
        }
    }
}

/// Whether these are the writes of a function that was called, which returns a value and writes no channel.
fn is_call(writes: &[WriteRecord]) -> bool {
    let is_write = |write: &WriteRecord| matches!(write, WriteRecord::Set(..) | WriteRecord::Overwrite(..));
    !writes.iter().any(is_write) && writes.iter().any(|write| matches!(write, WriteRecord::Return(_)))
}

/// The text of the state's last message, if that is one of the assistant.
fn last_text(values: &Value) -> Option<String> {
    let message = values.get("messages")?.as_array()?.last()?;
    let is_ours = message.get("role").is_some_and(|role| role == "assistant")
        || message.get("type").is_some_and(|kind| kind == "ai");
    let text = message.get("content")?.as_str()?;
    (is_ours && !text.is_empty()).then(|| text.to_owned())
}
