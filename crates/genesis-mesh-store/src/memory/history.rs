//! The history of one graph of a thread: its checkpoints in the order of their ids.
//!
//! Owns: what is kept of a checkpoint, in little memory; lineages, searches, and when a snapshot would pay.
//! Never: locks; the caller has.

use crate::weight::weight_of;
use genesis_mesh_core::run::{CheckpointId, FactRecord, MachineSnapshot, Namespace, Source};
use genesis_mesh_core::store::{Appended, Checkpoint, Entry, HistoryQuery, Link, StoreError};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Facts of this weight are replayed in a fraction of a millisecond: a snapshot for less would cost more than it saves.
const REPLAY_WEIGHT_MIN: u64 = 512;
/// A snapshot pays when the facts since the last one weigh this many times as much: then all snapshots together weigh
/// at most half of what the facts do, and replay reads at most three times the state.
const FACTS_PER_SNAPSHOT: u64 = 2;
/// What facts weigh at most if their last snapshot was undone: so much that a new one is wanted.
const UNKNOWN_WEIGHT: u64 = 1 << 40;

/// Checkpoints, sorted by their ids.
#[derive(Clone, Default)]
pub(super) struct History {
    kept: Vec<Kept>,
    /// What the facts since the last snapshot weigh.
    fact_weight: u64,
    snapshot_weight: u64,
    /// What came since the mark, if there is one.
    since: Option<Since>,
}

/// What a history got since it was marked.
#[derive(Clone, Default)]
struct Since {
    made: HashSet<CheckpointId>,
    /// How many facts older checkpoints had, of those that got more.
    facts_before: HashMap<CheckpointId, usize>,
}

#[derive(Clone)]
struct Kept {
    id: CheckpointId,
    parent: Option<CheckpointId>,
    step: i64,
    created_at_ms: i64,
    source: Source,
    made: Made,
    /// Shared by neighbours with the same.
    labels: Arc<Labels>,
    /// How many facts the parent had when this one was made: those of its way. Later ones belong to another branch.
    parent_facts: u32,
    /// What happened, in order.
    pending: Vec<FactRecord>,
    snapshot: Option<Box<MachineSnapshot>>,
}

/// Two lines of a cache: a checkpoint is 384 bytes when it is told, and a thread has many.
const _: () = assert!(size_of::<Kept>() <= 128);

#[derive(PartialEq)]
struct Labels {
    parents: BTreeMap<Namespace, CheckpointId>,
    metadata: Map<String, Value>,
}

/// The fact that made a checkpoint.
#[derive(Clone)]
enum Made {
    /// Not kept.
    Unknown,
    /// A commit, of which the id of its checkpoint says all.
    Commit,
    /// Any other.
    Fact(Box<FactRecord>),
}

impl History {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Keeps entries that were checked.
    pub(super) fn append(&mut self, entries: Vec<Entry>) -> Appended {
        for entry in entries {
            match entry {
                Entry::Checkpoint(checkpoint) => self.insert(checkpoint),
                Entry::Pending { checkpoint, fact } => self.pend(checkpoint, fact),
                Entry::Snapshot { checkpoint, snapshot } => {
                    self.fact_weight = 0;
                    self.snapshot_weight = weight_of(&snapshot);
                    if let Some(kept) = self.find_mut(checkpoint) {
                        kept.snapshot = Some(snapshot);
                    }
                }
            }
        }
        let limit = REPLAY_WEIGHT_MIN.max(FACTS_PER_SNAPSHOT * self.snapshot_weight);
        Appended { wants_snapshot: self.fact_weight > limit }
    }

    fn pend(&mut self, checkpoint: CheckpointId, fact: FactRecord) {
        self.fact_weight += weight_of(&fact);
        let Ok(place) = self.place(checkpoint) else { return };
        let Some(kept) = self.kept.get_mut(place) else { return };
        if let Some(since) = self.since.as_mut().filter(|since| !since.made.contains(&checkpoint)) {
            since.facts_before.entry(checkpoint).or_insert(kept.pending.len());
        }
        kept.pend(fact);
    }

    /// Begins to note what comes, so that it can be undone; forgets what was noted before.
    pub(super) fn mark(&mut self) {
        self.since = Some(Since::default());
    }

    /// Notes nothing any more.
    pub(super) fn unmark(&mut self) {
        self.since = None;
    }

    /// Undoes what came since the mark.
    pub(super) fn roll_back(&mut self) {
        let Some(since) = self.since.take() else { return };
        if self.kept.iter().any(|kept| kept.snapshot.is_some() && since.made.contains(&kept.id)) {
            self.fact_weight = UNKNOWN_WEIGHT;
        }
        self.kept.retain(|kept| !since.made.contains(&kept.id));
        for (checkpoint, facts) in since.facts_before {
            if let Some(kept) = self.find_mut(checkpoint) {
                kept.pending.truncate(facts);
            }
        }
    }

    /// Every checkpoint that an entry names must be there, kept before or by an entry before it. The parent of one
    /// that comes with a snapshot may be gone: no lineage reads it.
    pub(super) fn check(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut news: Vec<CheckpointId> = Vec::new();
        for entry in entries {
            let (named, own) = match entry {
                Entry::Checkpoint(checkpoint) => (checkpoint.parent, Some(checkpoint.id)),
                Entry::Pending { checkpoint, .. } | Entry::Snapshot { checkpoint, .. } => {
                    (Some(*checkpoint), None)
                }
            };
            let is_there = |id| news.iter().rev().any(|new| *new == id) || self.place(id).is_ok();
            let has_snapshot = || {
                entries.iter().any(
                    |entry| matches!(entry, Entry::Snapshot { checkpoint, .. } if Some(*checkpoint) == own),
                )
            };
            match named {
                Some(checkpoint) if !is_there(checkpoint) && !has_snapshot() => {
                    return Err(StoreError::UnknownCheckpoint { checkpoint });
                }
                _ => news.extend(own),
            }
        }
        Ok(())
    }

