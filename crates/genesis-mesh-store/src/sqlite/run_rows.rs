//! Rows of runs: how a run and its events are stored and read.
//!
//! Owns: the columns of `runs`, `texts` and `events`, and searches in them.
//! Never: runs a statement that changes anything.

use super::fault::fault;
use super::statement::first;
use crate::rows::{corrupt, from_json};
use genesis_mesh_core::log::{CancelKind, EventClass, LogEvent, Run, RunQuery, RunStatus, Seq};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A run has at most 2 to this power of events, and the database at most 2 to (63 - this) runs.
const EVENT_BITS: u32 = 28;
/// Comes after every id: it is longer than the greatest.
const AFTER_ALL: [u8; 17] = [0xff; 17];
const SELECT: &str =
    "SELECT id, agent, thread, input, principal, metadata, status, created_at_ms, updated_at_ms,
    owner, epoch, attempt, lease_until_ms, last_seq, watched, cancel, error, ttl_ms
    FROM runs CROSS JOIN texts ON texts.run = runs.key";

/// The keys before and at which a run's events stand; that of an event is the first and its number.
pub(super) fn event_keys(run: i64) -> (i64, i64) {
    let first = run << EVENT_BITS;
    (first, first | ((1 << EVENT_BITS) - 1))
}

pub(super) fn blob(id: RunId) -> [u8; 16] {
    id.0.to_be_bytes()
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, place: usize) -> Result<u64, StoreError> {
    let number: i64 = row.get(place).map_err(fault)?;
    u64::try_from(number).map_err(|_| corrupt(format!("a count is {number}")))
}

/// The run of a row of [`SELECT`].
fn run_of(row: &Row<'_>) -> Result<Run, StoreError> {
    let metadata: Option<String> = row.get(5).map_err(fault)?;
    let status: String = row.get(6).map_err(fault)?;
    let cancel: Option<String> = row.get(15).map_err(fault)?;
    let error: Option<String> = row.get(16).map_err(fault)?;
    let ttl_ms: Option<i64> = row.get(17).map_err(fault)?;
    Ok(Run {
        id: RunId(u128::from_be_bytes(row.get(0).map_err(fault)?)),
        agent: row.get(1).map_err(fault)?,
        thread: row.get(2).map_err(fault)?,
        input: row.get(3).map_err(fault)?,
        principal: row.get(4).map_err(fault)?,
        metadata: metadata.as_deref().map_or_else(|| Ok(Map::new()), from_json)?,
        ttl_ms: ttl_ms.map(|ttl_ms| u64::try_from(ttl_ms).unwrap_or_default()),
        status: status_of(&status)?,
        created_at_ms: row.get(7).map_err(fault)?,
        updated_at_ms: row.get(8).map_err(fault)?,
        owner: row.get(9).map_err(fault)?,
        epoch: unsigned(row, 10)?,
        attempt: u32::try_from(unsigned(row, 11)?).unwrap_or(u32::MAX),
        lease_until_ms: row.get(12).map_err(fault)?,
        last_seq: unsigned(row, 13)?,
        watched: unsigned(row, 14)?,
        cancel: cancel.as_deref().map(cancel_of).transpose()?,
        error: error.as_deref().map(from_json::<Value>).transpose()?,
    })
}

pub(super) fn status_of(name: &str) -> Result<RunStatus, StoreError> {
    RunStatus::of_name(name).ok_or_else(|| corrupt(format!("a run's status is {name:?}")))
}

pub(super) fn cancel_of(name: &str) -> Result<CancelKind, StoreError> {
    CancelKind::of_name(name).ok_or_else(|| corrupt(format!("a wish to stop is {name:?}")))
}

/// The key of the run of this id.
pub(super) fn key_of(read: &Connection, id: RunId) -> Result<Option<i64>, StoreError> {
    first(read, "SELECT key FROM runs WHERE id = ?1", [blob(id)], |row| row.get(0))
}

/// The run of this id.
pub(super) fn find(read: &Connection, id: RunId) -> Result<Option<Run>, StoreError> {
    first(read, &format!("{SELECT} WHERE id = ?1"), [blob(id)], |row| Ok(run_of(row)))?.transpose()
}

/// The run of this key, which is there.
pub(super) fn get(read: &Connection, key: i64) -> Result<Run, StoreError> {
    first(read, &format!("{SELECT} WHERE key = ?1"), [key], |row| Ok(run_of(row)))?
        .unwrap_or_else(|| Err(corrupt("a run has no texts")))
}

/// Runs, newest first.
pub(super) fn search(read: &Connection, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
    let thread = if query.thread.is_some() { "thread = ?2" } else { "?2 IS NULL" };
    let agent = if query.agent.is_some() { "agent = ?3" } else { "?3 IS NULL" };
    let principal = if query.principal.is_some() { "principal = ?5" } else { "?5 IS NULL" };
    let statuses: Vec<String> = query.statuses.iter().map(|status| format!("'{}'", status.name())).collect();
    let status = match statuses.as_slice() {
        [] => "true".to_owned(),
        names => format!("status IN ({})", names.join(", ")),
    };
    let text = format!(
        "{SELECT} WHERE id < ?1 AND {thread} AND {agent} AND {principal} AND {status} ORDER BY id DESC LIMIT ?4"
    );
    let mut find = read.prepare_cached(&text).map_err(fault)?;
    let end = query.before.map_or_else(|| AFTER_ALL.to_vec(), |before| blob(before).to_vec());
    let limit = query.limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let mut rows = find.query((end, &query.thread, &query.agent, limit, &query.principal)).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        found.push(run_of(row)?);
    }
    Ok(found)
}

/// The events of a run's log after `after`, in order.
pub(super) fn events(
    read: &Connection,
    run: RunId,
    after: Seq,
    limit: usize,
) -> Result<Vec<LogEvent>, StoreError> {
    let Some(key) = key_of(read, run)? else { return Ok(Vec::new()) };
    let (first, last) = event_keys(key);
    events_of(read, key, first.saturating_add(signed(after)), last, limit)
}

/// The events of the run of this key that stand after one key, up to another.
pub(super) fn events_of(
    read: &Connection,
    run: i64,
    after: i64,
    last: i64,
    limit: usize,
) -> Result<Vec<LogEvent>, StoreError> {
    let (first, _) = event_keys(run);
    let mut find = read
        .prepare_cached(
            "SELECT key - ?1, at_ms, class, data, memo FROM events WHERE key > ?2 AND key <= ?3
             ORDER BY key LIMIT ?4",
        )
        .map_err(fault)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = find.query((first, after, last, limit)).map_err(fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fault)? {
        let class: i64 = row.get(2).map_err(fault)?;
        let text = |place| row.get_ref(place).map_err(fault);
        let memo = text(4)?.as_str_or_null().map_err(|error| corrupt(error.to_string()))?;
        found.push(LogEvent {
            seq: unsigned(row, 0)?,
            at_ms: row.get(1).map_err(fault)?,
            class: EventClass::of_code(class)
                .ok_or_else(|| corrupt(format!("an event's class is {class}")))?,
            data: Arc::from(text(3)?.as_str().map_err(|error| corrupt(error.to_string()))?),
            memo: memo.map(Arc::from),
        });
    }
    Ok(found)
}
