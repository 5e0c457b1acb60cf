//! The map of threads: each behind a lock of its own, with what is known of it beside its checkpoints.
//!
//! Owns: the map, one thread, and what is atomic over several of them.
//! Never: holds a lock across an await, or takes the lock of the map while it holds that of a thread.
//! Flow: each call finds its thread, locks it, and leaves the work to `history.rs`.

use super::history::History;
use genesis_mesh_core::log::{ThreadInfo, ThreadQuery};
use genesis_mesh_core::run::Namespace;
use genesis_mesh_core::store::{Appended, Entry, StoreError, ThreadKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

type Map = HashMap<String, Arc<Mutex<Thread>>>;
type ByGraph = BTreeMap<Namespace, Vec<Entry>>;

/// All threads.
#[derive(Default)]
pub(super) struct Threads {
    map: RwLock<Map>,
}

/// One thread: the histories of its graphs.
#[derive(Clone, Default)]
pub(super) struct Thread {
    pub(super) graphs: BTreeMap<Namespace, History>,
    info: ThreadInfo,
    /// What comes is noted, so that it can be undone.
    is_marked: bool,
    /// It was taken out of the map; whoever still holds it looks again.
    pub(super) is_gone: bool,
}

impl Threads {
    pub(super) fn len(&self) -> usize {
        self.read().len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, thread: &str) -> Option<Arc<Mutex<Thread>>> {
        self.read().get(thread).cloned()
    }

    /// What `look` sees of a thread; `None` if there is no such thread.
    pub(super) fn with<T>(&self, thread: &str, look: impl FnOnce(&mut Thread) -> T) -> Option<T> {
        let thread = self.find(thread)?;
        let mut thread = lock(&thread);
        (!thread.is_gone).then(|| look(&mut thread))
    }

    /// The same of a thread that begins now if it is not there.
    pub(super) fn with_new(&self, thread: &str, now_ms: i64, look: impl FnOnce(&mut Thread)) {
        let mut map = self.write();
        let thread =
            map.entry(thread.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Thread::new(thread, now_ms))));
        look(&mut lock(thread));
    }

    /// Appends to one thread. Others are appended to at the same time.
    pub(super) fn append(
        &self,
        key: &ThreadKey,
        entries: Vec<Entry>,
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        loop {
            if let Some(thread) = self.find(&key.thread) {
                let mut thread = lock(&thread);
                if thread.is_gone {
                    continue;
                }
                thread.check(&key.ns, &entries)?;
                return Ok(thread.append(&key.ns, entries, now_ms));
            }
            let mut map = self.write();
            if map.contains_key(&key.thread) {
                continue;
            }
            let mut thread = Thread::new(&key.thread, now_ms);
            thread.check(&key.ns, &entries)?;
            let appended = thread.append(&key.ns, entries, now_ms);
            if !thread.graphs.is_empty() {
                map.insert(key.thread.clone(), Arc::new(Mutex::new(thread)));
            }
            return Ok(appended);
        }
    }

    /// Appends to several threads, or to none.
    pub(super) fn append_all(
        &self,
        entries: Vec<(ThreadKey, Vec<Entry>)>,
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        if entries.is_empty() {
            return Ok(Appended::default());
        }
        let mut by_thread: BTreeMap<String, ByGraph> = BTreeMap::new();
        for (key, entries) in entries {
            by_thread.entry(key.thread).or_default().entry(key.ns).or_default().extend(entries);
        }
        // Whoever holds the map can lock several threads: nobody else holds one and waits for another.
        let mut map = self.write();
        let there: Vec<_> = by_thread
            .keys()
            .map(|name| {
                map.get(name).cloned().unwrap_or_else(|| Arc::new(Mutex::new(Thread::new(name, now_ms))))
            })
            .collect();
        let mut locked: Vec<_> = there.iter().map(|thread| lock(thread)).collect();
        for (thread, by_graph) in locked.iter().zip(by_thread.values()) {
            by_graph.iter().try_for_each(|(ns, entries)| thread.check(ns, entries))?;
        }
        let mut wants_snapshot = false;
        for ((thread, kept), (name, by_graph)) in locked.iter_mut().zip(&there).zip(by_thread) {
            for (ns, entries) in by_graph {
                wants_snapshot |= thread.append(&ns, entries, now_ms).wants_snapshot;
            }
            if !thread.graphs.is_empty() {
                map.entry(name).or_insert_with(|| Arc::clone(kept));
            }
        }
        Ok(Appended { wants_snapshot })
    }

    /// Puts `thread` in the place of what has this name.
    pub(super) fn replace(&self, name: &str, thread: Option<Thread>) -> bool {
        let mut map = self.write();
        let old = match thread {
            Some(thread) => map.insert(name.to_owned(), Arc::new(Mutex::new(thread))),
            None => map.remove(name),
        };
        let was_there = old.is_some();
        if let Some(old) = old {
            lock(&old).is_gone = true;
        }
        was_there
    }

    /// What is known of the threads that are asked for, the one that was used last first.
    pub(super) fn list(&self, query: &ThreadQuery) -> Vec<ThreadInfo> {
        let threads: Vec<_> = match &query.id {
            Some(id) => self.find(id).into_iter().collect(),
            None => {
                let map = self.read();
                let told = map.iter().filter(|(name, _)| !name.starts_with('_'));
                told.map(|(_, thread)| Arc::clone(thread)).collect()
            }
        };
        let mut found: Vec<ThreadInfo> = Vec::new();
        for thread in threads {
            let thread = lock(&thread);
            let mut wanted = query.metadata.iter();
            let begins =
                query.prefix.as_ref().is_none_or(|prefix| thread.info.id.starts_with(prefix.as_str()));
            if !thread.is_gone
                && begins
                && wanted.all(|(name, value)| thread.info.metadata.get(name) == Some(value))
            {
                found.push(thread.info.clone());
            }
        }
        found.sort_by(|a, b| (b.updated_at_ms, &b.id).cmp(&(a.updated_at_ms, &a.id)));
        found.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX)).collect()
    }

    /// The threads that have outlived their time.
    pub(super) fn outlived(&self, now_ms: i64) -> Vec<String> {
        let map = self.read();
        let outlived = map.iter().filter(|(_, thread)| lock(thread).has_outlived(now_ms));
        outlived.map(|(name, _)| name.clone()).collect()
    }

    /// Removes a thread if it has outlived its time still.
    pub(super) fn remove_outlived(&self, name: &str, now_ms: i64) -> bool {
        let mut map = self.write();
        let is_outlived = map.get(name).is_some_and(|thread| {
            let mut thread = lock(thread);
            thread.is_gone = thread.has_outlived(now_ms);
            thread.is_gone
        });
        if is_outlived {
            map.remove(name);
        }
        is_outlived
    }
}

