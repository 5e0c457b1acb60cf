//! The graphs of a case, built with the public API from their descriptions.
//!
//! Owns: the way from a described graph, node or policy to one of ours.
//! Never: runs anything.

use super::Fault;
use super::expression::{as_list, evaluate, node_name, text_at};
use super::operations::{faulty, gotos, output, perform};
use super::world::{Done, Frame, World};
use genesis_mesh::graph::{
    CachePolicy, CallOptions, Command, Context, Fallible, Final, Goto, Graph, GraphBuilder, Keep, NoState,
    NodeError, NodeSettings, RetryPolicy, TimeoutPolicy,
};
use genesis_mesh::state::{DynShape, DynState, Shape, Snapshot};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A graph over described state while it is built.
struct Build<'a> {
    world: &'a Arc<World>,
    body: &'a Value,
    shape: Arc<Shape>,
}

fn object<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    body.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn list<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    body.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The names at `key`; one name stands for a list of it.
pub(crate) fn names(body: &Value, key: &str) -> Option<Vec<String>> {
    let names = as_list(body.get(key)?.clone());
    Some(names.iter().filter_map(Value::as_str).map(|name| node_name(name).to_owned()).collect())
}

/// The children of a case, then its graph.
pub(crate) fn state_graph(world: &Arc<World>, case: &Value) -> Result<(Graph<DynState>, Arc<Shape>), Fault> {
    for (name, body) in object(case, "graphs") {
        let (child, _) = Build::of(world, body)?.graph(name)?;
        world.add_child(name, child);
    }
    Build::of(world, case)?.graph("LangGraph")
}

/// The graph of an entrypoint and its tasks.
pub(crate) fn functional_graph(world: &Arc<World>, body: &Value) -> Result<Graph<NoState>, Fault> {
    let (world, ops) = (Arc::clone(world), body.get("do").cloned().unwrap_or_default());
    let workflow = move |given: Value, context: Context| {
        let mut frame = Frame { context: Some(context), ..Frame::new(&world, given) };
        let ops = ops.clone();
        async move {
            let mut done = Done::default();
            perform(&ops, &mut frame, &mut done).await?;
            let save = done.saved.unwrap_or_else(|| done.returned.clone());
            Ok(Final { value: done.returned, save })
        }
    };
    Ok(Graph::function("workflow", workflow)?)
}

/// The description of a channel in our words.
fn channel(reduce: &str) -> Result<Value, Fault> {
    Ok(match reduce {
        "last" => json!({}),
        "append" => json!({"type": "array", "reduce": "append"}),
        "add" => json!({"type": "integer", "reduce": "add"}),
        "merge" | "messages" | "min" | "max" => json!({"reduce": reduce}),
        "any" | "untracked" | "ephemeral" | "topic" | "topic_accumulate" => json!({"channel": reduce}),
        "untracked_any" => json!({"channel": "untracked", "guard": false}),
        "ephemeral_any" => json!({"channel": "ephemeral", "guard": false}),
        "last_after_finish" => json!({"channel": "after_finish"}),
        "is_last_step" | "remaining_steps" => json!({"channel": reduce}),
        other => return Err(format!("no channel {other}").into()),
    })
}

impl<'a> Build<'a> {
    fn of(world: &'a Arc<World>, body: &'a Value) -> Result<Self, Fault> {
        let described = object(body, "state").chain(object(body, "private"));
        let described =
            described.map(|(key, reduce)| Ok((key.clone(), channel(reduce.as_str().unwrap_or_default())?)));
        let described = Value::Object(described.collect::<Result<Map<_, _>, Fault>>()?);
        let shape = DynShape::from_json(&described).map_err(|problems| format!("{problems:?}"))?;
        Ok(Self { world, body, shape: Arc::new(shape) })
    }

