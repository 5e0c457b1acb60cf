//! Operations of a case: what nodes, tasks and handlers do, in order.
//!
//! Owns: every operation of the language, each through the public API that a node has.
//! Never: knows which graph the node is part of.

use super::Fault;
use super::expression::{SEND, as_list, evaluate, is_true, node_name, over, text_at};
use super::graphs::{call_options, duration};
use super::world::{Done, Frame, World};
use genesis_mesh::BoxFuture;
use genesis_mesh::graph::{Command, Context, Goto, NodeError, Send};
use genesis_mesh::state::{DynState, Shape, Update};
use genesis_mesh::{FinishReason, ToolCall, ToolCallDelta, Usage};
use serde_json::{Map, Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// So often does an operation that rests let other tasks go first.
const TURNS: usize = 500;

/// A mistake of the case, as the error of the node that met it.
#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(crate) fn faulty(fault: Fault) -> NodeError {
    NodeError::new("Fault", fault.to_string())
}

/// Does operations in order.
pub(crate) fn perform<'a>(
    ops: &'a Value,
    frame: &'a mut Frame,
    done: &'a mut Done,
) -> BoxFuture<'a, Result<(), NodeError>> {
    Box::pin(async move {
        for op in ops.as_array().into_iter().flatten() {
            if let Some(when) = op.get("when")
                && !is_true(&evaluate(when, frame).map_err(faulty)?)
            {
                continue;
            }
            let result = one(op, frame, done).await?;
            if let Some(name) = op.get("as").and_then(Value::as_str) {
                frame.variables.insert(name.to_owned(), result);
            }
        }
        Ok(())
    })
}

async fn one(op: &Value, frame: &mut Frame, done: &mut Done) -> Result<Value, NodeError> {
    let fields = op.as_object().into_iter().flatten();
    let mut named = fields.filter(|(key, _)| !["when", "as", "schema", "type"].contains(&key.as_str()));
    let Some((name, body)) = named.next() else { return Err(NodeError::new("Fault", "an empty operation")) };
    let value = |expression: &Value| evaluate(expression, frame).map_err(faulty);
    match name.as_str() {
        "write" => {
            if let Value::Object(written) = value(body)? {
                done.update.get_or_insert_default().extend(written);
            }
        }
        "command" => done.commands.push(command(body, frame).map_err(faulty)?),
        "raise" => return Err(raised(body, frame)?),
        "set" => return value(body),
        "return" => done.returned = value(body)?,
        "final" => {
            done.returned = value(body.get("value").unwrap_or(&Value::Null))?;
            done.saved = Some(value(body.get("save").unwrap_or(&Value::Null))?);
        }
        "count" => frame.world.count(body.as_str().unwrap_or_default()),
        "signal" => frame.world.signal(body.as_str().unwrap_or_default()),
        "rest" => rest().await,
        "wait" => {
            frame.world.wait(body.as_str().unwrap_or_default()).await;
            rest().await;
        }
        "hang" => hang(&frame.world, body.as_str().unwrap_or_default()).await,
        "sleep" => tokio::time::sleep(Duration::from_secs_f64(body.as_f64().unwrap_or_default())).await,
        "repeat" => {
            let name = text_at(body, "as").map_err(faulty)?.to_owned();
            for item in over(value(body.get("over").unwrap_or(&Value::Null))?) {
                frame.variables.insert(name.clone(), item);
                perform(body.get("do").unwrap_or(&Value::Null), frame, done).await?;
            }
        }
        "store_put" | "store_get" | "store_delete" | "store_search" => {
            return stored(name, body, frame).map_err(faulty);
        }
        _ => return of_the_run(name, op, body, frame, done).await,
    }
    Ok(Value::Null)
}

