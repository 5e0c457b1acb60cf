//! Graphs as agents: what a mesh runs by name, without the type of the state.
//!
//! Owns: the way from a JSON input to a run, read by its reader or logged.
//! Never: knows a surface.
//! Flow: `Agent::graph` erases a graph; `Mesh::start` gives it an input; the run's events become updates.

use crate::chat::pipeline_input;
use crate::graph::{EventStream, Graph, InterruptId, Log, Outcome, StateSnapshot, Store};
use crate::graph_speech::{GraphEnd, GraphSpeech};
use crate::schema::InputError;
use crate::update::{RunError, Update};
use futures_core::Stream;
use genesis_mesh_core::run::{FactRecord, Namespace};
use genesis_mesh_core::state::State;
use genesis_mesh_core::store::{HistoryQuery, Link, ThreadKey};
use genesis_mesh_core::stream::{Event, StreamMode, StreamModes};
use genesis_mesh_core::{BoxFuture, GenerateRequest, Prompt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
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

    /// Runs on a thread, and gives every event to a log. `has_begun`: a crash has cut the same run, of which the first fact
    /// is kept; it goes on from there.
    fn run_logged(
        &self,
        begin: Begin,
        has_begun: bool,
        place: Place,
    ) -> BoxFuture<'static, Result<GraphEnd, RunError>>;

    /// Whether a run is on its way on a thread: its newest checkpoint has this run in its metadata, or the run went on from
    /// that.
    fn has_begun<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<bool, RunError>>;

    /// Where a thread stands, as JSON.
    fn state(&self, store: Arc<dyn Store>, thread: String) -> BoxFuture<'static, Result<Value, RunError>>;

    /// Where a thread stood at its checkpoints, newest first.
    fn states(
        &self,
        store: Arc<dyn Store>,
        thread: String,
        query: HistoryQuery,
    ) -> BoxFuture<'static, Result<Vec<Value>, RunError>>;
}

/// How a logged run of a graph begins.
#[derive(Debug)]
pub(crate) enum Begin {
    /// With an input.
    Input(Value),
    /// Where the thread stands.
    GoOn,
    /// With the answer to the one open question.
    Answer(Value),
    /// With answers by the ids of their questions.
    Answers(BTreeMap<InterruptId, Value>),
}

/// Where a logged run of a graph has its place.
pub(crate) struct Place {
    /// What keeps its thread, under the run's lease.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) thread: String,
    pub(crate) run: String,
    pub(crate) log: Arc<dyn Log>,
}

/// The name under which a checkpoint's metadata have the run that made it.
const RUN_ID: &str = "run_id";

/// What of a run is told as updates.
const MODES: [StreamMode; 3] = [StreamMode::Updates, StreamMode::Messages, StreamMode::Custom];

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
        let told = self.run(input).events(MODES.into_iter().collect::<StreamModes>(), true);
        GraphRun {
            told: Some(Box::pin(Told(told))),
            updates: VecDeque::new(),
            speech: GraphSpeech::new(is_chat),
        }
    }

    fn run_logged(
        &self,
        begin: Begin,
        has_begun: bool,
        place: Place,
    ) -> BoxFuture<'static, Result<GraphEnd, RunError>> {
        let request = match begin {
            Begin::Input(input) => self.run(input),
            Begin::GoOn => self.go_on(),
            Begin::Answer(answer) => self.resume(answer),
            Begin::Answers(answers) => self.resume_each(answers),
        };
        let Place { store, thread, run, log } = place;
        let request = request.store(store).thread(thread).metadata(RUN_ID, &run).run_id(run);
        let request = if has_begun { request.recovering() } else { request };
        let ended = request.logged(MODES.into_iter().collect(), log);
        Box::pin(async move { GraphEnd::of(&ended.await.map_err(|error| RunError::graph(&error))?) })
    }

    fn has_begun<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<bool, RunError>> {
        Box::pin(async move {
            let key = ThreadKey { thread: place.thread.clone(), ns: Namespace::default() };
            let lineage = place.store.lineage(&key, None).await;
            let lineage = lineage.map_err(|error| RunError::graph(&error.into()))?;
            let Some(Link { checkpoint, pending, .. }) = lineage.last() else { return Ok(false) };
            let has_resumed = |fact: &FactRecord| match fact {
                FactRecord::Resumed { run, .. } => run.as_ref() == Some(&place.run),
                _ => false,
            };
            let made_by = checkpoint.metadata.get(RUN_ID).and_then(Value::as_str);
            Ok(made_by == Some(place.run.as_str()) || pending.iter().any(has_resumed))
        })
    }

    fn state(&self, store: Arc<dyn Store>, thread: String) -> BoxFuture<'static, Result<Value, RunError>> {
        let thread = self.clone().with_store(store).thread(thread);
        Box::pin(async move {
            let snapshot = thread.state().await.map_err(|error| RunError::graph(&error))?;
            Ok(shown(&snapshot))
        })
    }

    fn states(
        &self,
        store: Arc<dyn Store>,
        thread: String,
        query: HistoryQuery,
    ) -> BoxFuture<'static, Result<Vec<Value>, RunError>> {
        let thread = self.clone().with_store(store).thread(thread);
        Box::pin(async move {
            let snapshots = thread.history(query).await.map_err(|error| RunError::graph(&error))?;
            Ok(snapshots.iter().map(shown).collect())
        })
    }
}

/// A state as JSON.
fn shown(snapshot: &StateSnapshot) -> Value {
    let checkpoint = snapshot.checkpoint.as_ref();
    json!({
        "checkpoint_id": checkpoint.map(|checkpoint| checkpoint.id),
        "created_at_ms": checkpoint.map(|checkpoint| checkpoint.created_at_ms),
        "step": checkpoint.map(|checkpoint| checkpoint.step),
        "run_id": checkpoint.and_then(|checkpoint| checkpoint.metadata.get(RUN_ID)),
        "values": snapshot.view.values,
        "next": snapshot.view.next.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "interrupts": snapshot.interrupts(),
    })
}

impl GraphEnd {
    fn of<S: State>(outcome: &Outcome<S>) -> Result<Self, RunError> {
        let values = outcome.values().map_err(|error| RunError::graph(&error))?;
        Ok(Self { values, interrupts: json!(outcome.interrupts()), is_done: outcome.is_done() })
    }
}

/// What a run tells, and at its end what it came to.
enum Item {
    Event(Event),
    End(GraphEnd),
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
                Ok(Item::End(GraphEnd::of(&outcome)?))
            }),
        })
    }
}

/// A run of a graph as updates.
pub(crate) struct GraphRun {
    told: Option<Items>,
    updates: VecDeque<Update>,
    speech: GraphSpeech,
}

impl GraphRun {
    /// Stops the run; what was told is followed by the end.
    pub(crate) fn cancel(&mut self) {
        if self.told.take().is_some() {
            self.updates.push_back(self.speech.cancelled());
        }
    }

    fn tell(&mut self, item: Item) {
        match item {
            Item::Event(event) => self.updates.extend(self.speech.event(event).map(|said| said.update)),
            Item::End(end) => {
                self.updates.extend(self.speech.end(end));
                self.told = None;
            }
        }
    }
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
        f.debug_struct("GraphRun").field("speech", &self.speech).finish_non_exhaustive()
    }
}
