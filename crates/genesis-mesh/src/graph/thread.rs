//! Threads of a graph: their state, their history, and changes from outside.
//!
//! Owns: `GraphThread`, `StateSnapshot`, and what it means to write a state as if a node had.
//! Never: runs a node.
//! Flow: a lineage of the store is replayed, and the machine is shown or changed where it then stands.

use super::drive::begin::{load, replay_each};
use super::drive::exits;
use super::env::{Thread, next_id};
use super::error::GraphRunError;
use super::handle::Graph;
use super::live::GraphCore;
use super::output::IntoOutput;
use super::start::{InputForm, IntoInput, given_of, input_of};
use genesis_mesh_core::graph::{END, NodeId};
use genesis_mesh_core::run::{
    CheckpointId, Fact, FactRecord, Input, Interrupt, Machine, Namespace, StateView, Task, TaskId,
    TaskStatus, TaskWrite,
};
use genesis_mesh_core::state::{State, Update};
use genesis_mesh_core::store::{Checkpoint, Entry, HistoryQuery, ThreadKey};
use serde_json::Value;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// The name under which a change from outside acts as an input of the graph.
pub const INPUT: &str = "__input__";

/// A thread of a graph.
#[derive(Debug)]
pub struct GraphThread<S> {
    graph: Graph<S>,
    id: String,
    /// The graph within the thread's graph that is meant, and where it runs.
    core: Arc<GraphCore>,
    ns: Namespace,
}

impl<S: State> Graph<S> {
    /// A thread of this graph: its state, its history, changes from outside.
    #[must_use]
    pub fn thread(&self, id: impl Into<String>) -> GraphThread<S> {
        GraphThread::new(self.clone(), id.into())
    }
}

/// Where a thread stands at a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSnapshot {
    /// The graph within the thread's that it is the state of; empty for the outermost.
    pub ns: Namespace,
    /// The state, the next nodes and the tasks.
    pub view: StateView,
    /// The checkpoint as it is kept; `None` for a thread without any.
    pub checkpoint: Option<Checkpoint>,
    /// The states of the graphs within the tasks, by task, where they were asked for.
    pub subgraphs: BTreeMap<TaskId, StateSnapshot>,
}

impl StateSnapshot {
    /// All questions of the tasks.
    #[must_use]
    pub fn interrupts(&self) -> Vec<Interrupt> {
        self.view.tasks.iter().flat_map(|task| task.interrupts.iter().cloned()).collect()
    }
}

/// A change of the state from outside.
#[derive(Debug)]
pub struct StateChange<S> {
    update: Option<InputForm<S>>,
    as_node: Option<String>,
    is_copy: bool,
    state: PhantomData<S>,
}

impl<S: State> StateChange<S> {
    /// Writes `update`, as the node that ran last would.
    pub fn new(update: impl IntoInput<S>) -> Self {
        Self { update: Some(update.into_input()), as_node: None, is_copy: false, state: PhantomData }
    }

    /// Writes nothing, and says that all is done: nothing runs next.
    #[must_use]
    pub fn end() -> Self {
        Self { update: None, as_node: Some(END.to_owned()), is_copy: false, state: PhantomData }
    }

    /// Changes nothing: the new checkpoint is a copy of the one it begins at, and stands beside it.
    #[must_use]
    pub fn copy() -> Self {
        Self { update: None, as_node: None, is_copy: true, state: PhantomData }
    }

    /// Writes as this node would: what follows the node runs next. [`INPUT`] acts as an input of the graph.
    #[must_use]
    pub fn as_node(mut self, node: impl Into<String>) -> Self {
        self.as_node = Some(node.into());
        self
    }
}

impl<S: State> GraphThread<S> {
    pub(super) fn new(graph: Graph<S>, id: String) -> Self {
        let core = Arc::clone(graph.core());
        Self { graph, id, core, ns: Namespace::default() }
    }

    /// The history of a graph within this one, by its namespace: the view of a task has it.
    ///
    /// # Errors
    /// `InvalidUpdate` if no node on the way is a graph.
    pub fn subgraph(&self, ns: &Namespace) -> Result<Self, GraphRunError> {
        let mut core = Arc::clone(self.graph.core());
        let mut kept = Namespace::default();
        for part in ns.parts() {
            let (node, task) = part.split_once(':').unwrap_or((part, ""));
            let (child, within) = subgraph(&core, &kept, node, task.parse().ok())
                .ok_or_else(|| invalid(&format!("no graph runs at `{ns}`")))?;
            (core, kept) = (child, within);
        }
        Ok(Self { graph: self.graph.clone(), id: self.id.clone(), core, ns: kept })
    }