/// Operations that ask something of the run.
async fn of_the_run(
    name: &str,
    op: &Value,
    body: &Value,
    frame: &Frame,
    done: &mut Done,
) -> Result<Value, NodeError> {
    let value = |expression: &Value| evaluate(expression, frame).map_err(faulty);
    let context = frame.context.as_ref().ok_or_else(|| NodeError::new("Fault", "no run"))?;
    match name {
        "interrupt" => return asked(op, value(body)?, context),
        "custom" => context.write(value(body)?).await?,
        "say" => return said(body, frame, context, done).await,
        "heartbeat" => context.heartbeat(),
        "drain" => context.drain(),
        "call" => {
            let name = text_at(body, "graph").map_err(faulty)?;
            let child = frame.world.child(name).ok_or_else(|| NodeError::new("Fault", "no such graph"))?;
            let input = value(body.get("input").unwrap_or(&Value::Null))?;
            return Ok(context.run_graph(&child, input).await?.values()?);
        }
        "run" => {
            let task = text_at(body, "task").map_err(faulty)?.to_owned();
            return task_call(frame, &task, value(body.get("arg").unwrap_or(&Value::Null))?).await;
        }
        "gather" => {
            let task = text_at(body, "task").map_err(faulty)?;
            let (name, arg) = (text_at(body, "as").map_err(faulty)?, body.get("arg").unwrap_or(&Value::Null));
            let mut calls = futures_util::stream::FuturesOrdered::new();
            for item in over(value(body.get("over").unwrap_or(&Value::Null))?) {
                let given = evaluate(arg, &frame.with(name, item)).map_err(faulty)?;
                calls.push_back(task_call(frame, task, given));
            }
            return Ok(Value::Array(futures_util::TryStreamExt::try_collect(calls).await?));
        }
        other => return Err(NodeError::new("Fault", format!("no operation {other}"))),
    }
    Ok(Value::Null)
}

/// Calls a task of the functional graph; the place among the calls is taken now.
fn task_call(
    frame: &Frame,
    name: &str,
    given: Value,
) -> impl Future<Output = Result<Value, NodeError>> + std::marker::Send + use<> {
    let body = frame.world.tasks.get(name).cloned().unwrap_or_default();
    let world = Arc::clone(&frame.world);
    let call = frame.context.as_ref().map(|context| {
        let options = call_options(&body, given.clone());
        let work = move |context: Context| {
            let mut frame = Frame { context: Some(context), ..Frame::new(&world, given.clone()) };
            let ops = body.get("do").cloned().unwrap_or_default();
            async move {
                let mut done = Done::default();
                perform(&ops, &mut frame, &mut done).await?;
                Ok::<Value, NodeError>(done.returned)
            }
        };
        context.call_with(name, options, work)
    });
    async move {
        match call {
            Some(call) => call.await,
            None => Err(NodeError::new("Fault", "a task outside of a run")),
        }
    }
}

/// Lets everything else that can run do so first.
async fn rest() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Never ends by itself; counts when it is cancelled.
async fn hang(world: &Arc<World>, name: &str) {
    struct Cancelled<'a>(&'a World, &'a str);
    impl Drop for Cancelled<'_> {
        fn drop(&mut self) {
            self.0.count(self.1);
        }
    }
    let _cancelled = Cancelled(world, name);
    std::future::pending::<()>().await;
}

fn raised(body: &Value, frame: &Frame) -> Result<NodeError, NodeError> {
    let message = evaluate(body.get("message").unwrap_or(&Value::Null), frame).map_err(faulty)?;
    let message = message.as_str().map_or_else(|| message.to_string(), ToOwned::to_owned);
    let class = text_at(body, "error").map_err(faulty)?;
    let error = NodeError::new(class, message);
    Ok(if ["Failure", "ConnectionError"].contains(&class) { error.retryable() } else { error })
}

fn asked(op: &Value, question: Value, context: &Context) -> Result<Value, NodeError> {
    match (op.get("type").and_then(Value::as_str), op.get("schema")) {
        (Some("int"), _) => Ok(json!(context.interrupt_typed::<i64>(question)?)),
        (Some("bool"), _) => Ok(json!(context.interrupt_typed::<bool>(question)?)),
        (Some(_), _) => Ok(json!(context.interrupt_typed::<String>(question)?)),
        (None, Some(schema)) => context.interrupt_with_schema(question, schema.clone()),
        (None, None) => context.interrupt(question),
    }
}

