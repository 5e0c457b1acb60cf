//! Rows: a checkpoint in the columns that every database has, and records as their JSON.
//!
//! Owns: the stored form of sources, labels and facts, in both directions, and which checkpoints a history has.
//! Never: knows how a database holds an id, or runs a statement.
//! Flow: a store makes rows of its entries on the caller's thread, so that its writer has less to do.

use crate::weight::weight_of;
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace, Source};
use genesis_mesh_core::store::{Checkpoint, StoreError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The columns of a checkpoint, in the order of [`Columns`].
pub(crate) const COLUMNS: &str = "id, parent, step, source, created_at_ms, labels, fact";

/// A checkpoint, ready to be written.
#[derive(Debug)]
pub(crate) struct CheckpointRow {
    pub(crate) id: CheckpointId,
    pub(crate) parent: Option<CheckpointId>,
    pub(crate) step: i64,
    pub(crate) source: &'static str,
    pub(crate) created_at_ms: i64,
    pub(crate) labels: Option<String>,
    pub(crate) fact: Option<String>,
    /// What its fact weighs.
    pub(crate) weight: i64,
}

/// A checkpoint, as it was read.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) id: CheckpointId,
    pub(crate) parent: Option<CheckpointId>,
    pub(crate) step: i64,
    pub(crate) source: &'a str,
    pub(crate) created_at_ms: i64,
    pub(crate) labels: Option<&'a str>,
    pub(crate) fact: Option<&'a str>,
}

#[derive(Default, Serialize, Deserialize)]
struct Labels {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parents: BTreeMap<Namespace, CheckpointId>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

impl CheckpointRow {
    /// # Errors
    /// What the checkpoint has is no JSON.
    pub(crate) fn of(checkpoint: Checkpoint) -> Result<Self, StoreError> {
        let Checkpoint { id, parent, step, source, created_at_ms, parents, metadata, fact } = checkpoint;
        let weight = fact.as_ref().map_or(0, weigh);
        let fact = match fact {
            None => None,
            Some(FactRecord::StepCommitted { checkpoint }) if checkpoint == id => Some(String::new()),
            Some(fact) => Some(to_json(&fact)?),
        };
        let has_labels = !parents.is_empty() || !metadata.is_empty();
        let labels = has_labels.then(|| to_json(&Labels { parents, metadata })).transpose()?;
        Ok(Self { id, parent, step, source: source_text(source), created_at_ms, labels, fact, weight })
    }
}

impl Columns<'_> {
    /// # Errors
    /// They were changed by somebody else.
    pub(crate) fn checkpoint(self) -> Result<Checkpoint, StoreError> {
        let Self { id, parent, step, source, created_at_ms, labels, fact } = self;
        let Labels { parents, metadata } = labels.map_or_else(|| Ok(Labels::default()), from_json)?;
        let fact = match fact {
            None => None,
            Some("") => Some(FactRecord::StepCommitted { checkpoint: id }),
            Some(json) => Some(from_json(json)?),
        };
        let source = read_source(source)?;
        Ok(Checkpoint { id, parent, step, source, created_at_ms, parents, metadata, fact })
    }
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

/// Whether a checkpoint has these values.
pub(crate) fn fits(checkpoint: &Checkpoint, filter: &Map<String, Value>) -> bool {
    let source = |source: Source| serde_json::to_value(source).unwrap_or(Value::Null);
    filter.iter().all(|(name, wanted)| match name.as_str() {
        "source" => source(checkpoint.source) == *wanted,
        "step" => wanted.as_i64() == Some(checkpoint.step),
        _ => checkpoint.metadata.get(name).unwrap_or(&Value::Null) == wanted,
    })
}

pub(crate) fn weigh(value: &impl Serialize) -> i64 {
    i64::try_from(weight_of(value)).unwrap_or(i64::MAX)
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(format!("a record has no JSON: {error}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| corrupt(format!("a record is no longer its JSON: {error}")))
}

/// What can't be read; who has the store says where it is.
pub(crate) fn corrupt(what: impl fmt::Display) -> StoreError {
    StoreError::Corrupt { message: format!("{what}; restore a backup") }
}

pub(crate) fn unavailable(what: impl fmt::Display) -> StoreError {
    StoreError::Unavailable { message: what.to_string() }
}
