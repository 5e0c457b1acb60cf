//! Removals: copies, deletions, pruning and undoing, of threads and of runs.
//!
//! Owns: the statements that delete; what they delete is to be in no file any more.
//! Never: begins or ends a transaction; the writer does, around a group of changes.

use super::fault::fault;
use super::find::{fact_keys, graph_of, graphs_of, way_to};
use super::run_rows::event_keys;
use super::statement::{column, run};
use super::thread_rows::is_known;
use crate::rows::corrupt;
use genesis_mesh_core::log::Swept;
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;
use std::collections::HashSet;

/// Copies a thread with its history and what is known of it, and none of its runs.
pub(super) fn copy(write: &Connection, from: &str, to: &str, now_ms: i64) -> Result<bool, StoreError> {
    let is_there = is_known(write, from)?;
    if !is_there || from == to {
        return Ok(is_there);
    }
    delete(write, to)?;
    run(
        write,
        "INSERT INTO threads (thread, created_at_ms, updated_at_ms, ttl_ms, metadata, era)
         SELECT ?2, ?3, ?3, ttl_ms, metadata, 0 FROM threads WHERE thread = ?1",
        (from, to, now_ms),
    )?;
    for (old, ns) in graphs_of(write, from)? {
        run(
            write,
            "INSERT INTO graphs (thread, ns, fact_weight, snapshot_weight)
             SELECT ?2, ns, fact_weight, snapshot_weight FROM graphs WHERE graph = ?1",
            (old, to),
        )?;
        let new = graph_of(write, to, &ns)?.ok_or_else(|| corrupt("a copied graph is not there"))?;
        // In the order of their keys: a parent's stays smaller than its child's.
        run(
            write,
            "INSERT INTO checkpoints (graph, id, parent, step, source, created_at_ms, parent_facts, labels, fact)
             SELECT ?2, id, parent, step, source, created_at_ms, parent_facts, labels, fact
             FROM checkpoints WHERE graph = ?1 ORDER BY key",
            (old, new),
        )?;
        run(
            write,
            "INSERT INTO facts (key, fact)
             SELECT (new.key << 24) | (facts.key & 16777215), facts.fact
             FROM checkpoints old
             CROSS JOIN checkpoints new ON new.graph = ?2 AND new.id = old.id
             CROSS JOIN facts ON facts.key BETWEEN old.key << 24 AND (old.key << 24) | 16777215
             WHERE old.graph = ?1 ORDER BY new.key, facts.key",
            (old, new),
        )?;
        run(
            write,
            "INSERT INTO snapshots (checkpoint, snapshot)
             SELECT new.key, snapshot FROM checkpoints old
             CROSS JOIN checkpoints new ON new.graph = ?2 AND new.id = old.id
             CROSS JOIN snapshots ON snapshots.checkpoint = old.key
             WHERE old.graph = ?1 ORDER BY new.key",
            (old, new),
        )?;
    }
    Ok(true)
}

/// Deletes a thread with its history and its runs.
pub(super) fn delete(write: &Connection, thread: &str) -> Result<bool, StoreError> {
    for (graph, _) in graphs_of(write, thread)? {
        remove_all_but(write, graph, &HashSet::new())?;
        run(write, "DELETE FROM graphs WHERE graph = ?1", [graph])?;
    }
    for key in column(write, "SELECT key FROM runs WHERE thread = ?1", [thread])? {
        remove_run(write, key)?;
    }
    Ok(run(write, "DELETE FROM threads WHERE thread = ?1", [thread])? > 0)
}

/// Deletes a run with its log, and its thread if that was made for it alone.
pub(super) fn delete_run(write: &Connection, key: i64) -> Result<(), StoreError> {
    let thread: Option<String> = write
        .prepare_cached("SELECT thread FROM runs WHERE key = ?1")
        .and_then(|mut find| find.query_row([key], |row| row.get(0)))
        .map_err(fault)?;
    remove_run(write, key)?;
    let Some(thread) = thread.filter(|thread| thread.starts_with('_')) else { return Ok(()) };
    let others: Vec<i64> = column(write, "SELECT key FROM runs WHERE thread = ?1 LIMIT 1", [&thread])?;
    if others.is_empty() {
        delete(write, &thread)?;
    }
    Ok(())
}

