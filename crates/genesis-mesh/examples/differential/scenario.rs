//! Scenarios: the steps of a case, played one after the other, and what every thread became.
//!
//! Owns: runs, updates and reads through the public API.
//! Never: shapes an outcome; `outcome.rs` does.

use super::Fault;
use super::expression::{evaluate, text_at};
use super::graphs::{functional_graph, names, state_graph};
use super::operations::{gotos, update_of};
use super::outcome;
use super::world::{Frame, World};
use genesis_mesh::MemoryStore;
use genesis_mesh::graph::{
    CheckpointId, Command, Durability, Graph, GraphRunError, GraphThread, HistoryQuery, NoState, RunRequest,
    START, StateChange, StateSnapshot, StreamMode,
};
use genesis_mesh::state::{Shape, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Plays a case.
pub(crate) async fn play(case: &Value) -> Result<Value, Fault> {
    let tasks = case.get("functional").and_then(|body| body.get("tasks")?.as_object().cloned());
    let world = Arc::new(World::new(case.clone(), tasks.unwrap_or_default()));
    match case.get("functional") {
        Some(body) => {
            let graph: Graph<NoState> = functional_graph(&world, body)?;
            Player::new(case, world, graph, None).play().await
        }
        None => {
            let (graph, shape) = state_graph(&world, case)?;
            Player::new(case, world, graph, Some(shape)).play().await
        }
    }
}

struct Player<'a, S> {
    case: &'a Value,
    world: Arc<World>,
    graph: Graph<S>,
    shape: Option<Arc<Shape>>,
    /// Threads in the order in which they were named.
    threads: Vec<String>,
}

/// A checkpoint that a step names, and the subgraph that it belongs to.
struct Place<S> {
    thread: GraphThread<S>,
    checkpoint: Option<CheckpointId>,
}

impl<'a, S: State> Player<'a, S> {
    fn new(case: &'a Value, world: Arc<World>, graph: Graph<S>, shape: Option<Arc<Shape>>) -> Self {
        let graph = graph.with_store(Arc::new(MemoryStore::default()));
        Self { case, world, graph, shape, threads: Vec::new() }
    }

    async fn play(mut self) -> Result<Value, Fault> {
        let mut steps = Vec::new();
        for step in self.case.get("scenario").and_then(Value::as_array).into_iter().flatten() {
            steps.push(self.step(step).await?);
        }
        let mut threads = Map::new();
        for name in &self.threads {
            let thread = self.graph.thread(name);
            let state = match thread.state_with_subgraphs().await {
                Ok(state) => outcome::snapshot(&state),
                Err(error) => json!({"error": outcome::run_error(&error)}),
            };
            let history = history(&thread, HistoryQuery::default()).await;
            threads.insert(name.clone(), json!({"state": state, "history": history}));
        }
        Ok(json!({"name": self.case.get("name"), "steps": steps, "threads": threads}))
    }

    async fn step(&mut self, step: &Value) -> Result<Value, Fault> {
        let has = |keys: &[&str]| keys.iter().any(|key| step.get(key).is_some());
        if has(&["invoke", "resume", "resume_each", "command"]) {
            return self.run(step).await;
        }
        if has(&["update_state", "bulk_update_state"]) {
            return self.update(step).await;
        }
        if has(&["get_state", "get_history"]) {
            return self.read(step).await;
        }
        let mut kept = self.world.kept();
        if let Some(flags) = step.get("flag").and_then(Value::as_object) {
            kept.flags.extend(flags.clone());
            return Ok(json!({}));
        }
        if has(&["counters"]) {
            return Ok(json!({"counters": kept.counters}));
        }
        if let Some(prefix) = step.get("store") {
            let prefix: Vec<String> = serde_json::from_value(prefix.clone())?;
            let found = kept.items.iter().filter(|((namespace, _), _)| namespace.starts_with(&prefix));
            let items = found
                .map(|((namespace, key), value)| json!({"namespace": namespace, "key": key, "value": value}));
            return Ok(json!({"items": items.collect::<Value>()}));
        }
        match names(step, "clear_cache") {
            Some(nodes) if nodes.is_empty() => self.graph.clear_cache(),
            Some(nodes) => self.graph.clear_cache_of(nodes.iter().map(String::as_str)),
            None => return Err(format!("unknown step {step}").into()),
        }
        Ok(json!({}))
    }

    /// The thread of a step.
    fn thread(&mut self, step: &Value) -> Option<String> {
        let name = step.get("thread").unwrap_or(self.case.get("thread").unwrap_or(&Value::Null));
        let name = name.as_str()?.to_owned();
        if !self.threads.contains(&name) {
            self.threads.push(name.clone());
        }
        Some(name)
    }

