//! The lifecycle of runs: accept, claim, heartbeat, release, cancel, end.
//!
//! Owns: the statements that move a run from one state to the next.
//! Never: begins or ends a transaction; reads a clock.
//! Flow: `open` is 0 for a run that waits, 1 for one that was claimed, and NULL for one that has ended: all that is
//! searched for work is in the indexes of those.

use super::event_rows::push;
use super::remove::roll_back;
use super::run_rows::{blob, cancel_of, get, key_of, signed, status_of};
use super::statement::{column, first, run};
use super::thread_rows::{begin_era, touch};
use crate::clock::later;
use crate::rows::{corrupt, to_json};
use genesis_mesh_core::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, EventClass, IfBusy, Lease, NewEvent, NewRun,
    Run, RunEnd, RunStatus,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use rusqlite::Connection;

pub(super) fn accept(write: &Connection, new: &NewRun, now_ms: i64) -> Result<Accepted, StoreError> {
    if let Some(run) = same(write, new)? {
        return Ok(Accepted { run, is_new: false, lease: None, stopped: Vec::new() });
    }
    let stopped = match &new.thread {
        Some(thread) => {
            let stopped = make_room(write, thread, new, now_ms)?;
            touch(write, thread, now_ms)?;
            stopped
        }
        None => Vec::new(),
    };
    let key = insert(write, new, now_ms)?;
    push(write, key, 0, std::slice::from_ref(&new.first), now_ms)?;
    let lease = match &new.claim {
        Some(claim) if is_first(write, key)? => Some(claim_one(write, key, claim, now_ms)?.lease),
        _ => None,
    };
    Ok(Accepted { run: get(write, key)?, is_new: true, lease, stopped })
}

/// The run that was accepted for the same request, if there is one.
fn same(write: &Connection, new: &NewRun) -> Result<Option<Run>, StoreError> {
    if let Some(wanted) = &new.idempotency {
        let statement = "SELECT run, body_hash FROM texts
            WHERE idempotency_key = ?1 AND ifnull(principal, x'') = ifnull(?2, x'')";
        let found = first(write, statement, (&wanted.key, &new.principal), |row| {
            Ok((row.get(0)?, row.get::<_, [u8; 16]>(1)?))
        })?;
        match found {
            Some((key, hash)) if hash == wanted.body_hash.to_be_bytes() => return get(write, key).map(Some),
            Some(_) => return Err(StoreError::KeyReused { key: wanted.key.clone() }),
            None => {}
        }
    }
    key_of(write, new.id)?.map(|key| get(write, key)).transpose()
}

/// Does what the new run wants done with the others of its thread; gives those that were stopped.
fn make_room(write: &Connection, thread: &str, new: &NewRun, now_ms: i64) -> Result<Vec<RunId>, StoreError> {
    if new.if_busy == IfBusy::Enqueue {
        return Ok(Vec::new());
    }
    let statement = "SELECT id FROM runs WHERE thread = ?1 AND open IS NOT NULL ORDER BY key";
    let others: Vec<[u8; 16]> = column(write, statement, [thread])?;
    let others: Vec<RunId> = others.into_iter().map(|id| RunId(u128::from_be_bytes(id))).collect();
    let kind = match (new.if_busy, others.first()) {
        (IfBusy::Reject, Some(run)) => {
            return Err(StoreError::ThreadBusy { thread: thread.to_owned(), run: *run });
        }
        (IfBusy::Rollback, _) => CancelKind::Rollback,
        _ => CancelKind::Interrupt,
    };
    for run in &others {
        cancel(write, *run, kind, &new.stopped, now_ms)?;
    }
    Ok(others)
}

