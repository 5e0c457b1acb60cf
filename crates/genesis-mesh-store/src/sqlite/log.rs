//! The contract `RunStore` on SQLite.
//!
//! Owns: which change waits for the disk, which need not, and which is refused once the file is known to be damaged.
//! Never: runs a statement; the writer and the readers do.

use super::commit::{self, CommitRows};
use super::rows::rows_of;
use super::statement::first;
use super::writer::Care;
use super::{SqliteStore, event_rows, lifecycle, pulse, remove, run_rows, thread_rows};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, Commit, Committed, Lease, LogEvent, NewEvent,
    NewRun, Run, RunQuery, RunStore, Seq, Swept, ThreadInfo, ThreadQuery,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

impl RunStore for SqliteStore {
    fn accept(&self, new: NewRun) -> BoxFuture<'_, Result<Accepted, StoreError>> {
        Box::pin(async move {
            self.takes_new()?;
            self.change(Care::Durable, move |write, now_ms| lifecycle::accept(write, &new, now_ms)).await
        })
    }

    fn release_all(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.change(Care::Durable, |write, _| lifecycle::release_all(write)))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(async move {
            self.takes_new()?;
            self.change(Care::Durable, move |write, now_ms| lifecycle::claim(write, &claim, now_ms)).await
        })
    }

    fn heartbeat<'a>(
        &'a self,
        leases: &'a [Lease],
        lease_ms: u64,
    ) -> BoxFuture<'a, Result<Vec<Beat>, StoreError>> {
        let leases = leases.to_vec();
        let beat = move |write: &_, now_ms| lifecycle::heartbeat(write, &leases, lease_ms, now_ms);
        Box::pin(self.change(Care::Light, beat))
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), StoreError>> {
        let leases = leases.to_vec();
        Box::pin(self.change(Care::Durable, move |write, _| lifecycle::release(write, &leases)))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        commit: Commit,
    ) -> BoxFuture<'a, Result<Committed, StoreError>> {
        let care = match &commit.end {
            Some(end) if end.rolls_back => Care::Removing,
            _ if commit.is_durable() => Care::Durable,
            _ => Care::Light,
        };
        Box::pin(async move {
            let Commit { number, events, entries, end, is_progress } = commit;
            let entries = entries.into_iter().map(|(key, entries)| Ok((key, rows_of(entries)?)));
            let entries = entries.collect::<Result<_, StoreError>>()?;
            let has_ended = end.is_some();
            let (lease, rows) = (lease.clone(), CommitRows { number, events, entries, end, is_progress });
            let commit = move |write: &_, now_ms| commit::commit(write, &lease, &rows, now_ms);
            let committed = self.change(care, commit).await?;
            if has_ended && care != Care::Removing && committed.cancel == Some(CancelKind::Rollback) {
                // It has undone what nobody knew to be undone before: that leaves the files now. It is committed in any case.
                let _ = self.change(Care::Removing, |_, _| Ok(())).await;
            }
            Ok(committed)
        })
    }

    fn cancel(
        &self,
        run: RunId,
        kind: CancelKind,
        end: NewEvent,
    ) -> BoxFuture<'_, Result<CancelOutcome, StoreError>> {
        let cancel = move |write: &_, now_ms| lifecycle::cancel(write, run, kind, &end, now_ms);
        Box::pin(self.change(Care::Durable, cancel))
    }

    fn run(&self, run: RunId) -> BoxFuture<'_, Result<Option<Run>, StoreError>> {
        Box::pin(self.read(move |read| run_rows::find(read, run)))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        Box::pin(self.read(move |read| run_rows::search(read, &query)))
    }

    fn events(
        &self,
        run: RunId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<LogEvent>, StoreError>> {
        Box::pin(self.read(move |read| run_rows::events(read, run, after, limit)))
    }

    fn watch(&self, run: RunId) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.change(Care::Light, move |write, _| event_rows::watch(write, run)))
    }

    fn delete_run(&self, run: RunId) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.change(Care::Removing, move |write, _| {
            let Some(key) = run_rows::key_of(write, run)? else { return Ok(false) };
            remove::delete_run(write, key).map(|()| true)
        }))
    }

    fn put_thread(&self, thread: ThreadInfo) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.change(Care::Durable, move |write, now_ms| thread_rows::put(write, &thread, now_ms)))
    }

    fn threads(&self, query: ThreadQuery) -> BoxFuture<'_, Result<Vec<ThreadInfo>, StoreError>> {
        Box::pin(self.read(move |read| thread_rows::list(read, &query)))
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<Swept, StoreError>> {
        Box::pin(async move {
            let now_ms = (self.clock)();
            // Most of the time there is nothing to do: that costs the writer nothing.
            let is_needed = self.read(move |read| {
                let statement = "SELECT EXISTS (SELECT 1 FROM runs WHERE outlived_at_ms <= ?1) OR EXISTS
                    (SELECT 1 FROM threads WHERE ttl_ms IS NOT NULL AND updated_at_ms + ttl_ms <= ?1)";
                first(read, statement, [now_ms], |row| row.get(0))
            });
            if is_needed.await? != Some(true) {
                return Ok(Swept::default());
            }
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            self.change(Care::Removing, move |write, now_ms| remove::sweep(write, limit, now_ms)).await
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.takes_new()?;
            self.change(Care::Durable, |write, _| pulse::check(write)).await
        })
    }
}
