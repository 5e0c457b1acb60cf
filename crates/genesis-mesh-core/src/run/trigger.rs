//! Triggers: the channels that make nodes run, one for each node's edges and one for each join.
//!
//! Owns: when a trigger is set, ready, seen and used up.
//! Never: knows which writes belong together; the commit does.
//! Source: ephemeral, last-value-after-finish and named-barrier channels of Pregel, as state machines.

use crate::graph::{Topology, TriggerId};

/// One trigger. Versions count the steps that changed anything; 0 is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trigger {
    /// The step that wrote it last.
    pub(super) version: u64,
    /// The version that its node has run for.
    pub(super) seen: u64,
    /// Whether it is written: for a join, by all its sources.
    pub(super) is_set: bool,
    /// Of a deferred node: whether nothing else could run since it was written.
    pub(super) is_finished: bool,
}

/// All triggers of a run, and how far its joins have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Triggers {
    cells: Box<[Trigger]>,
    /// For each join, which of its sources have run.
    arrived: Box<[Vec<bool>]>,
}

impl Triggers {
    pub(super) fn new(topology: &Topology) -> Self {
        Self {
            cells: vec![Trigger::default(); topology.trigger_count()].into(),
            arrived: topology.joins().iter().map(|join| vec![false; join.sources.len()]).collect(),
        }
    }

    pub(super) fn get(&self, trigger: TriggerId) -> Trigger {
        self.cells.get(trigger as usize).copied().unwrap_or_default()
    }

    pub(super) fn cells(&self) -> &[Trigger] {
        &self.cells
    }

    pub(super) fn arrived(&self) -> &[Vec<bool>] {
        &self.arrived
    }

    pub(super) fn cell(&mut self, trigger: TriggerId) -> Option<&mut Trigger> {
        self.cells.get_mut(trigger as usize)
    }

    pub(super) fn join(&mut self, join: usize) -> Option<&mut Vec<bool>> {
        self.arrived.get_mut(join)
    }

    /// Whether its node may run for it: written, and, if the node is deferred, after all else.
    pub(super) fn is_available(&self, topology: &Topology, trigger: TriggerId) -> bool {
        let cell = self.get(trigger);
        cell.is_set && (cell.is_finished || !is_deferred(topology, trigger))
    }

    /// Whether it makes its node run now.
    pub(super) fn fires(&self, topology: &Topology, trigger: TriggerId) -> bool {
        let cell = self.get(trigger);
        self.is_available(topology, trigger) && cell.version > cell.seen
    }

    /// Notes that the node has run for this version, and uses up what is used up by that.
    pub(super) fn consume(&mut self, topology: &Topology, trigger: TriggerId, version: u64) -> bool {
        let is_available = self.is_available(topology, trigger);
        let join = (trigger as usize).checked_sub(topology.nodes().len());
        let is_used_up = is_available && (join.is_some() || is_deferred(topology, trigger));
        let Some(cell) = self.cells.get_mut(trigger as usize) else { return false };
        cell.seen = cell.version;
        if is_used_up {
            cell.is_set = false;
            cell.is_finished = false;
            cell.version = version;
            if let Some(arrived) = join.and_then(|join| self.arrived.get_mut(join)) {
                arrived.fill(false);
            }
        }
        is_used_up
    }

    /// Writes the trigger of a node's edges.
    pub(super) fn set(&mut self, trigger: TriggerId, version: u64) {
        if let Some(cell) = self.cells.get_mut(trigger as usize) {
            cell.is_set = true;
            cell.is_finished = false;
            cell.version = version;
        }
    }

    /// Notes that a source of a join has run; whether that was news.
    pub(super) fn arrive(&mut self, trigger: TriggerId, join: usize, source: usize, version: u64) -> bool {
        let Some(arrived) = self.arrived.get_mut(join) else { return false };
        let Some(mark) = arrived.get_mut(source) else { return false };
        if std::mem::replace(mark, true) {
            return false;
        }
        let is_complete = arrived.iter().all(|mark| *mark);
        if let Some(cell) = self.cells.get_mut(trigger as usize) {
            cell.version = version;
            cell.is_set = is_complete;
        }
        true
    }

    /// Nothing else can run: whether this one becomes ready by that.
    pub(super) fn finish(&mut self, trigger: TriggerId, version: u64) -> bool {
        let Some(cell) = self.cells.get_mut(trigger as usize) else { return false };
        let is_news = cell.is_set && !cell.is_finished;
        if is_news {
            cell.is_finished = true;
            cell.version = version;
        }
        is_news
    }

    /// The step is over and did not write it: whether it was set.
    pub(super) fn clear(&mut self, trigger: TriggerId, version: u64) -> bool {
        let Some(cell) = self.cells.get_mut(trigger as usize) else { return false };
        let was_set = cell.is_set;
        if was_set {
            cell.is_set = false;
            cell.version = version;
        }
        was_set
    }
}

/// Whether the node behind the trigger waits until nothing else can run.
pub(super) fn is_deferred(topology: &Topology, trigger: TriggerId) -> bool {
    topology.trigger_target(trigger).and_then(|node| topology.node(node)).is_some_and(|node| node.is_deferred)
}
