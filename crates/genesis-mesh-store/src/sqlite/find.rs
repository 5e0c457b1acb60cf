//! Reads: lineages, histories and namespaces, each from one connection.
//!
//! Owns: the statements that only read.
//! Never: begins a transaction; who calls has, so that a read sees one moment.

use super::fault::fault;
use super::rows::{Id, checkpoint_of, id_of, read_id};
use crate::rows::{COLUMNS, corrupt, fits, from_json};
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace};
use genesis_mesh_core::store::{Checkpoint, HistoryQuery, Link, StoreError, ThreadKey};
use rusqlite::{Connection, OptionalExtension as _};

/// A checkpoint has at most 2 to this power of facts, and the database at most 2 to (63 - this) checkpoints.
const FACT_BITS: u32 = 24;

/// Comes after every id: it is longer than the greatest.
const AFTER_ALL: [u8; 17] = [0xff; 17];

/// The first and the last key that facts of a checkpoint have.
pub(super) fn fact_keys(checkpoint: i64) -> (i64, i64) {
    let first = checkpoint << FACT_BITS;
    (first, first | ((1 << FACT_BITS) - 1))
}

/// The key of a graph of a thread.
pub(super) fn graph_of(read: &Connection, thread: &str, ns: &str) -> Result<Option<i64>, StoreError> {
    let mut find =
        read.prepare_cached("SELECT graph FROM graphs WHERE thread = ?1 AND ns = ?2").map_err(fault)?;
    find.query_row((thread, ns), |row| row.get(0)).optional().map_err(fault)
}

/// The graphs of a thread, each with its namespace.
pub(super) fn graphs_of(read: &Connection, thread: &str) -> Result<Vec<(i64, String)>, StoreError> {
    let mut find =
        read.prepare_cached("SELECT graph, ns FROM graphs WHERE thread = ?1 ORDER BY ns").map_err(fault)?;
    let rows = find.query_map([thread], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fault)?;
    rows.collect::<Result<_, _>>().map_err(fault)
}

/// The key of a checkpoint.
pub(super) fn key_of(read: &Connection, graph: i64, id: CheckpointId) -> Result<Option<i64>, StoreError> {
    let mut find =
        read.prepare_cached("SELECT key FROM checkpoints WHERE graph = ?1 AND id = ?2").map_err(fault)?;
    find.query_row((graph, id_of(id)), |row| row.get(0)).optional().map_err(fault)
}

/// One checkpoint on a way, without what happened there.
pub(super) struct Stop {
    pub(super) key: i64,
    id: Id,
    /// The facts of its parent that belong to this way.
    parent_facts: i64,
}

/// The checkpoints that lead to `at`, newest first, up to a snapshot or the root.
pub(super) fn way_to(
    read: &Connection,
    graph: i64,
    at: Option<CheckpointId>,
) -> Result<Vec<Stop>, StoreError> {
    let mut find = read
        .prepare_cached(
            "SELECT key, id, parent_facts, parent, EXISTS (SELECT 1 FROM snapshots WHERE checkpoint = key)
             FROM checkpoints WHERE graph = ?1 AND id = ?2",
        )
        .map_err(fault)?;
    let newest = match at {
        Some(at) => Some(id_of(at)),
        None => read
            .prepare_cached("SELECT id FROM checkpoints WHERE graph = ?1 ORDER BY id DESC LIMIT 1")
            .and_then(|mut last| last.query_row([graph], |row| row.get::<_, Id>(0)).optional())
            .map_err(fault)?,
    };
    let mut way: Vec<Stop> = Vec::new();
    let mut next = newest;
    while let Some(id) = next {
        let found = find.query_row((graph, id), |row| {
            let stop = Stop { key: row.get(0)?, id: row.get(1)?, parent_facts: row.get(2)? };
            let parent: Option<Id> = row.get(3)?;
            let has_snapshot: bool = row.get(4)?;
            Ok((stop, parent.filter(|_| !has_snapshot)))
        });
        let Some((stop, parent)) = found.optional().map_err(fault)? else {
            if let Some(child) = way.last() {
                let (child, id) = (read_id(child.id), read_id(id));
                return Err(corrupt(format!("checkpoint {child} has no parent {id}")));
            }
            break;
        };
        // A parent is there before its child, whatever their ids.
        if way.last().is_some_and(|child| child.key <= stop.key) {
            return Err(corrupt("a checkpoint is older than its parent"));
        }
        way.push(stop);
        next = parent;
    }
    Ok(way)
}

