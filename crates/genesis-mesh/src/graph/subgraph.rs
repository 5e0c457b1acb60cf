//! Graphs within graphs: a graph as a node, with the state shared by name or mapped.
//!
//! Owns: how state goes into a child and comes back, and where the child's history is kept.
//! Never: runs a child beside its task: it is driven within the task, and stops with it.
//! Flow: a node that is a graph makes a `Beginning` for the child, drives it, and gives its state as the node's output.

use super::command::ParentCommand;
use super::drive::begin::{Beginning, Start, load};
use super::drive::{End, drive};
use super::env::Env;
use super::error::{GraphRunError, NodeError};
use super::live::{Context, GraphCore, Live};
use super::output::{Output, invalid};
use genesis_mesh_core::graph::Topology;
use genesis_mesh_core::run::{Input, Namespace, TaskInput, TaskWrite};
use genesis_mesh_core::state::{BoxValue, Channel, ChannelKind, Shape, StateCell, ValueError, Write};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;

/// Where a subgraph keeps its history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// With the task that it runs in: each task begins anew, and a task that is resumed goes on.
    #[default]
    Inherit,
    /// For the thread: each task goes on from the state that the last one left.
    Own,
    /// Nowhere: a task that is resumed begins anew.
    Nothing,
}

/// Runs a child that shares the parent's state by the names of channels.
pub(super) async fn run_shared(
    core: Arc<GraphCore>,
    keep: Keep,
    input: TaskInput,
    context: Context,
    parent: Arc<Shape>,
) -> Result<Output, NodeError> {
    let writes = match input {
        TaskInput::State(cell) => {
            shared(&parent, &cell, core.topology.shape(), |id| core.topology.takes_input(id))?
        }
        TaskInput::Value(value) => sent(&core.topology, value.to_json()?)?,
    };
    let input = Input::Writes(writes.into_iter().map(TaskWrite::State).collect());
    match run_child(core, keep, input, &context).await? {
        Child::Ended(live) => {
            let child = &live.core.topology;
            let cell = live.machine().state().clone();
            let tells = |id| child.tells(id);
            let back = shared_filtered(child.shape(), &cell, &parent, tells)?;
            Ok(Output { writes: back, ..Output::default() })
        }
        Child::Command(command) => from_child(command, &parent),
    }
}

/// How a child stopped.
pub(super) enum Child {
    /// At its end.
    Ended(Arc<Live>),
    /// With a command to the graph around it.
    Command(ParentCommand),
}

/// Graphs within each other that are polled on one stack. A level takes some 60 KB of it in a build without
/// optimisation, and a thread of the runtime has 2 MB.
const NESTED_HERE_MAX: usize = 16;

/// Graphs within each other at all: far more than anybody draws, and few enough that a graph that runs itself without an
/// end fails before memory is short.
const NESTED_MAX: usize = 256;

/// Drives a child within the task of `context`.
pub(super) async fn run_child(
    core: Arc<GraphCore>,
    keep: Keep,
    input: Input,
    context: &Context,
) -> Result<Child, NodeError> {
    let outer = &context.0.live;
    let (ns, env) = place(context, keep);
    let mut parents = outer.parents.clone();
    parents.extend(outer.machine().head().map(|head| (outer.ns.clone(), head.id)));
    let depth = parents.len();
    if depth > NESTED_MAX {
        let message = format!("more than {NESTED_MAX} graphs run within each other");
        return Err(NodeError::new("NestedTooDeep", message));
    }
    let breakpoints = core.breakpoints.clone();
    let beginning = Beginning { core, env, ns, parents, breakpoints, at: None };
    let is_resumed = outer.is_resumed_step.load(Ordering::Relaxed) || context.0.attempt > 1;
    let live = begin(beginning, input, is_resumed).await.map_err(NodeError::from)?;
    let ended = match depth % NESTED_HERE_MAX {
        0 => Box::pin(drive_apart(&live)).await,
        _ => drive(&live).await,
    };
    let kept = live.finish().await;
    let ended = ended.map_err(NodeError::from)?;
    kept.map_err(NodeError::from)?;
    match ended {
        End::Done => Ok(Child::Ended(live)),
        End::Stopped => Err(NodeError::interrupted(Vec::new())),
        End::Interrupted(interrupts) => Err(NodeError::interrupted(interrupts)),
        End::Parent(command) => Ok(Child::Command(command)),
    }
}

