//! What a machine remembers of the last commit: what lives for one step, and which channels were written.
//!
//! Owns: both lists, in a form whose cost does not grow with the number of channels.
//! Never: decides anything; the commit does.

use crate::graph::{NodeId, TriggerId};
use crate::state::ChannelId;

/// What lives for one step: written by the last commit, emptied by the next unless it is written again.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pub(super) channels: Vec<ChannelId>,
    pub(super) triggers: Vec<TriggerId>,
}

/// Which channels this commit has written, and who did.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    bits: Vec<u64>,
    pub(super) list: Vec<(ChannelId, Option<NodeId>)>,
    pub(super) overwritten: Vec<ChannelId>,
}

impl Written {
    pub(super) fn has(&self, channel: ChannelId) -> bool {
        self.bits.get(channel as usize / 64).is_some_and(|word| word & (1 << (channel % 64)) != 0)
    }

    pub(super) fn add(&mut self, channel: ChannelId, node: Option<NodeId>) {
        let word = channel as usize / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= 1 << (channel % 64);
        }
        self.list.push((channel, node));
    }

    pub(super) fn reset(&mut self) {
        for (channel, _) in self.list.drain(..) {
            if let Some(bits) = self.bits.get_mut(channel as usize / 64) {
                *bits &= !(1 << (channel % 64));
            }
        }
        self.overwritten.clear();
    }
}
