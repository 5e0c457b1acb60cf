//! What a run holds while it is driven: a graph with its code, its machine, and the attempts of its tasks.
//!
//! Owns: `GraphCore`, `Live` and `Context`, which know each other: code takes a context, a context belongs to a run, a
//! run has code.
//! Never: does anything with them; `drive` and its parts do.

use super::cache::NodeCache;
use super::command::Goto;
use super::env::Env;
use super::error::NodeError;
use super::keeper::Keeper;
use super::output::Output;
use super::policy::{CachePolicy, RetryPolicy, TimeoutPolicy};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::graph::{NodeId, Topology};
use genesis_mesh_core::run::{
    Breakpoints, CheckpointId, Failure, Machine, Namespace, Task, TaskId, TaskInput,
};
use genesis_mesh_core::state::{Shape, StateCell};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A node's code.
pub(crate) type NodeFn = Arc<
    dyn Fn(TaskInput, Context, Arc<Shape>) -> BoxFuture<'static, Result<Output, NodeError>> + Send + Sync,
>;

/// A branch's code: the state with the node's own writes in, the targets out.
pub(crate) type RouterFn = Arc<dyn Fn(&StateCell) -> Result<Vec<Goto>, NodeError> + Send + Sync>;

/// A graph that can run.
pub(crate) struct GraphCore {
    pub(crate) topology: Arc<Topology>,
    /// By node id; the entry has no code.
    pub(crate) nodes: Vec<NodeCore>,
    pub(crate) routers: Vec<Router>,
    pub(crate) breakpoints: Breakpoints,
    pub(crate) cache: NodeCache,
}

/// One node's code and policies.
#[derive(Clone, Default)]
pub(crate) struct NodeCore {
    pub(crate) code: Option<NodeFn>,
    pub(crate) retry: Vec<RetryPolicy>,
    pub(crate) timeout: TimeoutPolicy,
    pub(crate) cache: Option<CachePolicy>,
    /// The graph that it is, if it is one, and whether all its tasks share one history.
    pub(crate) subgraph: Option<Arc<GraphCore>>,
    pub(crate) has_one_history: bool,
}

/// One branch's code, with the targets of its labels if it has labels.
pub(crate) struct Router {
    pub(crate) route: RouterFn,
    pub(crate) labels: Option<HashMap<Arc<str>, Arc<str>>>,
}

impl GraphCore {
    pub(crate) fn node(&self, id: NodeId) -> Option<&NodeCore> {
        self.nodes.get(id as usize)
    }
}

impl fmt::Debug for GraphCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphCore").field("name", self.topology.name()).finish_non_exhaustive()
    }
}

/// A graph of a run while it is driven.
pub(super) struct Live {
    pub(super) core: Arc<GraphCore>,
    pub(super) env: Arc<Env>,
    pub(super) ns: Namespace,
    /// The checkpoints of the graphs around this one.
    pub(super) parents: BTreeMap<Namespace, CheckpointId>,
    pub(super) machine: Mutex<Machine>,
    pub(super) keeper: Option<Box<Keeper>>,
    /// Whether the tasks of this step go on from where an earlier run left them.
    pub(super) is_resumed_step: AtomicBool,
    /// Whether the checkpoint that the run begins at is told already.
    pub(super) is_told: AtomicBool,
    /// Whether the machine refused a fact, and may have taken half of it.
    pub(super) is_broken: AtomicBool,
    /// The errors that nodes returned, for the run's own error.
    pub(super) sources: Mutex<Vec<Source>>,
}

/// The error of a failed task, which facts don't hold.
pub(super) type Source = (TaskId, Option<Arc<dyn Error + Send + Sync>>);

impl Live {
    /// The machine; never held while something is awaited.
    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node can ask of the run that it is part of; cheap to clone.
#[derive(Clone)]
pub struct Context(pub(super) Arc<Attempt>);

/// One attempt of one task.
pub(super) struct Attempt {
    pub(super) live: Arc<Live>,
    pub(super) task: Arc<Task>,
    pub(super) step: i64,
    pub(super) remaining_steps: i64,
    pub(super) attempt: u32,
    pub(super) handles: Option<Box<HandledFailure>>,
    pub(super) answers: Mutex<Answers>,
    pub(super) calls: AtomicU32,
    pub(super) children: AtomicU32,
    pub(super) sign_of_life: Option<Box<Notify>>,
    pub(super) is_heartbeat_only: bool,
}

/// The answers that a task has, and how many of them it has read.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) known: Vec<Value>,
    pub(super) read: usize,
}

/// The failure that an error handler stands in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandledFailure {
    /// The node that failed.
    pub node: String,
    /// Why.
    pub failure: Failure,
}

impl Attempt {
    /// Goes on where an earlier attempt of the task ended: with the answers that it was given, and after the graphs that it
    /// ran, whose histories are their own.
    pub(super) fn follow(&self, earlier: &Self) {
        let given = std::mem::take(&mut earlier.answers.lock().unwrap_or_else(PoisonError::into_inner).known);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).known = given;
        self.children.store(earlier.children.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The answers that the task has used, for the fact of its end.
    pub(super) fn used_answers(&self) -> Vec<Value> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.known.get(..answers.read).unwrap_or(&answers.known).to_vec()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("task", &self.0.task.id)
            .field("name", &self.0.task.name)
            .finish_non_exhaustive()
    }
}
