//! Run requests: an input with everything that a caller may say beside it, then a run.
//!
//! Owns: `RunRequest`, and `Outcome`, what a run comes to.
//! Never: starts before it is awaited or streamed.
//! Flow: `Graph::run` makes it; `.await` gives the outcome, `.stream(modes)` the parts on the way to it.

use super::command::Command;
use super::core::GraphCore;
use super::drive::begin::{Beginning, Start};
use super::drive::exits;
use super::drive::{End, drive};
use super::env::{Durability, Env, Thread, Watch, next_id};
use super::error::GraphRunError;
use super::handle::Graph;
use super::outcome::Outcome;
use super::output::IntoOutput;
use super::stream::GraphStream;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::graph::{NodeSet, Style};
use genesis_mesh_core::run::{
    Answer, CheckpointId, Failure, Input, InterruptId, Namespace, TaskId, TaskWrite,
};
use genesis_mesh_core::state::{State, Update};
use genesis_mesh_core::stream::{StreamMode, StreamModes};
use serde::Serialize;
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Events that may wait for a slow reader before the run waits for it.
const EVENTS_WAITING_MAX: usize = 256;

/// An input, before it is held to the state.
#[derive(Debug)]
pub enum InputForm<S> {
    /// Typed writes.
    Update(Update<S>),
    /// JSON: an object of channels, or the argument of a function.
    Json(Value),
}

/// A type that a graph over `S` takes as its input.
pub trait IntoInput<S> {
    /// The input.
    fn into_input(self) -> InputForm<S>;
}

impl<S> IntoInput<S> for Update<S> {
    fn into_input(self) -> InputForm<S> {
        InputForm::Update(self)
    }
}

impl<S> IntoInput<S> for Value {
    fn into_input(self) -> InputForm<S> {
        InputForm::Json(self)
    }
}

#[derive(Debug)]
pub(super) enum StartForm<S> {
    Input(InputForm<S>),
    Continue { answer: Option<Answer>, command: Option<Command<S>> },
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

    /// Adds metadata that checkpoints and messages carry.
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

    /// A handle that asks the run to stop before its next step, and keeps what it did.
    #[must_use]
    pub fn drain_handle(&self) -> DrainHandle {
        DrainHandle(Arc::clone(&self.draining))
    }

    /// Runs, and tells these views on the way.
    #[must_use]
    pub fn stream(self, modes: impl IntoIterator<Item = StreamMode>) -> GraphStream<S> {
        self.stream_of(modes.into_iter().collect(), false)
    }

    /// As [`RunRequest::stream`], and tells of graphs within the graph.
    #[must_use]
    pub fn stream_with_subgraphs(self, modes: impl IntoIterator<Item = StreamMode>) -> GraphStream<S> {
        self.stream_of(modes.into_iter().collect(), true)
    }

    fn stream_of(self, modes: StreamModes, has_subgraphs: bool) -> GraphStream<S> {
        let (events, told) = mpsc::channel(EVENTS_WAITING_MAX);
        let watch = Watch { modes, has_subgraphs, events };
        GraphStream::new(Box::pin(self.execute(Some(watch))), told, modes)
    }

    async fn execute(self, watch: Option<Watch>) -> Result<Outcome<S>, GraphRunError> {
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
            run_id: self.run_id.unwrap_or_else(|| CheckpointId(next_id(&*settings.ambient)).to_string()),
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
        let live = Beginning { core, env, ns, parents, breakpoints, at: self.at }.begin(start).await?;
        let ended = drive(&live).await;
        live.finish().await?;
        let interrupts = match ended? {
            End::Interrupted(interrupts) => interrupts,
            End::Done | End::Stopped => Vec::new(),
            End::Parent(_) => {
                let failure =
                    Failure::new("ParentCommand", "there is no graph around this one to take the command");
                return Err(GraphRunError::NodeFailed { node: String::new(), failure, source: None });
            }
        };
        let machine = live.machine();
        let view = if interrupts.is_empty() { None } else { Some(machine.view(true)?) };
        Ok(Outcome {
            topology: Arc::clone(machine.topology()),
            cell: machine.state().clone(),
            returned: machine.returned().cloned(),
            partial: view.map(|view| view.values),
            interrupts,
            checkpoint: machine.head(),
            is_done: machine.is_planned() && machine.tasks().is_empty(),
            state: PhantomData,
        })
    }
}

/// What begins a run, with the answers that it brings: by question, and the one for the open question.
type Begun = (Start, BTreeMap<InterruptId, Value>, Option<Value>);

fn begin_form<S: State>(
    core: &GraphCore,
    form: StartForm<S>,
    has_thread: bool,
) -> Result<Begun, GraphRunError> {
    let topology = &core.topology;
    let (answer, command) = match form {
        StartForm::Input(input) => return Ok((Start::Input(input_of(core, input)?), BTreeMap::new(), None)),
        StartForm::Continue { answer, command } => (answer, command),
    };
    if answer.is_some() && !has_thread {
        return Err(GraphRunError::NoThread);
    }
    let mut writes = Vec::new();
    if let Some(command) = command {
        let output = command.into_output(topology.shape());
        let written = output.and_then(|output| exits::caller_writes(core, TaskId::OUTSIDE, output));
        writes =
            written.map_err(|error| GraphRunError::InvalidInput { problems: vec![error.to_string()] })?;
    }
    let (answers, one) = match &answer {
        Some(Answer::ById(answers)) => (answers.clone(), None),
        Some(Answer::One(one)) => (BTreeMap::new(), Some(one.clone())),
        None => (BTreeMap::new(), None),
    };
    Ok((Start::Continue { answer, writes }, answers, one))
}

pub(super) fn input_of<S: State>(core: &GraphCore, form: InputForm<S>) -> Result<Input, GraphRunError> {
    let topology = &core.topology;
    let writes = match form {
        InputForm::Json(json) if topology.style() == Style::Function => {
            return Ok(Input::Argument(Arc::new(json)));
        }
        InputForm::Json(Value::Object(object)) => {
            let update = topology.shape().update_from_json(object);
            let update = update.map_err(|problems| GraphRunError::InvalidInput {
                problems: problems.iter().map(ToString::to_string).collect(),
            })?;
            for name in &update.unknown {
                tracing::debug!(graph = %topology.name(), key = %name, "the input has a key that the state does not have");
            }
            update.writes
        }
        InputForm::Json(_) => {
            return Err(GraphRunError::InvalidInput {
                problems: vec!["the input is no JSON object".to_owned()],
            });
        }
        InputForm::Update(update) => update.into_writes(),
    };
    let mut ids = 0..;
    let seed = TaskId(next_id(&super::env::SystemAmbient));
    let taken = writes.into_iter().filter(|write| topology.takes_input(write.channel)).map(|mut write| {
        if let Some(channel) = topology.shape().channel(write.channel) {
            channel.ops.assign_ids(&mut write.value, &mut || seed.derive(ids.next().unwrap_or_default()));
        }
        TaskWrite::State(write)
    });
    Ok(Input::Writes(taken.collect()))
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
