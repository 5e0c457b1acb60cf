//! Keepers: what a graph of a run keeps in the store, and when.
//!
//! Owns: the order of entries, by the run's durability.
//! Never: makes an entry; `drive/record.rs` does.

use super::env::{Durability, Env, Log, Thread};
use super::error::GraphRunError;
use genesis_mesh_core::run::{CheckpointHead, CheckpointId, FactRecord, MachineSnapshot, Namespace, TaskEnd};
use genesis_mesh_core::store::{Appended, Entry, ThreadKey};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps one namespace of a thread.
pub(super) struct Keeper {
    pub(super) thread: Thread,
    pub(super) key: ThreadKey,
    pub(super) durability: Durability,
    /// Where the thread stood before this run.
    origin: Option<CheckpointId>,
    waiting: Mutex<Waiting>,
}

/// What is not appended yet.
#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    /// So many of them are looked through for what had to be appended ahead of the others.
    ahead: usize,
    /// How often all of them were taken.
    taken: u64,
}

impl Waiting {
    fn take(&mut self) -> Vec<Entry> {
        self.ahead = 0;
        self.taken += 1;
        std::mem::take(&mut self.entries)
    }
}

impl Keeper {
    /// The keeper of a graph in `ns`, if the run has a thread.
    pub(super) fn of(env: &Env, ns: &Namespace, origin: Option<CheckpointId>) -> Option<Box<Self>> {
        let thread = env.thread.as_ref()?;
        Some(Box::new(Self::new(thread, ns, env.durability, origin)))
    }

    fn new(thread: &Thread, ns: &Namespace, durability: Durability, origin: Option<CheckpointId>) -> Self {
        let key = ThreadKey { thread: thread.id.clone(), ns: ns.clone() };
        Self { thread: thread.clone(), key, durability, origin, waiting: Mutex::default() }
    }

    /// The checkpoint before `head` as the thread will have it: of a run that keeps only its last one, all others are gone.
    pub(super) fn parent_of(&self, head: CheckpointHead) -> Option<CheckpointId> {
        let is_new = self.origin != Some(head.id);
        if self.durability == Durability::Exit && is_new { self.origin } else { head.parent }
    }

    /// Takes an entry, and appends it now if it must be. With `log` it is not waited for: whatever is told or kept after it
    /// comes after it in the log too.
    pub(super) async fn keep(&self, entry: Entry, log: Option<&dyn Log>) -> Result<Appended, GraphRunError> {
        match (self.durability, log) {
            (Durability::Sync, Some(log)) => Ok(log.keep(&self.key, vec![entry])),
            (Durability::Async, Some(log)) => {
                let appended = log.keep(&self.key, vec![entry]);
                log.room().await;
                Ok(appended)
            }
            (Durability::Sync, None) => Ok(self.thread.store.append(&self.key, vec![entry]).await?),
            (Durability::Async, None) => {
                // What a resumed run is given may change its tasks, whose calls are appended ahead of others.
                let is_due = matches!(
                    entry,
                    Entry::Checkpoint(_) | Entry::Pending { fact: FactRecord::Resumed { .. }, .. }
                );
                let entries = {
                    let mut waiting = self.waiting();
                    waiting.entries.push(entry);
                    if is_due { waiting.take() } else { Vec::new() }
                };
                if entries.is_empty() {
                    Ok(Appended::default())
                } else {
                    Ok(self.thread.store.append(&self.key, entries).await?)
                }
            }
            (Durability::Exit, _) => {
                let mut waiting = self.waiting();
                if matches!(entry, Entry::Checkpoint(_)) {
                    waiting.take();
                }
                waiting.entries.push(entry);
                Ok(Appended::default())
            }
        }
    }

    /// Whether nothing is appended before the run's end.
    pub(super) fn is_late(&self) -> bool {
        self.durability == Durability::Exit
    }

    /// Waits until the calls that have begun are kept. Without a log they are appended, with the failures that they may
    /// follow from, ahead of the rest. All of them come again in their places, where they change nothing: so whoever drops
    /// this loses nothing.
    pub(super) async fn keep_calls(&self, log: Option<&dyn Log>) -> Result<(), GraphRunError> {
        if self.durability != Durability::Async {
            return Ok(());
        }
        if let Some(log) = log {
            return Ok(log.settled().await?);
        }
        let (entries, seen, taken) = {
            let waiting = self.waiting();
            let new = waiting.entries.get(waiting.ahead..).unwrap_or_default();
            let calls = new.iter().filter(|entry| {
                use FactRecord::{CallBegun, TaskEnded};
                let Entry::Pending { fact, .. } = entry else { return false };
                matches!(fact, CallBegun { .. } | TaskEnded { end: TaskEnd::Failed { .. }, .. })
            });
            (calls.cloned().collect::<Vec<_>>(), waiting.entries.len(), waiting.taken)
        };
        if entries.is_empty() {
            return Ok(());
        }
        self.thread.store.append(&self.key, entries).await?;
        let mut waiting = self.waiting();
        if waiting.taken == taken {
            waiting.ahead = waiting.ahead.max(seen);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what waits, at the end of a run.
    pub(super) async fn finish(&self, snapshot: Option<MachineSnapshot>) -> Result<(), GraphRunError> {
        let mut entries = self.waiting().take();
        if self.durability == Durability::Exit
            && let Some(Entry::Checkpoint(checkpoint)) = entries.first_mut()
        {
            // A checkpoint whose way there is not kept is nothing without its snapshot.
            let Some(snapshot) = snapshot else { return Ok(()) };
            checkpoint.parent = self.origin;
            checkpoint.fact = None;
            let snapshot = Box::new(snapshot.with_parent(self.origin));
            let checkpoint = checkpoint.id;
            for entry in &mut entries {
                // The snapshot is of now: what the caller wrote after the checkpoint is in it.
                if let Entry::Pending { fact: FactRecord::Resumed { writes, .. }, .. } = entry {
                    writes.clear();
                }
            }
            entries.insert(1, Entry::Snapshot { checkpoint, snapshot });
        }
        if !entries.is_empty() {
            self.thread.store.append(&self.key, entries).await?;
        }
        Ok(())
    }
}
