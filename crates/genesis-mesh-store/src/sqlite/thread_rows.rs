//! Threads beside their checkpoints: what is known of them, and which era they are in.
//!
//! Owns: the rows of `threads`. A thread has one as long as it has anything.
//! Never: deletes; `remove.rs` does.
//! Flow: an era begins when a run is claimed for the first time; what comes carries its number, so it can be undone.

use super::fault::fault;
use super::statement::{first, run};
use crate::rows::{from_json, to_json};
use genesis_mesh_core::log::{ThreadInfo, ThreadQuery};
use genesis_mesh_core::store::StoreError;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value};

/// Notes that a thread is used, which begins if it is not there; gives its era.
pub(super) fn touch(write: &Connection, thread: &str, now_ms: i64) -> Result<i64, StoreError> {
    let statement = "SELECT era, updated_at_ms FROM threads WHERE thread = ?1";
    let known = first(write, statement, [thread], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    match known {
        Some((era, updated_at_ms)) => {
            // Many things happen in one millisecond.
            if updated_at_ms != now_ms {
                run(write, "UPDATE threads SET updated_at_ms = ?2 WHERE thread = ?1", (thread, now_ms))?;
            }
            Ok(era)
        }
        None => {
            let statement =
                "INSERT INTO threads (thread, created_at_ms, updated_at_ms, era) VALUES (?1, ?2, ?2, 0)";
            run(write, statement, (thread, now_ms))?;
            Ok(0)
        }
    }
}

/// Begins an era, and gives its number.
pub(super) fn begin_era(write: &Connection, thread: &str) -> Result<Option<i64>, StoreError> {
    run(write, "UPDATE threads SET era = era + 1 WHERE thread = ?1", [thread])?;
    first(write, "SELECT era FROM threads WHERE thread = ?1", [thread], |row| row.get(0))
}

pub(super) fn is_known(read: &Connection, thread: &str) -> Result<bool, StoreError> {
    Ok(first(read, "SELECT 1 FROM threads WHERE thread = ?1", [thread], |_| Ok(()))?.is_some())
}

/// Makes a thread known, or merges what is said of it.
pub(super) fn put(write: &Connection, told: &ThreadInfo, now_ms: i64) -> Result<(), StoreError> {
    let statement = "SELECT metadata FROM threads WHERE thread = ?1";
    let known = first(write, statement, [&told.id], |row| row.get::<_, Option<String>>(0))?;
    if known.is_none() {
        touch(write, &told.id, now_ms)?;
    }
    let mut metadata: Map<String, Value> =
        known.flatten().as_deref().map_or_else(|| Ok(Map::new()), from_json)?;
    metadata.extend(told.metadata.clone());
    let metadata = (!metadata.is_empty()).then(|| to_json(&metadata)).transpose()?;
    let ttl_ms = told.ttl_ms.map(|ttl_ms| i64::try_from(ttl_ms).unwrap_or(i64::MAX));
    run(
        write,
        "UPDATE threads SET metadata = ?2, ttl_ms = ifnull(?3, ttl_ms) WHERE thread = ?1",
        (&told.id, metadata, ttl_ms),
    )?;
    Ok(())
}

/// What is known of the threads that are asked for, the one that was used last first.
pub(super) fn list(read: &Connection, query: &ThreadQuery) -> Result<Vec<ThreadInfo>, StoreError> {
    let which = match &query.id {
        Some(_) => "thread = ?1 AND substr(thread, 1, length(?3)) = ?3",
        None => "?1 IS NULL AND substr(thread, 1, 1) <> '_' AND substr(thread, 1, length(?3)) = ?3",
    };
    let mut find = read
        .prepare_cached(&format!(
            "SELECT thread, created_at_ms, updated_at_ms, ttl_ms, metadata FROM threads WHERE {which}
             ORDER BY updated_at_ms DESC, thread DESC LIMIT ?2"
        ))
        .map_err(fault)?;
    let limit = query.limit.unwrap_or(usize::MAX);
    // Whatever the metadata are, the first rows are the ones: so many need not be sorted.
    let rows_max = if query.metadata.is_empty() { query.offset.saturating_add(limit) } else { usize::MAX };
    let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let mut rows =
        find.query((&query.id, rows_max, query.prefix.as_deref().unwrap_or_default())).map_err(fault)?;
    let (mut found, mut passed) = (Vec::new(), 0);
    while found.len() < limit {
        let Some(row) = rows.next().map_err(fault)? else { break };
        let info = info_of(row)?;
        if !query.metadata.iter().all(|(name, value)| info.metadata.get(name) == Some(value)) {
            continue;
        }
        if passed < query.offset {
            passed += 1;
        } else {
            found.push(info);
        }
    }
    Ok(found)
}

/// The thread of a row: its name, two times, its time to live, its metadata.
pub(super) fn info_of(row: &Row<'_>) -> Result<ThreadInfo, StoreError> {
    let ttl_ms: Option<i64> = row.get(3).map_err(fault)?;
    let metadata: Option<String> = row.get(4).map_err(fault)?;
    Ok(ThreadInfo {
        id: row.get(0).map_err(fault)?,
        created_at_ms: row.get(1).map_err(fault)?,
        updated_at_ms: row.get(2).map_err(fault)?,
        metadata: metadata.as_deref().map_or_else(|| Ok(Map::new()), from_json)?,
        ttl_ms: ttl_ms.map(|ttl_ms| u64::try_from(ttl_ms).unwrap_or_default()),
    })
}
