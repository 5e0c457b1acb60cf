//! Recording: a fact is applied to the machine and kept in the store, in this order and at once.
//!
//! Owns: what is appended when, by the run's durability; snapshots when the store wants them.
//! Never: tells a fact before it is kept, if the run is to be kept step by step.

use crate::graph::env::Durability;
use crate::graph::error::GraphRunError;
use crate::graph::keeper::Keeper;
use crate::graph::live::Live;
use genesis_mesh_core::run::{CheckpointHead, Fact, FactRecord, TaskEnd};
use genesis_mesh_core::store::{Checkpoint, Entry};
use genesis_mesh_core::stream::{EventKind, StreamMode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

impl Live {
    /// Applies a fact, and keeps it if the run is kept. Gives its record if somebody watches `modes`.
    pub(in crate::graph) async fn record(
        &self,
        fact: Fact,
        modes: &[StreamMode],
    ) -> Result<Option<FactRecord>, GraphRunError> {
        let is_watched = self.is_watched(modes);
        let (told, record, before, after, is_alone) = {
            let mut machine = self.machine();
            let told = if is_watched { FactRecord::told(&fact, &machine)? } else { None };
            let mut record = match (&self.keeper, &told) {
                (None, _) => None,
                (Some(_), Some(told)) if !machine.topology().shape().has_untracked() => Some(told.clone()),
                (Some(_), _) => FactRecord::of(&fact, &machine)?,
            };
            if let Some(record) = &mut record {
                record.check(machine.topology())?;
                if let FactRecord::Resumed { run, .. } = record {
                    run.clone_from(&self.env.run_name);
                }
            }
            let before = machine.head();
            // Reducers are code of others.
            let applied = catch_unwind(AssertUnwindSafe(|| machine.apply(fact)));
            let applied =
                applied.map_err(|panic| GraphRunError::panicked(&*panic)).and_then(|applied| Ok(applied?));
            if let Err(error) = applied {
                self.is_broken.store(true, Ordering::Relaxed);
                return Err(error);
            }
            (told, record, before, machine.head(), machine.tasks().len() == 1)
        };
        let (Some(keeper), Some(record)) = (&self.keeper, record) else { return Ok(told) };
        let is_checkpoint = record.checkpoint().is_some();
        let has_finished = matches!(record, FactRecord::TaskEnded { end: TaskEnd::Finished(_), .. });
        let entry = match (is_checkpoint, after) {
            (true, Some(head)) => Entry::Checkpoint(self.checkpoint(head, record)),
            _ => Entry::Pending { checkpoint: before.map(|head| head.id).unwrap_or_default(), fact: record },
        };
        // The one task of a step has ended, and the step is committed next: in a log both are kept at once with what is told
        // of them, at the cost of one. Steps that do not wait for each other share even that.
        let may_wait = keeper.durability == Durability::Async || (is_alone && has_finished);
        let log = self.env.log().filter(|_| may_wait);
        if Box::pin(keeper.keep(entry, log)).await?.wants_snapshot && is_checkpoint {
            Box::pin(self.keep_snapshot(keeper)).await?;
        }
        Ok(told)
    }

    async fn keep_snapshot(&self, keeper: &Keeper) -> Result<(), GraphRunError> {
        let snapshot = self.machine().snapshot()?;
        if let (Some(snapshot), Durability::Sync | Durability::Async) = (snapshot, keeper.durability) {
            let checkpoint = snapshot.checkpoint();
            let entry = Entry::Snapshot { checkpoint, snapshot: Box::new(snapshot) };
            match self.env.log().filter(|_| keeper.durability == Durability::Async) {
                Some(log) => drop(log.keep(&keeper.key, vec![entry])),
                None => drop(keeper.thread.store.append(&keeper.key, vec![entry]).await?),
            }
        }
        Ok(())
    }

    fn checkpoint(&self, head: CheckpointHead, fact: FactRecord) -> Checkpoint {
        Checkpoint {
            id: head.id,
            parent: head.parent,
            step: head.step,
            source: head.source,
            created_at_ms: self.env.ambient.now_ms(),
            parents: self.parents.clone(),
            metadata: self.env.metadata.clone(),
            fact: Some(fact),
        }
    }

    /// Folds the writes of the step, keeps the new checkpoint, and tells the new state.
    pub(super) async fn commit(&self) -> Result<(), GraphRunError> {
        let checkpoint = self.env.checkpoint_id();
        self.record(Fact::StepCommitted { checkpoint }, &[]).await?;
        self.is_resumed_step.store(false, Ordering::Relaxed);
        if self.ns.is_root() {
            // An answer is for the questions of the step that asked; what nobody took must not answer a later one.
            drop(self.env.take_answer());
        }
        if self.is_watched(&[StreamMode::Values, StreamMode::Events]) {
            let values = {
                let machine = self.machine();
                if machine.has_written() || machine.is_function() {
                    Some((machine.step() - 1, machine.values()?))
                } else {
                    None
                }
            };
            if let Some((step, values)) = values {
                Box::pin(self.tell(step, EventKind::StateChanged { values, interrupts: None })).await;
            }
        }
        Ok(())
    }

    /// Keeps what is not kept yet; to be called when the run stops, however it does.
    pub(in crate::graph) async fn finish(&self) -> Result<(), GraphRunError> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        // A machine that refused a fact may have taken half of it; what it shows must not be kept.
        let is_whole = keeper.durability == Durability::Exit && !self.is_broken.load(Ordering::Relaxed);
        let snapshot = if is_whole { self.machine().snapshot()? } else { None };
        keeper.finish(snapshot).await
    }
}
