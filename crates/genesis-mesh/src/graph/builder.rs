//! The builder of graphs: nodes with their code and policies, edges, branches, joins, subgraphs.
//!
//! Owns: what is declared, until `build` checks all of it at once.
//! Never: stops at the first mistake.

use super::cache::NodeCache;
use super::error::NodeError;
use super::function::IntoFinal;
use super::handle::{Graph, NoState};
use super::input::value_of;
use super::live::{Context, GraphCore, NodeCore, Router, RouterFn};
use super::node::{IntoNode, IntoRoute, router};
use super::output::{IntoOutput, Output};
use super::policy::{CachePolicy, RetryPolicy, TimeoutPolicy};
use super::start::{IntoInput, input_of};
use super::subgraph::{Child, Keep, from_child, run_child, run_shared};
use genesis_mesh_core::graph::{
    DEFAULT_HANDLER, GraphError, GraphProblem, NodeOptions, NodeSet, START, Style, TopologyBuilder,
};
use genesis_mesh_core::run::{Breakpoints, TaskInput};
use genesis_mesh_core::state::{Shape, Snapshot, State};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

impl<S: State> Graph<S> {
    /// Begins a graph of this name.
    #[must_use]
    pub fn builder(name: impl Into<String>) -> GraphBuilder<S> {
        GraphBuilder::new(name)
    }
}

impl Graph<NoState> {
    /// The graph of one function that takes an argument, makes [`Context::call`]s, and returns.
    ///
    /// # Errors
    /// The name is no name of a node.
    pub fn function<A, R, Fut>(
        name: impl AsRef<str>,
        body: impl Fn(A, Context) -> Fut + Send + Sync + 'static,
    ) -> Result<Self, GraphError>
    where
        A: DeserializeOwned + Clone + Send + Sync + 'static,
        R: IntoFinal,
        Fut: Future<Output = Result<R, NodeError>> + Send + 'static,
    {
        Ok(Self::new(Arc::new(function(name.as_ref(), body)?)))
    }
}

/// What the name of an error handler begins with; the name of its node follows.
const HANDLER: &str = "__error_handler__";

/// How a node is run.
#[derive(Debug, Clone, Default)]
pub struct NodeSettings {
    retry: Vec<RetryPolicy>,
    timeout: Option<TimeoutPolicy>,
    cache: Option<CachePolicy>,
    is_deferred: bool,
    ends: Option<Vec<String>>,
    reads: Option<Vec<String>>,
}

impl NodeSettings {
    /// The settings that a node has without any.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tries the node again when it fails; of several policies the first that fits the failure counts.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry.push(policy);
        self
    }

    /// Bounds each attempt.
    #[must_use]
    pub fn timeout(mut self, policy: TimeoutPolicy) -> Self {
        self.timeout = Some(policy);
        self
    }

    /// Keeps what the node writes, for equal inputs.
    #[must_use]
    pub fn cache(mut self, policy: CachePolicy) -> Self {
        self.cache = Some(policy);
        self
    }

    /// Runs the node only when nothing else can run.
    #[must_use]
    pub fn deferred(mut self) -> Self {
        self.is_deferred = true;
        self
    }

    /// Says which channels of the state the node reads: it gets, and streams and caches see, these alone. A `Send` is not
    /// narrowed.
    #[must_use]
    pub fn reads<T: Into<String>>(mut self, channels: impl IntoIterator<Item = T>) -> Self {
        self.reads = Some(channels.into_iter().map(Into::into).collect());
        self
    }

    /// Says where the node's commands go, for pictures and checks.
    #[must_use]
    pub fn ends<T: Into<String>>(mut self, ends: impl IntoIterator<Item = T>) -> Self {
        self.ends = Some(ends.into_iter().map(Into::into).collect());
        self
    }
}

/// Takes the parts of a graph over the state `S`.
pub struct GraphBuilder<S> {
    topology: TopologyBuilder,
    nodes: Vec<(String, NodeCore)>,
    routers: Vec<Router>,
    shape: Option<Arc<Shape>>,
    before: Vec<String>,
    after: Vec<String>,
    defaults: NodeSettings,
    has_default_handler: bool,
    state: PhantomData<fn(S)>,
}

