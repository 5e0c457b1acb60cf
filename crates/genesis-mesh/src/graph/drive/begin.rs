//! Beginnings: where a run starts from, and the facts that begin it.
//!
//! Owns: replaying a thread from its store, and the choice between a new input, going on, and forking.
//! Never: runs a task.
//! Source: the order of these choices is that of LangGraph's loop, so that threads behave alike.

use crate::graph::env::{Env, Thread};
use crate::graph::error::GraphRunError;
use crate::graph::keeper::Keeper;
use crate::graph::live::{GraphCore, Live};
use genesis_mesh_core::graph::Topology;
use genesis_mesh_core::run::{
    Answer, Breakpoints, CheckpointId, Fact, Input, InterruptId, Machine, Namespace, Source, TaskStatus,
    TaskWrite,
};
use genesis_mesh_core::store::{HistoryQuery, Link, StoreError, ThreadKey};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How a run begins.
pub(in crate::graph) enum Start {
    /// With an input.
    Input(Input),
    /// From where the thread stands, with an answer and writes.
    Continue { answer: Option<Answer>, writes: Vec<TaskWrite> },
    /// From where a crash has cut the same run: its first fact is kept.
    Recover,
}

/// A run that is about to begin.
pub(in crate::graph) struct Beginning {
    pub(in crate::graph) core: Arc<GraphCore>,
    pub(in crate::graph) env: Arc<Env>,
    pub(in crate::graph) ns: Namespace,
    pub(in crate::graph) parents: BTreeMap<Namespace, CheckpointId>,
    pub(in crate::graph) breakpoints: Breakpoints,
    /// The checkpoint that the caller names, if it is not the newest.
    pub(in crate::graph) at: Option<CheckpointId>,
}

impl Beginning {
    /// The live graph, with the facts of its beginning applied.
    pub(in crate::graph) async fn begin(self, start: Start) -> Result<Arc<Live>, GraphRunError> {
        let machine = match &self.env.thread {
            Some(thread) => load(&self.core.topology, thread, &self.ns, self.at).await?,
            None => Machine::new(Arc::clone(&self.core.topology), self.ns.clone()),
        };
        let first = match (&start, &self.env.thread) {
            (Start::Recover, Some(thread)) => first_step(thread, &self.ns, &self.env.metadata).await?,
            _ => None,
        };
        self.begin_from(machine, start, first).await
    }

    /// As [`Beginning::begin`], from a machine that is replayed already.
    pub(in crate::graph) async fn begin_with(
        self,
        machine: Machine,
        start: Start,
    ) -> Result<Arc<Live>, GraphRunError> {
        self.begin_from(machine, start, None).await
    }

    /// As [`Beginning::begin_with`], of a run whose first checkpoint is of the step `first`, if it has one already.
    async fn begin_from(
        self,
        mut machine: Machine,
        start: Start,
        first: Option<i64>,
    ) -> Result<Arc<Live>, GraphRunError> {
        let origin = machine.head();
        let first = first.unwrap_or_else(|| machine.step());
        machine.limit_from(first, self.env.recursion_limit, self.breakpoints.clone());
        let is_resuming = origin.is_some() && !matches!(start, Start::Input(_));
        let keeper = Keeper::of(&self.env, &self.ns, origin.map(|head| head.id));
        let Self { core, env, ns, parents, at, .. } = self;
        let live = Arc::new(Live {
            core,
            env,
            ns,
            parents,
            machine: Mutex::new(machine),
            keeper,
            is_resumed_step: AtomicBool::new(is_resuming),
            is_told: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            sources: Mutex::default(),
        });
        match start {
            Start::Input(input) => {
                let checkpoint = live.env.checkpoint_id();
                live.record(Fact::InputReceived { checkpoint, input }, &[]).await?;
            }
            // A command to a thread without a past is its input; there is nothing to go on with, and nothing was asked.
            Start::Continue { answer: None, writes } if origin.is_none() && !writes.is_empty() => {
                let (checkpoint, input) = (live.env.checkpoint_id(), Input::Writes(writes));
                live.record(Fact::InputReceived { checkpoint, input }, &[]).await?;
            }
            Start::Continue { .. } | Start::Recover if origin.is_none() => {
                return Err(GraphRunError::EmptyInput);
            }
            Start::Continue { answer, writes } => live.go_on(at, answer, writes).await?,
            Start::Recover => {
                if live.machine().open_answer().is_none() {
                    // It was for the questions of a step that is committed.
                    drop(live.env.take_answer());
                }
            }
        }
        Ok(live)
    }
}

