//! Runs in memory: their lifecycle, their logs and their leases.
//!
//! Owns: all runs, and what has to be found quickly: those that have not ended, keys, ends.
//! Never: locks itself or reads a clock; the caller does both.
//! Flow: each change finds its run, looks whether it may, changes it, and tells the run's thread.

mod read;
mod shelf;

use super::threads::Threads;
use crate::clock::later;
use genesis_mesh_core::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, Commit, Committed, EventClass, IfBusy, Lease,
    LogEvent, NewEvent, NewRun, Run, RunEnd, RunStatus,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::{Appended, StoreError};
use shelf::Shelf;
use std::sync::Arc;

/// All runs.
#[derive(Default)]
pub(super) struct Runs {
    shelf: Shelf,
}

/// A run with its log.
struct Kept {
    run: Run,
    /// Its place in the order of acceptance.
    place: u64,
    events: Vec<LogEvent>,
    /// The number of the last commit under the present lease.
    commit: u64,
    /// Its key, within its principal's, and the hash of its request.
    key: Option<(String, u128)>,
    /// When it may be swept.
    outlived_at_ms: Option<i64>,
}

impl Kept {
    fn new(new: NewRun, place: u64, now_ms: i64) -> (Self, NewEvent) {
        let run = Run {
            id: new.id,
            agent: new.agent,
            thread: new.thread,
            input: new.input,
            principal: new.principal,
            metadata: new.metadata,
            ttl_ms: new.ttl_ms,
            status: RunStatus::Queued,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            owner: None,
            epoch: 0,
            attempt: 0,
            lease_until_ms: None,
            last_seq: 0,
            watched: 0,
            cancel: None,
            error: None,
        };
        let key = new.idempotency.map(|key| (key.key, key.body_hash));
        let kept = Self { run, place, key, events: Vec::new(), commit: 0, outlived_at_ms: None };
        (kept, new.first)
    }

    fn push(&mut self, event: NewEvent, now_ms: i64) {
        self.run.last_seq += 1;
        self.events.push(LogEvent {
            seq: self.run.last_seq,
            at_ms: now_ms,
            class: event.class,
            data: Arc::from(event.data),
            memo: event.memo.map(Arc::from),
        });
    }

    /// Whether this lease is held.
    fn is_held(&self, lease: &Lease) -> bool {
        let run = &self.run;
        run.status == RunStatus::Running && run.epoch == lease.epoch && run.lease_until_ms.is_some()
    }

    /// Whether it was claimed and is nobody's now.
    fn has_expired(&self, now_ms: i64) -> bool {
        self.run.status == RunStatus::Running && self.run.lease_until_ms.is_none_or(|until| until <= now_ms)
    }

    /// Notes the wish that it stop. To undo is the stronger wish.
    fn ask(&mut self, kind: CancelKind) {
        if self.run.cancel != Some(CancelKind::Rollback) {
            self.run.cancel = Some(kind);
        }
    }
}

impl Runs {
    pub(super) fn accept(
        &mut self,
        new: NewRun,
        threads: &Threads,
        now_ms: i64,
    ) -> Result<Accepted, StoreError> {
        if let Some(earlier) = self.shelf.same(&new)? {
            return Ok(Accepted { run: earlier, is_new: false, lease: None, stopped: Vec::new() });
        }
        let (id, claim) = (new.id, new.claim.clone());
        let stopped = match &new.thread {
            Some(thread) => {
                let stopped = self.make_room(thread, &new, threads, now_ms)?;
                threads.with_new(thread, now_ms, |thread| thread.touch(now_ms));
                stopped
            }
            None => Vec::new(),
        };
        let (mut kept, first) = Kept::new(new, self.shelf.next_place(), now_ms);
        kept.push(first, now_ms);
        self.shelf.insert(kept);
        let claimed = claim
            .filter(|_| self.shelf.is_first(id))
            .and_then(|claim| self.claim_one(id, &claim, threads, now_ms));
        let lease = claimed.map(|claimed| claimed.lease);
        let run = self.shelf.get(id).map(|kept| kept.run.clone());
        let run = run.ok_or(StoreError::UnknownRun { run: id })?;
        Ok(Accepted { run, is_new: true, lease, stopped })
    }