    /// The place of a checkpoint, or the one that it would have. The newest are asked for most.
    fn place(&self, id: CheckpointId) -> Result<usize, usize> {
        match self.kept.last() {
            Some(last) if last.id == id => Ok(self.kept.len() - 1),
            Some(last) if last.id < id => Err(self.kept.len()),
            _ => self.kept.binary_search_by_key(&id, |kept| kept.id),
        }
    }

    fn get(&self, id: CheckpointId) -> Option<&Kept> {
        self.place(id).ok().and_then(|place| self.kept.get(place))
    }

    fn find_mut(&mut self, id: CheckpointId) -> Option<&mut Kept> {
        self.place(id).ok().and_then(|place| self.kept.get_mut(place))
    }

    /// Keeps a checkpoint; one that is there already stays as it is.
    fn insert(&mut self, checkpoint: Checkpoint) {
        let Err(place) = self.place(checkpoint.id) else { return };
        self.fact_weight += checkpoint.fact.as_ref().map_or(0, weight_of);
        let Checkpoint { id, parent, step, source, created_at_ms, parents, metadata, fact } = checkpoint;
        let made = match fact {
            None => Made::Unknown,
            Some(FactRecord::StepCommitted { checkpoint }) if checkpoint == id => Made::Commit,
            Some(fact) => Made::Fact(Box::new(fact)),
        };
        let labels = Labels { parents, metadata };
        let before = place.checked_sub(1).and_then(|place| self.kept.get(place));
        let labels = match before {
            Some(before) if *before.labels == labels => Arc::clone(&before.labels),
            _ => Arc::new(labels),
        };
        let parent_facts =
            parent.and_then(|parent| self.get(parent)).map_or(0, |parent| parent.pending.len());
        let parent_facts = u32::try_from(parent_facts).unwrap_or(u32::MAX);
        let (pending, snapshot) = (Vec::new(), None);
        let kept =
            Kept { id, parent, step, created_at_ms, source, made, labels, parent_facts, pending, snapshot };
        self.kept.insert(place, kept);
        if let Some(since) = &mut self.since {
            since.made.insert(id);
        }
    }

    /// The checkpoints that lead to `at`, newest first, up to a snapshot or the root.
    fn way_to(&self, at: Option<CheckpointId>) -> Result<Vec<&Kept>, StoreError> {
        let newest = match at {
            Some(id) => self.get(id),
            None => self.kept.last(),
        };
        let mut way = Vec::new();
        let mut next = newest;
        while let Some(kept) = next {
            way.push(kept);
            next = match kept.parent {
                Some(parent) if kept.snapshot.is_none() => {
                    let missing = || format!("checkpoint {} has no parent {parent}", kept.id);
                    Some(self.get(parent).ok_or_else(|| StoreError::Corrupt { message: missing() })?)
                }
                _ => None,
            };
        }
        Ok(way)
    }

    pub(super) fn lineage(&self, at: Option<CheckpointId>) -> Result<Vec<Link>, StoreError> {
        let mut facts = usize::MAX;
        let mut links = Vec::new();
        for kept in self.way_to(at)? {
            links.push(kept.link(facts));
            facts = kept.parent_facts as usize;
        }
        links.reverse();
        Ok(links)
    }

    pub(super) fn find(&self, query: &HistoryQuery) -> Vec<Checkpoint> {
        let end = match query.before {
            Some(before) => self.place(before).unwrap_or_else(|place| place),
            None => self.kept.len(),
        };
        let older = self.kept.iter().take(end).rev();
        let found = older.filter(|kept| kept.fits(&query.filter)).take(query.limit.unwrap_or(usize::MAX));
        found.map(Kept::checkpoint).collect()
    }

    /// Drops all checkpoints but the newest, and those that it needs because it has no snapshot.
    pub(super) fn prune(&mut self) -> Result<(), StoreError> {
        let needed: HashSet<CheckpointId> = self.way_to(None)?.into_iter().map(|kept| kept.id).collect();
        self.kept.retain(|kept| needed.contains(&kept.id));
        self.kept.shrink_to_fit();
        Ok(())
    }
}

impl Kept {
    fn pend(&mut self, fact: FactRecord) {
        let facts = &mut self.pending;
        if facts.is_empty() {
            // Most checkpoints have one task, and a growing vector would begin with room for four.
            facts.reserve_exact(1);
        }
        facts.push(fact);
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            id: self.id,
            parent: self.parent,
            step: self.step,
            source: self.source,
            created_at_ms: self.created_at_ms,
            parents: self.labels.parents.clone(),
            metadata: self.labels.metadata.clone(),
            fact: match &self.made {
                Made::Unknown => None,
                Made::Commit => Some(FactRecord::StepCommitted { checkpoint: self.id }),
                Made::Fact(fact) => Some((**fact).clone()),
            },
        }
    }

    /// The checkpoint with its first `facts` facts.
    fn link(&self, facts: usize) -> Link {
        let pending = self.pending.get(..facts).unwrap_or(&self.pending).to_vec();
        Link { checkpoint: self.checkpoint(), pending, snapshot: self.snapshot.clone() }
    }

    fn fits(&self, filter: &Map<String, Value>) -> bool {
        filter.iter().all(|(name, wanted)| match name.as_str() {
            "source" => serde_json::to_value(self.source).is_ok_and(|source| source == *wanted),
            "step" => wanted.as_i64() == Some(self.step),
            _ => self.labels.metadata.get(name).unwrap_or(&Value::Null) == wanted,
        })
    }
}
