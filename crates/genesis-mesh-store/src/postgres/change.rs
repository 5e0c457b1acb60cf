//! Changes of whole threads: copies, deletions and pruning.
//!
//! Owns: their statements, within a transaction that the caller has begun.
//! Never: locks a graph before it has locked the thread's name and its runs.

use super::fault::Fault;
use super::value::{Id, name};
use deadpool_postgres::Transaction;

/// Whoever accepts a run of a thread, or changes the thread as a whole, waits here for the others.
pub(super) async fn lock_thread(write: &Transaction<'_>, thread: &str) -> Result<(), Fault> {
    let statement = write.prepare_cached("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").await?;
    write.execute(&statement, &[&name(thread)]).await?;
    Ok(())
}

/// Locks the runs of a thread, in the order of their ids.
async fn lock_runs(write: &Transaction<'_>, thread: &str) -> Result<Vec<Id>, Fault> {
    let statement =
        write.prepare_cached("SELECT id FROM runs WHERE thread = $1 ORDER BY id FOR UPDATE").await?;
    let rows = write.query(&statement, &[&name(thread)]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Locks the graphs of a thread, in the order of their names.
async fn lock_graphs(write: &Transaction<'_>, thread: &str) -> Result<Vec<i64>, Fault> {
    let statement = write
        .prepare_cached("SELECT graph FROM graphs WHERE thread = $1 ORDER BY thread, ns FOR UPDATE")
        .await?;
    let rows = write.query(&statement, &[&name(thread)]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

pub(super) async fn copy(write: &Transaction<'_>, from: &str, to: &str) -> Result<bool, Fault> {
    let (first, second) = if from < to { (from, to) } else { (to, from) };
    lock_thread(write, first).await?;
    lock_thread(write, second).await?;
    let found = "SELECT 1 FROM threads WHERE id = $1";
    if write.query_opt(found, &[&name(from)]).await?.is_none() {
        return Ok(false);
    }
    if from == to {
        return Ok(true);
    }
    remove(write, to).await?;
    // What is written to the copied thread now waits, so that a copy is of one moment.
    lock_graphs(write, from).await?;
    let (from, to) = (name(from), name(to));
    let statements = [
        "INSERT INTO threads (id, created_at_ms, used_at_ms, metadata, ttl_ms)
         SELECT $2, c.now, c.now, metadata, ttl_ms FROM threads
         CROSS JOIN (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now) c WHERE id = $1",
        "INSERT INTO graphs (thread, ns, fact_weight, snapshot_weight, written_at_ms)
         SELECT $2, ns, fact_weight, snapshot_weight, floor(extract(epoch FROM clock_timestamp()) * 1000)::int8
         FROM graphs WHERE thread = $1",
        "INSERT INTO checkpoints (graph, id, place, parent, step, source, created_at_ms, labels, fact)
         SELECT new.graph, c.id, c.place, c.parent, c.step, c.source, c.created_at_ms, c.labels, c.fact
         FROM graphs old JOIN graphs new ON new.thread = $2 AND new.ns = old.ns
         JOIN checkpoints c ON c.graph = old.graph WHERE old.thread = $1",
        "INSERT INTO facts (graph, checkpoint, place, fact) SELECT new.graph, f.checkpoint, f.place, f.fact
         FROM graphs old JOIN graphs new ON new.thread = $2 AND new.ns = old.ns
         JOIN facts f ON f.graph = old.graph WHERE old.thread = $1",
        "INSERT INTO snapshots (graph, checkpoint, snapshot) SELECT new.graph, s.checkpoint, s.snapshot
         FROM graphs old JOIN graphs new ON new.thread = $2 AND new.ns = old.ns
         JOIN snapshots s ON s.graph = old.graph WHERE old.thread = $1",
    ];
    for statement in statements {
        write.execute(statement, &[&from, &to]).await?;
    }
    Ok(true)
}

pub(super) async fn delete(write: &Transaction<'_>, thread: &str) -> Result<bool, Fault> {
    lock_thread(write, thread).await?;
    remove(write, thread).await
}

/// Deletes a thread, whose name is locked, with all its runs.
pub(super) async fn remove(write: &Transaction<'_>, thread: &str) -> Result<bool, Fault> {
    let runs = lock_runs(write, thread).await?;
    remove_runs(write, &runs).await?;
    remove_history(write, thread).await
}

/// Deletes runs that are locked, with their logs.
pub(super) async fn remove_runs(write: &Transaction<'_>, runs: &[Id]) -> Result<(), Fault> {
    if runs.is_empty() {
        return Ok(());
    }
    for statement in ["DELETE FROM runs WHERE id = ANY($1)", "DELETE FROM events WHERE run = ANY($1)"] {
        let statement = write.prepare_cached(statement).await?;
        write.execute(&statement, &[&runs]).await?;
    }
    Ok(())
}

/// Deletes a thread without its runs.
pub(super) async fn remove_history(write: &Transaction<'_>, thread: &str) -> Result<bool, Fault> {
    let graphs = lock_graphs(write, thread).await?;
    if !graphs.is_empty() {
        for table in ["checkpoints", "facts", "snapshots", "graphs"] {
            let statement =
                write.prepare_cached(&format!("DELETE FROM {table} WHERE graph = ANY($1)")).await?;
            write.execute(&statement, &[&graphs]).await?;
        }
    }
    let deleted = write.execute("DELETE FROM threads WHERE id = $1", &[&name(thread)]).await?;
    Ok(deleted > 0)
}

/// Deletes what does not lead to the newest checkpoint of each graph.
pub(super) async fn prune(write: &Transaction<'_>, thread: &str) -> Result<bool, Fault> {
    lock_thread(write, thread).await?;
    let graphs = lock_graphs(write, thread).await?;
    let statement = "
        WITH RECURSIVE way AS (
            (SELECT c.graph, c.id, c.parent, c.place FROM checkpoints c WHERE c.graph = $1 ORDER BY c.id DESC LIMIT 1)
            UNION ALL
            SELECT c.graph, c.id, c.parent, c.place FROM way JOIN checkpoints c
                ON c.graph = way.graph AND c.id = way.parent AND c.place < way.place
            WHERE NOT EXISTS (SELECT FROM snapshots s WHERE s.graph = way.graph AND s.checkpoint = way.id)
        ),
        f AS (DELETE FROM facts WHERE graph = $1 AND checkpoint NOT IN (SELECT id FROM way)),
        s AS (DELETE FROM snapshots WHERE graph = $1 AND checkpoint NOT IN (SELECT id FROM way))
        DELETE FROM checkpoints WHERE graph = $1 AND id NOT IN (SELECT id FROM way)";
    let statement = write.prepare_cached(statement).await?;
    for graph in &graphs {
        write.execute(&statement, &[graph]).await?;
    }
    Ok(write.query_opt("SELECT 1 FROM threads WHERE id = $1", &[&name(thread)]).await?.is_some())
}
