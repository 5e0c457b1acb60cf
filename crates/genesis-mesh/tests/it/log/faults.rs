//! Faults that tests choose by hand.

use super::faulty::{Fault, FaultyStore};
use genesis_mesh::MemoryStore;
use genesis_mesh::log::RunStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl FaultyStore {
    /// How often the call of this name was made.
    pub(crate) fn count(&self, call: &'static str) -> usize {
        self.calls.lock().unwrap().get(call).copied().unwrap_or(0)
    }

    pub(crate) fn new<S: RunStore + 'static>(inner: &Arc<S>) -> Arc<Self> {
        Self::with(inner, |_, _| Fault::None)
    }

    /// One whose commits hang after so many were done, and everything with them.
    pub(crate) fn dies_after(inner: &Arc<MemoryStore>, commits: usize) -> Arc<Self> {
        let is_dead = AtomicBool::new(false);
        Self::with(inner, move |call, number| {
            if call == "commit" && number > commits {
                is_dead.store(true, Ordering::SeqCst);
            }
            if is_dead.load(Ordering::SeqCst) { Fault::Hangs } else { Fault::None }
        })
    }

    pub(crate) fn set(&self, decide: impl Fn(&'static str, usize) -> Fault + Send + Sync + 'static) {
        self.decide_by(decide);
    }
}
