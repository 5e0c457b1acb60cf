//! Rows: entries as they are written, and checkpoints as they are read.
//!
//! Owns: the stored form of sources, labels and facts; which checkpoints must be there for entries to be kept.
//! Never: runs a statement.
//! Flow: a caller makes rows of its entries on its own thread, so that a lane has less to do.

use super::fault::{Fault, corrupt};
use super::value::{Id, from_json, name, to_json};
use crate::weight::weight_of;
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace, Source};
use genesis_mesh_core::store::{Checkpoint, Entry, StoreError, ThreadKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use tokio_postgres::Row;

/// The columns of a checkpoint, in the order that [`checkpoint_of`] reads.
pub(super) const COLUMNS: &str = "id, parent, step, source, created_at_ms, labels, fact";

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
    pub(super) checkpoints: Vec<CheckpointRow>,
    pub(super) facts: Vec<FactRow>,
    pub(super) snapshots: Vec<(Id, String)>,
    entries: i64,
    news: HashSet<CheckpointId>,
}

#[derive(Debug)]
pub(super) struct CheckpointRow {
    pub(super) id: Id,
    /// Its number among the entries.
    pub(super) place: i64,
    pub(super) parent: Option<Id>,
    pub(super) step: i64,
    pub(super) source: &'static str,
    pub(super) created_at_ms: i64,
    pub(super) labels: Option<String>,
    pub(super) fact: Option<String>,
}

#[derive(Debug)]
pub(super) struct FactRow {
    pub(super) checkpoint: Id,
    pub(super) place: i64,
    pub(super) fact: String,
}

#[derive(Serialize, Deserialize)]
struct Labels {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parents: BTreeMap<Namespace, CheckpointId>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
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
                    self.fact_weight =
                        self.fact_weight.saturating_add(checkpoint.fact.as_ref().map_or(0, weigh));
                    self.checkpoints.push(checkpoint_row(checkpoint, self.entries)?);
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

fn checkpoint_row(checkpoint: Checkpoint, place: i64) -> Result<CheckpointRow, StoreError> {
    let Checkpoint { id, parent, step, source, created_at_ms, parents, metadata, fact } = checkpoint;
    let fact = match fact {
        None => None,
        Some(FactRecord::StepCommitted { checkpoint }) if checkpoint == id => Some(String::new()),
        Some(fact) => Some(to_json(&fact)?),
    };
    let has_labels = !parents.is_empty() || !metadata.is_empty();
    let labels = has_labels.then(|| to_json(&Labels { parents, metadata })).transpose()?;
    let (id, parent) = (Id(id.0), parent.map(|parent| Id(parent.0)));
    Ok(CheckpointRow { id, place, parent, step, source: source_text(source), created_at_ms, labels, fact })
}

/// The checkpoint of a row that begins with [`COLUMNS`].
pub(super) fn checkpoint_of(row: &Row) -> Result<Checkpoint, Fault> {
    let id = CheckpointId(row.try_get::<_, Id>(0)?.0);
    let parent: Option<Id> = row.try_get(1)?;
    let labels: Option<&str> = row.try_get(5)?;
    let none = || Labels { parents: BTreeMap::new(), metadata: Map::new() };
    let Labels { parents, metadata } = labels.map_or_else(|| Ok(none()), from_json)?;
    let fact = match row.try_get::<_, Option<&str>>(6)? {
        None => None,
        Some("") => Some(FactRecord::StepCommitted { checkpoint: id }),
        Some(json) => Some(from_json(json)?),
    };
    Ok(Checkpoint {
        id,
        parent: parent.map(|parent| CheckpointId(parent.0)),
        step: row.try_get(2)?,
        source: read_source(row.try_get(3)?)?,
        created_at_ms: row.try_get(4)?,
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
