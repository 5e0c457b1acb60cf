//! Appends: checkpoints, facts and snapshots, as statements of one transaction.
//!
//! Owns: the statements that write what a thread has.
//! Never: begins or ends a transaction; the writer does, around a group of changes.

use super::fault::fault;
use super::find::{fact_keys, key_of};
use super::rows::{EntryRow, id_of};
use super::statement::run;
use super::thread_rows::touch;
use crate::rows::CheckpointRow;
use genesis_mesh_core::run::CheckpointId;
use genesis_mesh_core::store::{Appended, StoreError, ThreadKey};
use rusqlite::{Connection, OptionalExtension as _};

/// As in the store in memory: facts of less weight are replayed in a fraction of a millisecond.
const REPLAY_WEIGHT_MIN: i64 = 512;
/// More than in memory, since pages on disk are never quite full: all snapshots together weigh at most a third of what
/// the facts do.
const FACTS_PER_SNAPSHOT: i64 = 3;

/// A graph of a thread, and what decides when its next snapshot would pay.
struct Graph {
    key: i64,
    fact_weight: i64,
    snapshot_weight: i64,
}

/// Appends to a thread, which is used now.
pub(super) fn append(
    write: &Connection,
    key: &ThreadKey,
    rows: &[EntryRow],
    now_ms: i64,
) -> Result<Appended, StoreError> {
    // Appending nothing begins no thread, and tells what it would tell.
    let era = if rows.is_empty() { 0 } else { touch(write, &key.thread, now_ms)? };
    let mut graph: Option<Graph> = find(write, key)?;
    for row in rows {
        match row {
            EntryRow::Checkpoint(checkpoint) => {
                let has_snapshot = rows.iter().any(
                    |row| matches!(row, EntryRow::Snapshot { checkpoint: at, .. } if *at == checkpoint.id),
                );
                let parent_facts = match (checkpoint.parent, &graph) {
                    (None, _) => 0,
                    (Some(parent), Some(graph)) => facts_at(write, graph.key, parent, has_snapshot)?,
                    (Some(_), None) if has_snapshot => 0,
                    (Some(checkpoint), None) => return Err(StoreError::UnknownCheckpoint { checkpoint }),
                };
                let graph = match &mut graph {
                    Some(graph) => graph,
                    none => none.insert(begin(write, key)?),
                };
                insert(write, graph, checkpoint, (parent_facts, era))?;
            }
            EntryRow::Pending { checkpoint, fact, weight } => {
                let (graph, at) = place(write, &mut graph, *checkpoint)?;
                graph.fact_weight = graph.fact_weight.saturating_add(*weight);
                let (first, last) = fact_keys(at);
                let next = last_fact(write, first, last)?.map_or(first, |key| key + 1);
                if next > last {
                    return Err(StoreError::Full {
                        message: format!("{checkpoint} has {} facts", last - first),
                    });
                }
                run(write, "INSERT INTO facts (key, fact, era) VALUES (?1, ?2, ?3)", (next, fact, era))?;
            }
            EntryRow::Snapshot { checkpoint, snapshot, weight } => {
                let (graph, at) = place(write, &mut graph, *checkpoint)?;
                (graph.fact_weight, graph.snapshot_weight) = (0, *weight);
                run(write, "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2)", (at, snapshot))?;
            }
        }
    }
    let Some(graph) = graph else { return Ok(Appended::default()) };
    run(
        write,
        "UPDATE graphs SET fact_weight = ?2, snapshot_weight = ?3 WHERE graph = ?1",
        (graph.key, graph.fact_weight, graph.snapshot_weight),
    )?;
    let limit = REPLAY_WEIGHT_MIN.max(graph.snapshot_weight.saturating_mul(FACTS_PER_SNAPSHOT));
    Ok(Appended { wants_snapshot: graph.fact_weight > limit })
}

fn find(write: &Connection, key: &ThreadKey) -> Result<Option<Graph>, StoreError> {
    let statement = "SELECT graph, fact_weight, snapshot_weight FROM graphs WHERE thread = ?1 AND ns = ?2";
    let mut find = write.prepare_cached(statement).map_err(fault)?;
    find.query_row((&key.thread, key.ns.as_str()), |row| {
        Ok(Graph { key: row.get(0)?, fact_weight: row.get(1)?, snapshot_weight: row.get(2)? })
    })
    .optional()
    .map_err(fault)
}

fn begin(write: &Connection, key: &ThreadKey) -> Result<Graph, StoreError> {
    let statement = "INSERT INTO graphs (thread, ns, fact_weight, snapshot_weight) VALUES (?1, ?2, 0, 0)";
    run(write, statement, (&key.thread, key.ns.as_str()))?;
    Ok(Graph { key: write.last_insert_rowid(), fact_weight: 0, snapshot_weight: 0 })
}

/// The graph, and the key of a checkpoint that must be there.
fn place<'a>(
    write: &Connection,
    graph: &'a mut Option<Graph>,
    checkpoint: CheckpointId,
) -> Result<(&'a mut Graph, i64), StoreError> {
    let unknown = || StoreError::UnknownCheckpoint { checkpoint };
    let graph = graph.as_mut().ok_or_else(unknown)?;
    let key = key_of(write, graph.key, checkpoint)?.ok_or_else(unknown)?;
    Ok((graph, key))
}

/// How many facts a parent has now.
fn facts_at(
    write: &Connection,
    graph: i64,
    parent: CheckpointId,
    may_be_gone: bool,
) -> Result<i64, StoreError> {
    match key_of(write, graph, parent)? {
        Some(key) => {
            let (first, last) = fact_keys(key);
            Ok(last_fact(write, first, last)?.map_or(0, |key| key - first + 1))
        }
        None if may_be_gone => Ok(0),
        None => Err(StoreError::UnknownCheckpoint { checkpoint: parent }),
    }
}

/// The greatest key of a fact between two.
fn last_fact(write: &Connection, first: i64, last: i64) -> Result<Option<i64>, StoreError> {
    let statement = "SELECT key FROM facts WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1";
    let mut find = write.prepare_cached(statement).map_err(fault)?;
    find.query_row((first, last), |row| row.get(0)).optional().map_err(fault)
}

/// Keeps a checkpoint; one that is there already stays as it is.
fn insert(
    write: &Connection,
    graph: &mut Graph,
    row: &CheckpointRow,
    (parent_facts, era): (i64, i64),
) -> Result<(), StoreError> {
    let statement = "INSERT INTO checkpoints
        (graph, id, parent, step, source, created_at_ms, parent_facts, labels, fact, era)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (graph, id) DO NOTHING";
    let parent = row.parent.map(id_of);
    let values = (
        graph.key,
        id_of(row.id),
        parent,
        row.step,
        row.source,
        row.created_at_ms,
        parent_facts,
        &row.labels,
        &row.fact,
        era,
    );
    if run(write, statement, values)? > 0 {
        graph.fact_weight = graph.fact_weight.saturating_add(row.weight);
    }
    Ok(())
}
