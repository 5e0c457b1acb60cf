//! Models called from within a node: their pieces are told while they come.
//!
//! Owns: `Context::generate`, and the writer of messages that no model makes.
//! Never: keeps a piece; the whole message is the node's to return.

use super::error::NodeError;
use super::live::Context;
use futures_util::StreamExt;
use genesis_mesh_core::stream::MessagePiece;
use genesis_mesh_core::{
    FinishReason, GenerateRequest, Message, Model, ModelError, ModelEvent, Prompt, Role, ToolCall,
    ToolCallDelta, Usage,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The assistant's message, with an id.
    pub message: Message,
    /// What it cost.
    pub usage: Usage,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

impl Context {
    /// Asks a model, and tells the pieces of its answer to the stream `messages` while they come. Tool calls of the
    /// conversation that a stop left without an answer get one first, as [`Message::answer_open_calls`] says.
    ///
    /// # Errors
    /// The model's error.
    ///
    /// # Cancel safety
    /// Dropping the future stops the model at its next step.
    pub async fn generate(
        &self,
        model: &(impl Model + ?Sized),
        mut request: GenerateRequest,
    ) -> Result<Answer, NodeError> {
        if let Prompt::Messages(messages) = &mut request.prompt {
            Message::answer_open_calls(messages);
        }
        let mut events = model.generate(request).await?;
        let mut writer = self.message();
        while let Some(event) = events.next().await {
            match event? {
                ModelEvent::Text { text, .. } => writer.text(text).await,
                ModelEvent::ToolCallDelta(delta) => writer.tool_call_delta(delta).await,
                ModelEvent::ToolCall(call) => writer.tool_call(call).await,
                ModelEvent::Tokens(_) => {}
                ModelEvent::Done { usage, finish_reason } => {
                    return Ok(writer.done(usage, finish_reason).await);
                }
            }
        }
        Err(ModelError::Truncated.into())
    }

    /// Begins a message of the assistant that the node makes piece by piece.
    #[must_use]
    pub fn message(&self) -> MessageWriter {
        // Far from the ids of messages that get theirs when a task ends.
        static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
        self.message_with_id(self.0.task.id.derive(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// As [`Context::message`], with an id that the caller has drawn.
    #[must_use]
    pub fn message_with_id(&self, id: impl Into<String>) -> MessageWriter {
        let message = Message { id: Some(id.into()), ..Message::new(Role::Assistant, "") };
        MessageWriter { context: self.clone(), message, told: Vec::new() }
    }
}

/// A message in the making; each piece is told to the stream `messages`.
#[derive(Debug)]
pub struct MessageWriter {
    context: Context,
    message: Message,
    /// The ids of the tool calls of which pieces were told, in order.
    told: Vec<String>,
}

impl MessageWriter {
    /// Adds text.
    pub async fn text(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.message.content.push_str(&text);
        self.tell(MessagePiece::Text(text)).await;
    }

    /// Tells a piece of a tool call; the whole call must follow.
    pub async fn tool_call_delta(&mut self, delta: ToolCallDelta) {
        let place = self.told.iter().position(|id| *id == delta.id);
        let index = place.unwrap_or(self.told.len());
        if place.is_none() {
            self.told.push(delta.id.clone());
        }
        self.tell(MessagePiece::ToolCallDelta { index, is_first: place.is_none(), delta }).await;
    }

    /// Adds a tool call. Of one without pieces, all is told as one piece first.
    pub async fn tool_call(&mut self, call: ToolCall) {
        if !self.told.contains(&call.id) {
            let ToolCall { id, name, arguments } = call.clone();
            self.tool_call_delta(ToolCallDelta { id, name, arguments }).await;
        }
        self.message.tool_calls.push(call.clone());
        self.tell(MessagePiece::ToolCall(call)).await;
    }

    /// Ends the message.
    pub async fn done(self, usage: Usage, finish_reason: FinishReason) -> Answer {
        self.tell(MessagePiece::Done { usage, finish_reason }).await;
        Answer { message: self.message, usage, finish_reason }
    }

    async fn tell(&self, piece: MessagePiece) {
        let attempt = &self.context.0;
        if !attempt.is_heartbeat_only {
            self.context.heartbeat();
        }
        let id = self.message.id.clone().unwrap_or_default();
        attempt.live.tell_piece(&attempt.task, id, piece).await;
    }
}
