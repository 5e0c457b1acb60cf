//! Snapshots: a whole machine at a checkpoint as JSON, so that replay need not begin at the first fact.
//!
//! Owns: the form of a snapshot, and the way back to a machine.
//! Never: holds tasks; a snapshot is taken where a step has just been committed. Untracked channels stay out.

use super::fact::{Input, Source};
use super::id::{CheckpointId, Namespace};
use super::live::Live;
use super::machine::{CheckpointHead, Machine};
use super::record::{RecordError, WriteRecord};
use super::write::TaskWrite;
use crate::graph::Topology;
use crate::state::ChannelKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A machine at a checkpoint, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineSnapshot {
    checkpoint: CheckpointId,
    parent: Option<CheckpointId>,
    step: i64,
    source: Source,
    version: u64,
    values: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    triggers: BTreeMap<String, TriggerRecord>,
    /// Sends, values that wait for the finish, and what a function returned and kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    writes: Vec<WriteRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    live_channels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<Vec<WriteRecord>>,
}

impl MachineSnapshot {
    /// The checkpoint that it shows.
    #[must_use]
    pub fn checkpoint(&self) -> CheckpointId {
        self.checkpoint
    }

    /// The same with another checkpoint before it: of a run that kept none of those between.
    #[must_use]
    pub fn with_parent(mut self, parent: Option<CheckpointId>) -> Self {
        self.parent = parent;
        self
    }
}

/// One trigger that was ever written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TriggerRecord {
    version: u64,
    seen: u64,
    is_set: bool,
    is_finished: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    arrived: Vec<String>,
}

impl Machine {
    /// The machine as JSON; `None` before its first checkpoint.
    ///
    /// # Errors
    /// A value is no JSON.
    pub fn snapshot(&self) -> Result<Option<MachineSnapshot>, serde_json::Error> {
        let Some(head) = self.head else { return Ok(None) };
        let topology = &self.topology;
        let shape = topology.shape();
        let mut values = Map::new();
        for (channel, id) in shape.channels().iter().zip(0..) {
            if self.state.has(id) && !matches!(channel.kind, ChannelKind::Untracked { .. }) {
                values.insert(channel.name.to_string(), channel.ops.json(self.state.any())?);
            }
        }
        let sends = self.sends.iter().cloned().map(TaskWrite::Send);
        let waiting = self.unfinished.iter().cloned().map(TaskWrite::State);
        let returned = self.returned.iter().cloned().map(TaskWrite::Return);
        let saved = self.saved.iter().cloned().map(TaskWrite::Save);
        let writes: Vec<TaskWrite> = sends.chain(waiting).chain(returned).chain(saved).collect();
        let live = self.live.channels.iter().filter_map(|channel| shape.channel(*channel));
        let input = match &self.input {
            Some(Input::Writes(writes)) => Some(WriteRecord::all(writes, topology)?),
            Some(Input::Argument(argument)) => Some(vec![WriteRecord::Return(argument.to_json()?)]),
            None => None,
        };
        Ok(Some(MachineSnapshot {
            checkpoint: head.id,
            parent: head.parent,
            step: head.step,
            source: head.source,
            version: self.version,
            values,
            triggers: self.trigger_records(),
            writes: WriteRecord::all(&writes, topology)?,
            live_channels: live.map(|channel| channel.name.to_string()).collect(),
            input,
        }))
    }

    fn trigger_records(&self) -> BTreeMap<String, TriggerRecord> {
        let topology = &self.topology;
        let nodes = topology.nodes().len();
        let cells = self.triggers.cells().iter().zip(0_u32..).filter(|(cell, _)| cell.version > 0);
        let records = cells.map(|(cell, trigger)| {
            let join = (trigger as usize).checked_sub(nodes);
            let join =
                join.and_then(|join| topology.joins().get(join).zip(self.triggers.arrived().get(join)));
            let arrived = join.map_or_else(Vec::new, |(join, arrived)| {
                let sources = join.sources.iter().zip(arrived).filter(|(_, arrived)| **arrived);
                sources.map(|(source, _)| topology.node_name(*source).to_owned()).collect()
            });
            let record = TriggerRecord {
                version: cell.version,
                seen: cell.seen,
                is_set: cell.is_set,
                is_finished: cell.is_finished,
                arrived,
            };
            (topology.trigger_name(trigger), record)
        });
        records.collect()
    }

    /// The machine that a snapshot shows. What the graph no longer has is passed over.
    ///
    /// # Errors
    /// A stored value no longer fits its channel.
    pub fn restore(
        topology: &Arc<Topology>,
        ns: Namespace,
        snapshot: MachineSnapshot,
    ) -> Result<Self, RecordError> {
        let mut machine = Self::new(Arc::clone(topology), ns);
        let MachineSnapshot { checkpoint, parent, step, source, version, .. } = snapshot;
        machine.head = Some(CheckpointHead { id: checkpoint, parent, step, source });
        machine.version = version;
        for (name, value) in snapshot.values {
            let write = WriteRecord::Overwrite(name, value).decode(topology)?;
            if let Some(TaskWrite::State(write)) = write {
                let folded = topology.shape().fold(&mut machine.state, write.channel, write.value, true);
                folded.map_err(|error| crate::state::ValueError {
                    channel: String::new(),
                    reason: error.reason,
                })?;
            }
        }
        for write in snapshot.writes {
            match write.decode(topology)? {
                Some(TaskWrite::Send(packet)) => machine.sends.push(packet),
                Some(TaskWrite::State(write)) => machine.unfinished.push(write),
                Some(TaskWrite::Return(value)) => machine.returned = Some(value),
                Some(TaskWrite::Save(value)) => machine.saved = Some(value),
                _ => {}
            }
        }
        machine.input = match snapshot.input {
            Some(mut writes) if machine.is_function() => match writes.pop() {
                Some(WriteRecord::Return(argument)) => Some(Input::Argument(Arc::new(argument))),
                _ => None,
            },
            Some(writes) => {
                let writes = writes.into_iter().filter_map(|write| write.decode(topology).transpose());
                Some(Input::Writes(writes.collect::<Result<_, _>>()?))
            }
            None => None,
        };
        let channels = snapshot.live_channels.iter().filter_map(|name| topology.shape().id(name)).collect();
        machine.live = Live { channels, triggers: Vec::new() };
        machine.restore_triggers(&snapshot.triggers);
        Ok(machine)
    }

    fn restore_triggers(&mut self, records: &BTreeMap<String, TriggerRecord>) {
        let topology = Arc::clone(&self.topology);
        let nodes = topology.nodes().len();
        for trigger in 0..u32::try_from(topology.trigger_count()).unwrap_or(u32::MAX) {
            let Some(record) = records.get(&topology.trigger_name(trigger)) else { continue };
            if let Some(cell) = self.triggers.cell(trigger) {
                cell.version = record.version;
                cell.seen = record.seen;
                cell.is_set = record.is_set;
                cell.is_finished = record.is_finished;
            }
            let join = (trigger as usize).checked_sub(nodes);
            match join.and_then(|join| topology.joins().get(join).zip(self.triggers.join(join))) {
                Some((join, arrived)) => {
                    for (source, mark) in join.sources.iter().zip(arrived) {
                        *mark = record.arrived.iter().any(|name| name == topology.node_name(*source));
                    }
                }
                None if record.is_set && !topology.deferred().contains(&trigger) => {
                    self.live.triggers.push(trigger);
                }
                None => {}
            }
        }
    }
}
