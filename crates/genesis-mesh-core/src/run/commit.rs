//! Commits: folding the writes of a step into the state, the triggers and the sends, in the order of task paths.
//!
//! Owns: the rules of concurrent writes, of values that live one step, and of deferred nodes.
//! Never: decides when a step is over; `plan.rs` does.
//! Flow: consume triggers, fold writes, empty what was not written, and finish if nothing else can run.
//! Source: `apply_writes` of Pregel: all that changes in a step gets one version, one more than any before.

use super::fault::StepError;
use super::live::Live;
use super::machine::Machine;
use super::write::{SendPacket, TaskWrite};
use crate::graph::{NodeId, TriggerId};
use crate::state::{ChannelId, ChannelKind, Write};

/// The writes of one task, or of the caller.
pub(super) struct Batch {
    /// Who wrote; `None` for the caller of the run.
    pub(super) node: Option<NodeId>,
    /// Whether the task ran because of its triggers, which are then used up.
    pub(super) is_pulled: bool,
    /// The writes.
    pub(super) writes: Vec<TaskWrite>,
}

impl Machine {
    /// Folds `batches`, which are in the order of their paths; `is_step` if a step ends with them.
    pub(super) fn fold(&mut self, batches: Vec<Batch>, is_step: bool) -> Result<(), StepError> {
        self.written.reset();
        self.check(&batches)?;
        let version = self.version.saturating_add(1);
        let mut has_changed = self.use_up(&batches, version);
        let live = if is_step { std::mem::take(&mut self.live) } else { Live::default() };
        let mut fired = Vec::new();
        let mut sends = Vec::new();
        for batch in batches {
            has_changed |= !batch.writes.is_empty();
            for write in batch.writes {
                match write {
                    TaskWrite::State(write) => self.fold_state(write, batch.node)?,
                    TaskWrite::Goto(node) => self.trigger(node, version, &mut fired),
                    TaskWrite::Join { join, from } => self.arrive(join, from, version, &mut fired),
                    TaskWrite::Send(packet) => sends.push(packet),
                    TaskWrite::Return(value) => self.returned = Some(value),
                    TaskWrite::Save(value) => self.saved = Some(value),
                }
            }
        }
        self.has_written = self.written.list.iter().any(|(channel, _)| {
            // What waits for the finish is not seen yet.
            let channel = self.topology.shape().channel(*channel);
            channel.is_some_and(|channel| channel.kind != ChannelKind::AfterFinish)
        });
        has_changed |= self.replace_sends(sends, is_step);
        if is_step {
            has_changed |= self.empty(live, version);
            self.input = None;
            fired.retain(|trigger| self.triggers.is_available(&self.topology, *trigger));
            if fired.is_empty() {
                has_changed |= self.finish(version, &mut fired)?;
            }
        }
        self.written.reset();
        if has_changed {
            self.version = version;
        }
        match &mut self.fired {
            Some(earlier) if !is_step => earlier.extend(fired),
            None if !is_step => {}
            _ => self.fired = Some(fired),
        }
        Ok(())
    }

