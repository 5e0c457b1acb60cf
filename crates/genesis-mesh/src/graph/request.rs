//! Run requests: an input with everything that a caller may say beside it, then a run.
//!
//! Owns: `RunRequest`, and `Outcome`, what a run comes to.
//! Never: starts before it is awaited or streamed.
//! Flow: `Graph::run` makes it; `.await` gives the outcome, `.stream(modes)` the parts on the way to it.

use super::command::Command;
use super::drive::begin::{Beginning, Start};
use super::drive::drive;
use super::env::{Durability, Env, Log, Teller, Thread, Watch, next_id};
use super::error::GraphRunError;
use super::handle::Graph;
use super::outcome::Outcome;
use super::start::{IntoInput, StartForm, begin_form};
use super::stream::{EventStream, GraphStream};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::graph::NodeSet;
use genesis_mesh_core::run::{Answer, CheckpointId, InterruptId, Namespace};
use genesis_mesh_core::state::State;
use genesis_mesh_core::store::Store;
use genesis_mesh_core::stream::{StreamMode, StreamModes};
use serde::Serialize;
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Events that may wait for a slow reader before the run waits for it.
const EVENTS_WAITING_MAX: usize = 256;

impl<S: State> Graph<S> {
    /// Runs the graph with an input: an update of the state, or its JSON.
    pub fn run(&self, input: impl IntoInput<S>) -> RunRequest<S> {
        RunRequest::new(self, StartForm::Input(input.into_input()))
    }

    /// Goes on where the thread stands: after a breakpoint, a failure, a crash.
    pub fn go_on(&self) -> RunRequest<S> {
        RunRequest::new(self, StartForm::Continue { answer: None, command: None })
    }

    /// Goes on with the answer to the one open question; one that is no JSON is refused by the run as `invalid_input`.
    pub fn resume(&self, answer: impl Serialize) -> RunRequest<S> {
        let start = match serde_json::to_value(answer) {
            Ok(answer) => StartForm::Continue { answer: Some(Answer::One(answer)), command: None },
            Err(error) => StartForm::Invalid(format!("the answer is no JSON: {error}")),
        };
        RunRequest::new(self, start)
    }

    /// Goes on with answers by the ids of their questions; those that stay open are asked again.
    pub fn resume_each(&self, answers: BTreeMap<InterruptId, Value>) -> RunRequest<S> {
        RunRequest::new(self, StartForm::Continue { answer: Some(Answer::ById(answers)), command: None })
    }

    /// Goes on with writes and targets, before the step that is next.
    pub fn command(&self, command: Command<S>) -> RunRequest<S> {
        RunRequest::new(self, StartForm::Continue { answer: None, command: Some(command) })
    }
}

/// A run that has not begun.
#[derive(Debug)]
#[must_use = "a run begins when it is awaited or streamed"]
pub struct RunRequest<S> {
    graph: Graph<S>,
    start: StartForm<S>,
    thread: Option<String>,
    at: Option<CheckpointId>,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    context: Option<Arc<dyn Any + Send + Sync>>,
    metadata: Map<String, Value>,
    run_id: Option<String>,
    draining: Arc<AtomicBool>,
}

impl<S: State> RunRequest<S> {
    pub(super) fn new(graph: &Graph<S>, start: StartForm<S>) -> Self {
        Self {
            graph: graph.clone(),
            start,
            thread: None,
            at: None,
            before: None,
            after: None,
            context: None,
            metadata: Map::new(),
            run_id: None,
            draining: Arc::default(),
        }
    }

    /// Runs on this thread, which begins with its first run; the graph must have a store.
    pub fn thread(mut self, id: impl Into<String>) -> Self {
        self.thread = Some(id.into());
        self
    }

    /// Begins at this checkpoint of the thread instead of its newest. What follows it stays; the run makes a branch.
    pub fn at(mut self, checkpoint: CheckpointId) -> Self {
        self.at = Some(checkpoint);
        self
    }

    /// Also writes and goes where `command` says, before the next step.
    pub fn and_command(mut self, command: Command<S>) -> Self {
        if let StartForm::Continue { command: old, .. } = &mut self.start {
            *old = Some(command);
        }
        self
    }

    /// The steps that the run may take.
    pub fn recursion_limit(mut self, steps: u32) -> Self {
        self.graph.settings.recursion_limit = steps;
        self
    }

    /// Stops before these nodes, beside those that the graph names; `*` stands for all.
    pub fn interrupt_before<T: Into<String>>(mut self, nodes: impl IntoIterator<Item = T>) -> Self {
        self.before = Some(nodes.into_iter().map(Into::into).collect());
        self
    }

    /// Stops after these nodes; `*` stands for all.
    pub fn interrupt_after<T: Into<String>>(mut self, nodes: impl IntoIterator<Item = T>) -> Self {
        self.after = Some(nodes.into_iter().map(Into::into).collect());
        self
    }

    /// Gives nodes a value that is no state: `Context::context`.
    pub fn context<T: Any + Send + Sync>(mut self, context: T) -> Self {
        self.context = Some(Arc::new(context));
        self
    }

    /// Adds metadata that checkpoints and messages carry; a value that is no JSON is kept as null.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.metadata.insert(key.into(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// Names the run; without it a new id is drawn.
    pub fn run_id(mut self, id: impl Into<String>) -> Self {
        self.run_id = Some(id.into());
        self
    }

