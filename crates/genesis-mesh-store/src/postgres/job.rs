//! Jobs: what callers want written, ready for a lane.
//!
//! Owns: the form of an append and of a commit, and which of them may not share a transaction.
//! Never: runs a statement.

use super::rows::GraphRows;
use super::value::Id;
use crate::rows::to_json;
use genesis_mesh_core::log::{CancelKind, Commit, Committed, Lease, NewEvent};
use genesis_mesh_core::store::{Entry, StoreError, ThreadKey};
use std::collections::HashSet;

/// One change that is kept whole or not at all.
#[derive(Debug)]
pub(super) struct Job {
    /// `None` for an append, which no lease guards.
    pub(super) run: Option<RunPart>,
    pub(super) graphs: Vec<GraphRows>,
}

#[derive(Debug)]
pub(super) struct RunPart {
    pub(super) lease: Lease,
    pub(super) number: i64,
    pub(super) events: Vec<NewEvent>,
    pub(super) end: Option<EndPart>,
    pub(super) is_progress: bool,
}

#[derive(Debug)]
pub(super) struct EndPart {
    pub(super) status: &'static str,
    pub(super) error: Option<String>,
    pub(super) rolls_back: bool,
}

impl Job {
    pub(super) fn append(key: &ThreadKey, entries: Vec<Entry>) -> Result<Self, StoreError> {
        Ok(Self { run: None, graphs: graphs_of([(key, entries)])? })
    }

    pub(super) fn commit(lease: &Lease, commit: Commit) -> Result<Self, StoreError> {
        let end = commit.end.map(|end| {
            let error = end.error.as_ref().map(to_json).transpose()?;
            Ok::<_, StoreError>(EndPart { status: end.status.name(), error, rolls_back: end.rolls_back })
        });
        let run = RunPart {
            lease: lease.clone(),
            number: super::value::number(commit.number),
            events: commit.events,
            end: end.transpose()?,
            is_progress: commit.is_progress,
        };
        let entries = commit.entries.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let entries = entries.iter().zip(commit.entries.into_iter().map(|(_, entries)| entries));
        Ok(Self { run: Some(run), graphs: graphs_of(entries)? })
    }

    pub(super) fn run_id(&self) -> Option<Id> {
        self.run.as_ref().map(|run| Id(run.lease.run.0))
    }

    pub(super) fn rolls_back(&self) -> bool {
        self.run.as_ref().and_then(|run| run.end.as_ref()).is_some_and(|end| end.rolls_back)
    }

    /// Whether doing it again does it once: its number says whether it was done.
    pub(super) fn is_repeatable(&self) -> bool {
        self.run.is_some()
    }
}

/// Entries by graph; those of one graph keep their order.
fn graphs_of<'a>(
    entries: impl IntoIterator<Item = (&'a ThreadKey, Vec<Entry>)>,
) -> Result<Vec<GraphRows>, StoreError> {
    let mut graphs: Vec<(&ThreadKey, GraphRows)> = Vec::new();
    for (key, entries) in entries {
        if entries.is_empty() {
            continue;
        }
        match graphs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, graph)) => graph.extend(entries)?,
            None => {
                let mut graph = GraphRows::new(key);
                graph.extend(entries)?;
                graphs.push((key, graph));
            }
        }
    }
    Ok(graphs.into_iter().map(|(_, graph)| graph).collect())
}

/// What came of a job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) last_seq: u64,
    pub(super) at_ms: i64,
    pub(super) cancel: Option<CancelKind>,
    pub(super) wants_snapshot: bool,
    /// It was not done: it ends a run that is to be undone, and did not say so.
    pub(super) must_undo: bool,
}

impl Done {
    pub(super) fn committed(self) -> Committed {
        let Self { last_seq, at_ms, cancel, wants_snapshot, must_undo: _ } = self;
        Committed { last_seq, at_ms, wants_snapshot, cancel }
    }
}

/// The runs and graphs of a group: each may be there once, so that the order of changes to it stays.
#[derive(Default)]
pub(super) struct Taken {
    runs: HashSet<Id>,
    graphs: HashSet<(String, String)>,
}

impl Taken {
    /// Whether a job is in nobody's way; it is taken in, also if not, so that nothing overtakes it.
    pub(super) fn admits(&mut self, job: &Job) -> bool {
        let mut is_free = job.run_id().is_none_or(|run| self.runs.insert(run));
        for graph in &job.graphs {
            is_free &= self.graphs.insert((graph.thread.clone(), graph.ns.clone()));
        }
        is_free
    }
}
