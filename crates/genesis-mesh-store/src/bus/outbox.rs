//! The outbox: hints that wait to be sent to other processes.
//!
//! Owns: their bound, and what becomes of hints that say the same: of a run the newest alone is sent.
//! Never: waits for a place; what comes when it is full is dropped.

use genesis_mesh_core::bus::Hint;
use genesis_mesh_core::log::Seq;
use genesis_mesh_core::run::RunId;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// So many runs have hints that wait, at most: more than one process works on, and their hints are 200 KB.
const RUNS_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    comes: Notify,
}

#[derive(Default)]
struct Waiting {
    appended: HashMap<RunId, Seq>,
    cancelled: HashSet<RunId>,
    is_queued: bool,
}

impl Outbox {
    pub(super) fn put(&self, hint: Hint) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match hint {
            Hint::Appended { run, seq } => {
                let is_full = waiting.appended.len() >= RUNS_MAX;
                match waiting.appended.get_mut(&run) {
                    Some(newest) => *newest = seq.max(*newest),
                    None if is_full => {}
                    None => {
                        waiting.appended.insert(run, seq);
                    }
                }
            }
            Hint::Cancelled { run } => {
                if waiting.cancelled.len() < RUNS_MAX {
                    waiting.cancelled.insert(run);
                }
            }
            Hint::Queued => waiting.is_queued = true,
            // What was missed here was not missed elsewhere.
            Hint::Missed => return,
        }
        drop(waiting);
        self.comes.notify_one();
    }

    /// All that waits; waits itself until there is something.
    pub(super) async fn take(&self) -> Vec<Hint> {
        loop {
            let hints = self.take_now();
            if !hints.is_empty() {
                return hints;
            }
            self.comes.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Hint> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let queued = waiting.is_queued.then_some(Hint::Queued);
        let cancelled = waiting.cancelled.into_iter().map(|run| Hint::Cancelled { run });
        let appended = waiting.appended.into_iter().map(|(run, seq)| Hint::Appended { run, seq });
        cancelled.chain(queued).chain(appended).collect()
    }
}