fn remove_run(write: &Connection, key: i64) -> Result<(), StoreError> {
    run(write, "DELETE FROM events WHERE key BETWEEN ?1 AND ?2", event_keys(key))?;
    run(write, "DELETE FROM texts WHERE run = ?1", [key])?;
    run(write, "DELETE FROM runs WHERE key = ?1", [key])?;
    Ok(())
}

/// Deletes all checkpoints but the newest of each graph, and those that it needs.
pub(super) fn prune(write: &Connection, thread: &str) -> Result<bool, StoreError> {
    for (graph, _) in graphs_of(write, thread)? {
        let needed = way_to(write, graph, None)?.into_iter().map(|stop| stop.key).collect();
        remove_all_but(write, graph, &needed)?;
    }
    is_known(write, thread)
}

/// Deletes what a thread got since an era began.
pub(super) fn roll_back(write: &Connection, thread: &str, era: i64) -> Result<(), StoreError> {
    for (graph, _) in graphs_of(write, thread)? {
        run(
            write,
            "DELETE FROM facts WHERE key IN (
                 SELECT facts.key FROM checkpoints
                 CROSS JOIN facts ON facts.key BETWEEN checkpoints.key << 24
                     AND (checkpoints.key << 24) | 16777215
                 WHERE graph = ?1 AND facts.era >= ?2)",
            (graph, era),
        )?;
        let snapshots = run(
            write,
            "DELETE FROM snapshots WHERE checkpoint IN (
                 SELECT key FROM checkpoints WHERE graph = ?1 AND era >= ?2)",
            (graph, era),
        )?;
        if snapshots > 0 {
            // What the facts since the one before weigh is not known: so much that a new one is wanted.
            run(write, "UPDATE graphs SET fact_weight = 1 << 40 WHERE graph = ?1", [graph])?;
        }
        run(write, "DELETE FROM checkpoints WHERE graph = ?1 AND era >= ?2", (graph, era))?;
        run(
            write,
            "DELETE FROM graphs WHERE graph = ?1
             AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE graph = ?1)",
            [graph],
        )?;
    }
    Ok(())
}

/// Deletes runs and threads that have outlived their time, at most `limit` of each.
pub(super) fn sweep(write: &Connection, limit: i64, now_ms: i64) -> Result<Swept, StoreError> {
    let runs: Vec<i64> = column(
        write,
        "SELECT key FROM runs WHERE outlived_at_ms <= ?1 ORDER BY outlived_at_ms LIMIT ?2",
        (now_ms, limit),
    )?;
    for key in &runs {
        delete_run(write, *key)?;
    }
    let threads: Vec<String> = column(
        write,
        "SELECT thread FROM threads WHERE ttl_ms IS NOT NULL AND updated_at_ms + ttl_ms <= ?1
             AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.thread = threads.thread AND open IS NOT NULL)
         ORDER BY updated_at_ms + ttl_ms LIMIT ?2",
        (now_ms, limit),
    )?;
    for thread in &threads {
        delete(write, thread)?;
    }
    Ok(Swept { runs: runs.len(), threads: threads.len() })
}

fn remove_all_but(write: &Connection, graph: i64, needed: &HashSet<i64>) -> Result<(), StoreError> {
    let keys: Vec<i64> = column(write, "SELECT key FROM checkpoints WHERE graph = ?1", [graph])?;
    for key in keys.into_iter().filter(|key| !needed.contains(key)) {
        run(write, "DELETE FROM facts WHERE key BETWEEN ?1 AND ?2", fact_keys(key))?;
        run(write, "DELETE FROM snapshots WHERE checkpoint = ?1", [key])?;
        run(write, "DELETE FROM checkpoints WHERE key = ?1", [key])?;
    }
    Ok(())
}
