//! The store in memory: threads behind locks of their own, and runs behind one.
//!
//! Owns: the locks, and what is atomic over threads and runs.
//! Never: holds a lock across an await, or waits for the runs while it holds a thread.
//! Flow: an append locks its thread alone; whatever is about runs locks all runs first, then threads.

mod history;
mod threads;
mod runs;
mod log;
#[cfg(test)]
mod tests;

use crate::clock::{self, Clock};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{
    Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey,
};
use history::History;
use runs::Runs;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use threads::Threads;

/// Keeps runs and threads in memory, for as long as the process lives.
///
/// An append or a commit costs the same whatever the number of threads, of runs, of checkpoints, and of tasks of a step.
pub struct MemoryStore {
    clock: Clock,
    threads: Threads,
    runs: Mutex<Runs>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_clock(clock::system())
    }
}

impl MemoryStore {
    /// A store without runs and threads, with the clock of the system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store without runs and threads, with another clock.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, threads: Threads::default(), runs: Mutex::default() }
    }

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    fn lock_runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move { self.threads.append(key, entries, self.now_ms()) })
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        Box::pin(async move {
            let links = self.threads.with(&key.thread, |thread| {
                thread.graphs.get(&key.ns).map_or(Ok(Vec::new()), |history| history.lineage(at))
            });
            links.unwrap_or(Ok(Vec::new()))
        })
    }

    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>> {
        Box::pin(async move {
            let found = self.threads.with(&key.thread, |thread| {
                thread.graphs.get(&key.ns).map(|history| history.find(&query)).unwrap_or_default()
            });
            Ok(found.unwrap_or_default())
        })
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        Box::pin(async move {
            let names = self.threads.with(thread, |thread| thread.graphs.keys().cloned().collect());
            Ok(names.unwrap_or_default())
        })
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut runs = self.lock_runs();
            let now_ms = self.now_ms();
            let Some(copy) = self.threads.with(from, |thread| thread.copy(to, now_ms)) else {
                return Ok(false);
            };
            if from != to {
                runs.delete_of_thread(to);
                self.threads.replace(to, Some(copy));
            }
            Ok(true)
        })
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut runs = self.lock_runs();
            runs.delete_of_thread(thread);
            Ok(self.threads.replace(thread, None))
        })
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let pruned =
                self.threads.with(thread, |thread| thread.graphs.values_mut().try_for_each(History::prune));
            pruned.map_or(Ok(false), |pruned| pruned.map(|()| true))
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, runs) = (self.threads.len(), self.lock_runs().len());
        f.debug_struct("MemoryStore").field("threads", &threads).field("runs", &runs).finish()
    }
}