    /// Finds writes that exclude each other before anything is changed.
    fn check(&mut self, batches: &[Batch]) -> Result<(), StepError> {
        let mut result = Ok(());
        let mut overwritten: Vec<ChannelId> = Vec::new();
        'all: for batch in batches {
            for write in &batch.writes {
                let TaskWrite::State(write) = write else { continue };
                let Some(channel) = self.topology.shape().channel(write.channel) else { continue };
                if write.is_overwrite && channel.kind == ChannelKind::Reduce {
                    if overwritten.contains(&write.channel) {
                        let second = self.writer(batch.node);
                        result =
                            Err(StepError::ConcurrentOverwrite { channel: channel.name.to_string(), second });
                        break 'all;
                    }
                    overwritten.push(write.channel);
                }
                if channel.kind.takes_one_write() {
                    if self.written.has(write.channel) {
                        let first = self.written.list.iter().find(|(id, _)| *id == write.channel);
                        let first = self.writer(first.and_then(|(_, node)| *node));
                        let second = self.writer(batch.node);
                        let channel = channel.name.to_string();
                        result = Err(StepError::ConcurrentUpdate { channel, first, second });
                        break 'all;
                    }
                    self.written.add(write.channel, batch.node);
                }
            }
        }
        self.written.reset();
        result
    }

    fn writer(&self, node: Option<NodeId>) -> String {
        node.map_or("the caller", |node| self.topology.node_name(node)).to_owned()
    }

    /// Marks the triggers of the tasks that ran as seen, and empties joins and deferred triggers among them.
    fn use_up(&mut self, batches: &[Batch], version: u64) -> bool {
        let topology = &self.topology;
        let mut has_changed = false;
        for node in
            batches.iter().filter(|batch| batch.is_pulled).filter_map(|batch| topology.node(batch.node?))
        {
            for trigger in &node.triggers {
                has_changed |= self.triggers.consume(topology, *trigger, version);
            }
        }
        has_changed
    }

    fn fold_state(&mut self, write: Write, node: Option<NodeId>) -> Result<(), StepError> {
        let Write { channel: id, value, is_overwrite } = write;
        let shape = std::sync::Arc::clone(self.topology.shape());
        let Some(channel) = shape.channel(id) else { return Ok(()) };
        if matches!(channel.kind, ChannelKind::Managed(_)) {
            return Ok(());
        }
        let is_first = !self.written.has(id);
        if is_first {
            self.written.add(id, node);
            if channel.kind.lives_one_step() {
                self.live.channels.push(id);
            }
        }
        match channel.kind {
            ChannelKind::AfterFinish => {
                self.unfinished.retain(|other| other.channel != id);
                self.unfinished.push(Write { channel: id, value, is_overwrite: true });
                shape.clear(&mut self.state, id);
                return Ok(());
            }
            ChannelKind::Topic { accumulate: false } if is_first => shape.clear(&mut self.state, id),
            ChannelKind::Reduce if is_overwrite => self.written.overwritten.push(id),
            ChannelKind::Reduce if self.written.overwritten.contains(&id) => return Ok(()),
            _ => {}
        }
        shape.fold(&mut self.state, id, value, is_overwrite).map_err(|error| StepError::Refused {
            channel: channel.name.to_string(),
            node: self.writer(node),
            reason: error.reason,
        })
    }

    fn trigger(&mut self, node: NodeId, version: u64, fired: &mut Vec<TriggerId>) {
        self.triggers.set(node, version);
        if self.topology.node(node).is_some_and(|node| !node.is_deferred) {
            self.live.triggers.push(node);
        }
        fired.push(node);
    }

    fn arrive(&mut self, join: u32, from: NodeId, version: u64, fired: &mut Vec<TriggerId>) {
        let trigger = self.topology.join_trigger(join);
        let Some(sources) = self.topology.joins().get(join as usize).map(|join| &join.sources) else {
            return;
        };
        let Some(source) = sources.iter().position(|source| *source == from) else { return };
        if self.triggers.arrive(trigger, join as usize, source, version)
            && self.triggers.is_available(&self.topology, trigger)
        {
            fired.push(trigger);
        }
    }

    /// New sends take the place of old ones; a step without any uses up the old ones.
    fn replace_sends(&mut self, sends: Vec<SendPacket>, is_step: bool) -> bool {
        if !is_step && sends.is_empty() {
            return false;
        }
        let had = !self.sends.is_empty() || !sends.is_empty();
        self.sends = sends;
        had
    }

    /// Empties what lives one step and was not written in this one.
    fn empty(&mut self, live: Live, version: u64) -> bool {
        let mut has_changed = false;
        let shape = std::sync::Arc::clone(self.topology.shape());
        for channel in live.channels.into_iter().filter(|channel| !self.written.has(*channel)) {
            shape.clear(&mut self.state, channel);
            has_changed = true;
        }
        for trigger in live.triggers {
            if self.triggers.get(trigger).version != version {
                has_changed |= self.triggers.clear(trigger, version);
            }
        }
        has_changed
    }

    /// Nothing else can run: deferred nodes get their turn, and values that waited for this are seen.
    fn finish(&mut self, version: u64, fired: &mut Vec<TriggerId>) -> Result<bool, StepError> {
        let mut has_changed = false;
        for trigger in self.topology.deferred() {
            if self.triggers.finish(*trigger, version) {
                has_changed = true;
                fired.push(*trigger);
            }
        }
        let shape = std::sync::Arc::clone(self.topology.shape());
        for Write { channel, value, .. } in std::mem::take(&mut self.unfinished) {
            has_changed = true;
            self.has_written = true;
            let folded = shape.fold(&mut self.state, channel, value, true);
            folded.map_err(|error| StepError::Refused {
                channel: shape.channel(channel).map(|channel| channel.name.to_string()).unwrap_or_default(),
                node: self.writer(None),
                reason: error.reason,
            })?;
        }
        Ok(has_changed)
    }
}