    /// The checkpoint that `at` names.
    async fn place(&self, thread: &str, at: Option<&Value>) -> Result<Place<S>, Fault> {
        let root = self.graph.thread(thread);
        let Some(at) = at else { return Ok(Place { thread: root, checkpoint: None }) };
        let index = at.get("history").and_then(Value::as_u64).unwrap_or_default();
        let history = root.history(HistoryQuery::default()).await?;
        let found = history.get(usize::try_from(index)?).ok_or("no such checkpoint")?;
        let Some(task) = at.get("task").and_then(Value::as_str) else {
            return Ok(Place { checkpoint: found.checkpoint.as_ref().map(|found| found.id), thread: root });
        };
        let task = found.view.tasks.iter().find(|other| other.name == task).ok_or("no such task")?;
        let ns = task.subgraph.clone().ok_or("the task is no subgraph")?;
        Ok(Place { thread: root.subgraph(&ns)?, checkpoint: None })
    }

    async fn run(&mut self, step: &Value) -> Result<Value, Fault> {
        let thread = self.thread(step);
        let limit = step.get("recursion_limit").and_then(Value::as_u64);
        let request = self.request(step, thread.as_deref()).await?;
        let (events, ended) = self.streamed(request).await?;
        let error = match ended {
            Ok(true) => json!({"class": "GraphDrained", "message": null}),
            Ok(false) => Value::Null,
            Err(GraphRunError::InvalidInput { .. }) if limit == Some(0) => {
                json!({"class": "InvalidLimit", "message": null})
            }
            Err(error) => outcome::run_error(&error),
        };
        let mut result = json!({"events": events, "error": error});
        if let (Some(thread), Some(result)) = (thread, result.as_object_mut()) {
            result.insert("state".to_owned(), self.newest(&thread).await);
        }
        Ok(result)
    }

    /// All events of a run, and whether it was asked to stop.
    async fn streamed(
        &self,
        request: RunRequest<S>,
    ) -> Result<(Vec<Value>, Result<bool, GraphRunError>), Fault> {
        let mut modes = vec![
            StreamMode::Values,
            StreamMode::Updates,
            StreamMode::Tasks,
            StreamMode::Custom,
            StreamMode::Checkpoints,
        ];
        if self.case.get("messages").is_some() {
            modes.push(StreamMode::Messages);
        }
        let mut stream = request.stream_with_subgraphs(modes);
        let mut events = Vec::new();
        while let Some(part) = stream.next().await {
            match part {
                Ok(part) => events.push(outcome::event(part)),
                Err(error) => return Ok((events, Err(error))),
            }
        }
        let outcome = stream.outcome().ok_or("a run without an end")?;
        Ok((events, Ok(outcome.is_drained())))
    }

    async fn request(&self, step: &Value, thread: Option<&str>) -> Result<RunRequest<S>, Fault> {
        let frame = Frame::new(&self.world, Value::Null);
        let mut request = if let Some(input) = step.get("invoke") {
            match evaluate(input, &frame)? {
                Value::Null => self.graph.go_on(),
                input => self.graph.run(input),
            }
        } else if let Some(answer) = step.get("resume") {
            self.graph.resume(evaluate(answer, &frame)?)
        } else if let Some(answers) = step.get("resume_each").and_then(Value::as_object) {
            let state = self.graph.thread(thread.unwrap_or_default()).state().await?;
            let mut tasks: Vec<_> = state.view.tasks.iter().collect();
            tasks.sort_by(|a, b| a.path.cmp(&b.path));
            let pending: Vec<_> = tasks.iter().flat_map(|task| &task.interrupts).collect();
            let answers = answers.iter().map(|(index, answer)| {
                let asked = pending.get(index.parse::<usize>()?).ok_or("no such question")?;
                Ok((asked.id.clone(), answer.clone()))
            });
            self.graph.resume_each(answers.collect::<Result<_, Fault>>()?)
        } else {
            let body = step.get("command").unwrap_or(&Value::Null);
            let command = self.command(body, &frame)?;
            match body.get("resume").filter(|answer| !answer.is_null()) {
                Some(answer) => self.graph.resume(answer).and_command(command),
                None => self.graph.command(command),
            }
        };
        if let Some(thread) = thread {
            request = request.thread(thread);
            if let Some(at) = step.get("at") {
                match self.place(thread, Some(at)).await?.checkpoint {
                    Some(checkpoint) => request = request.at(checkpoint),
                    None => return Err("a run at a checkpoint of a subgraph".into()),
                }
            }
        }
        set(request, step)
    }

    fn command(&self, body: &Value, frame: &Frame) -> Result<Command<S>, Fault> {
        let update = evaluate(body.get("update").unwrap_or(&Value::Null), frame)?;
        let gotos = gotos(evaluate(body.get("goto").unwrap_or(&Value::Null), frame)?)?;
        let command = match &self.shape {
            Some(shape) => Command::update(update_of(&update, shape)?),
            None => Command::default(),
        };
        Ok(command.and_goto(gotos))
    }

