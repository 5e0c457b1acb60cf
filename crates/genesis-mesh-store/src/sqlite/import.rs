//! Import: parts become rows of a database that has none.
//!
//! Owns: keys, which are given in the order of the parts, and eras: 1 for what the run that works may undo.
//! Never: begins or ends a transaction; the writer does, around all of it.

use super::export::counts;
use super::fault::fault;
use super::find::fact_keys;
use super::rows::Id;
use super::run_rows::{blob, event_keys, signed};
use super::statement::run;
use crate::parts::{CarryError, CheckpointPart, Counts, FactPart, GraphPart, Part, RunPart};
use crate::rows::{corrupt, to_json, unavailable};
use genesis_mesh_core::log::{LogEvent, ThreadInfo};
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;
use std::collections::HashMap;
use tokio::sync::mpsc::Receiver;

/// What came before a run that works.
const BEFORE: i64 = 0;
/// What came since.
const SINCE: i64 = 1;

/// Where the import stands.
#[derive(Default)]
struct Place {
    thread: String,
    graph: i64,
    /// The checkpoints of the graph: their keys and how many facts they have.
    checkpoints: HashMap<u128, (i64, i64)>,
    run: i64,
}

/// Takes all parts in; blocks while there is none. Who calls rolls everything back if it fails.
pub(super) fn take_all(
    write: &Connection,
    parts: &mut Receiver<Part>,
    expected: Counts,
) -> Result<Counts, CarryError> {
    let found = counts(write)?;
    if !found.is_empty() {
        return Err(CarryError::NotEmpty { found });
    }
    let mut place = Place::default();
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Thread(info) => thread(write, &mut place, info)?,
            Part::Graph(part) => graph(write, &mut place, &part)?,
            Part::Checkpoint(part) => checkpoint(write, &mut place, &part)?,
            Part::Fact(part) => fact(write, &mut place, &part)?,
            Part::Run(part) => accept(write, &mut place, &part)?,
            Part::Event(part) => event(write, &place, &part)?,
        }
    }
    let copied = counts(write)?;
    if copied != expected {
        return Err(CarryError::Differs { copied, source_has: expected });
    }
    Ok(copied)
}

fn thread(write: &Connection, place: &mut Place, info: ThreadInfo) -> Result<(), StoreError> {
    let metadata = (!info.metadata.is_empty()).then(|| to_json(&info.metadata)).transpose()?;
    run(
        write,
        "INSERT INTO threads (thread, created_at_ms, updated_at_ms, ttl_ms, metadata, era)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (&info.id, info.created_at_ms, info.updated_at_ms, info.ttl_ms.map(signed), metadata, SINCE),
    )?;
    place.thread = info.id;
    Ok(())
}

fn graph(write: &Connection, place: &mut Place, part: &GraphPart) -> Result<(), StoreError> {
    run(
        write,
        "INSERT INTO graphs (thread, ns, fact_weight, snapshot_weight) VALUES (?1, ?2, ?3, ?4)",
        (&place.thread, &part.ns, part.fact_weight, part.snapshot_weight),
    )?;
    place.graph = write.last_insert_rowid();
    place.checkpoints.clear();
    Ok(())
}

fn era(is_undone_with_run: bool) -> i64 {
    if is_undone_with_run { SINCE } else { BEFORE }
}

fn checkpoint(write: &Connection, place: &mut Place, part: &CheckpointPart) -> Result<(), StoreError> {
    let id = |id: u128| -> Id { id.to_be_bytes() };
    let parent_facts = part.parent.and_then(|parent| place.checkpoints.get(&parent));
    let parent_facts = parent_facts.map_or(0, |(_, facts)| *facts);
    run(
        write,
        "INSERT INTO checkpoints
         (graph, id, parent, step, source, created_at_ms, parent_facts, labels, fact, era)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            place.graph,
            id(part.id),
            part.parent.map(id),
            part.step,
            &part.source,
            part.created_at_ms,
            parent_facts,
            &part.labels,
            &part.fact,
            era(part.is_undone_with_run),
        ),
    )?;
    let key = write.last_insert_rowid();
    place.checkpoints.insert(part.id, (key, 0));
    if let Some(snapshot) = &part.snapshot {
        run(write, "INSERT INTO snapshots (checkpoint, snapshot) VALUES (?1, ?2)", (key, snapshot))?;
    }
    Ok(())
}

fn fact(write: &Connection, place: &mut Place, part: &FactPart) -> Result<(), StoreError> {
    let unknown = || corrupt("a fact came before its checkpoint");
    let (key, facts) = place.checkpoints.get_mut(&part.checkpoint).ok_or_else(unknown)?;
    let (first, last) = fact_keys(*key);
    let next = first.saturating_add(*facts);
    if next > last {
        return Err(StoreError::Full {
            message: format!("a checkpoint has more than {} facts", last - first),
        });
    }
    *facts += 1;
    let values = (next, &part.fact, era(part.is_undone_with_run));
    run(write, "INSERT INTO facts (key, fact, era) VALUES (?1, ?2, ?3)", values)?;
    Ok(())
}

fn accept(write: &Connection, place: &mut Place, part: &RunPart) -> Result<(), StoreError> {
    let kept = &part.run;
    let statement = "INSERT INTO runs (id, agent, thread, status, created_at_ms, updated_at_ms, owner, epoch,
        attempt, lease_until_ms, last_seq, last_commit, watched, cancel, era, outlived_at_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let values = rusqlite::params![
        blob(kept.id),
        kept.agent,
        kept.thread,
        kept.status.name(),
        kept.created_at_ms,
        kept.updated_at_ms,
        kept.owner,
        signed(kept.epoch),
        kept.attempt,
        kept.lease_until_ms,
        signed(kept.last_seq),
        part.last_commit,
        signed(kept.watched),
        kept.cancel.map(|kind| kind.name()),
        part.can_be_undone().then_some(SINCE),
        part.outlived_at_ms,
    ];
    run(write, statement, values)?;
    place.run = write.last_insert_rowid();
    let metadata = (!kept.metadata.is_empty()).then(|| to_json(&kept.metadata)).transpose()?;
    let error = kept.error.as_ref().map(to_json).transpose()?;
    let key = part.idempotency.as_ref();
    run(
        write,
        "INSERT INTO texts (run, input, principal, metadata, error, idempotency_key, body_hash, ttl_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            place.run,
            &kept.input,
            &kept.principal,
            metadata,
            error,
            key.map(|key| &key.key),
            key.map(|key| key.body_hash.to_be_bytes()),
            kept.ttl_ms.map(signed),
        ),
    )?;
    Ok(())
}

fn event(write: &Connection, place: &Place, event: &LogEvent) -> Result<(), StoreError> {
    let (first, last) = event_keys(place.run);
    let key = first.saturating_add(signed(event.seq));
    if key > last {
        return Err(unavailable(format!("a run has more than {} events", last - first)));
    }
    write
        .prepare_cached("INSERT INTO events (key, at_ms, class, data, memo) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| {
            insert.execute((key, event.at_ms, event.class.code(), &*event.data, event.memo.as_deref()))
        })
        .map_err(fault)?;
    Ok(())
}