    /// Where the graph runs: empty for the outermost.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.ns
    }

    fn kept(&self) -> Result<Thread, GraphRunError> {
        let store = self.graph.settings.store.clone().ok_or(GraphRunError::NoThread)?;
        Ok(Thread { id: self.id.clone(), store })
    }

    fn key(&self) -> ThreadKey {
        ThreadKey { thread: self.id.clone(), ns: self.ns.clone() }
    }

    /// Where the thread stands now: what ended tasks have written is in the state, and only open questions are shown.
    ///
    /// # Errors
    /// The graph has no store, or the store fails.
    pub async fn state(&self) -> Result<StateSnapshot, GraphRunError> {
        self.snapshot(None, true).await
    }

    /// As [`GraphThread::state`], with the states of the graphs within its waiting tasks.
    ///
    /// # Errors
    /// As [`GraphThread::state`].
    pub async fn state_with_subgraphs(&self) -> Result<StateSnapshot, GraphRunError> {
        let mut snapshot = self.state().await?;
        self.add_subgraphs(Arc::clone(&self.core), &mut snapshot).await?;
        Ok(snapshot)
    }

    /// Where the thread stood at a checkpoint: the state as its step began, all its tasks, and all that they asked.
    ///
    /// # Errors
    /// `UnknownCheckpoint`, and as [`GraphThread::state`].
    pub async fn state_at(&self, checkpoint: CheckpointId) -> Result<StateSnapshot, GraphRunError> {
        self.snapshot(Some(checkpoint), false).await
    }

    async fn snapshot(
        &self,
        at: Option<CheckpointId>,
        is_live: bool,
    ) -> Result<StateSnapshot, GraphRunError> {
        snapshot(Arc::clone(&self.core.topology), &self.kept()?, &self.ns, at, is_live).await
    }

    /// Adds the states of the graphs within the tasks, and within theirs.
    fn add_subgraphs<'a>(
        &'a self,
        core: Arc<GraphCore>,
        snapshot: &'a mut StateSnapshot,
    ) -> genesis_mesh_core::BoxFuture<'a, Result<(), GraphRunError>> {
        Box::pin(async move {
            let thread = self.kept()?;
            for task in &snapshot.view.tasks {
                let found = subgraph(&core, &snapshot.ns, &task.name, Some(task.id));
                let Some((child, ns)) = found.filter(|_| task.subgraph.is_some()) else { continue };
                let topology = Arc::clone(&child.topology);
                let mut inner = self::snapshot(topology, &thread, &ns, None, true).await?;
                if inner.checkpoint.is_some() {
                    self.add_subgraphs(child, &mut inner).await?;
                    snapshot.subgraphs.insert(task.id, inner);
                }
            }
            Ok(())
        })
    }

    /// The thread's checkpoints, newest first.
    ///
    /// # Errors
    /// The graph has no store, or the store fails.
    pub async fn history(&self, query: HistoryQuery) -> Result<Vec<StateSnapshot>, GraphRunError> {
        let (thread, key) = (self.kept()?, self.key());
        let checkpoints = thread.store.history(&key, query).await?;
        let mut views: BTreeMap<CheckpointId, Option<StateView>> =
            checkpoints.iter().map(|checkpoint| (checkpoint.id, None)).collect();
        for checkpoint in &checkpoints {
            if views.get(&checkpoint.id).is_some_and(Option::is_some) {
                continue;
            }
            // One replay shows every checkpoint on the way to this one. What happened at an earlier checkpoint after the
            // way had left it belongs to another branch, so the last of a lineage alone shows all of its facts.
            let links = thread.store.lineage(&key, Some(checkpoint.id)).await?;
            replay_each(&self.core.topology, &self.ns, links, |id, machine| {
                if let Some(view) = views.get_mut(&id)
                    && view.is_none()
                {
                    *view = Some(machine.view(false)?);
                }
                Ok(())
            })?;
        }
        let snapshots = checkpoints.into_iter().filter_map(|checkpoint| {
            let view = views.get_mut(&checkpoint.id)?.take()?;
            Some(StateSnapshot {
                ns: self.ns.clone(),
                view,
                checkpoint: Some(checkpoint),
                subgraphs: BTreeMap::new(),
            })
        });
        Ok(snapshots.collect())
    }

    /// Changes the state from outside, and gives the new checkpoint.
    ///
    /// # Errors
    /// `InvalidUpdate` if it is not clear which node it stands for, or the node does not exist.
    pub async fn update(&self, change: StateChange<S>) -> Result<CheckpointId, GraphRunError> {
        self.update_at(None, vec![vec![change]]).await
    }

    /// Changes the state in several steps, each of one or more changes, from a checkpoint on or from the newest.
    ///
    /// # Errors
    /// As [`GraphThread::update`]; the steps before the one that failed are kept.
    pub async fn update_at(
        &self,
        at: Option<CheckpointId>,
        steps: Vec<Vec<StateChange<S>>>,
    ) -> Result<CheckpointId, GraphRunError> {
        let thread = self.kept()?;
        let mut machine = load(&self.core.topology, &thread, &self.ns, at).await?;
        let newest = HistoryQuery { limit: Some(1), ..HistoryQuery::default() };
        let newest = thread.store.history(&self.key(), newest).await?;
        let parents = newest.into_iter().next().map(|checkpoint| checkpoint.parents).unwrap_or_default();
        if steps.is_empty() || steps.iter().any(Vec::is_empty) {
            return Err(invalid("no changes are given"));
        }
        for changes in steps {
            let entries = self.step(&mut machine, &parents, changes)?;
            thread.store.append(&self.key(), entries).await?;
        }
        machine.head().map(|head| head.id).ok_or_else(|| invalid("no changes are given"))
    }

    /// Makes one step of changes, and gives what is to be kept of it.
    fn step(
        &self,
        machine: &mut Machine,
        parents: &BTreeMap<Namespace, CheckpointId>,
        mut changes: Vec<StateChange<S>>,
    ) -> Result<Vec<Entry>, GraphRunError> {
        let mut entries = Vec::new();
        let is_copy = changes.len() == 1 && changes.first().is_some_and(|change| change.is_copy);
        let origin = machine.head();
        let fact = match origin {
            Some(_) if is_copy => Fact::Forked { checkpoint: self.next_checkpoint() },
            None if is_copy => return Err(invalid("the thread has no checkpoint to copy")),
            _ if changes.iter().any(|change| change.is_copy) => {
                return Err(invalid("a copy can't be one of several changes"));
            }
            _ => self.fact(machine, std::mem::take(&mut changes))?,
        };
        if let (Fact::StateUpdated { updates, .. }, Some(origin)) = (&fact, origin) {
            if !machine.is_planned() {
                machine.next_step();
            }
            entries.extend(stand_in(machine, updates, origin.id)?);
        }
        let record = FactRecord::of(&fact, machine)?;
        if let Some(record) = &record {
            record.check(machine.topology())?;
        }
        machine.apply(fact)?;
        let Some(head) = machine.head() else { return Ok(entries) };
        let mut checkpoint = Checkpoint {
            id: head.id,
            parent: head.parent,
            step: head.step,
            source: head.source,
            created_at_ms: self.graph.settings.ambient.now_ms(),
            parents: parents.clone(),
            metadata: serde_json::Map::new(),
            fact: record,
        };
        if is_copy {
            // A copy stands beside its origin, so no fact leads to it.
            checkpoint.parent = origin.and_then(|origin| origin.parent);
            checkpoint.fact = None;
        }
        let (id, parent) = (checkpoint.id, checkpoint.parent);
        entries.push(Entry::Checkpoint(checkpoint));
        if let Some(snapshot) = machine.snapshot()?.filter(|_| is_copy) {
            let snapshot = Box::new(snapshot.with_parent(parent));
            entries.push(Entry::Snapshot { checkpoint: id, snapshot });
        }
        Ok(entries)
    }

    fn next_checkpoint(&self) -> CheckpointId {
        CheckpointId(next_id(&*self.graph.settings.ambient))
    }

    /// The fact of one step of changes.
    fn fact(&self, machine: &Machine, changes: Vec<StateChange<S>>) -> Result<Fact, GraphRunError> {
        let core = &self.core;
        let checkpoint = self.next_checkpoint();
        let is_one = changes.len() == 1;
        let mut updates: Vec<(NodeId, Vec<TaskWrite>)> = Vec::new();
        for (change, index) in changes.into_iter().zip(0..) {
            match (&change.update, change.as_node.as_deref()) {
                (None, _) if is_one => return Ok(Fact::StateUpdated { checkpoint, updates: Vec::new() }),
                (None, _) => return Err(invalid("an end can't be one of several changes")),
                (_, Some(INPUT)) if is_one => {
                    let input = input_of(core, change.update.unwrap_or(InputForm::Json(Value::Null)))?;
                    return Ok(Fact::InputReceived { checkpoint, input });
                }
                (_, Some(INPUT)) => return Err(invalid("an input can't be one of several changes")),
                _ => {}
            }
            let node = match change.as_node {
                Some(name) => core.topology.id(&name).ok_or_else(|| invalid(&format!("no node is named `{name}`")))?,
                None if is_one => machine.last_node().ok_or_else(|| {
                    invalid("several nodes ran last, so it is not clear which one the change comes from; name it by as_node")
                })?,
                None => return Err(invalid("each of several changes must name the node that it comes from, by as_node")),
            };
            let task = TaskId(checkpoint.0 ^ index);
            let writes = self.writes_as(machine, node, task, change.update)?;
            updates.push((node, writes));
        }
        Ok(Fact::StateUpdated { checkpoint, updates })
    }

    /// What the node writes, with its edges and branches.
    fn writes_as(
        &self,
        machine: &Machine,
        node: NodeId,
        task: TaskId,
        update: Option<InputForm<S>>,
    ) -> Result<Vec<TaskWrite>, GraphRunError> {
        let core = &self.core;
        let update: Update<S> = match given_of(core, update.unwrap_or(InputForm::Json(Value::Null)))? {
            Input::Writes(writes) => {
                let writes = writes.into_iter().filter_map(|write| match write {
                    TaskWrite::State(write) => Some(write),
                    _ => None,
                });
                Update::from(writes.collect::<Vec<_>>())
            }
            Input::Argument(value) => {
                return Ok(vec![TaskWrite::Return(Arc::clone(&value)), TaskWrite::Save(value)]);
            }
        };
        let output = update.into_output(core.topology.shape());
        let state = || machine.readable_state();
        let writes = output.and_then(|output| exits::writes(core, node, task, output, &state));
        writes.map_err(|error| invalid(&error.to_string()))
    }

    /// Copies the thread with its history to another id; what that had is gone. Returns whether the thread was there.
    ///
    /// # Errors
    /// The graph has no store, or the store fails.
    pub async fn copy_to(&self, id: &str) -> Result<bool, GraphRunError> {
        Ok(self.kept()?.store.copy_thread(&self.id, id).await?)
    }

    /// Deletes the thread with its history. Returns whether it was there.
    ///
    /// # Errors
    /// The graph has no store, or the store fails.
    pub async fn delete(&self) -> Result<bool, GraphRunError> {
        Ok(self.kept()?.store.delete_thread(&self.id).await?)
    }
}

