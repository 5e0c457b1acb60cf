//! What a case keeps between its runs, and what one attempt of a node has at hand.
//!
//! Owns: flags, counters and signals of the process, the key-value store, and the frame of an attempt.
//! Never: evaluates anything.

use genesis_mesh::graph::{Command, Context, Graph};
use genesis_mesh::state::{DynState, Shape};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The namespace and the key of an item.
pub(crate) type ItemKey = (Vec<String>, String);

/// What outlives one run.
#[derive(Default)]
pub(crate) struct World {
    kept: Mutex<Kept>,
    signals: Mutex<BTreeMap<String, watch::Sender<bool>>>,
    children: Mutex<BTreeMap<String, Graph<DynState>>>,
    /// The case.
    pub(crate) described: Value,
    /// Tasks of a functional graph, by name.
    pub(crate) tasks: Map<String, Value>,
}

/// Flags, counters and the key-value store.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) flags: Map<String, Value>,
    pub(crate) counters: BTreeMap<String, i64>,
    pub(crate) items: BTreeMap<ItemKey, Value>,
}

impl World {
    pub(crate) fn new(described: Value, tasks: Map<String, Value>) -> Self {
        Self { described, tasks, ..Self::default() }
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, name: &str) {
        *self.kept().counters.entry(name.to_owned()).or_default() += 1;
    }

    pub(crate) fn signal(&self, name: &str) {
        self.sender(name).send_replace(true);
    }

    pub(crate) async fn wait(&self, name: &str) {
        let mut given = self.sender(name).subscribe();
        // The world has the sender, so waiting can't fail.
        let _ = given.wait_for(|is_given| *is_given).await;
    }

    /// Adds a graph that nodes use by this name.
    pub(crate) fn add_child(&self, name: &str, graph: Graph<DynState>) {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), graph);
    }

    pub(crate) fn child(&self, name: &str) -> Option<Graph<DynState>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn sender(&self, name: &str) -> watch::Sender<bool> {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        signals.entry(name.to_owned()).or_insert_with(|| watch::channel(false).0).clone()
    }
}

/// One attempt of a node, task, handler or route.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) world: Arc<World>,
    /// The input.
    pub(crate) given: Value,
    /// What the node can ask of its run; a route has none.
    pub(crate) context: Option<Context>,
    /// The channels that commands write; a functional graph has none.
    pub(crate) shape: Option<Arc<Shape>>,
    pub(crate) variables: Map<String, Value>,
}

/// What an attempt has done so far.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) update: Option<Map<String, Value>>,
    pub(crate) commands: Vec<Command<DynState>>,
    pub(crate) returned: Value,
    /// What the next run finds as `$previous`, if it is not what was returned.
    pub(crate) saved: Option<Value>,
}

impl Frame {
    pub(crate) fn new(world: &Arc<World>, given: Value) -> Self {
        Self { world: Arc::clone(world), given, context: None, shape: None, variables: Map::new() }
    }

    /// The same frame with one more variable.
    pub(crate) fn with(&self, name: &str, value: Value) -> Self {
        let mut frame = self.clone();
        frame.variables.insert(name.to_owned(), value);
        frame
    }
}
