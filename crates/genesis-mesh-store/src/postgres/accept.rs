//! Acceptance: a run comes in, once, and the others of its thread wait, stop or hinder it.
//!
//! Owns: idempotency, the turn of a run in its thread, and its first event.
//! Never: takes a turn without the lock of the thread: turns are in the order of acceptance.

use super::cancel::stop;
use super::change::lock_thread;
use super::fault::Fault;
use super::lease::{claim_values, lease_of};
use super::run::{COLUMNS, NOW, run_of};
use super::value::{Id, name, span};
use crate::rows::to_json;
use deadpool_postgres::Transaction;
use genesis_mesh_core::log::{Accepted, CancelKind, IfBusy, NewRun};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

pub(super) async fn accept(write: &Transaction<'_>, new: &NewRun) -> Result<Accepted, Fault> {
    // Two requests of one key, or of one id, come one after the other.
    let key = new.idempotency.as_ref().map(|key| format!("{:?} {}", new.principal, key.key));
    lock_thread(write, &format!("accept {}", key.unwrap_or_else(|| new.id.to_string()))).await?;
    if let Some(earlier) = same(write, new).await? {
        return Ok(earlier);
    }
    let (mut stopped, mut is_free) = (Vec::new(), true);
    if let Some(thread) = &new.thread {
        lock_thread(write, thread).await?;
        stopped = make_room(write, thread, new).await?;
        is_free = open_runs(write, thread).await?.is_empty();
    }
    insert(write, new).await?;
    if let Some(thread) = &new.thread {
        let statement = "
            INSERT INTO threads (id, created_at_ms, used_at_ms, metadata)
            SELECT $1, created_at_ms, created_at_ms, '{}' FROM runs WHERE id = $2
            ON CONFLICT (id) DO UPDATE SET used_at_ms = excluded.used_at_ms";
        let statement = write.prepare_cached(statement).await?;
        write.execute(&statement, &[&name(thread), &Id(new.id.0)]).await?;
    }
    let claim = new.claim.as_ref().filter(|_| is_free);
    let row = match claim {
        Some(claim) => {
            // All of an acceptance has one time.
            let values = claim_values("r.created_at_ms");
            let statement = format!("UPDATE runs r SET {values} WHERE r.id = $3 RETURNING {COLUMNS}");
            let statement = write.prepare_cached(&statement).await?;
            write.query_one(&statement, &[&name(&claim.owner), &span(claim.lease_ms), &Id(new.id.0)]).await?
        }
        None => {
            let statement =
                write.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.id = $1")).await?;
            write.query_one(&statement, &[&Id(new.id.0)]).await?
        }
    };
    let run = run_of(&row)?;
    let lease = claim.map(|_| lease_of(&run));
    Ok(Accepted { run, is_new: true, lease, stopped })
}

/// The run that was accepted for the same request, if there is one.
async fn same(write: &Transaction<'_>, new: &NewRun) -> Result<Option<Accepted>, Fault> {
    let (principal, key) = (new.principal.as_deref().map(name), new.idempotency.as_ref());
    let statement = format!(
        "SELECT {COLUMNS}, r.body_hash FROM runs r
         WHERE coalesce(r.principal, '') = coalesce($1, '') AND (r.principal IS NULL) = ($1 IS NULL) AND r.idempotency = $2
         UNION ALL SELECT {COLUMNS}, NULL FROM runs r WHERE r.id = $3 LIMIT 1"
    );
    let statement = write.prepare_cached(&statement).await?;
    let key_name = key.map(|key| name(&key.key));
    let Some(row) = write.query_opt(&statement, &[&principal, &key_name, &Id(new.id.0)]).await? else {
        return Ok(None);
    };
    let hash: Option<Id> = row.try_get("body_hash")?;
    if let (Some(key), Some(hash)) = (key, hash)
        && hash.0 != key.body_hash
    {
        return Err(StoreError::KeyReused { key: key.key.clone() }.into());
    }
    Ok(Some(Accepted { run: run_of(&row)?, is_new: false, lease: None, stopped: Vec::new() }))
}

/// The runs of a thread that have not ended, oldest first.
async fn open_runs(write: &Transaction<'_>, thread: &str) -> Result<Vec<RunId>, Fault> {
    let statement = "SELECT id FROM runs WHERE thread = $1 AND status IN ('queued', 'running') ORDER BY turn";
    let statement = write.prepare_cached(statement).await?;
    let rows = write.query(&statement, &[&name(thread)]).await?;
    rows.iter().map(|row| Ok(RunId(row.try_get::<_, Id>(0)?.0))).collect()
}

/// Does what the new run wants done with the others of its thread; gives those that were stopped.
async fn make_room(write: &Transaction<'_>, thread: &str, new: &NewRun) -> Result<Vec<RunId>, Fault> {
    let kind = match new.if_busy {
        IfBusy::Enqueue => return Ok(Vec::new()),
        IfBusy::Reject => {
            let busy = open_runs(write, thread).await?.first().copied();
            let refused = busy.map(|run| StoreError::ThreadBusy { thread: thread.to_owned(), run });
            return refused.map_or(Ok(Vec::new()), |error| Err(error.into()));
        }
        IfBusy::Interrupt => CancelKind::Interrupt,
        IfBusy::Rollback => CancelKind::Rollback,
    };
    let others = open_runs(write, thread).await?;
    // In the order of their ids, as all who lock several runs; told in that of their turns.
    let mut in_order = others.clone();
    in_order.sort_unstable_by_key(|run| run.0);
    for run in in_order {
        stop(write, run, kind, &new.stopped).await?;
    }
    Ok(others)
}

async fn insert(write: &Transaction<'_>, new: &NewRun) -> Result<(), Fault> {
    let statement = format!(
        "WITH clock AS MATERIALIZED (SELECT {NOW} AS now),
         event AS (INSERT INTO events (run, seq, at_ms, class, data, memo)
             SELECT $1::uuid, 1, now, $10::int2, $11::text, $12::text FROM clock)
         INSERT INTO runs (id, epoch, attempt, last_seq, commit_number, commit_at_ms, watched, created_at_ms,
             updated_at_ms, ttl_ms, status, rolls_back, agent, thread, principal, idempotency, body_hash, metadata, input)
         SELECT $1, 0, 0, 1, 0, 0, 0, now, now, $2, 'queued', false, $3, $4, $5, $6, $7, $8, $9 FROM clock"
    );
    let statement = write.prepare_cached(&statement).await?;
    let key = new.idempotency.as_ref();
    let class = i16::try_from(new.first.class.code()).unwrap_or(i16::MAX);
    write
        .execute(
            &statement,
            &[
                &Id(new.id.0),
                &new.ttl_ms.map(span),
                &name(&new.agent),
                &new.thread.as_deref().map(name),
                &new.principal.as_deref().map(name),
                &key.map(|key| name(&key.key)),
                &key.map(|key| Id(key.body_hash)),
                &to_json(&new.metadata)?,
                &name(&new.input),
                &class,
                &new.first.data,
                &new.first.memo,
            ],
        )
        .await?;
    Ok(())
}
