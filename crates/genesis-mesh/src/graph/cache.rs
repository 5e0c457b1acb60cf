//! The memory of nodes with a cache policy: what they wrote for inputs that were seen.
//!
//! Owns: the entries, their bound, and when their time is over.
//! Never: outlives its graph, or the process.

use genesis_mesh_core::graph::NodeId;
use genesis_mesh_core::run::TaskWrite;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The most writes that a graph's cache keeps; the oldest go first.
const CACHE_MAX: usize = 10_000;

/// What nodes with a cache policy wrote for inputs that were seen.
#[derive(Default)]
pub(crate) struct NodeCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<(NodeId, String), (Vec<TaskWrite>, Option<i64>)>,
    order: std::collections::VecDeque<(NodeId, String)>,
}

impl NodeCache {
    /// The writes that are kept under the key, unless their time is over.
    pub(crate) fn get(&self, key: &(NodeId, String), now_ms: i64) -> Option<Vec<TaskWrite>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is too old stays until it is replaced: its key then keeps its one place in the order.
        let found = kept.entries.get(key).filter(|(_, until)| until.is_none_or(|until| until > now_ms));
        found.map(|(writes, _)| writes.clone())
    }

    pub(crate) fn put(&self, key: (NodeId, String), writes: Vec<TaskWrite>, until_ms: Option<i64>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.entries.insert(key.clone(), (writes, until_ms)).is_none() {
            kept.order.push_back(key);
        }
        while kept.order.len() > CACHE_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.entries.remove(&oldest);
        }
    }

    pub(crate) fn clear_node(&self, node: NodeId) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.retain(|(other, _), _| *other != node);
        kept.order.retain(|(other, _)| *other != node);
    }

    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}