    /// Does what the new run wants done with the others of its thread; gives those that were stopped.
    fn make_room(
        &mut self,
        thread: &str,
        new: &NewRun,
        threads: &Threads,
        now_ms: i64,
    ) -> Result<Vec<RunId>, StoreError> {
        let others = self.shelf.open_of(thread);
        let kind = match (new.if_busy, others.first()) {
            (_, None) | (IfBusy::Enqueue, _) => return Ok(Vec::new()),
            (IfBusy::Reject, Some(run)) => {
                return Err(StoreError::ThreadBusy { thread: thread.to_owned(), run: *run });
            }
            (IfBusy::Interrupt, _) => CancelKind::Interrupt,
            (IfBusy::Rollback, _) => CancelKind::Rollback,
        };
        for run in &others {
            self.cancel(*run, kind, new.stopped.clone(), threads, now_ms);
        }
        Ok(others)
    }

    pub(super) fn release_all(&mut self) -> usize {
        let mut released = 0;
        for kept in self.shelf.open_mut() {
            released += usize::from(kept.run.lease_until_ms.take().is_some());
        }
        released
    }

    pub(super) fn claim(&mut self, claim: &Claim, threads: &Threads, now_ms: i64) -> Vec<Claimed> {
        let is_ours = |kept: &&Kept| claim.agents.contains(&kept.run.agent);
        let expired = self.shelf.open().filter(|kept| kept.has_expired(now_ms)).filter(is_ours);
        let waiting = self.shelf.open().filter(|kept| kept.run.status == RunStatus::Queued).filter(is_ours);
        let first = waiting.filter(|kept| self.shelf.is_first(kept.run.id));
        let ids: Vec<RunId> = expired.chain(first).map(|kept| kept.run.id).take(claim.limit).collect();
        ids.into_iter().filter_map(|id| self.claim_one(id, claim, threads, now_ms)).collect()
    }

    fn claim_one(&mut self, id: RunId, claim: &Claim, threads: &Threads, now_ms: i64) -> Option<Claimed> {
        let kept = self.shelf.get_mut(id)?;
        kept.commit = 0;
        let run = &mut kept.run;
        if let (0, Some(thread)) = (run.epoch, &run.thread) {
            threads.with(thread, super::threads::Thread::mark);
        }
        run.status = RunStatus::Running;
        run.owner = Some(claim.owner.clone());
        run.epoch += 1;
        run.attempt = run.attempt.saturating_add(1);
        run.lease_until_ms = Some(later(now_ms, claim.lease_ms));
        run.updated_at_ms = now_ms;
        Some(Claimed { run: run.clone(), lease: Lease { run: id, epoch: run.epoch } })
    }

    pub(super) fn heartbeat(&mut self, leases: &[Lease], lease_ms: u64, now_ms: i64) -> Vec<Beat> {
        let beat = |lease: &Lease| match self.shelf.get_mut(lease.run) {
            Some(kept) if kept.is_held(lease) => {
                kept.run.lease_until_ms = Some(later(now_ms, lease_ms));
                Beat::Held(kept.run.cancel)
            }
            _ => Beat::Lost,
        };
        leases.iter().map(beat).collect()
    }