    fn graph(&self, name: &str) -> Result<(Graph<DynState>, Arc<Shape>), Fault> {
        let body = self.body;
        let mut graph = Graph::<DynState>::builder(name).shape(Arc::clone(&self.shape));
        if let Some(defaults) = body.get("defaults") {
            graph = graph.node_defaults(settings(defaults));
            if let Some(ops) = defaults.get("on_error") {
                graph = graph.default_error_handler(self.node(ops));
            }
        }
        if body.get("private").is_some() || body.get("input").is_some() {
            let keys = names(body, "input").unwrap_or_else(|| self.state_keys());
            graph = graph.input(keys);
        }
        if let Some(keys) = names(body, "output") {
            graph = graph.output(keys);
        }
        for (name, node) in object(body, "nodes") {
            graph = self.add_node(graph, name, node)?;
        }
        for chain in list(body, "sequence").chain(list(body, "edges")) {
            let chain: Vec<String> = list(&json!({"chain": chain}), "chain")
                .filter_map(Value::as_str)
                .map(|name| node_name(name).to_owned())
                .collect();
            graph = graph.sequence(chain);
        }
        for join in list(body, "joins") {
            let from = names(&json!({"from": join.get(0)}), "from").unwrap_or_default();
            let to = join.get(1).and_then(Value::as_str).unwrap_or_default();
            graph = graph.join(from, node_name(to));
        }
        for branch in list(body, "branches") {
            graph = self.add_branch(graph, branch)?;
        }
        let graph = graph
            .interrupt_before(names(body, "interrupt_before").unwrap_or_default())
            .interrupt_after(names(body, "interrupt_after").unwrap_or_default());
        Ok((graph.build()?, Arc::clone(&self.shape)))
    }

    fn state_keys(&self) -> Vec<String> {
        object(self.body, "state").map(|(key, _)| key.clone()).collect()
    }

    /// What a node reads, if that is not the whole state.
    fn reads(&self, node: &Value) -> Option<Vec<String>> {
        let all = self.body.get("private").map(|_| self.state_keys());
        names(node, "input").or(all)
    }

    fn add_node(
        &self,
        graph: GraphBuilder<DynState>,
        name: &str,
        node: &Value,
    ) -> Result<GraphBuilder<DynState>, Fault> {
        let mut settings = settings(node);
        if let Some(keys) = self.reads(node) {
            settings = settings.reads(keys);
        }
        let graph = match node.get("graph").and_then(Value::as_str) {
            Some(child) => {
                let child = self.world.child(child).ok_or("no such graph")?;
                let body = json!({});
                let keep = match self
                    .child_body(node)
                    .unwrap_or(&body)
                    .get("checkpointer")
                    .and_then(Value::as_str)
                {
                    Some("own") => Keep::Own,
                    Some("none") => Keep::Nothing,
                    _ => Keep::Inherit,
                };
                match node.get("map_in") {
                    Some(map_in) => self.add_mapped(graph, name, &child, (map_in, node)),
                    None => graph.subgraph_with(name, &child, keep, settings),
                }
            }
            None => graph.node_with(name, self.node(node.get("do").unwrap_or(&Value::Null)), settings),
        };
        Ok(match node.get("on_error") {
            Some(ops) => graph.error_handler(name, self.node(ops)),
            None => graph,
        })
    }

    fn child_body(&self, node: &Value) -> Option<&Value> {
        self.world.described.get("graphs")?.get(node.get("graph")?.as_str()?)
    }

    /// The code of a node, or of an error handler, that does operations.
    fn node(
        &self,
        ops: &Value,
    ) -> impl Fn(Value, Context) -> genesis_mesh::BoxFuture<'static, Result<Vec<Command<DynState>>, NodeError>>
    + Send
    + Sync
    + 'static
    + use<> {
        let (world, shape, ops) = (Arc::clone(self.world), Arc::clone(&self.shape), Arc::new(ops.clone()));
        move |given, context| {
            let frame = Frame::new(&world, given);
            let mut frame = Frame { context: Some(context), shape: Some(Arc::clone(&shape)), ..frame };
            let (ops, shape) = (Arc::clone(&ops), Arc::clone(&shape));
            Box::pin(async move {
                let mut done = Done::default();
                perform(&ops, &mut frame, &mut done).await?;
                output(done, &shape)
            })
        }
    }

    fn add_mapped(
        &self,
        graph: GraphBuilder<DynState>,
        name: &str,
        child: &Graph<DynState>,
        (map_in, node): (&Value, &Value),
    ) -> GraphBuilder<DynState> {
        let (map_in, map_out) = (map_in.clone(), node.get("map_out").cloned().unwrap_or_default());
        let (outer, inner) = (Arc::clone(self.world), Arc::clone(self.world));
        let enter = move |state: &DynState| {
            evaluate(&map_in, &Frame::new(&outer, state.to_json())).unwrap_or_default()
        };
        let leave = move |state: Snapshot<DynState>| {
            evaluate(&map_out, &Frame::new(&inner, state.to_json())).map_err(faulty)
        };
        graph.subgraph_mapped(name, child, enter, leave)
    }