    async fn newest(&self, thread: &str) -> Value {
        match self.graph.thread(thread).state().await {
            Ok(state) => outcome::snapshot(&state),
            Err(error) => json!({"error": outcome::run_error(&error)}),
        }
    }

    async fn update(&mut self, step: &Value) -> Result<Value, Fault> {
        let thread = self.thread(step).ok_or("an update without a thread")?;
        let place = self.place(&thread, step.get("at")).await?;
        let one = json!([[step.get("update_state")]]);
        let supersteps = step.get("bulk_update_state").unwrap_or(&one);
        let mut steps = Vec::new();
        for items in supersteps.as_array().into_iter().flatten() {
            let changes = items.as_array().into_iter().flatten().map(|item| self.change(item));
            steps.push(changes.collect::<Result<Vec<_>, Fault>>()?);
        }
        let is_empty = steps.is_empty() || steps.iter().any(Vec::is_empty);
        match place.thread.update_at(place.checkpoint, steps).await {
            Ok(checkpoint) => {
                let checkpoint = json!({"ns": place.thread.namespace(), "id": checkpoint});
                Ok(json!({"error": null, "checkpoint": checkpoint, "state": self.newest(&thread).await}))
            }
            Err(_) if is_empty => Ok(json!({"error": {"class": "EmptyUpdate", "message": null}})),
            Err(error) => Ok(json!({"error": outcome::run_error(&error)})),
        }
    }

    fn change(&self, item: &Value) -> Result<StateChange<S>, Fault> {
        let values = item.get("values").unwrap_or(&Value::Null);
        let values = evaluate(values, &Frame::new(&self.world, Value::Null))?;
        let change = match (&values, item.get("as_node").and_then(Value::as_str)) {
            (_, Some("__copy__")) => return Ok(StateChange::copy()),
            (Value::Null, None) | (_, Some("END")) => return Ok(StateChange::end()),
            (_, Some("START")) => StateChange::new(values).as_node(START),
            (_, Some(node)) => StateChange::new(values).as_node(node),
            (_, None) => StateChange::new(values),
        };
        Ok(change)
    }

    async fn read(&mut self, step: &Value) -> Result<Value, Fault> {
        let thread = self.thread(step).ok_or("a read without a thread")?;
        let place = self.place(&thread, step.get("at")).await?;
        if let Some(body) = step.get("get_state") {
            let has_subgraphs = body.get("subgraphs") == Some(&Value::Bool(true));
            let state = match place.checkpoint {
                Some(checkpoint) => place.thread.state_at(checkpoint).await,
                None if has_subgraphs => place.thread.state_with_subgraphs().await,
                None => place.thread.state().await,
            };
            return Ok(match state {
                Ok(state) => json!({"state": outcome::snapshot(&state)}),
                Err(error) => json!({"error": outcome::run_error(&error)}),
            });
        }
        let body = step.get("get_history").unwrap_or(&Value::Null);
        let before = match body.get("before") {
            Some(index) => self.place(&thread, Some(&json!({"history": index}))).await?.checkpoint,
            None => None,
        };
        let limit = body.get("limit").and_then(Value::as_u64).map(usize::try_from).transpose()?;
        let filter = body.get("filter").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(json!({"history": history(&place.thread, HistoryQuery { before, limit, filter }).await}))
    }
}

/// A thread's history, newest first; where it can't be read on, the error stands last.
async fn history<S: State>(thread: &GraphThread<S>, query: HistoryQuery) -> Value {
    match thread.history(query).await {
        Ok(found) => {
            let shown = |state: &StateSnapshot| outcome::snapshot(state);
            found.iter().map(shown).collect()
        }
        Err(error) => json!([{"error": outcome::run_error(&error)}]),
    }
}

/// The settings of a run.
fn set<S: State>(mut request: RunRequest<S>, step: &Value) -> Result<RunRequest<S>, Fault> {
    if let Some(limit) = step.get("recursion_limit").and_then(Value::as_u64) {
        request = request.recursion_limit(u32::try_from(limit)?);
    }
    if let Some(nodes) = names(step, "interrupt_before") {
        request = request.interrupt_before(nodes);
    }
    if let Some(nodes) = names(step, "interrupt_after") {
        request = request.interrupt_after(nodes);
    }
    if let Some(context) = step.get("context") {
        request = request.context(context.clone());
    }
    Ok(match step.get("durability").map(|_| text_at(step, "durability")).transpose()? {
        None => request,
        Some("sync") => request.durability(Durability::Sync),
        Some("async") => request.durability(Durability::Async),
        Some("exit") => request.durability(Durability::Exit),
        Some(other) => return Err(format!("no durability {other}").into()),
    })
}
