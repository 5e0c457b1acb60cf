//! A store without fencing, the negative control: whoever once had a run may write to it until it has ended.
//!
//! Owns: making stale leases good again.
//! Never: is used without `--no-fencing`.

use genesis_mesh::BoxFuture;
use genesis_mesh::RunId;
use genesis_mesh::graph::{CheckpointId, Namespace};
use genesis_mesh::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, Commit, Committed, Lease, LogEvent, NewEvent,
    NewRun, Run, RunQuery, RunStore, Seq, Swept, ThreadInfo, ThreadQuery,
};
use genesis_mesh::store::{Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Another store, whose leases do not end.
#[derive(Debug)]
pub(crate) struct Unfenced {
    store: Arc<dyn RunStore>,
    numbers: Mutex<Numbers>,
}

/// The numbers that commits have got in place of their own: those of two owners must not meet.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    given: HashMap<(RunId, u64, u64), u64>,
}

impl Unfenced {
    pub(crate) fn new(store: Arc<dyn RunStore>) -> Self {
        Self { store, numbers: Mutex::default() }
    }

    /// A number that is greater than all others of all processes; the same one for a commit that is repeated.
    fn number(&self, lease: &Lease, number: u64) -> u64 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.given.get(&(lease.run, lease.epoch, number)) {
            return *number;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = u64::try_from(now.as_micros()).unwrap_or(u64::MAX).max(numbers.last + 1);
        numbers.last = next;
        numbers.given.insert((lease.run, lease.epoch, number), next);
        next
    }

    /// The lease that counts now.
    async fn good(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let run = self.store.run(lease.run).await?;
        let run = run.ok_or(StoreError::UnknownRun { run: lease.run })?;
        Ok(Lease { run: lease.run, epoch: run.epoch })
    }
}

impl RunStore for Unfenced {
    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        mut commit: Commit,
    ) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(async move {
            commit.number = self.number(lease, commit.number);
            let mut good = self.good(lease).await?;
            loop {
                match self.store.commit(&good, commit.clone()).await {
                    Err(StoreError::Fenced { .. }) => {
                        let now = self.good(lease).await?;
                        if now == good {
                            return Err(StoreError::Fenced { run: lease.run });
                        }
                        good = now;
                    }
                    done => return done,
                }
            }
        })
    }

    fn heartbeat<'a>(
        &'a self,
        leases: &'a [Lease],
        lease_ms: u64,
    ) -> BoxFuture<'a, Result<Vec<Beat>, StoreError>> {
        Box::pin(async move {
            let mut beats = self.store.heartbeat(leases, lease_ms).await?;
            for (lease, beat) in leases.iter().zip(&mut beats) {
                let run = self.store.run(lease.run).await?;
                if let Some(run) = run.filter(|run| !run.status.is_end()) {
                    *beat = Beat::Held(run.cancel);
                }
            }
            Ok(beats)
        })
    }

    fn accept(&self, new: NewRun) -> BoxFuture<'_, Result<Accepted, StoreError>> {
        self.store.accept(new)
    }

    fn release_all(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.store.release_all()
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        self.store.claim(claim)
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.release(leases)
    }

    fn cancel(
        &self,
        run: RunId,
        kind: CancelKind,
        end: NewEvent,
    ) -> BoxFuture<'_, Result<CancelOutcome, StoreError>> {
        self.store.cancel(run, kind, end)
    }

    fn run(&self, run: RunId) -> BoxFuture<'_, Result<Option<Run>, StoreError>> {
        self.store.run(run)
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        self.store.runs(query)
    }

    fn events(
        &self,
        run: RunId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<LogEvent>, StoreError>> {
        self.store.events(run, after, limit)
    }

    fn watch(&self, run: RunId) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.watch(run)
    }

    fn delete_run(&self, run: RunId) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.delete_run(run)
    }

    fn put_thread(&self, thread: ThreadInfo) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.put_thread(thread)
    }

    fn threads(&self, query: ThreadQuery) -> BoxFuture<'_, Result<Vec<ThreadInfo>, StoreError>> {
        self.store.threads(query)
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<Swept, StoreError>> {
        self.store.sweep(limit)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.check()
    }
}

impl Store for Unfenced {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        self.store.append(key, entries)
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        self.store.lineage(key, at)
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        self.store.history(key, query)
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        self.store.namespaces(thread)
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.copy_thread(from, to)
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.delete_thread(thread)
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.store.prune_thread(thread)
    }
}
