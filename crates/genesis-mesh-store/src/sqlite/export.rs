//! Export: everything that the database holds, as parts.
//!
//! Owns: the order of a graph's entries, which is made of the counts of facts that checkpoints have.
//! Never: begins a transaction; who calls has, so that all is of one moment.

use super::fault::fault;
use super::find::{fact_keys, graphs_of};
use super::rows::Id;
use super::run_rows::{event_keys, events_of, get};
use super::statement::{column, first};
use super::thread_rows::info_of;
use crate::parts::{CheckpointPart, Counts, FactPart, GraphPart, Part, RunPart};
use crate::rows::{corrupt, unavailable};
use genesis_mesh_core::log::IdempotencyKey;
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;
use std::collections::HashMap;
use tokio::sync::mpsc::Sender;

/// A page of a run's log.
const EVENTS: usize = 1_000;

pub(super) fn counts(read: &Connection) -> Result<Counts, StoreError> {
    let row = |row: &rusqlite::Row<'_>| {
        let mut counts = [0; 7];
        for (place, count) in counts.iter_mut().enumerate() {
            *count = row.get(place)?;
        }
        Ok(Counts::of(counts))
    };
    Ok(first(read, Counts::STATEMENT, [], row)?.unwrap_or_default())
}

/// Sends all parts; blocks while nobody takes them.
pub(super) fn send_all(read: &Connection, out: &Sender<Part>) -> Result<(), StoreError> {
    let mut find = read
        .prepare_cached(
            "SELECT thread, created_at_ms, updated_at_ms, ttl_ms, metadata FROM threads ORDER BY thread",
        )
        .map_err(fault)?;
    let mut rows = find.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let info = info_of(row)?;
        let thread = info.id.clone();
        send(out, Part::Thread(info))?;
        send_graphs(read, &thread, out)?;
    }
    for key in column::<i64>(read, "SELECT key FROM runs ORDER BY key", [])? {
        send_run(read, key, out)?;
    }
    Ok(())
}

fn send(out: &Sender<Part>, part: Part) -> Result<(), StoreError> {
    out.blocking_send(part).map_err(|_| unavailable("the copy was given up"))
}

fn send_graphs(read: &Connection, thread: &str, out: &Sender<Part>) -> Result<(), StoreError> {
    // Of a thread only one run works at a time.
    let statement = "SELECT min(era) FROM runs WHERE thread = ?1 AND open = 1";
    let era: Option<i64> = first(read, statement, [thread], |row| row.get(0))?.flatten();
    for (graph, ns) in graphs_of(read, thread)? {
        let statement = "SELECT fact_weight, snapshot_weight FROM graphs WHERE graph = ?1";
        let weights = first(read, statement, [graph], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (fact_weight, snapshot_weight) = weights.unwrap_or_default();
        send(out, Part::Graph(GraphPart { ns, fact_weight, snapshot_weight }))?;
        send_entries(read, graph, era.unwrap_or(i64::MAX), out)?;
    }
    Ok(())
}

/// A checkpoint that was sent: its key, and how many of its facts were.
struct Sent {
    id: Id,
    key: i64,
    facts: i64,
}

/// Sends a checkpoint after as many facts of its parent as that had, and at last what is left of all.
fn send_entries(read: &Connection, graph: i64, era: i64, out: &Sender<Part>) -> Result<(), StoreError> {
    let mut find = read
        .prepare_cached(
            "SELECT key, id, parent, step, source, created_at_ms, parent_facts, labels, fact,
             ifnull(era, -1) >= ?2, (SELECT snapshot FROM snapshots WHERE checkpoint = key)
             FROM checkpoints WHERE graph = ?1 ORDER BY key",
        )
        .map_err(fault)?;
    let mut rows = find.query((graph, era)).map_err(fault)?;
    let (mut sent, mut places): (Vec<Sent>, HashMap<Id, usize>) = (Vec::new(), HashMap::new());
    while let Some(row) = rows.next().map_err(fault)? {
        let parent: Option<Id> = row.get(2).map_err(fault)?;
        let parent_facts: i64 = row.get(6).map_err(fault)?;
        let place = parent.and_then(|parent| places.get(&parent).copied());
        if let Some(parent) = place.and_then(|place| sent.get_mut(place)) {
            send_facts(read, parent, parent_facts, era, out)?;
        }
        let id: Id = row.get(1).map_err(fault)?;
        places.insert(id, sent.len());
        sent.push(Sent { id, key: row.get(0).map_err(fault)?, facts: 0 });
        let number = |id: Id| u128::from_be_bytes(id);
        let checkpoint = CheckpointPart {
            id: number(id),
            parent: parent.map(number),
            step: row.get(3).map_err(fault)?,
            source: row.get(4).map_err(fault)?,
            created_at_ms: row.get(5).map_err(fault)?,
            labels: row.get(7).map_err(fault)?,
            fact: row.get(8).map_err(fault)?,
            is_undone_with_run: row.get(9).map_err(fault)?,
            snapshot: row.get(10).map_err(fault)?,
        };
        send(out, Part::Checkpoint(Box::new(checkpoint)))?;
    }
    sent.iter_mut().try_for_each(|checkpoint| send_facts(read, checkpoint, i64::MAX, era, out))
}

/// Sends facts of a checkpoint, until so many are sent.
fn send_facts(
    read: &Connection,
    sent: &mut Sent,
    until: i64,
    era: i64,
    out: &Sender<Part>,
) -> Result<(), StoreError> {
    if sent.facts >= until {
        return Ok(());
    }
    let mut find = read
        .prepare_cached(
            "SELECT fact, ifnull(era, -1) >= ?3 FROM facts WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?4",
        )
        .map_err(fault)?;
    let (begin, last) = fact_keys(sent.key);
    let mut rows =
        find.query((begin.saturating_add(sent.facts), last, era, until - sent.facts)).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let fact = FactPart {
            checkpoint: u128::from_be_bytes(sent.id),
            fact: row.get(0).map_err(fault)?,
            is_undone_with_run: row.get(1).map_err(fault)?,
        };
        send(out, Part::Fact(fact))?;
        sent.facts += 1;
    }
    Ok(())
}

fn send_run(read: &Connection, key: i64, out: &Sender<Part>) -> Result<(), StoreError> {
    let statement = "SELECT idempotency_key, body_hash, outlived_at_ms, last_commit
        FROM runs CROSS JOIN texts ON texts.run = runs.key WHERE key = ?1";
    type Row = (Option<String>, Option<Id>, Option<i64>, i64);
    let row: Option<Row> =
        first(read, statement, [key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let (idempotency_key, body_hash, outlived_at_ms, last_commit) =
        row.ok_or_else(|| corrupt("a run has no texts"))?;
    let run = get(read, key)?;
    let idempotency = idempotency_key
        .zip(body_hash)
        .map(|(key, hash)| IdempotencyKey { key, body_hash: u128::from_be_bytes(hash) });
    send(out, Part::Run(Box::new(RunPart { run, idempotency, outlived_at_ms, last_commit })))?;
    let (mut after, last) = event_keys(key);
    loop {
        let events = events_of(read, key, after, last, EVENTS)?;
        let is_page = events.len() == EVENTS;
        after = after.saturating_add(i64::try_from(events.len()).unwrap_or(i64::MAX));
        events.into_iter().try_for_each(|event| send(out, Part::Event(event)))?;
        if !is_page {
            return Ok(());
        }
    }
}
