//! Rows: entries as they are written to PostgreSQL, and checkpoints as they are read from it.
//!
//! Owns: what a group writes of one graph, and which checkpoints must be there for that.
//! Never: runs a statement.
//! Flow: a caller makes rows of its entries on its own thread, so that a lane has less to do.

use super::fault::Fault;
use super::value::{Id, name};
use crate::rows::{CheckpointRow, Columns, to_json, weigh};
use genesis_mesh_core::run::CheckpointId;
use genesis_mesh_core::store::{Checkpoint, Entry, StoreError, ThreadKey};
use std::collections::HashSet;
use tokio_postgres::Row;

/// No snapshot is among the entries.
pub(super) const NO_SNAPSHOT: i64 = -1;

/// What is written to one graph of a thread.
#[derive(Debug)]
pub(super) struct GraphRows {
    pub(super) thread: String,
    pub(super) ns: String,
    /// Checkpoints that must have been there before, in the order in which they are named.
    pub(super) needs: Vec<Id>,
    /// What the facts since the last of the snapshots weigh.
    pub(super) fact_weight: i64,
    pub(super) snapshot_weight: i64,
    /// Each with its number among the entries.
    pub(super) checkpoints: Vec<(i64, CheckpointRow)>,
    pub(super) facts: Vec<FactRow>,
    pub(super) snapshots: Vec<(Id, String)>,
    entries: i64,
    news: HashSet<CheckpointId>,
}

#[derive(Debug)]
pub(super) struct FactRow {
    pub(super) checkpoint: Id,
    pub(super) place: i64,
    pub(super) fact: String,
}

impl GraphRows {
    pub(super) fn new(key: &ThreadKey) -> Self {
        Self {
            thread: name(&key.thread).into_owned(),
            ns: name(key.ns.as_str()).into_owned(),
            needs: Vec::new(),
            fact_weight: 0,
            snapshot_weight: NO_SNAPSHOT,
            checkpoints: Vec::new(),
            facts: Vec::new(),
            snapshots: Vec::new(),
            entries: 0,
            news: HashSet::new(),
        }
    }

    /// Adds entries, in order.
    pub(super) fn extend(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let with_snapshot: HashSet<CheckpointId> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Snapshot { checkpoint, .. } => Some(*checkpoint),
                _ => None,
            })
            .collect();
        for entry in entries {
            self.entries += 1;
            match entry {
                Entry::Checkpoint(checkpoint) => {
                    let parent = checkpoint.parent.filter(|_| !with_snapshot.contains(&checkpoint.id));
                    parent.into_iter().for_each(|parent| self.need(parent));
                    self.news.insert(checkpoint.id);
                    let row = CheckpointRow::of(checkpoint)?;
                    self.fact_weight = self.fact_weight.saturating_add(row.weight);
                    self.checkpoints.push((self.entries, row));
                }
                Entry::Pending { checkpoint, fact } => {
                    self.need(checkpoint);
                    self.fact_weight = self.fact_weight.saturating_add(weigh(&fact));
                    let fact = to_json(&fact)?;
                    self.facts.push(FactRow { checkpoint: Id(checkpoint.0), place: self.entries, fact });
                }
                Entry::Snapshot { checkpoint, snapshot } => {
                    self.need(checkpoint);
                    (self.fact_weight, self.snapshot_weight) = (0, weigh(&snapshot));
                    self.snapshots.retain(|(at, _)| at.0 != checkpoint.0);
                    self.snapshots.push((Id(checkpoint.0), to_json(&snapshot)?));
                }
            }
        }
        Ok(())
    }

    /// A checkpoint must be there, kept before or by an entry before this one.
    fn need(&mut self, checkpoint: CheckpointId) {
        let id = Id(checkpoint.0);
        if !self.news.contains(&checkpoint) && !self.needs.contains(&id) {
            self.needs.push(id);
        }
    }
}

/// The checkpoint of a row that begins with [`COLUMNS`](crate::rows::COLUMNS).
pub(super) fn checkpoint_of(row: &Row) -> Result<Checkpoint, Fault> {
    let columns = Columns {
        id: CheckpointId(row.try_get::<_, Id>(0)?.0),
        parent: row.try_get::<_, Option<Id>>(1)?.map(|parent| CheckpointId(parent.0)),
        step: row.try_get(2)?,
        source: row.try_get(3)?,
        created_at_ms: row.try_get(4)?,
        labels: row.try_get(5)?,
        fact: row.try_get(6)?,
    };
    Ok(columns.checkpoint()?)
}
