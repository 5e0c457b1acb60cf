//! Rows: entries as they are written, and checkpoints as they are read.
//!
//! Owns: the stored form of ids, sources, labels and facts.
//! Never: runs a statement that changes anything.
//! Flow: a caller makes rows of its entries on its own thread, so the one writer has less to do.

use super::fault::{corrupt, fault};
use crate::weight::weight_of;
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace, Source};
use genesis_mesh_core::store::{Checkpoint, Entry, StoreError};
use rusqlite::Row;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An id, as it is stored: 16 bytes that sort as the id does.
pub(super) type Id = [u8; 16];

/// The columns of a checkpoint, in the order that [`checkpoint_of`] reads.
pub(super) const COLUMNS: &str = "id, parent, step, source, created_at_ms, labels, fact";

/// An entry, ready to be written.
#[derive(Debug)]
pub(super) enum EntryRow {
    Checkpoint(Box<CheckpointRow>),
    Pending { checkpoint: CheckpointId, fact: String, weight: i64 },
    Snapshot { checkpoint: CheckpointId, snapshot: String, weight: i64 },
}

#[derive(Debug)]
pub(super) struct CheckpointRow {
    pub(super) id: CheckpointId,
    pub(super) parent: Option<CheckpointId>,
    pub(super) step: i64,
    pub(super) source: &'static str,
    pub(super) created_at_ms: i64,
    pub(super) labels: Option<String>,
    pub(super) fact: Option<String>,
    pub(super) weight: i64,
}

#[derive(Serialize, Deserialize)]
struct Labels {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parents: BTreeMap<Namespace, CheckpointId>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
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
        Entry::Checkpoint(checkpoint) => EntryRow::Checkpoint(Box::new(checkpoint_row(checkpoint)?)),
        Entry::Pending { checkpoint, fact } => {
            EntryRow::Pending { checkpoint, weight: weigh(&fact), fact: to_json(&fact)? }
        }
        Entry::Snapshot { checkpoint, snapshot } => {
            EntryRow::Snapshot { checkpoint, weight: weigh(&snapshot), snapshot: to_json(&snapshot)? }
        }
    })
}

fn checkpoint_row(checkpoint: Checkpoint) -> Result<CheckpointRow, StoreError> {
    let Checkpoint { id, parent, step, source, created_at_ms, parents, metadata, fact } = checkpoint;
    let weight = fact.as_ref().map_or(0, weigh);
    let fact = match fact {
        None => None,
        Some(FactRecord::StepCommitted { checkpoint }) if checkpoint == id => Some(String::new()),
        Some(fact) => Some(to_json(&fact)?),
    };
    let has_labels = !parents.is_empty() || !metadata.is_empty();
    let labels = has_labels.then(|| to_json(&Labels { parents, metadata })).transpose()?;
    let source = source_text(source);
    Ok(CheckpointRow { id, parent, step, source, created_at_ms, labels, fact, weight })
}

/// The checkpoint of a row that begins with [`COLUMNS`].
pub(super) fn checkpoint_of(row: &Row<'_>) -> Result<Checkpoint, StoreError> {
    let id = read_id(row.get(0).map_err(fault)?);
    let parent: Option<Id> = row.get(1).map_err(fault)?;
    let source: String = row.get(3).map_err(fault)?;
    let labels: Option<String> = row.get(5).map_err(fault)?;
    let fact: Option<String> = row.get(6).map_err(fault)?;
    let none = || Labels { parents: BTreeMap::new(), metadata: Map::new() };
    let Labels { parents, metadata } = labels.as_deref().map_or_else(|| Ok(none()), from_json)?;
    let fact = match fact.as_deref() {
        None => None,
        Some("") => Some(FactRecord::StepCommitted { checkpoint: id }),
        Some(json) => Some(from_json(json)?),
    };
    Ok(Checkpoint {
        id,
        parent: parent.map(read_id),
        step: row.get(2).map_err(fault)?,
        source: read_source(&source)?,
        created_at_ms: row.get(4).map_err(fault)?,
        parents,
        metadata,
        fact,
    })
}

fn source_text(source: Source) -> &'static str {
    match source {
        Source::Input => "input",
        Source::Loop => "loop",
        Source::Update => "update",
        Source::Fork => "fork",
    }
}

fn read_source(text: &str) -> Result<Source, StoreError> {
    Ok(match text {
        "input" => Source::Input,
        "loop" => Source::Loop,
        "update" => Source::Update,
        "fork" => Source::Fork,
        _ => return Err(corrupt(format!("a checkpoint's source is {text:?}"))),
    })
}

fn weigh(value: &impl Serialize) -> i64 {
    i64::try_from(weight_of(value)).unwrap_or(i64::MAX)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(format!("a record has no JSON: {error}")))
}

pub(super) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| corrupt(format!("a record is no longer its JSON: {error}")))
}