fn insert(write: &Connection, new: &NewRun, now_ms: i64) -> Result<i64, StoreError> {
    run(
        write,
        "INSERT INTO runs (id, agent, thread, status, created_at_ms, updated_at_ms, epoch, attempt, last_seq,
         last_commit, watched) VALUES (?1, ?2, ?3, 'queued', ?4, ?4, 0, 0, 1, 0, 0)",
        (blob(new.id), &new.agent, &new.thread, now_ms),
    )?;
    let key = write.last_insert_rowid();
    let metadata = (!new.metadata.is_empty()).then(|| to_json(&new.metadata)).transpose()?;
    let (idempotency_key, hash) = match &new.idempotency {
        Some(key) => (Some(&key.key), Some(key.body_hash.to_be_bytes())),
        None => (None, None),
    };
    run(
        write,
        "INSERT INTO texts (run, input, principal, metadata, idempotency_key, body_hash, ttl_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (key, &new.input, &new.principal, metadata, idempotency_key, hash, new.ttl_ms.map(signed)),
    )?;
    Ok(key)
}

/// Whether a run has not to wait for another of its thread.
fn is_first(write: &Connection, key: i64) -> Result<bool, StoreError> {
    let statement = "SELECT 1 FROM runs AS new JOIN runs AS older
        ON older.thread = new.thread AND older.open IS NOT NULL AND older.key < new.key WHERE new.key = ?1";
    Ok(first(write, statement, [key], |_| Ok(()))?.is_none())
}

pub(super) fn claim(write: &Connection, claim: &Claim, now_ms: i64) -> Result<Vec<Claimed>, StoreError> {
    let limit = i64::try_from(claim.limit).unwrap_or(i64::MAX);
    let agents = to_json(&claim.agents)?;
    let expired = "SELECT key FROM runs WHERE open = 1 AND (lease_until_ms IS NULL OR lease_until_ms <= ?1)
        AND agent IN (SELECT value FROM json_each(?2)) ORDER BY key LIMIT ?3";
    let mut keys: Vec<i64> = column(write, expired, (now_ms, &agents, limit))?;
    // Those have no lease, and the index has them in the order of their keys: the search ends when it has enough.
    let waiting = "SELECT key FROM runs AS new WHERE open = 0 AND lease_until_ms IS NULL AND agent IN (SELECT value FROM json_each(?1))
        AND NOT EXISTS (SELECT 1 FROM runs AS older
            WHERE older.thread = new.thread AND older.open IS NOT NULL AND older.key < new.key)
        ORDER BY key LIMIT ?2";
    let room = limit.saturating_sub(i64::try_from(keys.len()).unwrap_or(i64::MAX));
    if room > 0 {
        keys.extend(column::<i64>(write, waiting, (&agents, room))?);
    }
    keys.into_iter().map(|key| claim_one(write, key, claim, now_ms)).collect()
}

fn claim_one(write: &Connection, key: i64, claim: &Claim, now_ms: i64) -> Result<Claimed, StoreError> {
    let statement = "SELECT thread FROM runs WHERE key = ?1 AND epoch = 0";
    let begins: Option<Option<String>> = first(write, statement, [key], |row| row.get(0))?;
    if let Some(thread) = begins.flatten() {
        let era = begin_era(write, &thread)?;
        run(write, "UPDATE runs SET era = ?2 WHERE key = ?1", (key, era))?;
    }
    run(
        write,
        "UPDATE runs SET status = 'running', owner = ?2, epoch = epoch + 1, attempt = attempt + 1,
         lease_until_ms = ?3, updated_at_ms = ?4, last_commit = 0 WHERE key = ?1",
        (key, &claim.owner, later(now_ms, claim.lease_ms), now_ms),
    )?;
    let run = get(write, key)?;
    let lease = Lease { run: run.id, epoch: run.epoch };
    Ok(Claimed { run, lease })
}

