//! A store around another one that waits, fails, hangs and counts, as the test says. The simulation has it too.

use genesis_mesh::BoxFuture;
use genesis_mesh::RunId;
use genesis_mesh::graph::{CheckpointId, Namespace};
use genesis_mesh::log::{
    Accepted, Beat, CancelKind, CancelOutcome, Claim, Claimed, Commit, Committed, Lease, LogEvent, NewEvent,
    NewRun, Run, RunQuery, RunStore, Seq, Swept, ThreadInfo, ThreadQuery,
};
use genesis_mesh::store::{Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done.
    None,
    /// It fails, and nothing is done.
    Before,
    /// It is done, and its answer is lost.
    After,
    /// It never returns, and nothing is done.
    Hangs,
    /// What it wants is damaged.
    Damaged,
}

/// What becomes of a call, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) fault: Fault,
    pub(crate) wait_before: Duration,
    pub(crate) wait_after: Duration,
}

impl From<Fault> for Fate {
    fn from(fault: Fault) -> Self {
        Self { fault, wait_before: Duration::ZERO, wait_after: Duration::ZERO }
    }
}

/// Decides for the call of this name, which is the n-th of that name, from 1.
type Decide = Box<dyn Fn(&'static str, usize) -> Fate + Send + Sync>;

/// A mistake that a store could make: what it takes a commit for, of the run as it is.
pub(crate) type Mistake = fn(&Run, Lease, Commit) -> (Lease, Commit);

/// The store as one process sees it.
pub(crate) struct FaultyStore {
    inner: Arc<dyn RunStore>,
    decide: Mutex<Decide>,
    pub(crate) calls: Mutex<HashMap<&'static str, usize>>,
    mistake: OnceLock<Mistake>,
}

impl FaultyStore {
    pub(crate) fn with<S: RunStore + 'static, F: Into<Fate> + 'static>(
        inner: &Arc<S>,
        decide: impl Fn(&'static str, usize) -> F + Send + Sync + 'static,
    ) -> Arc<Self> {
        let decide: Decide = Box::new(move |call, number| decide(call, number).into());
        let inner = Arc::clone(inner) as Arc<dyn RunStore>;
        Arc::new(Self {
            inner,
            decide: Mutex::new(decide),
            calls: Mutex::default(),
            mistake: OnceLock::new(),
        })
    }

    pub(crate) fn decide_by<F: Into<Fate> + 'static>(
        &self,
        decide: impl Fn(&'static str, usize) -> F + Send + Sync + 'static,
    ) {
        *self.decide.lock().unwrap() = Box::new(move |call, number| decide(call, number).into());
    }

    /// Makes this mistake from now on.
    pub(crate) fn err(&self, mistake: Mistake) {
        self.mistake.get_or_init(|| mistake);
    }

    async fn committed(&self, lease: &Lease, commit: Commit) -> Result<Committed, StoreError> {
        let (mut lease, mut commit) = (lease.clone(), commit);
        if let Some(mistake) = self.mistake.get()
            && let Some(run) = self.inner.run(lease.run).await?
        {
            (lease, commit) = mistake(&run, lease, commit);
        }
        self.inner.commit(&lease, commit).await
    }

    async fn through<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            let number = calls.entry(call).or_default();
            *number += 1;
            *number
        };
        let Fate { fault, wait_before, wait_after } = (self.decide.lock().unwrap())(call, number);
        wait(wait_before).await;
        let failed = || StoreError::Unavailable { message: format!("{call} {number}: {fault:?}") };
        let done = match fault {
            Fault::None => work.await,
            Fault::Before => Err(failed()),
            Fault::After => work.await.and_then(|_| Err(failed())),
            Fault::Damaged => Err(StoreError::Corrupt { message: format!("{call} {number}") }),
            Fault::Hangs => std::future::pending().await,
        };
        wait(wait_after).await;
        done
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

macro_rules! through {
    ($self:ident.$call:ident($($argument:expr),*)) => {
        Box::pin($self.through(stringify!($call), $self.inner.$call($($argument),*)))
    };
}

impl Store for FaultyStore {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        through!(self.append(key, entries))
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        through!(self.lineage(key, at))
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        through!(self.history(key, query))
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        through!(self.namespaces(thread))
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        through!(self.copy_thread(from, to))
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        through!(self.delete_thread(thread))
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        through!(self.prune_thread(thread))
    }
}

impl RunStore for FaultyStore {
    fn accept(&self, new: NewRun) -> BoxFuture<'_, Result<Accepted, StoreError>> {
        through!(self.accept(new))
    }

    fn release_all(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        through!(self.release_all())
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        through!(self.claim(claim))
    }

    fn heartbeat<'a>(
        &'a self,
        leases: &'a [Lease],
        lease_ms: u64,
    ) -> BoxFuture<'a, Result<Vec<Beat>, StoreError>> {
        through!(self.heartbeat(leases, lease_ms))
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), StoreError>> {
        through!(self.release(leases))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        commit: Commit,
    ) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(self.through("commit", self.committed(lease, commit)))
    }

    fn cancel(
        &self,
        run: RunId,
        kind: CancelKind,
        end: NewEvent,
    ) -> BoxFuture<'_, Result<CancelOutcome, StoreError>> {
        through!(self.cancel(run, kind, end))
    }

    fn run(&self, run: RunId) -> BoxFuture<'_, Result<Option<Run>, StoreError>> {
        through!(self.run(run))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Vec<Run>, StoreError>> {
        through!(self.runs(query))
    }

    fn events(
        &self,
        run: RunId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<LogEvent>, StoreError>> {
        through!(self.events(run, after, limit))
    }

    fn watch(&self, run: RunId) -> BoxFuture<'_, Result<u64, StoreError>> {
        through!(self.watch(run))
    }

    fn delete_run(&self, run: RunId) -> BoxFuture<'_, Result<bool, StoreError>> {
        through!(self.delete_run(run))
    }

    fn put_thread(&self, thread: ThreadInfo) -> BoxFuture<'_, Result<(), StoreError>> {
        through!(self.put_thread(thread))
    }

    fn threads(&self, query: ThreadQuery) -> BoxFuture<'_, Result<Vec<ThreadInfo>, StoreError>> {
        through!(self.threads(query))
    }

    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<Swept, StoreError>> {
        through!(self.sweep(limit))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        through!(self.check())
    }
}