impl<S: State> GraphBuilder<S> {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            topology: TopologyBuilder::new(name),
            nodes: Vec::new(),
            routers: Vec::new(),
            shape: S::shape(),
            before: Vec::new(),
            after: Vec::new(),
            defaults: NodeSettings::default(),
            has_default_handler: false,
            state: PhantomData,
        }
    }

    /// Gives the channels of a state that is described in data.
    #[must_use]
    pub fn shape(mut self, shape: impl Into<Arc<Shape>>) -> Self {
        self.shape = Some(shape.into());
        self
    }

    /// The settings of nodes that are added from now on and have none of their own.
    #[must_use]
    pub fn node_defaults(mut self, settings: NodeSettings) -> Self {
        self.defaults = settings;
        self
    }

    /// Adds a node.
    #[must_use]
    pub fn node<Form, N: IntoNode<S, Form>>(self, name: impl Into<String>, node: N) -> Self {
        self.node_with(name, node, NodeSettings::default())
    }

    /// Adds a node with settings.
    #[must_use]
    pub fn node_with<Form, N: IntoNode<S, Form>>(
        mut self,
        name: impl Into<String>,
        node: N,
        settings: NodeSettings,
    ) -> Self {
        let core = NodeCore { code: Some(node.into_node().0), ..NodeCore::default() };
        self.add(name.into(), core, settings, N::MAY_GOTO);
        self
    }

    /// Adds the node that runs in the place of `name` when that has failed for good. It takes the same input, and reads
    /// the failure from `Context::handled`.
    #[must_use]
    pub fn error_handler<Form, N: IntoNode<S, Form>>(mut self, name: impl Into<String>, handler: N) -> Self {
        let name = name.into();
        let handler_name = format!("{HANDLER}{name}");
        match self.topology.options(&name) {
            Some(options) => options.on_error = Some(handler_name.clone()),
            None => self.topology.problem(GraphProblem::UnknownNode {
                place: "an error handler".to_owned(),
                node: name,
                close: None,
            }),
        }
        let core = NodeCore { code: Some(handler.into_node().0), ..NodeCore::default() };
        self.add(handler_name, core, NodeSettings::default(), N::MAY_GOTO);
        self
    }

    /// Adds the node that runs in the place of every node that has failed for good and has no handler of its own.
    #[must_use]
    pub fn default_error_handler<Form, N: IntoNode<S, Form>>(mut self, handler: N) -> Self {
        let core = NodeCore { code: Some(handler.into_node().0), ..NodeCore::default() };
        self.add(DEFAULT_HANDLER.to_owned(), core, NodeSettings::default(), N::MAY_GOTO);
        self.has_default_handler = true;
        self
    }

    /// Adds a graph as a node. Channels of the same name are shared: the child begins with the parent's values, and all
    /// of its values come back through the parent's reducers.
    #[must_use]
    pub fn subgraph<C: State>(self, name: impl Into<String>, child: &Graph<C>) -> Self {
        self.subgraph_with(name, child, Keep::Inherit, NodeSettings::default())
    }

    /// As [`GraphBuilder::subgraph`], with settings.
    #[must_use]
    pub fn subgraph_with<C: State>(
        mut self,
        name: impl Into<String>,
        child: &Graph<C>,
        keep: Keep,
        settings: NodeSettings,
    ) -> Self {
        let child = Arc::clone(child.core());
        let inner = Arc::clone(&child);
        let code = Arc::new(move |input, context, shape| {
            Box::pin(run_shared(Arc::clone(&inner), keep, input, context, shape)) as _
        });
        let has_one_history = keep == Keep::Own;
        let core =
            NodeCore { code: Some(code), subgraph: Some(child), has_one_history, ..NodeCore::default() };
        let name = name.into();
        self.add(name.clone(), core, settings, true);
        if let Some(options) = self.topology.options(&name) {
            options.is_forgetful = keep == Keep::Nothing;
        }
        self
    }

    /// Adds a graph with a state of its own as a node: `enter` makes its input, `leave` makes the parent's update.
    #[must_use]
    pub fn subgraph_mapped<C: State, I: IntoInput<C>, U: IntoOutput<S>>(
        mut self,
        name: impl Into<String>,
        child: &Graph<C>,
        enter: impl Fn(&S) -> I + Send + Sync + 'static,
        leave: impl Fn(Snapshot<C>) -> U + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::clone(child.core());
        let maps = Arc::new((enter, leave));
        let child = Arc::clone(&inner);
        let code = Arc::new(move |input: TaskInput, context: Context, shape: Arc<Shape>| {
            let (inner, maps) = (Arc::clone(&inner), Arc::clone(&maps));
            Box::pin(async move {
                let state = <Snapshot<S> as super::input::NodeInput<S>>::from_input(input, &shape)?;
                let given = input_of(&inner, (maps.0)(&state).into_input()).map_err(NodeError::from)?;
                drop(state);
                match run_child(inner, Keep::Inherit, given, &context).await? {
                    Child::Ended(live) => {
                        let state = live.machine().state().typed::<C>();
                        let state = state
                            .ok_or_else(|| NodeError::new("InvalidInput", "the child has another state"))?;
                        (maps.1)(state).into_output(&shape)
                    }
                    Child::Command(command) => from_child(command, &shape),
                }
            }) as _
        });
        let core = NodeCore { code: Some(code), subgraph: Some(child), ..NodeCore::default() };
        self.add(name.into(), core, NodeSettings::default(), true);
        self
    }

    fn add(&mut self, name: String, core: NodeCore, settings: NodeSettings, may_goto: bool) {
        let defaults = &self.defaults;
        let retry = if settings.retry.is_empty() { defaults.retry.clone() } else { settings.retry };
        let options = NodeOptions {
            is_deferred: settings.is_deferred || defaults.is_deferred,
            on_error: None,
            ends: settings.ends,
            reads: settings.reads,
            may_goto,
            is_subgraph: core.subgraph.is_some(),
            is_forgetful: false,
        };
        if retry.iter().any(|policy| policy.max_attempts == 0) {
            let place = format!("the retry policy of `{name}`");
            self.topology.problem(GraphProblem::InvalidSetting {
                place,
                reason: "max_attempts is 1 or more".to_owned(),
            });
        }
        let timeout = settings.timeout.or(defaults.timeout).unwrap_or_default();
        let cache = settings.cache.or_else(|| defaults.cache.clone());
        self.topology.node(name.clone(), options);
        self.nodes.push((name, NodeCore { retry, timeout, cache, ..core }));
    }

    /// Adds an edge: `to` runs after `from`.
    #[must_use]
    pub fn edge(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.topology.edge(from, to);
        self
    }

    /// Adds edges from each node to the next.
    #[must_use]
    pub fn sequence<T: Into<String>>(mut self, nodes: impl IntoIterator<Item = T>) -> Self {
        let mut last: Option<String> = None;
        for node in nodes {
            let node = node.into();
            if let Some(last) = last.replace(node.clone()) {
                self.topology.edge(last, node);
            }
        }
        self
    }

    /// Adds an edge that waits: `to` runs when all of `from` have run.
    #[must_use]
    pub fn join<T: Into<String>>(mut self, from: impl IntoIterator<Item = T>, to: impl Into<String>) -> Self {
        self.topology.join(from.into_iter().map(Into::into).collect(), to);
        self
    }

    /// Adds a branch: after `from`, `route` reads the state and says what runs next, by names or with `Send`s.
    #[must_use]
    pub fn branch<R: IntoRoute>(
        self,
        from: impl Into<String>,
        route: impl Fn(&S) -> R + Send + Sync + 'static,
    ) -> Self {
        self.branch_code(from.into(), router(route), None)
    }

    /// As [`GraphBuilder::branch`], with the names that `route` may give; checks and pictures know them.
    #[must_use]
    pub fn branch_to<R: IntoRoute, T: Into<String>>(
        self,
        from: impl Into<String>,
        route: impl Fn(&S) -> R + Send + Sync + 'static,
        targets: impl IntoIterator<Item = T>,
    ) -> Self {
        let paths =
            targets.into_iter().map(Into::into).map(|target: String| (target.clone(), target)).collect();
        self.branch_code(from.into(), router(route), Some(paths))
    }

    /// As [`GraphBuilder::branch`]; `route` gives labels, which `paths` maps to nodes.
    #[must_use]
    pub fn branch_labels<R: IntoRoute, L: Into<String>, T: Into<String>>(
        self,
        from: impl Into<String>,
        route: impl Fn(&S) -> R + Send + Sync + 'static,
        paths: impl IntoIterator<Item = (L, T)>,
    ) -> Self {
        let paths = paths.into_iter().map(|(label, target)| (label.into(), target.into())).collect();
        self.branch_code(from.into(), router(route), Some(paths))
    }

    fn branch_code(mut self, from: String, route: RouterFn, paths: Option<Vec<(String, String)>>) -> Self {
        let labels = paths.as_ref().map(|paths| {
            let named =
                paths.iter().map(|(label, target)| (Arc::from(label.as_str()), Arc::from(target.as_str())));
            named.collect::<HashMap<Arc<str>, Arc<str>>>()
        });
        self.topology.branch(from, paths);
        self.routers.push(Router { route, labels });
        self
    }

    /// The node that runs first: an edge from `START`.
    #[must_use]
    pub fn entry(self, node: impl Into<String>) -> Self {
        self.edge(START, node)
    }

    /// Narrows what an input may write to these channels.
    #[must_use]
    pub fn input<T: Into<String>>(mut self, channels: impl IntoIterator<Item = T>) -> Self {
        self.topology.input(channels.into_iter().map(Into::into).collect());
        self
    }

    /// Narrows what is told as output to these channels.
    #[must_use]
    pub fn output<T: Into<String>>(mut self, channels: impl IntoIterator<Item = T>) -> Self {
        self.topology.output(channels.into_iter().map(Into::into).collect());
        self
    }

    /// Stops every run before these nodes; `*` stands for all.
    #[must_use]
    pub fn interrupt_before<T: Into<String>>(mut self, nodes: impl IntoIterator<Item = T>) -> Self {
        self.before.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// Stops every run after these nodes; `*` stands for all.
    #[must_use]
    pub fn interrupt_after<T: Into<String>>(mut self, nodes: impl IntoIterator<Item = T>) -> Self {
        self.after.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// The graph, if nothing is wrong with it.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn build(mut self) -> Result<Graph<S>, GraphError> {
        if self.has_default_handler {
            let is_handler = |name: &str| name == DEFAULT_HANDLER || name.starts_with(HANDLER);
            for (name, _) in self.nodes.iter().filter(|(name, _)| !is_handler(name)) {
                if let Some(options) = self.topology.options(name) {
                    options.on_error.get_or_insert_with(|| DEFAULT_HANDLER.to_owned());
                }
            }
        }
        let topology = Arc::new(self.topology.build(self.shape, Style::Graph)?);
        let mut nodes = vec![NodeCore::default(); topology.nodes().len()];
        for (name, core) in self.nodes {
            if let Some(node) = topology.id(&name).and_then(|id| nodes.get_mut(id as usize)) {
                *node = core;
            }
        }
        let set = |names: &[String], place: &str| {
            NodeSet::of(&topology, names.iter().map(String::as_str)).map_err(|node| GraphError {
                graph: topology.name().to_string(),
                problems: vec![GraphProblem::UnknownNode { place: place.to_owned(), node, close: None }],
            })
        };
        let breakpoints = Breakpoints {
            before: set(&self.before, "interrupt_before")?,
            after: set(&self.after, "interrupt_after")?,
        };
        let core =
            GraphCore { topology, nodes, routers: self.routers, breakpoints, cache: NodeCache::default() };
        Ok(Graph::new(Arc::new(core)))
    }
}

