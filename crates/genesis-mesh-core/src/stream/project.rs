//! Projections: the parts of the streams that show an event.
//!
//! Owns: the payload of each mode.
//! Never: keeps state between events; a part follows from one event alone.

use super::event::{CheckpointTold, Event, EventKind, MessagePiece};
use super::mode::{StreamMode, StreamModes};
use crate::run::{Failure, Interrupt, Namespace, TaskEnd, TaskView, WriteRecord};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One part of a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamPart {
    /// The graph that tells it.
    pub ns: Namespace,
    /// The view.
    pub mode: StreamMode,
    /// What it shows.
    pub data: Value,
}

impl Event {
    /// The parts of `modes` that show this event, in the order in which they are told.
    #[must_use]
    pub fn parts(&self, modes: StreamModes) -> Vec<StreamPart> {
        let mut parts = Vec::new();
        let mut add = |mode: StreamMode, data: Value| {
            if modes.has(mode) {
                parts.push(StreamPart { ns: self.ns.clone(), mode, data });
            }
        };
        if modes.has(StreamMode::Events) {
            add(StreamMode::Events, serde_json::to_value(self).unwrap_or_default());
        }
        match &self.kind {
            EventKind::CheckpointReached(told) => {
                let payload = checkpoint(told, &self.ns);
                add(StreamMode::Debug, self.debug("checkpoint", &payload));
                add(StreamMode::Checkpoints, payload);
            }
            EventKind::StateChanged { values, interrupts } => {
                add(StreamMode::Values, state(values, interrupts.as_deref()));
            }
            EventKind::TaskStarted { task, name, input, triggers } => {
                let payload = json!({"id": task, "name": name, "input": input, "triggers": triggers});
                add(StreamMode::Debug, self.debug("task", &payload));
                add(StreamMode::Tasks, payload);
            }
            EventKind::TaskEnded { task, name, path, end, is_cached } => {
                if let Some(data) = update(name, path.is_call(), end, *is_cached) {
                    add(StreamMode::Updates, data);
                }
                let asks_for_another = path.is_call() && matches!(end, TaskEnd::Interrupted(_));
                if !is_cached && !asks_for_another {
                    let (error, result, interrupts) = ended(end, path.is_call());
                    let payload = json!({"id": task, "name": name, "error": error, "result": result, "interrupts": interrupts});
                    add(StreamMode::Debug, self.debug("task_result", &payload));
                    add(StreamMode::Tasks, payload);
                }
            }
            EventKind::Paused => add(StreamMode::Updates, json!({"__interrupt__": []})),
            EventKind::MessageDelta { message, metadata, piece, .. } => {
                // Of a tool call its pieces have told all.
                if !matches!(piece, MessagePiece::ToolCall(_)) {
                    add(StreamMode::Messages, json!([chunk(message, piece), metadata]));
                }
            }
            EventKind::Custom { value, .. } => add(StreamMode::Custom, value.clone()),
        }
        parts
    }

    fn debug(&self, kind: &str, payload: &Value) -> Value {
        json!({"step": self.step, "timestamp_ms": self.at_ms, "type": kind, "payload": payload})
    }
}

fn state(values: &Value, interrupts: Option<&[Interrupt]>) -> Value {
    match (values, interrupts) {
        (Value::Object(values), Some(interrupts)) => {
            let mut values = values.clone();
            values.insert("__interrupt__".to_owned(), json!(interrupts));
            Value::Object(values)
        }
        (_, Some(interrupts)) => json!({"__interrupt__": interrupts}),
        (values, None) => values.clone(),
    }
}

/// What the mode `updates` shows of a task that ended; nothing of one that failed.
fn update(name: &str, is_call: bool, end: &TaskEnd, is_cached: bool) -> Option<Value> {
    let mut shown = Map::new();
    match end {
        TaskEnd::Failed { .. } => return None,
        TaskEnd::Interrupted(_) if is_call => return None,
        TaskEnd::Interrupted(interrupts) => {
            shown.insert("__interrupt__".to_owned(), json!(interrupts));
            return Some(Value::Object(shown));
        }
        TaskEnd::Finished(writes) => shown.insert(name.to_owned(), written(writes)),
    };
    if is_cached {
        shown.insert("__metadata__".to_owned(), json!({"cached": true}));
    }
    Some(Value::Object(shown))
}

/// The writes as one object, or as a list of objects if a channel is written more than once.
fn written(writes: &[WriteRecord]) -> Value {
    if let Some(WriteRecord::Return(value)) =
        writes.iter().find(|write| matches!(write, WriteRecord::Return(_)))
    {
        return value.clone();
    }
    let sets: Vec<(&String, Value)> = writes.iter().filter_map(set).collect();
    let mut object = Map::new();
    for (name, value) in &sets {
        if object.insert((*name).clone(), value.clone()).is_some() {
            return sets.iter().map(|(name, value)| json!({name.as_str(): value})).collect();
        }
    }
    if object.is_empty() { Value::Null } else { Value::Object(object) }
}

