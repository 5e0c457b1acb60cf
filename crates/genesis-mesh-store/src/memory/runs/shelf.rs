//! The shelf: where runs are, and how they are found.
//!
//! Owns: the maps, which agree after each call.
//! Never: changes what a run says of itself.

use super::Kept;
use genesis_mesh_core::log::{NewRun, Run};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Key = (Option<String>, String);

/// All runs, and what has to be found quickly.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) runs: BTreeMap<RunId, Kept>,
    /// Those that have not ended, in the order in which they were accepted.
    open: BTreeMap<u64, RunId>,
    by_thread: HashMap<String, OfThread>,
    /// By principal and key.
    keys: HashMap<Key, RunId>,
    /// When which may be swept.
    outlived: BTreeSet<(i64, RunId)>,
    places: u64,
}

/// The runs of a thread, and those that have not ended.
#[derive(Default)]
struct OfThread {
    all: BTreeSet<RunId>,
    open: BTreeMap<u64, RunId>,
}

impl Shelf {
    pub(super) fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    pub(super) fn get(&self, id: RunId) -> Option<&Kept> {
        self.runs.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: RunId) -> Option<&mut Kept> {
        self.runs.get_mut(&id)
    }

    /// The run that was accepted for the same request, if there is one.
    pub(super) fn same(&self, new: &NewRun) -> Result<Option<Run>, StoreError> {
        let Some(key) = &new.idempotency else { return Ok(self.get(new.id).map(|kept| kept.run.clone())) };
        let place = (new.principal.clone(), key.key.clone());
        match self.keys.get(&place).and_then(|run| self.get(*run)) {
            None => Ok(self.get(new.id).map(|kept| kept.run.clone())),
            Some(kept) if kept.key.as_ref().is_some_and(|(_, hash)| *hash == key.body_hash) => {
                Ok(Some(kept.run.clone()))
            }
            Some(_) => Err(StoreError::KeyReused { key: key.key.clone() }),
        }
    }

    pub(super) fn insert(&mut self, kept: Kept) {
        let id = kept.run.id;
        self.open.insert(kept.place, id);
        if let Some(thread) = &kept.run.thread {
            let of_thread = self.by_thread.entry(thread.clone()).or_default();
            of_thread.all.insert(id);
            of_thread.open.insert(kept.place, id);
        }
        if let Some(key) = key_of(&kept) {
            self.keys.insert(key, id);
        }
        self.runs.insert(id, kept);
    }

    /// Takes a run out of those that have not ended, when `end` has changed it.
    pub(super) fn close(&mut self, id: RunId, end: impl FnOnce(&mut Kept)) {
        let Some(kept) = self.runs.get_mut(&id) else { return };
        end(kept);
        self.open.remove(&kept.place);
        let thread = kept.run.thread.as_ref();
        if let Some(of_thread) = thread.and_then(|thread| self.by_thread.get_mut(thread)) {
            of_thread.open.remove(&kept.place);
        }
        self.outlived.extend(kept.outlived_at_ms.map(|at_ms| (at_ms, id)));
    }

    pub(super) fn remove(&mut self, id: RunId) -> Option<Kept> {
        let kept = self.runs.remove(&id)?;
        self.open.remove(&kept.place);
        if let Some(thread) = &kept.run.thread
            && let Some(of_thread) = self.by_thread.get_mut(thread)
        {
            of_thread.all.remove(&id);
            of_thread.open.remove(&kept.place);
            if of_thread.all.is_empty() {
                self.by_thread.remove(thread);
            }
        }
        if let Some(key) = key_of(&kept) {
            self.keys.remove(&key);
        }
        if let Some(at_ms) = kept.outlived_at_ms {
            self.outlived.remove(&(at_ms, id));
        }
        Some(kept)
    }

    /// Those that have not ended, in the order in which they were accepted.
    pub(super) fn open(&self) -> impl Iterator<Item = &Kept> {
        self.open.values().filter_map(|id| self.runs.get(id))
    }

    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = &mut Kept> {
        self.runs.values_mut().filter(|kept| !kept.run.status.is_end())
    }

    /// Those of a thread that have not ended, in the order in which they were accepted.
    pub(super) fn open_of(&self, thread: &str) -> Vec<RunId> {
        self.by_thread.get(thread).map(|runs| runs.open.values().copied().collect()).unwrap_or_default()
    }

    /// Whether a run has not to wait for another of its thread.
    pub(super) fn is_first(&self, id: RunId) -> bool {
        let thread = self.get(id).and_then(|kept| kept.run.thread.as_ref());
        let Some(of_thread) = thread.and_then(|thread| self.by_thread.get(thread)) else { return true };
        of_thread.open.values().next() == Some(&id)
    }

    pub(super) fn has_thread(&self, thread: &str) -> bool {
        self.by_thread.contains_key(thread)
    }

    /// All runs of a thread.
    pub(super) fn of_thread(&self, thread: &str) -> Vec<RunId> {
        self.by_thread.get(thread).map(|runs| runs.all.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn outlived(&self, now_ms: i64, limit: usize) -> Vec<RunId> {
        let over = self.outlived.iter().take_while(|(at_ms, _)| *at_ms <= now_ms);
        over.map(|(_, run)| *run).take(limit).collect()
    }
}

fn key_of(kept: &Kept) -> Option<Key> {
    kept.key.as_ref().map(|(key, _)| (kept.run.principal.clone(), key.clone()))
}