pub(super) fn lineage(
    read: &Connection,
    key: &ThreadKey,
    at: Option<CheckpointId>,
) -> Result<Vec<Link>, StoreError> {
    let Some(graph) = graph_of(read, &key.thread, key.ns.as_str())? else { return Ok(Vec::new()) };
    let mut facts = i64::MAX;
    let mut links = Vec::new();
    for stop in way_to(read, graph, at)? {
        links.push(link(read, stop.key, facts)?);
        facts = stop.parent_facts;
    }
    links.reverse();
    Ok(links)
}

/// A checkpoint with its first `facts` facts.
fn link(read: &Connection, key: i64, facts: i64) -> Result<Link, StoreError> {
    let mut find =
        read.prepare_cached(&format!("SELECT {COLUMNS} FROM checkpoints WHERE key = ?1")).map_err(fault)?;
    let mut rows = find.query([key]).map_err(fault)?;
    let row = rows.next().map_err(fault)?.ok_or_else(|| corrupt("a checkpoint is in the index alone"))?;
    let checkpoint = checkpoint_of(row)?;
    let mut find = read
        .prepare_cached("SELECT fact FROM facts WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3")
        .map_err(fault)?;
    let (first, last) = fact_keys(key);
    let mut rows = find.query((first, last, facts)).map_err(fault)?;
    let mut pending: Vec<FactRecord> = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        pending.push(json(row.get_ref(0).map_err(fault)?)?);
    }
    let mut find =
        read.prepare_cached("SELECT snapshot FROM snapshots WHERE checkpoint = ?1").map_err(fault)?;
    let mut rows = find.query([key]).map_err(fault)?;
    let snapshot = match rows.next().map_err(fault)? {
        Some(row) => Some(json(row.get_ref(0).map_err(fault)?)?),
        None => None,
    };
    Ok(Link { checkpoint, pending, snapshot })
}

fn json<T: serde::de::DeserializeOwned>(value: rusqlite::types::ValueRef<'_>) -> Result<T, StoreError> {
    from_json(value.as_str().map_err(|error| corrupt(error.to_string()))?)
}

pub(super) fn history(
    read: &Connection,
    key: &ThreadKey,
    query: &HistoryQuery,
) -> Result<Vec<Checkpoint>, StoreError> {
    let Some(graph) = graph_of(read, &key.thread, key.ns.as_str())? else { return Ok(Vec::new()) };
    let mut find = read
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM checkpoints WHERE graph = ?1 AND id < ?2 ORDER BY id DESC"
        ))
        .map_err(fault)?;
    let end = query.before.map_or_else(|| AFTER_ALL.to_vec(), |before| id_of(before).to_vec());
    let mut rows = find.query((graph, end)).map_err(fault)?;
    let limit = query.limit.unwrap_or(usize::MAX);
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next().map_err(fault)? else { break };
        let checkpoint = checkpoint_of(row)?;
        if fits(&checkpoint, &query.filter) {
            found.push(checkpoint);
        }
    }
    Ok(found)
}

pub(super) fn namespaces(read: &Connection, thread: &str) -> Result<Vec<Namespace>, StoreError> {
    Ok(graphs_of(read, thread)?.into_iter().map(|(_, ns)| Namespace::from(ns)).collect())
}
