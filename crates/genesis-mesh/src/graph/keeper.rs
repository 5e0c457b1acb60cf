//! Keepers: what a graph of a run keeps in the store, and when.
//!
//! Owns: the order of entries, by the run's durability.
//! Never: makes an entry; `drive/record.rs` does.

use super::env::{Durability, Env, Log, Thread};
use super::error::GraphRunError;
use genesis_mesh_core::run::{CheckpointHead, CheckpointId, FactRecord, MachineSnapshot, Namespace};
use genesis_mesh_core::store::{Appended, Entry, ThreadKey};
use std::sync::{Mutex, PoisonError};

/// Keeps one namespace of a thread.
pub(super) struct Keeper {
    pub(super) thread: Thread,
    pub(super) key: ThreadKey,
    pub(super) durability: Durability,
    /// Where the thread stood before this run.
    origin: Option<CheckpointId>,
    /// What is not appended yet.
    waiting: Mutex<Vec<Entry>>,
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
            (Durability::Sync, Some(log)) => {
                log.keep(&self.key, vec![entry]);
                Ok(Appended::default())
            }
            (Durability::Sync, None) => Ok(self.thread.store.append(&self.key, vec![entry]).await?),
            (Durability::Async, _) => {
                let is_checkpoint = matches!(entry, Entry::Checkpoint(_));
                let entries = {
                    let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.push(entry);
                    if is_checkpoint { std::mem::take(&mut *waiting) } else { Vec::new() }
                };
                if entries.is_empty() {
                    Ok(Appended::default())
                } else {
                    Ok(self.thread.store.append(&self.key, entries).await?)
                }
            }
            (Durability::Exit, _) => {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(entry, Entry::Checkpoint(_)) {
                    waiting.clear();
                }
                waiting.push(entry);
                Ok(Appended::default())
            }
        }
    }

    /// Appends what waits, at the end of a run.
    pub(super) async fn finish(&self, snapshot: Option<MachineSnapshot>) -> Result<(), GraphRunError> {
        let mut entries = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
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