/// The graph that a node of `core` is, and where a task of it keeps its history.
fn subgraph(
    core: &GraphCore,
    ns: &Namespace,
    node: &str,
    task: Option<TaskId>,
) -> Option<(Arc<GraphCore>, Namespace)> {
    let code = core.node(core.topology.id(node)?)?;
    let child = code.subgraph.clone()?;
    if code.has_one_history {
        return Some((child, ns.stable_child(node)));
    }
    Some((child, ns.child(node, task?)))
}

/// The tasks that were next and that `updates` stand in for end with these writes, so that the history shows what became
/// of them.
fn stand_in(
    machine: &mut Machine,
    updates: &[(NodeId, Vec<TaskWrite>)],
    checkpoint: CheckpointId,
) -> Result<Vec<Entry>, GraphRunError> {
    let mut entries = Vec::new();
    let mut done: Vec<TaskId> = Vec::new();
    for (node, writes) in updates {
        let is_of_node = |task: &&Task| task.node == *node && !task.path.is_call() && !task.path.is_handler();
        let mut tasks = machine.tasks().iter().filter(is_of_node);
        let Some(task) = tasks.find(|task| !done.contains(&task.id)) else { continue };
        done.push(task.id);
        if matches!(task.status, TaskStatus::Finished(_)) {
            continue;
        }
        let (task, answers) = (task.id, task.answers.clone());
        let fact = Fact::TaskFinished { task, writes: writes.clone(), answers };
        entries.extend(FactRecord::of(&fact, machine)?.map(|fact| Entry::Pending { checkpoint, fact }));
        machine.apply(fact)?;
    }
    Ok(entries)
}

fn invalid(reason: &str) -> GraphRunError {
    GraphRunError::InvalidUpdate { reason: reason.to_owned() }
}

async fn snapshot(
    topology: Arc<genesis_mesh_core::graph::Topology>,
    thread: &Thread,
    ns: &Namespace,
    at: Option<CheckpointId>,
    is_live: bool,
) -> Result<StateSnapshot, GraphRunError> {
    let key = ThreadKey { thread: thread.id.clone(), ns: ns.clone() };
    let links = thread.store.lineage(&key, at).await?;
    if let (Some(at), true) = (at, links.is_empty()) {
        return Err(GraphRunError::UnknownCheckpoint { checkpoint: at.to_string() });
    }
    let checkpoint = links.last().map(|link| link.checkpoint.clone());
    let machine = super::drive::begin::replay(&topology, ns, links)?;
    let mut view = machine.view(is_live)?;
    if checkpoint.is_none() {
        view.values = Value::Object(serde_json::Map::new());
    }
    Ok(StateSnapshot { ns: ns.clone(), view, checkpoint, subgraphs: BTreeMap::new() })
}