    fn add_branch(
        &self,
        graph: GraphBuilder<DynState>,
        branch: &Value,
    ) -> Result<GraphBuilder<DynState>, Fault> {
        let from = text_at(branch, "from")?;
        let (world, route) = (Arc::clone(self.world), branch.get("route").cloned().unwrap_or_default());
        let node = self.body.get("nodes").and_then(|nodes| nodes.get(from));
        let reads = node.and_then(|node| self.reads(node));
        let is_labelled = branch.get("paths").is_some_and(Value::is_object);
        let route = move |state: &DynState| {
            let mut given = state.to_json();
            if let (Some(reads), Some(given)) = (&reads, given.as_object_mut()) {
                given.retain(|key, _| reads.contains(key));
            }
            Fallible(routed(&world, &route, given, is_labelled))
        };
        let from = node_name(from);
        Ok(match branch.get("paths") {
            None => graph.branch(from, route),
            Some(Value::Object(paths)) => {
                let paths =
                    paths.iter().filter_map(|(label, to)| Some((label.as_str(), node_name(to.as_str()?))));
                graph.branch_labels(from, route, paths)
            }
            Some(_) => graph.branch_to(from, route, names(branch, "paths").unwrap_or_default()),
        })
    }
}

/// The targets that a route gives.
fn routed(
    world: &Arc<World>,
    route: &Value,
    given: Value,
    is_labelled: bool,
) -> Result<Vec<Goto>, NodeError> {
    let chosen = evaluate(route, &Frame::new(world, given)).map_err(faulty)?;
    if is_labelled && chosen.is_null() {
        return Err(NodeError::new("InvalidRoute", "no label"));
    }
    gotos(chosen).map_err(faulty)
}

/// A number of seconds in the settings of a node.
pub(crate) fn duration(body: &Value, key: &str) -> Option<Duration> {
    body.get(key).and_then(Value::as_f64).map(Duration::from_secs_f64)
}

fn retries(body: &Value) -> Vec<RetryPolicy> {
    as_list(body.get("retry").cloned().unwrap_or_default()).iter().map(retry).collect()
}

fn retry(body: &Value) -> RetryPolicy {
    let attempts = body.get("attempts").and_then(Value::as_u64).unwrap_or(1);
    let policy = RetryPolicy {
        initial_interval: duration(body, "initial").unwrap_or(Duration::from_millis(1)),
        backoff_factor: body.get("factor").and_then(Value::as_f64).unwrap_or(2.0),
        max_interval: duration(body, "max").unwrap_or(Duration::from_millis(10)),
        has_jitter: false,
        ..RetryPolicy::attempts(u32::try_from(attempts).unwrap_or(u32::MAX))
    };
    match names(body, "on") {
        Some(classes) => policy.on(move |failure| classes.contains(&failure.error)),
        None => policy,
    }
}

fn cache(body: &Value) -> Option<CachePolicy> {
    body.get("cache").map(|cache| CachePolicy { ttl: duration(cache, "ttl"), ..CachePolicy::default() })
}

fn timeout(body: &Value) -> Option<TimeoutPolicy> {
    let timeout = body.get("timeout")?;
    Some(TimeoutPolicy {
        run: duration(timeout, "run"),
        idle: duration(timeout, "idle"),
        is_heartbeat_only: timeout.get("refresh_on").and_then(Value::as_str) == Some("heartbeat"),
    })
}

fn settings(body: &Value) -> NodeSettings {
    let mut settings = retries(body).into_iter().fold(NodeSettings::new(), NodeSettings::retry);
    if let Some(policy) = cache(body) {
        settings = settings.cache(policy);
    }
    if let Some(policy) = timeout(body) {
        settings = settings.timeout(policy);
    }
    if body.get("defer") == Some(&Value::Bool(true)) {
        settings = settings.deferred();
    }
    match names(body, "ends") {
        Some(ends) => settings.ends(ends),
        None => settings,
    }
}

/// How a task of a functional graph is called.
pub(crate) fn call_options(body: &Value, input: Value) -> CallOptions {
    CallOptions {
        retry: retries(body),
        timeout: timeout(body).unwrap_or_default(),
        cache: cache(body),
        input,
        ..CallOptions::default()
    }
}
