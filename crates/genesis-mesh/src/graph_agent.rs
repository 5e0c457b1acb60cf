//! Graphs as agents: what a mesh runs by name, without the type of the state.
//!
//! Owns: the way from a JSON input to a run, and from a run's events to updates.
//! Never: knows a surface.
//! Flow: `Agent::graph` erases a graph; `Mesh::start` gives it an input; the run's events become updates.

use crate::chat::pipeline_input;
use crate::graph::{EventStream, Graph};
use crate::schema::InputError;
use crate::update::{RunError, Update};
use futures_core::Stream;
use genesis_mesh_core::run::WriteRecord;
use genesis_mesh_core::state::State;
use genesis_mesh_core::stream::{Event, EventKind, MessagePiece, StreamMode, StreamModes};
use genesis_mesh_core::{FinishReason, GenerateRequest, Prompt, Usage};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A graph whose state the holder does not know.
pub(crate) trait GraphAgent: Send + Sync + fmt::Debug {
    /// The JSON schema of its input.
    fn input_schema(&self) -> Value;

    /// The input that a chat request is: its messages, if the state has any, else the last user message as the only
    /// field of the state.
    ///
    /// # Errors
    /// The state has several fields, and no messages.
    fn chat_input(&self, request: &GenerateRequest) -> Result<Value, InputError>;

    /// Begins a run. `is_chat`: who asked reads text alone, so a last message that no model streamed is told as text.
    fn start(&self, input: Value, is_chat: bool) -> GraphRun;
}

impl<S: State> GraphAgent for Graph<S> {
    fn input_schema(&self) -> Value {
        Graph::input_schema(self)
    }

    fn chat_input(&self, request: &GenerateRequest) -> Result<Value, InputError> {
        let has_messages = self.core().topology.shape().id("messages").is_some();
        match &request.prompt {
            Prompt::Messages(messages) if has_messages => Ok(json!({"messages": messages})),
            prompt => pipeline_input(prompt, &Graph::input_schema(self)),
        }
    }

    fn start(&self, input: Value, is_chat: bool) -> GraphRun {
        let modes = [StreamMode::Updates, StreamMode::Messages, StreamMode::Custom];
        let told = self.run(input).events(modes.into_iter().collect::<StreamModes>(), true);
        GraphRun {
            told: Some(Box::pin(Told(told))),
            updates: VecDeque::new(),
            usage: Usage::default(),
            needs_text: is_chat,
        }
    }
}

/// What a run tells, and at its end what it came to.
enum Item {
    Event(Event),
    End { values: Value, interrupts: Value },
}

type Items = Pin<Box<dyn Stream<Item = Result<Item, RunError>> + Send>>;

/// The events of a typed run, then its end.
struct Told<S>(EventStream<S>);

impl<S: State> Stream for Told<S> {
    type Item = Result<Item, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(Pin::new(&mut self.0).poll_next(context));
        Poll::Ready(match event {
            Some(event) => Some(Ok(Item::Event(event))),
            None => self.0.take_end().map(|ended| {
                let outcome = ended.map_err(|error| RunError::graph(&error))?;
                let values = outcome.values().map_err(|error| RunError::graph(&error))?;
                Ok(Item::End { values, interrupts: json!(outcome.interrupts()) })
            }),
        })
    }
}

/// A run of a graph as updates.
pub(crate) struct GraphRun {
    told: Option<Items>,
    updates: VecDeque<Update>,
    usage: Usage,
    /// Whether the run's last message must still be told as text.
    needs_text: bool,
}

impl GraphRun {
    /// Stops the run; what was told is followed by the end.
    pub(crate) fn cancel(&mut self) {
        if self.told.take().is_some() {
            let finish_reason = FinishReason::Cancelled;
            self.updates.push_back(Update::Done { usage: self.usage, finish_reason });
        }
    }

    fn tell(&mut self, item: Item) {
        match item {
            Item::Event(event) => self.tell_event(event),
            Item::End { values, interrupts } => {
                if interrupts != json!([]) {
                    self.updates.push_back(Update::Interrupt { interrupts });
                }
                if let Some(text) = last_text(&values).filter(|_| self.needs_text) {
                    self.updates.push_back(Update::Delta { text, logprobs: Vec::new() });
                }
                self.updates.push_back(Update::Output { value: values });
                self.updates.push_back(Update::Done { usage: self.usage, finish_reason: FinishReason::Stop });
                self.told = None;
            }
        }
    }

    fn tell_event(&mut self, event: Event) {
        let ns = event.ns.to_string();
        let is_write =
            |write: &WriteRecord| matches!(write, WriteRecord::Set(..) | WriteRecord::Overwrite(..));
        match event.kind {
            EventKind::MessageDelta { piece, .. } => self.tell_piece(piece),
            EventKind::Custom { name, value, .. } => {
                self.updates.push_back(Update::Custom { ns, node: name, value });
            }
            EventKind::TaskEnded { ref name, ref end, .. } => {
                let genesis_mesh_core::run::TaskEnd::Finished(writes) = end else { return };
                let is_call = !writes.iter().any(is_write)
                    && writes.iter().any(|write| matches!(write, WriteRecord::Return(_)));
                let modes = [StreamMode::Updates].into_iter().collect();
                let shown = event
                    .parts(modes)
                    .into_iter()
                    .next()
                    .and_then(|mut part| part.data.get_mut(name).map(Value::take));
                if let Some(values) = shown.filter(|values| is_call || !values.is_null()) {
                    self.updates.push_back(Update::Written { ns, node: name.clone(), values });
                }
            }
            _ => {}
        }
    }

    fn tell_piece(&mut self, piece: MessagePiece) {
        match piece {
            MessagePiece::Text(text) if text.is_empty() => {}
            MessagePiece::Text(text) => {
                self.needs_text = false;
                self.updates.push_back(Update::Delta { text, logprobs: Vec::new() });
            }
            MessagePiece::ToolCallDelta { delta, .. } => self.updates.push_back(Update::ToolCallDelta(delta)),
            MessagePiece::ToolCall(call) => self.updates.push_back(Update::ToolCall(call)),
            MessagePiece::Done { usage, .. } => {
                let (before, now) = (self.usage, usage);
                self.usage = Usage::new(
                    before.input_tokens + now.input_tokens,
                    before.output_tokens + now.output_tokens,
                );
            }
            MessagePiece::Whole(_) => {}
        }
    }
}

/// The text of the state's last message, if that is one of the assistant.
fn last_text(values: &Value) -> Option<String> {
    let message = values.get("messages")?.as_array()?.last()?;
    let is_ours = message.get("role").is_some_and(|role| role == "assistant")
        || message.get("type").is_some_and(|kind| kind == "ai");
    let text = message.get("content")?.as_str()?;
    (is_ours && !text.is_empty()).then(|| text.to_owned())
}

impl Stream for GraphRun {
    type Item = Result<Update, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Poll::Ready(Some(Ok(update)));
            }
            let Some(told) = &mut self.told else { return Poll::Ready(None) };
            match ready!(told.as_mut().poll_next(context)) {
                Some(Ok(item)) => self.tell(item),
                Some(Err(error)) => {
                    self.told = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.told = None,
            }
        }
    }
}

impl fmt::Debug for GraphRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphRun").field("usage", &self.usage).finish_non_exhaustive()
    }
}
