//! The store in memory: threads behind locks of their own.
//!
//! Owns: the map of threads, and what is atomic over whole threads.
//! Never: holds a lock across an await, or two threads' locks at once.
//! Flow: each call finds its thread, locks it, and leaves the work to `memory/history.rs`.

mod history;
#[cfg(test)]
mod tests;

use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{
    Appended, Checkpoint, Entry, HistoryQuery, Link, Store, StoreError, ThreadKey,
};
use history::History;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Keeps threads in memory, for as long as the process lives.
///
/// An append costs the same whatever the number of threads, of checkpoints, and of tasks of a step.
#[derive(Default)]
pub struct MemoryStore {
    threads: RwLock<HashMap<String, Arc<Mutex<Thread>>>>,
}

/// One thread: the histories of its graphs.
#[derive(Clone, Default)]
struct Thread {
    graphs: BTreeMap<Namespace, History>,
    /// It was taken out of the map; whoever still holds it looks again.
    is_gone: bool,
}

impl MemoryStore {
    /// A store without threads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, thread: &str) -> Option<Arc<Mutex<Thread>>> {
        self.threads.read().unwrap_or_else(PoisonError::into_inner).get(thread).cloned()
    }

    /// What `look` sees of a thread; `None` if there is no such thread.
    fn with<T>(&self, thread: &str, look: impl FnOnce(&mut Thread) -> T) -> Option<T> {
        let thread = self.find(thread)?;
        let mut thread = lock(&thread);
        (!thread.is_gone).then(|| look(&mut thread))
    }

    fn append_now(&self, key: &ThreadKey, entries: Vec<Entry>) -> Result<Appended, StoreError> {
        loop {
            if let Some(thread) = self.find(&key.thread) {
                let mut thread = lock(&thread);
                if thread.is_gone {
                    continue;
                }
                return thread.append(&key.ns, entries);
            }
            let mut threads = self.threads.write().unwrap_or_else(PoisonError::into_inner);
            if threads.contains_key(&key.thread) {
                continue;
            }
            let mut thread = Thread::default();
            let appended = thread.append(&key.ns, entries)?;
            if !thread.graphs.is_empty() {
                threads.insert(key.thread.clone(), Arc::new(Mutex::new(thread)));
            }
            return Ok(appended);
        }
    }

    /// Puts `thread` in the place of what has this name.
    fn replace(&self, name: &str, thread: Option<Thread>) -> bool {
        let mut threads = self.threads.write().unwrap_or_else(PoisonError::into_inner);
        let old = match thread {
            Some(thread) => threads.insert(name.to_owned(), Arc::new(Mutex::new(thread))),
            None => threads.remove(name),
        };
        let was_there = old.is_some();
        if let Some(old) = old {
            lock(&old).is_gone = true;
        }
        was_there
    }
}

impl Thread {
    fn append(&mut self, ns: &Namespace, entries: Vec<Entry>) -> Result<Appended, StoreError> {
        if let Some(history) = self.graphs.get_mut(ns) {
            return history.append(entries);
        }
        let mut history = History::default();
        let appended = history.append(entries)?;
        if !history.is_empty() {
            self.graphs.insert(ns.clone(), history);
        }
        Ok(appended)
    }
}

fn lock(thread: &Mutex<Thread>) -> MutexGuard<'_, Thread> {
    thread.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(async move { self.append_now(key, entries) })
    }

    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>> {
        Box::pin(async move {
            let links = self.with(&key.thread, |thread| {
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
            let found = self.with(&key.thread, |thread| {
                thread.graphs.get(&key.ns).map(|history| history.find(&query)).unwrap_or_default()
            });
            Ok(found.unwrap_or_default())
        })
    }

    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>> {
        Box::pin(async move {
            let names = self.with(thread, |thread| thread.graphs.keys().cloned().collect());
            Ok(names.unwrap_or_default())
        })
    }

    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let Some(copy) = self.with(from, |thread| thread.clone()) else { return Ok(false) };
            if from != to {
                self.replace(to, Some(copy));
            }
            Ok(true)
        })
    }

    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.replace(thread, None)) })
    }

    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let pruned = self.with(thread, |thread| thread.graphs.values_mut().try_for_each(History::prune));
            pruned.map_or(Ok(false), |pruned| pruned.map(|()| true))
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.threads.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("MemoryStore").field("threads", &threads).finish()
    }
}