pub(super) fn heartbeat(
    write: &Connection,
    leases: &[Lease],
    lease_ms: u64,
    now_ms: i64,
) -> Result<Vec<Beat>, StoreError> {
    let beat = |lease: &Lease| {
        let statement = "SELECT key, cancel FROM runs
            WHERE id = ?1 AND epoch = ?2 AND open = 1 AND lease_until_ms IS NOT NULL";
        let held = first(write, statement, (blob(lease.run), signed(lease.epoch)), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        let Some((key, cancel)) = held else { return Ok(Beat::Lost) };
        let until = later(now_ms, lease_ms);
        run(write, "UPDATE runs SET lease_until_ms = ?2 WHERE key = ?1", (key, until))?;
        Ok(Beat::Held(cancel.as_deref().map(cancel_of).transpose()?))
    };
    leases.iter().map(beat).collect()
}

pub(super) fn release(write: &Connection, leases: &[Lease]) -> Result<(), StoreError> {
    let statement = "UPDATE runs SET lease_until_ms = NULL, attempt = max(attempt - 1, 0)
        WHERE id = ?1 AND epoch = ?2 AND open = 1 AND lease_until_ms IS NOT NULL";
    for lease in leases {
        run(write, statement, (blob(lease.run), signed(lease.epoch)))?;
    }
    Ok(())
}

pub(super) fn release_all(write: &Connection) -> Result<usize, StoreError> {
    run(write, "UPDATE runs SET lease_until_ms = NULL WHERE open = 1 AND lease_until_ms IS NOT NULL", [])
}

pub(super) fn cancel(
    write: &Connection,
    id: RunId,
    kind: CancelKind,
    last: &NewEvent,
    now_ms: i64,
) -> Result<CancelOutcome, StoreError> {
    let statement = "SELECT key, status, last_seq FROM runs WHERE id = ?1";
    let found = first(write, statement, [blob(id)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let Some((key, status, last_seq)) = found else { return Ok(CancelOutcome::NotFound) };
    match status_of(&status)? {
        RunStatus::Queued => {
            let last = NewEvent { class: EventClass::End, ..last.clone() };
            push(write, key, last_seq, &[last], now_ms)?;
            run(write, "UPDATE runs SET last_seq = last_seq + 1 WHERE key = ?1", [key])?;
            let end = RunEnd { status: RunStatus::Cancelled, error: None, rolls_back: false };
            self::end(write, key, &end, now_ms)?;
            Ok(CancelOutcome::Ended)
        }
        RunStatus::Running => {
            // To undo is the stronger wish.
            let statement = "UPDATE runs SET cancel = ?2 WHERE key = ?1 AND cancel IS NOT 'rollback'";
            run(write, statement, (key, kind.name()))?;
            Ok(CancelOutcome::Asked)
        }
        status => Ok(CancelOutcome::Over(status)),
    }
}

/// Ends a run, and undoes what it did to its thread if that is wanted.
pub(super) fn end(write: &Connection, key: i64, end: &RunEnd, now_ms: i64) -> Result<(), StoreError> {
    let statement =
        "SELECT thread, era, ttl_ms, cancel IS 'rollback' FROM runs CROSS JOIN texts ON texts.run = runs.key
        WHERE key = ?1";
    type Row = (Option<String>, Option<i64>, Option<i64>, bool);
    let found: Option<Row> =
        first(write, statement, [key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let (thread, era, ttl_ms, is_to_undo) = found.ok_or_else(|| corrupt("a run has no texts"))?;
    run(
        write,
        "UPDATE runs SET status = ?2, updated_at_ms = ?3, outlived_at_ms = ?4, lease_until_ms = NULL,
         cancel = NULL WHERE key = ?1",
        (key, end.status.name(), now_ms, ttl_ms.map(|ttl_ms| now_ms.saturating_add(ttl_ms))),
    )?;
    if let Some(error) = &end.error {
        run(write, "UPDATE texts SET error = ?2 WHERE run = ?1", (key, to_json(error)?))?;
    }
    let Some(thread) = thread else { return Ok(()) };
    if let Some(era) = era.filter(|_| end.rolls_back || is_to_undo) {
        roll_back(write, &thread, era)?;
    }
    touch(write, &thread, now_ms)?;
    Ok(())
}