fn set(write: &WriteRecord) -> Option<(&String, Value)> {
    match write {
        WriteRecord::Set(name, value) => Some((name, value.clone())),
        WriteRecord::Overwrite(name, value) => Some((name, json!({"__overwrite__": value}))),
        _ => None,
    }
}

/// Error, result and questions of a task that ended.
fn ended(end: &TaskEnd, is_call: bool) -> (Option<&Failure>, Value, &[Interrupt]) {
    match end {
        TaskEnd::Failed { failure, .. } => (Some(failure), json!({}), &[]),
        TaskEnd::Interrupted(interrupts) => (None, json!({}), interrupts),
        TaskEnd::Finished(writes) => {
            let returned = writes.iter().find_map(|write| match write {
                WriteRecord::Return(value) => Some(value),
                _ => None,
            });
            if let Some(value) = returned {
                let key = if is_call { "__return__" } else { "__end__" };
                return (None, json!({key: value}), &[]);
            }
            let mut result: Map<String, Value> = Map::new();
            for (name, value) in writes.iter().filter_map(set) {
                match result.get_mut(name) {
                    Some(Value::Object(many)) if many.len() == 1 && many.contains_key("$writes") => {
                        if let Some(Value::Array(all)) = many.get_mut("$writes") {
                            all.push(value);
                        }
                    }
                    Some(one) => *one = json!({"$writes": [one.take(), value]}),
                    None => drop(result.insert(name.clone(), value)),
                }
            }
            (None, Value::Object(result), &[])
        }
    }
}

fn checkpoint(told: &CheckpointTold, ns: &Namespace) -> Value {
    let config = |id: Value| json!({"configurable": {"thread_id": told.thread, "checkpoint_ns": ns, "checkpoint_id": id}});
    let mut metadata = told.metadata.clone();
    metadata.insert("source".to_owned(), json!(told.head.source));
    metadata.insert("step".to_owned(), json!(told.head.step));
    metadata.insert("parents".to_owned(), Value::Object(told.parents.clone()));
    json!({
        "config": config(json!(told.head.id)),
        "parent_config": told.head.parent.map(|parent| config(json!(parent))),
        "values": told.values,
        "metadata": metadata,
        "next": told.next,
        "tasks": told.tasks.iter().map(|shown| task(shown, &told.thread)).collect::<Value>(),
    })
}

/// A task within a checkpoint: with its error, or with its result and questions.
fn task(task: &TaskView, thread: &str) -> Value {
    let place = |ns| json!({"configurable": {"thread_id": thread, "checkpoint_ns": ns}});
    let mut shown = json!({"id": task.id, "name": task.name, "state": task.subgraph.as_ref().map(place)});
    let Some(object) = shown.as_object_mut() else { return shown };
    match (&task.error, &task.result) {
        (Some(error), _) => drop(object.insert("error".to_owned(), json!(error))),
        (None, result) => {
            object.insert("interrupts".to_owned(), json!(task.interrupts));
            object.extend(result.clone().map(|result| ("result".to_owned(), result)));
        }
    }
    shown
}

/// A piece of a message in the form that chat clients merge.
fn chunk(id: &str, piece: &MessagePiece) -> Value {
    let mut chunk = json!({"type": "AIMessageChunk", "id": id, "content": ""});
    let Some(object) = chunk.as_object_mut() else { return chunk };
    match piece {
        MessagePiece::Text(text) => drop(object.insert("content".to_owned(), json!(text))),
        MessagePiece::ToolCallDelta { index, is_first, delta } => {
            // Clients join the texts of pieces, so the name and the id stand in the first one alone.
            let once = |text: &str| is_first.then(|| text.to_owned());
            let (id, name) = (once(&delta.id), once(&delta.name));
            let part = json!([{"type": "tool_call_chunk", "index": index, "id": id, "name": name, "args": delta.arguments}]);
            object.insert("tool_call_chunks".to_owned(), part);
        }
        MessagePiece::ToolCall(_) => {}
        MessagePiece::Done { usage, finish_reason } => {
            object.insert("usage_metadata".to_owned(), json!(usage));
            object.insert("response_metadata".to_owned(), json!({"finish_reason": finish_reason}));
            object.insert("chunk_position".to_owned(), json!("last"));
        }
        MessagePiece::Whole(message) => return whole(message),
    }
    chunk
}

/// A whole message in the words of chat clients: `type` in place of `role`, arguments of tool calls as JSON.
fn whole(message: &Value) -> Value {
    let mut message = message.clone();
    let Some(object) = message.as_object_mut() else { return message };
    let Some(role) = object.remove("role") else { return message };
    let word = match role.as_str() {
        Some("user") => json!("human"),
        Some("assistant") => json!("ai"),
        _ => role,
    };
    object.insert("type".to_owned(), word);
    for call in object.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(call) = call.as_object_mut() else { continue };
        if let Some(Value::String(arguments)) = call.remove("arguments") {
            call.insert("args".to_owned(), serde_json::from_str(&arguments).unwrap_or_default());
            call.insert("type".to_owned(), json!("tool_call"));
        }
    }
    message
}
