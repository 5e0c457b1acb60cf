//! The graph as programs hold it: run it, resume it, draw it, look at its threads.
//!
//! Owns: `Graph`, with the store and the settings that its runs have.
//! Never: is invalid; only `build` makes one.

use super::env::{Ambient, Durability, SystemAmbient};
use super::live::GraphCore;
use genesis_mesh_core::graph::Picture;
use genesis_mesh_core::items::Items;
use genesis_mesh_core::state::State;
use genesis_mesh_core::store::Store;
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The steps that a run may take if nobody says otherwise: enough for an agent's conversation with its tools, and few
/// enough that a loop without an end costs little.
pub const RECURSION_LIMIT: u32 = 25;

/// The state of a graph that is one function: it has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoState;

impl State for NoState {
    fn shape() -> Option<Arc<genesis_mesh_core::state::Shape>> {
        None
    }
}

/// A valid graph over the state `S`; cheap to clone.
pub struct Graph<S> {
    core: Arc<GraphCore>,
    pub(super) settings: Settings,
    state: PhantomData<fn(S) -> S>,
}

/// What runs of a graph have around them.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) items: Option<Arc<dyn Items>>,
    pub(super) ambient: Arc<dyn Ambient>,
    pub(super) recursion_limit: u32,
    pub(super) durability: Durability,
}

impl<S: State> Graph<S> {
    pub(super) fn new(core: Arc<GraphCore>) -> Self {
        let settings = Settings {
            store: None,
            items: None,
            ambient: Arc::new(SystemAmbient),
            recursion_limit: RECURSION_LIMIT,
            durability: Durability::default(),
        };
        Self { core, settings, state: PhantomData }
    }

    pub(crate) fn core(&self) -> &Arc<GraphCore> {
        &self.core
    }

    /// The same graph with a store that keeps its threads.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.settings.store = Some(store);
        self
    }

    /// The same graph with keyed items that outlive threads: `Context::items`.
    #[must_use]
    pub fn with_items(mut self, items: Arc<dyn Items>) -> Self {
        self.settings.items = Some(items);
        self
    }

    /// The same graph with another clock and random source.
    #[must_use]
    pub fn with_ambient(mut self, ambient: Arc<dyn Ambient>) -> Self {
        self.settings.ambient = ambient;
        self
    }

    /// The same graph whose runs may take so many steps; [`RECURSION_LIMIT`] without it.
    #[must_use]
    pub fn with_recursion_limit(mut self, steps: u32) -> Self {
        self.settings.recursion_limit = steps;
        self
    }

    /// The same graph whose runs are kept in this way.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// The graph's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.topology.name()
    }

    /// The graph as Mermaid text; subgraphs are drawn as one node.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        self.core.topology.to_mermaid()
    }

    /// The graph as nodes and edges, with its subgraphs drawn out to this depth.
    #[must_use]
    pub fn picture(&self, depth: u32) -> Picture {
        picture(&self.core, depth)
    }

    /// The JSON schema of an input.
    #[must_use]
    pub fn input_schema(&self) -> Value {
        let topology = &self.core.topology;
        topology.shape().update_schema(&format!("{}Input", self.name()), |id| topology.takes_input(id))
    }

    /// The JSON schema of the output.
    #[must_use]
    pub fn output_schema(&self) -> Value {
        let topology = &self.core.topology;
        topology.shape().schema(&format!("{}Output", self.name()), |id| topology.tells(id))
    }

    /// The JSON schema of the whole state.
    #[must_use]
    pub fn state_schema(&self) -> Value {
        self.core.topology.shape().schema(self.name(), |_| true)
    }

    /// Forgets what nodes with a cache policy have kept.
    pub fn clear_cache(&self) {
        self.core.cache.clear();
    }

    /// Forgets what these nodes have kept.
    pub fn clear_cache_of<'a>(&self, nodes: impl IntoIterator<Item = &'a str>) {
        for node in nodes.into_iter().filter_map(|name| self.core.topology.id(name)) {
            self.core.cache.clear_node(node);
        }
    }
}

fn picture(core: &GraphCore, depth: u32) -> Picture {
    let mut picture = core.topology.picture();
    for (node, code) in core.topology.nodes().iter().zip(&core.nodes) {
        if let Some(child) = code.subgraph.as_ref().filter(|_| depth > 0) {
            picture.expand(&node.name, self::picture(child, depth - 1));
        }
    }
    picture
}

impl<S> Clone for Graph<S> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), settings: self.settings.clone(), state: PhantomData }
    }
}

impl<S> fmt::Debug for Graph<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("core", &self.core).finish_non_exhaustive()
    }
}