impl Live {
    /// Goes on from the checkpoint that the machine stands on; from an old one without an answer, on a new branch.
    async fn go_on(
        &self,
        at: Option<CheckpointId>,
        answer: Option<Answer>,
        writes: Vec<TaskWrite>,
    ) -> Result<(), GraphRunError> {
        let Some(head) = self.machine().head() else { return Err(GraphRunError::EmptyInput) };
        if matches!(answer, Some(Answer::One(_))) {
            let pending = self.open_questions();
            if pending.len() > 1 {
                return Err(GraphRunError::AmbiguousAnswer { pending });
            }
        }
        let is_old = match (at, &self.env.thread) {
            (Some(at), Some(thread)) => newest(thread, &self.ns).await? != Some(at),
            _ => false,
        };
        let is_time_travel = at.is_some() && answer.is_none();
        let is_forked = is_time_travel && (is_old || !matches!(head.source, Source::Update | Source::Fork));
        if is_forked {
            let checkpoint = self.env.checkpoint_id();
            self.record(Fact::Forked { checkpoint }, &[]).await?;
        }
        self.record(Fact::Resumed { answer, writes }, &[]).await?;
        self.tell_values(None).await?;
        if !is_forked && (is_time_travel || is_old) {
            // The checkpoint is told as it was left, with what its tasks had come to.
            if self.tells_checkpoints() {
                self.tell_checkpoint().await?;
                self.is_told.store(true, Ordering::Relaxed);
            }
            self.machine().run_again(!is_time_travel);
        }
        Ok(())
    }

    /// The questions that no task has an answer to.
    fn open_questions(&self) -> Vec<InterruptId> {
        let machine = self.machine();
        let waiting = machine.tasks().iter().filter(|task| !matches!(task.status, TaskStatus::Finished(_)));
        waiting
            .filter(|task| !task.path.is_call())
            .flat_map(|task| &task.interrupts)
            .map(|interrupt| interrupt.id.clone())
            .collect()
    }
}

/// The step of the first checkpoint that the run of these metadata has made; `None` if there is none yet.
async fn first_step(
    thread: &Thread,
    ns: &Namespace,
    metadata: &Map<String, Value>,
) -> Result<Option<i64>, StoreError> {
    let key = ThreadKey { thread: thread.id.clone(), ns: ns.clone() };
    let query = HistoryQuery { filter: metadata.clone(), ..HistoryQuery::default() };
    Ok(thread.store.history(&key, query).await?.last().map(|checkpoint| checkpoint.step))
}

async fn newest(thread: &Thread, ns: &Namespace) -> Result<Option<CheckpointId>, StoreError> {
    let key = ThreadKey { thread: thread.id.clone(), ns: ns.clone() };
    let newest =
        thread.store.history(&key, HistoryQuery { limit: Some(1), ..HistoryQuery::default() }).await?;
    Ok(newest.first().map(|checkpoint| checkpoint.id))
}

/// The machine at a checkpoint of a thread, the newest if `at` is `None`.
///
/// # Errors
/// `UnknownCheckpoint` if the thread does not have it; the store's errors.
pub(in crate::graph) async fn load(
    topology: &Arc<Topology>,
    thread: &Thread,
    ns: &Namespace,
    at: Option<CheckpointId>,
) -> Result<Machine, GraphRunError> {
    let key = ThreadKey { thread: thread.id.clone(), ns: ns.clone() };
    let links = thread.store.lineage(&key, at).await?;
    match at {
        Some(at) if links.is_empty() => Err(GraphRunError::UnknownCheckpoint { checkpoint: at.to_string() }),
        _ => replay(topology, ns, links),
    }
}

/// The machine that the facts of a lineage make.
pub(in crate::graph) fn replay(
    topology: &Arc<Topology>,
    ns: &Namespace,
    links: Vec<Link>,
) -> Result<Machine, GraphRunError> {
    replay_each(topology, ns, links, |_, _| Ok(()))
}

/// As [`replay`]; `see` is shown the machine at each checkpoint of the lineage.
pub(in crate::graph) fn replay_each(
    topology: &Arc<Topology>,
    ns: &Namespace,
    links: Vec<Link>,
    mut see: impl FnMut(CheckpointId, &Machine) -> Result<(), GraphRunError>,
) -> Result<Machine, GraphRunError> {
    let mut machine = Machine::new(Arc::clone(topology), ns.clone());
    for link in links {
        let id = link.checkpoint.id;
        match (link.snapshot, link.checkpoint.fact) {
            (Some(snapshot), _) => machine = Machine::restore(topology, ns.clone(), *snapshot)?,
            (None, Some(fact)) => {
                for fact in fact.decode(topology)? {
                    machine.apply(fact)?;
                }
            }
            (None, None) => {
                let message = format!("the checkpoint {id} has neither a fact nor a snapshot");
                return Err(StoreError::Corrupt { message }.into());
            }
        }
        plan(&mut machine);
        for fact in link.pending {
            for fact in fact.decode(topology)? {
                // A fact of a task that the graph no longer has is passed over; the step then runs it anew.
                let _ = machine.apply(fact);
                plan(&mut machine);
            }
        }
        see(id, &machine)?;
    }
    Ok(machine)
}

/// Makes the tasks of the step, which facts then find.
fn plan(machine: &mut Machine) {
    if !machine.is_planned() {
        machine.next_step();
    }
}
