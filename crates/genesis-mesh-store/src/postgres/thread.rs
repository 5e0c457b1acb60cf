//! Threads beside their checkpoints, and what retention deletes.
//!
//! Owns: their metadata, their last use, and what has outlived its time.
//! Never: deletes a thread that a run is busy with.

use super::change::{lock_thread, remove};
use super::fault::Fault;
use super::run::NOW;
use super::value::{Id, count, name, read_name, span};
use crate::rows::{from_json, to_json};
use deadpool_postgres::{Client, Transaction};
use genesis_mesh_core::log::{ThreadInfo, ThreadQuery};
use genesis_mesh_core::run::RunId;
use serde_json::{Map, Value};
use tokio_postgres::Row;

/// When a run or a checkpoint came last to thread `t`.
pub(super) const USED: &str =
    "greatest(t.used_at_ms, (SELECT max(g.written_at_ms) FROM graphs g WHERE g.thread = t.id))";

pub(super) async fn put(write: &Transaction<'_>, told: &ThreadInfo) -> Result<(), Fault> {
    let begin = format!(
        "INSERT INTO threads (id, created_at_ms, used_at_ms, metadata) SELECT $1, c.now, c.now, '{{}}'
         FROM (SELECT {NOW} AS now) c ON CONFLICT (id) DO NOTHING"
    );
    let thread = name(&told.id);
    write.execute(&begin, &[&thread]).await?;
    let known = write.query_one("SELECT metadata FROM threads WHERE id = $1 FOR UPDATE", &[&thread]).await?;
    let mut metadata: Map<String, Value> = from_json(known.try_get(0)?)?;
    metadata.extend(told.metadata.clone());
    let change = "UPDATE threads SET metadata = $2, ttl_ms = coalesce($3, ttl_ms) WHERE id = $1";
    write.execute(change, &[&thread, &to_json(&metadata)?, &told.ttl_ms.map(span)]).await?;
    Ok(())
}

pub(super) async fn list(client: &Client, query: &ThreadQuery) -> Result<Vec<ThreadInfo>, Fault> {
    let statement = format!(
        "SELECT t.id, t.created_at_ms, {USED} AS used, t.metadata, t.ttl_ms FROM threads t
         WHERE CASE WHEN $1::text IS NULL THEN left(t.id, 1) <> '_' ELSE t.id = $1 END
         AND starts_with(t.id, $4)
         ORDER BY used DESC, t.id COLLATE \"C\" DESC OFFSET $2 LIMIT $3"
    );
    let statement = client.prepare_cached(&statement).await?;
    let limit = query.limit.unwrap_or(usize::MAX);
    // Metadata are texts for the database, since its own form of JSON cannot hold all of them.
    let (offset, page) = if query.metadata.is_empty() { (query.offset, limit) } else { (0, usize::MAX) };
    let id = query.id.as_deref().map(name);
    let prefix = name(query.prefix.as_deref().unwrap_or_default());
    let rows = client.query(&statement, &[&id, &count(offset), &count(page), &prefix]).await?;
    let threads = rows.iter().map(thread_of).collect::<Result<Vec<_>, _>>()?;
    if query.metadata.is_empty() {
        return Ok(threads);
    }
    let fits = |thread: &ThreadInfo| {
        query.metadata.iter().all(|(name, value)| thread.metadata.get(name) == Some(value))
    };
    Ok(threads.into_iter().filter(fits).skip(query.offset).take(limit).collect())
}

pub(super) fn thread_of(row: &Row) -> Result<ThreadInfo, Fault> {
    Ok(ThreadInfo {
        id: read_name(row.try_get(0)?),
        created_at_ms: row.try_get(1)?,
        updated_at_ms: row.try_get(2)?,
        metadata: from_json(row.try_get(3)?)?,
        ttl_ms: row.try_get::<_, Option<i64>>(4)?.and_then(|ttl_ms| u64::try_from(ttl_ms).ok()),
    })
}

/// Runs that have outlived their time.
pub(super) async fn outlived_runs(client: &Client, limit: usize) -> Result<Vec<RunId>, Fault> {
    let statement =
        format!("SELECT id FROM runs WHERE expires_at_ms <= {NOW} ORDER BY expires_at_ms LIMIT $1");
    let rows = client.query(&statement, &[&count(limit)]).await?;
    rows.iter().map(|row| Ok(RunId(row.try_get::<_, Id>(0)?.0))).collect()
}

/// Whether a thread has outlived its time, and no run is busy with it.
fn outlived() -> String {
    format!(
        "t.ttl_ms IS NOT NULL AND {USED} + t.ttl_ms <= {NOW} AND NOT EXISTS (
            SELECT FROM runs r WHERE r.thread = t.id AND r.status IN ('queued', 'running'))"
    )
}

/// Threads that have outlived their time and that no run is busy with.
pub(super) async fn outlived_threads(client: &Client, limit: usize) -> Result<Vec<String>, Fault> {
    let statement = format!("SELECT t.id FROM threads t WHERE {} LIMIT $1", outlived());
    let rows = client.query(&statement, &[&count(limit)]).await?;
    rows.iter().map(|row| Ok(read_name(row.try_get(0)?))).collect()
}

/// Deletes a thread if it has outlived its time still, with all its runs.
pub(super) async fn sweep(write: &Transaction<'_>, thread: &str) -> Result<bool, Fault> {
    lock_thread(write, thread).await?;
    let statement = format!("SELECT 1 FROM threads t WHERE t.id = $1 AND {}", outlived());
    if write.query_opt(&statement, &[&name(thread)]).await?.is_none() {
        return Ok(false);
    }
    remove(write, thread).await
}
