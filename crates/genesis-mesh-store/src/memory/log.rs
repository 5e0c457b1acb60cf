//! The contract `RunStore` on the store in memory.
//!
//! Owns: the lock around runs, and the time that each call sees.
//! Never: takes that lock while it holds a thread's.

use super::MemoryStore;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, Commit, Committed, Lease, LogEvent, NewEvent,
    NewRun, Run, RunQuery, RunStore, Seq, Swept, ThreadInfo, ThreadQuery,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

impl RunStore for MemoryStore {
    fn accept(&self, new: NewRun) -> BoxFuture<'_, Result<Accepted, StoreError>> {
        Box::pin(async move { self.lock_runs().accept(new, &self.threads, self.now_ms()) })
    }

    fn release_all(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().release_all()) })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().claim(&claim, &self.threads, self.now_ms())) })
    }

    fn heartbeat<'a>(
        &'a self,
        leases: &'a [Lease],
        lease_ms: u64,
    ) -> BoxFuture<'a, Result<Vec<Beat>, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().heartbeat(leases, lease_ms, self.now_ms())) })
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.lock_runs().release(leases);
            Ok(())
        })
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        commit: Commit,
    ) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(async move { self.lock_runs().commit(lease, commit, &self.threads, self.now_ms()) })
    }

    fn cancel(
        &self,
        run: RunId,
        kind: CancelKind,
        end: NewEvent,
    ) -> BoxFuture<'_, Result<CancelOutcome, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().cancel(run, kind, end, &self.threads, self.now_ms())) })
    }

    fn run(&self, run: RunId) -> BoxFuture<'_, Result<Option<Run>, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().get(run)) })
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().find(&query)) })
    }

    fn events(
        &self,
        run: RunId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<LogEvent>, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().events(run, after, limit)) })
    }

    fn watch(&self, run: RunId) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.lock_runs().watch(run) })
    }

    fn delete_run(&self, run: RunId) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.lock_runs().delete(run, &self.threads)) })
    }

    fn put_thread(&self, thread: ThreadInfo) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let name = thread.id.clone();
            self.threads.with_new(&name, self.now_ms(), |known| known.describe(thread));
            Ok(())
        })
    }

    fn threads(&self, query: ThreadQuery) -> BoxFuture<'_, Result<Vec<ThreadInfo>, StoreError>> {
        Box::pin(async move { Ok(self.threads.list(&query)) })
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<Swept, StoreError>> {
        Box::pin(async move {
            let (mut runs, now_ms) = (self.lock_runs(), self.now_ms());
            let swept = runs.sweep(limit, &self.threads, now_ms);
            Ok(Swept { runs: swept, threads: runs.sweep_threads(limit, &self.threads, now_ms) })
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { Ok(()) })
    }
}
