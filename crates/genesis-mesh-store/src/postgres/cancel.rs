//! What others do to a run: stop it, watch it, delete it.
//!
//! Owns: their statements, within a transaction that the caller has begun.
//! Never: ends a run that somebody works on; its owner does.

use super::change::{lock_thread, remove_history, remove_runs};
use super::fault::Fault;
use super::run::NOW;
use super::value::{Id, read_name, read_number};
use crate::rows::corrupt;
use deadpool_postgres::{Client, Transaction};
use genesis_mesh_core::log::{CancelKind, CancelOutcome, EventClass, NewEvent, RunStatus};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

pub(super) async fn stop(
    write: &Transaction<'_>,
    run: RunId,
    kind: CancelKind,
    end: &NewEvent,
) -> Result<CancelOutcome, Fault> {
    let statement = write.prepare_cached("SELECT status FROM runs WHERE id = $1 FOR NO KEY UPDATE").await?;
    let Some(row) = write.query_opt(&statement, &[&Id(run.0)]).await? else {
        return Ok(CancelOutcome::NotFound);
    };
    let status: &str = row.try_get(0)?;
    match RunStatus::of_name(status).ok_or_else(|| corrupt(format!("a run's status is {status:?}")))? {
        RunStatus::Queued => {
            end_waiting(write, run, end).await?;
            Ok(CancelOutcome::Ended)
        }
        RunStatus::Running => {
            // To undo is the stronger wish.
            let statement = "UPDATE runs SET cancel = CASE WHEN cancel = 'rollback' THEN cancel ELSE $2 END WHERE id = $1";
            let statement = write.prepare_cached(statement).await?;
            write.execute(&statement, &[&Id(run.0), &kind.name()]).await?;
            Ok(CancelOutcome::Asked)
        }
        status => Ok(CancelOutcome::Over(status)),
    }
}

/// Ends a run that waits and is locked.
async fn end_waiting(write: &Transaction<'_>, run: RunId, end: &NewEvent) -> Result<(), Fault> {
    let statement = format!(
        "WITH clock AS MATERIALIZED (SELECT {NOW} AS now),
         ended AS (UPDATE runs r SET status = 'cancelled', updated_at_ms = now, last_seq = r.last_seq + 1, cancel = NULL,
             expires_at_ms = now + r.ttl_ms FROM clock WHERE r.id = $1 RETURNING r.thread, r.last_seq),
         used AS (UPDATE threads t SET used_at_ms = now FROM ended, clock WHERE t.id = ended.thread)
         INSERT INTO events (run, seq, at_ms, class, data, memo)
         SELECT $1, last_seq, now, $2, $3, $4 FROM ended, clock"
    );
    let statement = write.prepare_cached(&statement).await?;
    let class = i16::try_from(EventClass::End.code()).unwrap_or(i16::MAX);
    write.execute(&statement, &[&Id(run.0), &class, &end.data, &end.memo]).await?;
    Ok(())
}

pub(super) async fn watch(client: &Client, run: RunId) -> Result<u64, Fault> {
    let statement = "UPDATE runs SET watched = watched + 1 WHERE id = $1 RETURNING watched";
    let statement = client.prepare_cached(statement).await?;
    let Some(row) = client.query_opt(&statement, &[&Id(run.0)]).await? else {
        return Err(StoreError::UnknownRun { run }.into());
    };
    read_number(row.try_get(0)?)
}

/// Deletes a run, and its thread if that was made for it alone.
pub(super) async fn delete(write: &Transaction<'_>, run: RunId) -> Result<bool, Fault> {
    let found = "SELECT thread FROM runs WHERE id = $1";
    let Some(row) = write.query_opt(found, &[&Id(run.0)]).await? else { return Ok(false) };
    let thread = row.try_get::<_, Option<String>>(0)?.map(read_name).filter(|thread| thread.starts_with('_'));
    if let Some(thread) = &thread {
        lock_thread(write, thread).await?;
    }
    let locked = "SELECT 1 FROM runs WHERE id = $1 FOR UPDATE";
    if write.query_opt(locked, &[&Id(run.0)]).await?.is_none() {
        return Ok(false);
    }
    remove_runs(write, &[Id(run.0)]).await?;
    if let Some(thread) = thread {
        let others = "SELECT 1 FROM runs WHERE thread = $1 LIMIT 1";
        if write.query_opt(others, &[&super::value::name(&thread)]).await?.is_none() {
            remove_history(write, &thread).await?;
        }
    }
    Ok(true)
}