impl<S> std::fmt::Debug for GraphBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphBuilder").field("topology", &self.topology).finish_non_exhaustive()
    }
}

/// The graph of one function: it takes an argument, runs tasks, and returns.
pub(super) fn function<A, R, Fut>(
    name: &str,
    body: impl Fn(A, Context) -> Fut + Send + Sync + 'static,
) -> Result<GraphCore, GraphError>
where
    A: DeserializeOwned + Clone + 'static,
    R: IntoFinal,
    Fut: Future<Output = Result<R, NodeError>> + Send + 'static,
{
    let mut topology = TopologyBuilder::new(name);
    topology.node(name, NodeOptions::default());
    let shape = Arc::new(Shape::new::<()>(Vec::new(), || ()));
    let topology = Arc::new(topology.build(Some(shape), Style::Function)?);
    let code = Arc::new(move |input: TaskInput, context: Context, shape: Arc<Shape>| {
        let work = value_of(input, &shape).map(|argument| body(argument, context));
        Box::pin(async move {
            let (value, saved) = work?.await?.into_final();
            Ok(Output { returned: Some((value, saved)), ..Output::default() })
        }) as _
    });
    let nodes = vec![NodeCore { code: Some(code), ..NodeCore::default() }];
    let breakpoints = Breakpoints::default();
    Ok(GraphCore { topology, nodes, routers: Vec::new(), breakpoints, cache: NodeCache::default() })
}
