//! Rows: entries as they are written to SQLite, and checkpoints as they are read from it.
//!
//! Owns: the stored form of ids.
//! Never: runs a statement.
//! Flow: a caller makes rows of its entries on its own thread, so the one writer has less to do.

use super::fault::fault;
use crate::rows::{CheckpointRow, Columns, to_json, weigh};
use genesis_mesh_core::run::CheckpointId;
use genesis_mesh_core::store::{Checkpoint, Entry, StoreError};
use rusqlite::Row;

/// An id, as it is stored: 16 bytes that sort as the id does.
pub(super) type Id = [u8; 16];

/// An entry, ready to be written.
#[derive(Debug)]
pub(super) enum EntryRow {
    Checkpoint(Box<CheckpointRow>),
    Pending { checkpoint: CheckpointId, fact: String, weight: i64 },
    Snapshot { checkpoint: CheckpointId, snapshot: String, weight: i64 },
}

pub(super) fn id_of(id: CheckpointId) -> Id {
    id.0.to_be_bytes()
}

pub(super) fn read_id(id: Id) -> CheckpointId {
    CheckpointId(u128::from_be_bytes(id))
}

pub(super) fn rows_of(entries: Vec<Entry>) -> Result<Vec<EntryRow>, StoreError> {
    entries.into_iter().map(row_of).collect()
}

fn row_of(entry: Entry) -> Result<EntryRow, StoreError> {
    Ok(match entry {
        Entry::Checkpoint(checkpoint) => EntryRow::Checkpoint(Box::new(CheckpointRow::of(checkpoint)?)),
        Entry::Pending { checkpoint, fact } => {
            EntryRow::Pending { checkpoint, weight: weigh(&fact), fact: to_json(&fact)? }
        }
        Entry::Snapshot { checkpoint, snapshot } => {
            EntryRow::Snapshot { checkpoint, weight: weigh(&snapshot), snapshot: to_json(&snapshot)? }
        }
    })
}

/// The checkpoint of a row that begins with [`COLUMNS`](crate::rows::COLUMNS).
pub(super) fn checkpoint_of(row: &Row<'_>) -> Result<Checkpoint, StoreError> {
    let parent: Option<Id> = row.get(1).map_err(fault)?;
    let source: String = row.get(3).map_err(fault)?;
    let labels: Option<String> = row.get(5).map_err(fault)?;
    let fact: Option<String> = row.get(6).map_err(fault)?;
    let columns = Columns {
        id: read_id(row.get(0).map_err(fault)?),
        parent: parent.map(read_id),
        step: row.get(2).map_err(fault)?,
        source: &source,
        created_at_ms: row.get(4).map_err(fault)?,
        labels: labels.as_deref(),
        fact: fact.as_deref(),
    };
    columns.checkpoint()
}
