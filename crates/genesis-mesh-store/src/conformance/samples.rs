//! Samples: keys, checkpoints, facts and snapshots for the checks, and the most used reads.
//!
//! Owns: the form of what the checks append.
//! Never: judges what a store does with it.

use super::Outcome;
use genesis_mesh_core::graph::{NodeOptions, START, Style, TopologyBuilder};
use genesis_mesh_core::run::{
    CheckpointId, Fact, FactRecord, Input, Machine, MachineSnapshot, Namespace, Source, TaskEnd, TaskId,
    TaskPath, WriteRecord,
};
use genesis_mesh_core::state::DynShape;
use genesis_mesh_core::store::{Checkpoint, Entry, HistoryQuery, Store, StoreError, ThreadKey};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

pub(super) fn key(thread: &str) -> ThreadKey {
    within(thread, "")
}

pub(super) fn within(thread: &str, ns: &str) -> ThreadKey {
    ThreadKey { thread: thread.to_owned(), ns: Namespace::from(ns) }
}

/// A checkpoint that a commit made: number `id`, with the step `id - 1`.
pub(super) fn checkpoint(id: u128, parent: Option<u128>) -> Checkpoint {
    Checkpoint {
        id: CheckpointId(id),
        parent: parent.map(CheckpointId),
        step: i64::try_from(id).unwrap_or(i64::MAX) - 1,
        source: Source::Loop,
        created_at_ms: 1_800_000_000_000,
        parents: BTreeMap::new(),
        metadata: Map::new(),
        fact: Some(FactRecord::StepCommitted { checkpoint: CheckpointId(id) }),
    }
}

pub(super) fn begins(id: u128, parent: Option<u128>) -> Entry {
    Entry::Checkpoint(checkpoint(id, parent))
}

pub(super) fn pending(id: u128, fact: FactRecord) -> Entry {
    Entry::Pending { checkpoint: CheckpointId(id), fact }
}

/// The end of task number `task`, which wrote `value`.
pub(super) fn ended(task: u128, value: impl Into<Value>) -> FactRecord {
    FactRecord::TaskEnded {
        task: TaskId(task),
        name: "node".to_owned(),
        path: TaskPath::Pull(Arc::from("node")),
        calls: Vec::new(),
        answers: Vec::new(),
        end: TaskEnd::Finished(vec![WriteRecord::Set("x".to_owned(), value.into())]),
    }
}

pub(super) fn resumed(answer: impl Into<Value>) -> FactRecord {
    FactRecord::Resumed {
        answer: Some(answer.into()),
        answers: BTreeMap::new(),
        writes: Vec::new(),
        run: None,
    }
}

/// A machine of a graph with the one node `node` and the channel `x`, before its input.
pub(super) fn machine() -> Result<Machine, Failed> {
    let shape = DynShape::new().last("x").build().map_err(|problems| format!("{problems:?}"))?;
    let mut graph = TopologyBuilder::new("sample");
    graph.node("node", NodeOptions::default());
    graph.edge(START, "node");
    let topology = graph.build(Some(Arc::new(shape)), Style::Graph)?;
    Ok(Machine::new(Arc::new(topology), Namespace::default()))
}

/// The fact that begins a run with `x` as its input.
pub(super) fn input(machine: &Machine, checkpoint: u128, x: impl Into<Value>) -> Result<Fact, Failed> {
    let record = FactRecord::InputReceived {
        checkpoint: CheckpointId(checkpoint),
        writes: vec![WriteRecord::Set("x".to_owned(), x.into())],
    };
    record.decode(machine.topology())?.pop().ok_or_else(|| "a record of no fact".into())
}

/// A snapshot of a machine at this checkpoint, with an input of `items` numbers.
pub(crate) fn snapshot(id: u128, items: usize) -> Result<Entry, Failed> {
    let mut machine = machine()?;
    machine.apply(input(&machine, id, json!(vec![0; items]))?)?;
    let snapshot: MachineSnapshot = machine.snapshot()?.ok_or("a machine without a checkpoint")?;
    Ok(Entry::Snapshot { checkpoint: CheckpointId(id), snapshot: Box::new(snapshot) })
}

/// What an input of no writes is, for graphs.
pub(super) fn nothing() -> Input {
    Input::Writes(Vec::new())
}

/// Appends checkpoints 1 to `last`, each the parent of the next.
pub(super) async fn chain(store: &dyn Store, key: &ThreadKey, last: u128) -> Outcome {
    for id in 1..=last {
        store.append(key, vec![begins(id, id.checked_sub(1).filter(|id| *id > 0))]).await?;
    }
    Ok(())
}

/// The numbers of the checkpoints in the lineage of `at`.
pub(super) async fn lineage_of(
    store: &dyn Store,
    key: &ThreadKey,
    at: Option<u128>,
) -> Result<Vec<u128>, StoreError> {
    let links = store.lineage(key, at.map(CheckpointId)).await?;
    Ok(links.iter().map(|link| link.checkpoint.id.0).collect())
}

/// The numbers of the checkpoints that a search finds.
pub(super) async fn found(
    store: &dyn Store,
    key: &ThreadKey,
    query: HistoryQuery,
) -> Result<Vec<u128>, StoreError> {
    Ok(store.history(key, query).await?.iter().map(|checkpoint| checkpoint.id.0).collect())
}

/// The facts that are pending at the newest checkpoint.
pub(super) async fn newest_pending(
    store: &dyn Store,
    key: &ThreadKey,
) -> Result<Vec<FactRecord>, StoreError> {
    Ok(store.lineage(key, None).await?.pop().map(|link| link.pending).unwrap_or_default())
}