/// Streams a message in pieces, and writes it.
async fn said(body: &Value, frame: &Frame, context: &Context, done: &mut Done) -> Result<Value, NodeError> {
    let value = |expression: &Value| evaluate(expression, frame).map_err(faulty);
    let id = value(body.get("id").unwrap_or(&Value::Null))?;
    let mut writer = context.message_with_id(id.as_str().unwrap_or_default());
    for piece in as_list(value(body.get("pieces").unwrap_or(&Value::Null))?) {
        writer.text(piece.as_str().unwrap_or_default()).await;
    }
    let mut calls = Vec::new();
    for call in body.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        let (id, name) = (text_at(call, "id").map_err(faulty)?, text_at(call, "name").map_err(faulty)?);
        let mut whole = String::new();
        for piece in call.get("pieces").and_then(Value::as_array).into_iter().flatten() {
            let arguments = piece.as_str().unwrap_or_default().to_owned();
            whole.push_str(&arguments);
            let (id, name) = (id.to_owned(), name.to_owned());
            writer.tool_call_delta(ToolCallDelta { id, name, arguments }).await;
        }
        let args: Value = serde_json::from_str(&whole)?;
        calls.push(json!({"name": name, "args": args, "id": id}));
        writer.tool_call(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: whole }).await;
    }
    let tokens = |key: &str| body.get("usage").and_then(|usage| usage.get(key)?.as_u64()).unwrap_or_default();
    let usage = Usage::new(tokens("input"), tokens("output"));
    let answer = writer.done(usage, FinishReason::Stop).await;
    let mut message = json!({"type": "ai", "content": answer.message.content, "id": id});
    if let Some(fields) = message.as_object_mut() {
        fields.extend((!calls.is_empty()).then(|| ("tool_calls".to_owned(), Value::Array(calls))));
        fields.extend(body.get("usage").map(|usage| ("usage".to_owned(), usage.clone())));
    }
    let key = body.get("key").map_or(Some("messages"), Value::as_str);
    if let Some(key) = key {
        let list = done.update.get_or_insert_default().entry(key).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(message.clone());
        }
    }
    Ok(message)
}

/// The key-value store of the case.
fn stored(name: &str, body: &Value, frame: &Frame) -> Result<Value, Fault> {
    let namespace: Vec<String> = serde_json::from_value(body.get("namespace").cloned().unwrap_or_default())?;
    let wanted = evaluate(body.get("filter").unwrap_or(&Value::Null), frame)?;
    let value = evaluate(body.get("value").unwrap_or(&Value::Null), frame)?;
    let items = &mut frame.world.kept().items;
    if name == "store_search" {
        let fits = |value: &&Value| {
            wanted.as_object().into_iter().flatten().all(|(key, wanted)| value.get(key) == Some(wanted))
        };
        let below = items.iter().filter(|((place, _), _)| place.starts_with(&namespace));
        return Ok(below.map(|(_, value)| value).filter(fits).cloned().collect());
    }
    let key = (namespace, text_at(body, "key")?.to_owned());
    Ok(match name {
        "store_put" => {
            items.insert(key, value);
            Value::Null
        }
        "store_delete" => {
            items.remove(&key);
            Value::Null
        }
        _ => items.get(&key).cloned().unwrap_or_default(),
    })
}

/// A command of a node, or of the caller.
fn command(body: &Value, frame: &Frame) -> Result<Command<DynState>, Fault> {
    let update = evaluate(body.get("update").unwrap_or(&Value::Null), frame)?;
    let gotos = gotos(evaluate(body.get("goto").unwrap_or(&Value::Null), frame)?)?;
    if body.get("graph").and_then(Value::as_str) == Some("parent") {
        let update = update.as_object().cloned().unwrap_or_default();
        return Ok(Command::to_parent_json(update, gotos));
    }
    let shape = frame.shape.as_ref().ok_or("a command outside of a graph over a state")?;
    Ok(Command::update(update_of(&update, shape)?).and_goto(gotos))
}

/// The typed update that an evaluated object is.
pub(crate) fn update_of<S>(update: &Value, shape: &Shape) -> Result<Update<S>, Fault> {
    let object = update.as_object().cloned().unwrap_or_default();
    let update = shape
        .update_from_json(object)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    Ok(Update::from(update.writes))
}

/// Names and Sends.
pub(crate) fn gotos(value: Value) -> Result<Vec<Goto>, Fault> {
    as_list(value).into_iter().map(|target| goto(&target)).collect()
}

fn goto(target: &Value) -> Result<Goto, Fault> {
    if let Some(name) = target.as_str() {
        return Ok(Goto::from(node_name(name)));
    }
    let packet = target.get(SEND).ok_or_else(|| format!("no target: {target}"))?;
    let mut send = Send::to(text_at(packet, "node")?, packet.get("arg").cloned().unwrap_or_default());
    if let Some(limit) = packet.get("timeout").and_then(|timeout| duration(timeout, "run")) {
        send = send.timeout(limit);
    }
    Ok(send.into())
}

/// What a node returns: its update and its commands.
pub(crate) fn output(done: Done, shape: &Shape) -> Result<Vec<Command<DynState>>, NodeError> {
    let update: Option<Map<String, Value>> = done.update;
    let mut all = Vec::new();
    if let Some(update) = update {
        let written = shape.update_from_json(update).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            NodeError::new("InvalidUpdate", problems.join("; "))
        })?;
        all.push(Command::update(written.writes));
    }
    all.extend(done.commands);
    Ok(all)
}