/// Drives a child on a stack of its own, as a task of the runtime that stops with this one.
async fn drive_apart(live: &Arc<Live>) -> Result<End, GraphRunError> {
    let mut apart = JoinSet::new();
    let child = Arc::clone(live);
    apart.spawn(async move { drive(&child).await });
    match apart.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) if error.is_panic() => Err(GraphRunError::panicked(&*error.into_panic())),
        // The runtime is shut down.
        _ => Err(GraphRunError::panicked(&"the runtime has ended")),
    }
}

/// Goes on where the child stands if its task goes on, else begins with the input.
async fn begin(beginning: Beginning, input: Input, is_resumed: bool) -> Result<Arc<Live>, GraphRunError> {
    let Some(thread) = beginning.env.thread.clone() else {
        return beginning.begin(Start::Input(input)).await;
    };
    let machine = load(&beginning.core.topology, &thread, &beginning.ns, None).await?;
    let start = if is_resumed && machine.head().is_some() {
        Start::Continue { answer: None, writes: Vec::new() }
    } else {
        Start::Input(input)
    };
    beginning.begin_with(machine, start).await
}

/// The namespace of the next child of a task, and its surroundings.
fn place(context: &Context, keep: Keep) -> (Namespace, Arc<Env>) {
    let outer = &context.0.live;
    let count = context.0.children.fetch_add(1, Ordering::Relaxed);
    let ns = match keep {
        Keep::Own => outer.ns.stable_child(context.name()),
        Keep::Inherit | Keep::Nothing => context.namespace(),
    };
    let ns = if count == 0 { ns } else { ns.numbered(count) };
    let env =
        if keep == Keep::Nothing { Arc::new(outer.env.without_thread()) } else { Arc::clone(&outer.env) };
    (ns, env)
}

/// The values that both states have, as writes to `to`.
pub(super) fn shared(
    from: &Shape,
    cell: &StateCell,
    to: &Shape,
    takes: impl Fn(u32) -> bool,
) -> Result<Vec<Write>, NodeError> {
    let mut writes = shared_filtered(from, cell, to, |_| true)?;
    writes.retain(|write| takes(write.channel));
    Ok(writes)
}

fn shared_filtered(
    from: &Shape,
    cell: &StateCell,
    to: &Shape,
    gives: impl Fn(u32) -> bool,
) -> Result<Vec<Write>, NodeError> {
    let mut writes = Vec::new();
    for (source, id) in from.channels().iter().zip(0..) {
        if !cell.has(id) || !gives(id) {
            continue;
        }
        let target = to.id(&source.name).and_then(|id| Some((id, to.channel(id)?)));
        let target = target.filter(|(_, channel)| !matches!(channel.kind, ChannelKind::Managed(_)));
        let Some((target, channel)) = target else { continue };
        if let Some(value) = source.ops.read(cell.any()) {
            let value = take(channel, value, false)?;
            writes.push(Write { channel: target, value, is_overwrite: false });
        }
    }
    Ok(writes)
}

/// The value as the channel takes it: as it is if the types are the same, else by its JSON.
fn take(channel: &Channel, value: BoxValue, is_overwrite: bool) -> Result<BoxValue, NodeError> {
    let json = value.to_json();
    let refused = match channel.ops.accept(value, is_overwrite) {
        Ok(value) => return Ok(value),
        Err(refused) => refused,
    };
    let json = json.map_err(NodeError::from)?;
    channel.ops.accept(Box::new(json), is_overwrite).map_err(|_: ValueError| refused.into())
}

/// What a `Send` to a subgraph gave it.
fn sent(child: &Topology, json: Value) -> Result<Vec<Write>, NodeError> {
    let Value::Object(object) = json else {
        return Err(NodeError::new("InvalidInput", "a subgraph was sent a value that is no object"));
    };
    let update = child.shape().update_from_json(object).map_err(|problems| invalid(&problems))?;
    Ok(update.writes)
}

/// A child's command, as what the child's node returns.
pub(super) fn from_child(command: ParentCommand, shape: &Shape) -> Result<Output, NodeError> {
    let mut writes = Vec::new();
    for (name, value, is_overwrite) in command.writes {
        let Some((id, channel)) = shape.id(&name).and_then(|id| Some((id, shape.channel(id)?))) else {
            continue;
        };
        writes.push(Write { channel: id, value: take(channel, value, is_overwrite)?, is_overwrite });
    }
    Ok(Output { writes, gotos: command.gotos, ..Output::default() })
}