    /// When steps are kept.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.graph.settings.durability = durability;
        self
    }

    /// Keeps the run's thread in this store instead of the graph's.
    pub(crate) fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.graph.settings.store = Some(store);
        self
    }

    /// The same run again, after a crash: what of it is kept is not done twice.
    pub(crate) fn recovering(mut self) -> Self {
        self.start = self.start.recovering();
        self
    }

    /// A handle that asks the run to stop before its next step, and keeps what it did.
    pub fn drain_handle(&self) -> DrainHandle {
        DrainHandle(Arc::clone(&self.draining))
    }

    /// Runs, and tells these views on the way.
    pub fn stream(self, modes: impl IntoIterator<Item = StreamMode>) -> GraphStream<S> {
        self.stream_of(modes.into_iter().collect(), false)
    }

    /// As [`RunRequest::stream`], and tells of graphs within the graph.
    pub fn stream_with_subgraphs(self, modes: impl IntoIterator<Item = StreamMode>) -> GraphStream<S> {
        self.stream_of(modes.into_iter().collect(), true)
    }

    /// Runs, and tells the events that these views are made of; `has_subgraphs` tells of graphs within the graph, too.
    pub fn events(self, modes: StreamModes, has_subgraphs: bool) -> EventStream<S> {
        let (events, told) = mpsc::channel(EVENTS_WAITING_MAX);
        let events = Teller::Reader(events);
        let watch = Watch { modes, has_subgraphs, told_messages: Arc::default(), events };
        EventStream::new(Box::pin(self.execute(Some(watch))), told)
    }

    /// Runs, and gives the events that these views are made of to a log, also of graphs within the graph.
    pub(crate) fn logged(
        self,
        modes: StreamModes,
        log: Arc<dyn Log>,
    ) -> BoxFuture<'static, Result<Outcome<S>, GraphRunError>> {
        let events = Teller::Log(log);
        let watch = Watch { modes, has_subgraphs: true, told_messages: Arc::default(), events };
        Box::pin(self.execute(Some(watch)))
    }

    fn stream_of(self, modes: StreamModes, has_subgraphs: bool) -> GraphStream<S> {
        GraphStream::new(self.events(modes, has_subgraphs), modes)
    }

    /// Runs to the end. What a waiting run holds is kept small: beginnings are boxed while they last.
    fn execute(
        self,
        watch: Option<Watch>,
    ) -> impl Future<Output = Result<Outcome<S>, GraphRunError>> + Send + 'static {
        let begun = self.prepare(watch);
        async move {
            let (beginning, start) = *begun?;
            let live = Box::pin(beginning.begin(start)).await?;
            let ended = drive(&live).await;
            let kept = live.finish().await;
            let ended = ended?;
            kept?;
            Outcome::of(&live, ended)
        }
    }

    /// Everything that can be said before the run begins.
    fn prepare(self, watch: Option<Watch>) -> Result<Box<(Beginning, Start)>, GraphRunError> {
        let core = Arc::clone(self.graph.core());
        let topology = &core.topology;
        let mut breakpoints = core.breakpoints.clone();
        let set = |names: Vec<String>| {
            NodeSet::of(topology, names.iter().map(String::as_str)).map_err(|name| {
                GraphRunError::InvalidInput {
                    problems: vec![format!("no node is named `{name}`, at which the run is to stop")],
                }
            })
        };
        for (names, place) in [(self.before, &mut breakpoints.before), (self.after, &mut breakpoints.after)] {
            if let Some(names) = names.filter(|names| !names.is_empty()) {
                *place = set(names)?;
            }
        }
        let settings = &self.graph.settings;
        let thread = match (self.thread, &settings.store) {
            (Some(id), Some(store)) => Some(Thread { id, store: Arc::clone(store) }),
            (Some(_), None) => return Err(GraphRunError::NoThread),
            (None, _) => None,
        };
        if settings.recursion_limit == 0 {
            return Err(GraphRunError::InvalidInput {
                problems: vec!["recursion_limit is 1 or more".to_owned()],
            });
        }
        let (start, answers, answer) = begin_form(&core, self.start, thread.is_some())?;
        let env = Env {
            thread,
            run_name: self.run_id,
            run_number: next_id(&*settings.ambient),
            items: settings.items.clone(),
            context: self.context,
            metadata: self.metadata,
            durability: settings.durability,
            recursion_limit: settings.recursion_limit,
            watch,
            answers,
            answer: Arc::new(Mutex::new(answer)),
            is_draining: self.draining,
            ambient: Arc::clone(&settings.ambient),
        };
        let (env, ns, parents) = (Arc::new(env), Namespace::default(), BTreeMap::new());
        let beginning = Beginning { core, env, ns, parents, breakpoints, at: self.at };
        Ok(Box::new((beginning, start)))
    }
}

/// Asks a run to stop before its next step.
#[derive(Debug, Clone)]
pub struct DrainHandle(Arc<AtomicBool>);

impl DrainHandle {
    /// Asks; what is running ends first, and the thread goes on from there when it is asked to.
    pub fn drain(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<S: State> IntoFuture for RunRequest<S> {
    type Output = Result<Outcome<S>, GraphRunError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.execute(None))
    }
}