impl Thread {
    fn new(name: &str, now_ms: i64) -> Self {
        let id = name.to_owned();
        let info = ThreadInfo { id, created_at_ms: now_ms, updated_at_ms: now_ms, ..ThreadInfo::default() };
        Self { info, ..Self::default() }
    }

    /// Whether all of `entries` can be kept.
    fn check(&self, ns: &Namespace, entries: &[Entry]) -> Result<(), StoreError> {
        match self.graphs.get(ns) {
            Some(history) => history.check(entries),
            None => History::default().check(entries),
        }
    }

    /// Keeps entries that were checked.
    fn append(&mut self, ns: &Namespace, entries: Vec<Entry>, now_ms: i64) -> Appended {
        if entries.is_empty() {
            return self.graphs.get_mut(ns).map(|history| history.append(entries)).unwrap_or_default();
        }
        self.touch(now_ms);
        if let Some(history) = self.graphs.get_mut(ns) {
            return history.append(entries);
        }
        let history = self.graphs.entry(ns.clone()).or_default();
        if self.is_marked {
            history.mark();
        }
        history.append(entries)
    }

    pub(super) fn touch(&mut self, now_ms: i64) {
        self.info.updated_at_ms = now_ms;
    }

    /// Takes what makers say of the thread.
    pub(super) fn describe(&mut self, told: ThreadInfo) {
        self.info.metadata.extend(told.metadata);
        self.info.ttl_ms = told.ttl_ms.or(self.info.ttl_ms);
    }

    /// A thread of another name, with all that this one has; no run has marked it.
    pub(super) fn copy(&self, name: &str, now_ms: i64) -> Self {
        let mut copy = self.clone();
        copy.unmark();
        let info = ThreadInfo { metadata: self.info.metadata.clone(), ..Self::new(name, now_ms).info };
        copy.info = ThreadInfo { ttl_ms: self.info.ttl_ms, ..info };
        copy
    }

    /// Begins to note what comes, so that it can be undone; forgets what was noted before.
    pub(super) fn mark(&mut self) {
        self.is_marked = true;
        self.graphs.values_mut().for_each(History::mark);
    }

    /// Notes nothing any more.
    pub(super) fn unmark(&mut self) {
        self.is_marked = false;
        self.graphs.values_mut().for_each(History::unmark);
    }

    /// Undoes what came since the mark.
    pub(super) fn roll_back(&mut self) {
        self.graphs.values_mut().for_each(History::roll_back);
        self.graphs.retain(|_, history| !history.is_empty());
        self.is_marked = false;
    }

    fn has_outlived(&self, now_ms: i64) -> bool {
        let ttl_ms = self.info.ttl_ms;
        ttl_ms.is_some_and(|ttl_ms| crate::clock::later(self.info.updated_at_ms, ttl_ms) <= now_ms)
    }
}

pub(super) fn lock(thread: &Mutex<Thread>) -> MutexGuard<'_, Thread> {
    thread.lock().unwrap_or_else(PoisonError::into_inner)
}
