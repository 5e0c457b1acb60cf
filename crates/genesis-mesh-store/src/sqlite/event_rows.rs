//! The log of runs: events that are appended, and readers that are counted.
//!
//! Owns: the statements that write events.
//! Never: asks who may; `commit.rs` does.

use super::fault::fault;
use super::run_rows::{event_keys, key_of};
use super::statement::{first, run};
use genesis_mesh_core::log::NewEvent;
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;

/// Appends events after the one of number `last`, and gives the number of the last.
pub(super) fn push(
    write: &Connection,
    run: i64,
    last: i64,
    events: &[NewEvent],
    now_ms: i64,
) -> Result<i64, StoreError> {
    let (first, end) = event_keys(run);
    let mut insert = write
        .prepare_cached("INSERT INTO events (key, at_ms, class, data, memo) VALUES (?1, ?2, ?3, ?4, ?5)")
        .map_err(fault)?;
    let mut key = first.saturating_add(last);
    for event in events {
        key += 1;
        if key > end {
            return Err(StoreError::Full { message: format!("a run has at most {} events", end - first) });
        }
        insert.execute((key, now_ms, event.class.code(), &event.data, &event.memo)).map_err(fault)?;
    }
    Ok(key - first)
}

/// Notes that a client begins to read a run.
pub(super) fn watch(write: &Connection, id: RunId) -> Result<u64, StoreError> {
    let unknown = || StoreError::UnknownRun { run: id };
    let key = key_of(write, id)?.ok_or_else(unknown)?;
    run(write, "UPDATE runs SET watched = watched + 1 WHERE key = ?1", [key])?;
    let watched: Option<i64> =
        first(write, "SELECT watched FROM runs WHERE key = ?1", [key], |row| row.get(0))?;
    watched.and_then(|watched| u64::try_from(watched).ok()).ok_or_else(unknown)
}
