//! The contract `RunStore` on PostgreSQL.
//!
//! Owns: which of its functions is a lane's job, a read or a transaction.
//! Never: has a statement of its own.

use super::job::Job;
use super::{PostgresStore, accept, cancel, find, lease, run, thread};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, Commit, Committed, Lease, LogEvent, NewEvent,
    NewRun, Run, RunEnd, RunQuery, RunStore, Seq, Swept, ThreadInfo, ThreadQuery,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

impl RunStore for PostgresStore {
    fn accept(&self, new: NewRun) -> BoxFuture<'_, Result<Accepted, StoreError>> {
        Box::pin(self.change(async move |write| accept::accept(write, &new).await))
    }

    fn release_all(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.once(async move |client| lease::release_all(client).await))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(self.once(async move |client| lease::claim(client, &claim).await))
    }

    fn heartbeat<'a>(
        &'a self,
        leases: &'a [Lease],
        lease_ms: u64,
    ) -> BoxFuture<'a, Result<Vec<Beat>, StoreError>> {
        // To extend a lease twice does no harm.
        let leases = leases.to_vec();
        Box::pin(self.read(async move |client| lease::heartbeat(client, &leases, lease_ms).await))
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), StoreError>> {
        let leases = leases.to_vec();
        Box::pin(self.once(async move |client| lease::release(client, &leases).await))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        commit: Commit,
    ) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(async move {
            let ends = commit.end.is_some().then(|| commit.clone());
            let done = self.write(lease.run, Job::commit(lease, commit)?).await?;
            let Some(commit) = ends.filter(|_| done.must_undo) else { return Ok(done.committed()) };
            // The wish came while the end was on its way; it is not weakened any more, so once is enough.
            let end = commit.end.map(|end| RunEnd { rolls_back: true, ..end });
            let done = self.write(lease.run, Job::commit(lease, Commit { end, ..commit })?).await?;
            Ok(done.committed())
        })
    }

    fn cancel(
        &self,
        run: RunId,
        kind: CancelKind,
        end: NewEvent,
    ) -> BoxFuture<'_, Result<CancelOutcome, StoreError>> {
        Box::pin(self.change(async move |write| cancel::stop(write, run, kind, &end).await))
    }

    fn run(&self, run: RunId) -> BoxFuture<'_, Result<Option<Run>, StoreError>> {
        Box::pin(self.read(async move |client| run::get(client, run).await))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        Box::pin(self.read(async move |client| run::find(client, &query).await))
    }

    fn events(
        &self,
        run: RunId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<LogEvent>, StoreError>> {
        Box::pin(self.read(async move |client| run::events(client, run, after, limit).await))
    }

    fn watch(&self, run: RunId) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.once(async move |client| cancel::watch(client, run).await))
    }

    fn delete_run(&self, run: RunId) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.change(async move |write| cancel::delete(write, run).await))
    }

    fn put_thread(&self, told: ThreadInfo) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.change(async move |write| thread::put(write, &told).await))
    }

    fn threads(&self, query: ThreadQuery) -> BoxFuture<'_, Result<Vec<ThreadInfo>, StoreError>> {
        Box::pin(self.read(async move |client| thread::list(client, &query).await))
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<Swept, StoreError>> {
        Box::pin(async move {
            let mut swept = Swept::default();
            let runs = self.read(async move |client| thread::outlived_runs(client, limit).await).await?;
            for run in runs {
                let is_gone = self.change(async move |write| cancel::delete(write, run).await).await?;
                swept.runs += usize::from(is_gone);
            }
            let threads =
                self.read(async move |client| thread::outlived_threads(client, limit).await).await?;
            for name in threads {
                let is_gone = self.change(async move |write| thread::sweep(write, &name).await).await?;
                swept.threads += usize::from(is_gone);
            }
            Ok(swept)
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.read(async move |client| find::check(client).await))
    }
}
