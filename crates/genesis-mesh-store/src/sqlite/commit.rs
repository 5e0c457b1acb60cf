//! Commits: events and entries that are kept together, under a lease.
//!
//! Owns: the statements of a commit. It is the one change that happens all the time: one row is found, one is changed.
//! Never: begins or ends a transaction; reads a clock.

use super::append::append;
use super::event_rows::push;
use super::lifecycle::end;
use super::rows::EntryRow;
use super::run_rows::{blob, cancel_of, event_keys, signed};
use super::statement::{first, run};
use genesis_mesh_core::log::{Committed, Lease, NewEvent, RunEnd};
use genesis_mesh_core::store::{StoreError, ThreadKey};
use rusqlite::{Connection, Row};

/// A commit, ready to be written.
#[derive(Debug)]
pub(super) struct CommitRows {
    pub(super) number: u64,
    pub(super) events: Vec<NewEvent>,
    pub(super) entries: Vec<(ThreadKey, Vec<EntryRow>)>,
    pub(super) end: Option<RunEnd>,
    pub(super) is_progress: bool,
}

/// What a commit must know of its run.
struct Head {
    key: i64,
    epoch: i64,
    is_held: bool,
    last_seq: i64,
    last_commit: i64,
    cancel: Option<String>,
}

impl Head {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            epoch: row.get(1)?,
            is_held: row.get(2)?,
            last_seq: row.get(3)?,
            last_commit: row.get(4)?,
            cancel: row.get(5)?,
        })
    }

    fn committed(&self, last_seq: i64, at_ms: i64, wants_snapshot: bool) -> Result<Committed, StoreError> {
        let last_seq = u64::try_from(last_seq).unwrap_or_default();
        let cancel = self.cancel.as_deref().map(cancel_of).transpose()?;
        Ok(Committed { last_seq, at_ms, wants_snapshot, cancel })
    }
}

pub(super) fn commit(
    write: &Connection,
    lease: &Lease,
    commit: &CommitRows,
    now_ms: i64,
) -> Result<Committed, StoreError> {
    let fenced = || StoreError::Fenced { run: lease.run };
    let statement =
        "SELECT key, epoch, open IS 1 AND lease_until_ms IS NOT NULL, last_seq, last_commit, cancel
        FROM runs WHERE id = ?1";
    let head = first(write, statement, [blob(lease.run)], Head::of)?.ok_or_else(fenced)?;
    let is_present = head.epoch == signed(lease.epoch);
    if is_present && signed(commit.number) <= head.last_commit {
        let key = event_keys(head.key).0.saturating_add(head.last_seq);
        let at_ms = first(write, "SELECT at_ms FROM events WHERE key = ?1", [key], |row| row.get(0))?;
        return head.committed(head.last_seq, at_ms.unwrap_or(now_ms), false);
    }
    if !is_present || !head.is_held {
        return Err(fenced());
    }
    let mut wants_snapshot = false;
    for (key, rows) in &commit.entries {
        wants_snapshot |= append(write, key, rows, now_ms)?.wants_snapshot;
    }
    let last_seq = push(write, head.key, head.last_seq, &commit.events, now_ms)?;
    run(
        write,
        "UPDATE runs SET last_seq = ?2, last_commit = ?3, attempt = iif(?4, 0, attempt) WHERE key = ?1",
        (head.key, last_seq, signed(commit.number), commit.is_progress),
    )?;
    if let Some(how) = &commit.end {
        end(write, head.key, how, now_ms)?;
    }
    head.committed(last_seq, now_ms, wants_snapshot)
}
