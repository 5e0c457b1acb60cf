//! The compiled graph with its code: what a topology is, plus the functions and policies behind its ids.
//!
//! Owns: `GraphCore`, and the memory of nodes with a cache policy.
//! Never: changes after `build`, but for that memory.

use super::node::{NodeFn, RouterFn};
use super::policy::{CachePolicy, RetryPolicy, TimeoutPolicy};
use genesis_mesh_core::graph::{NodeId, Topology};
use genesis_mesh_core::run::{Breakpoints, TaskWrite};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A graph that can run.
pub(crate) struct GraphCore {
    pub(crate) topology: Arc<Topology>,
    /// By node id; the entry has no code.
    pub(crate) nodes: Vec<NodeCore>,
    pub(crate) routers: Vec<Router>,
    pub(crate) breakpoints: Breakpoints,
    pub(crate) cache: NodeCache,
}

/// One node's code and policies.
#[derive(Clone, Default)]
pub(crate) struct NodeCore {
    pub(crate) code: Option<NodeFn>,
    pub(crate) retry: Vec<RetryPolicy>,
    pub(crate) timeout: TimeoutPolicy,
    pub(crate) cache: Option<CachePolicy>,
    /// The graph that it is, if it is one.
    pub(crate) subgraph: Option<Arc<GraphCore>>,
}

/// One branch's code, with the targets of its labels if it has labels.
pub(crate) struct Router {
    pub(crate) route: RouterFn,
    pub(crate) labels: Option<HashMap<Arc<str>, Arc<str>>>,
}

impl GraphCore {
    pub(crate) fn node(&self, id: NodeId) -> Option<&NodeCore> {
        self.nodes.get(id as usize)
    }
}

impl fmt::Debug for GraphCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphCore").field("name", self.topology.name()).finish_non_exhaustive()
    }
}

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
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.entries.get(key) {
            Some((_, Some(until))) if *until <= now_ms => {
                kept.entries.remove(key);
                None
            }
            found => found.map(|(writes, _)| writes.clone()),
        }
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