    pub(super) fn release(&mut self, leases: &[Lease]) {
        for lease in leases {
            if let Some(kept) = self.shelf.get_mut(lease.run).filter(|kept| kept.is_held(lease)) {
                kept.run.lease_until_ms = None;
                kept.run.attempt = kept.run.attempt.saturating_sub(1);
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        lease: &Lease,
        commit: Commit,
        threads: &Threads,
        now_ms: i64,
    ) -> Result<Committed, StoreError> {
        let fenced = || StoreError::Fenced { run: lease.run };
        let kept = self.shelf.get_mut(lease.run).ok_or_else(fenced)?;
        let was_done = kept.run.epoch == lease.epoch && commit.number <= kept.commit;
        if was_done {
            let at_ms = kept.events.last().map_or(now_ms, |event| event.at_ms);
            return Ok(kept.committed(at_ms, Appended::default()));
        }
        if !kept.is_held(lease) {
            return Err(fenced());
        }
        let appended = threads.append_all(commit.entries, now_ms)?;
        kept.commit = commit.number;
        commit.events.into_iter().for_each(|event| kept.push(event, now_ms));
        if commit.is_progress {
            kept.run.attempt = 0;
        }
        let committed = kept.committed(now_ms, appended);
        if let Some(end) = commit.end {
            self.end(lease.run, end, threads, now_ms);
        }
        Ok(committed)
    }

    /// Ends a run, and what only a run that has not ended has.
    fn end(&mut self, id: RunId, end: RunEnd, threads: &Threads, now_ms: i64) {
        self.shelf.close(id, |kept| {
            let run = &mut kept.run;
            let rolls_back = end.rolls_back || run.cancel == Some(CancelKind::Rollback);
            (run.status, run.error, run.updated_at_ms) = (end.status, end.error, now_ms);
            (run.lease_until_ms, run.cancel) = (None, None);
            kept.outlived_at_ms = kept.run.ttl_ms.map(|ttl_ms| later(now_ms, ttl_ms));
            let Some(thread) = &kept.run.thread else { return };
            let was_claimed = kept.run.epoch > 0;
            threads.with(thread, |thread| {
                if rolls_back && was_claimed {
                    thread.roll_back();
                }
                if was_claimed {
                    thread.unmark();
                }
                thread.touch(now_ms);
            });
        });
    }

    pub(super) fn cancel(
        &mut self,
        id: RunId,
        kind: CancelKind,
        last: NewEvent,
        threads: &Threads,
        now_ms: i64,
    ) -> CancelOutcome {
        let Some(kept) = self.shelf.get_mut(id) else { return CancelOutcome::NotFound };
        match kept.run.status {
            RunStatus::Queued => {
                kept.push(NewEvent { class: EventClass::End, ..last }, now_ms);
                let end = RunEnd { status: RunStatus::Cancelled, error: None, rolls_back: false };
                self.end(id, end, threads, now_ms);
                CancelOutcome::Ended
            }
            RunStatus::Running => {
                kept.ask(kind);
                CancelOutcome::Asked
            }
            status => CancelOutcome::Over(status),
        }
    }

    pub(super) fn watch(&mut self, id: RunId) -> Result<u64, StoreError> {
        let kept = self.shelf.get_mut(id).ok_or(StoreError::UnknownRun { run: id })?;
        kept.run.watched += 1;
        Ok(kept.run.watched)
    }

    /// Deletes a run, and its thread if that was made for it alone.
    pub(super) fn delete(&mut self, id: RunId, threads: &Threads) -> bool {
        let Some(kept) = self.shelf.remove(id) else { return false };
        let Some(thread) = kept.run.thread else { return true };
        if thread.starts_with('_') && !self.shelf.has_thread(&thread) {
            threads.replace(&thread, None);
        } else if kept.run.epoch > 0 && !kept.run.status.is_end() {
            threads.with(&thread, super::threads::Thread::unmark);
        }
        true
    }

    pub(super) fn delete_of_thread(&mut self, thread: &str) {
        for run in self.shelf.of_thread(thread) {
            self.shelf.remove(run);
        }
    }

    /// Deletes runs that have outlived their time, and gives how many.
    pub(super) fn sweep(&mut self, limit: usize, threads: &Threads, now_ms: i64) -> usize {
        let outlived = self.shelf.outlived(now_ms, limit);
        outlived.into_iter().filter(|run| self.delete(*run, threads)).count()
    }

    /// Deletes threads that have outlived their time and that no run is busy with, with their runs.
    pub(super) fn sweep_threads(&mut self, limit: usize, threads: &Threads, now_ms: i64) -> usize {
        let outlived = threads.outlived(now_ms).into_iter();
        let idle: Vec<_> =
            outlived.filter(|thread| self.shelf.open_of(thread).is_empty()).take(limit).collect();
        let gone = idle.into_iter().filter(|thread| {
            let is_gone = threads.remove_outlived(thread, now_ms);
            if is_gone {
                self.delete_of_thread(thread);
            }
            is_gone
        });
        gone.count()
    }
}

impl Kept {
    fn committed(&self, at_ms: i64, appended: Appended) -> Committed {
        let Run { last_seq, cancel, .. } = self.run;
        Committed { last_seq, at_ms, wants_snapshot: appended.wants_snapshot, cancel }
    }
}
