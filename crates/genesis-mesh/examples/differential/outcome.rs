//! Outcomes: what was seen from outside, in the form that both engines are compared in.
//!
//! Owns: the JSON of events, snapshots and errors.
//! Never: leaves anything out; what is not compared is taken out by `normalise.py`, on both sides.

use genesis_mesh::graph::{Failure, GraphRunError, Interrupt, StateSnapshot, StreamMode, StreamPart};
use serde_json::{Map, Value, json};

/// The errors that nodes of a case raise; the text of all others is the engine's.
const OWN: [&str; 4] = ["ValueError", "RuntimeError", "ConnectionError", "Failure"];

/// An error as a class, with the text of a node's own.
fn named(class: &str, message: &str) -> Value {
    let class = match class {
        "NodeTimeout" => "NodeTimeoutError",
        "Cancelled" => "CancelledError",
        "InvalidUpdate" => "InvalidUpdateError",
        "InvalidAnswer" => "InvalidResume",
        "GraphRecursion" => "GraphRecursionError",
        other => other,
    };
    json!({"class": class, "message": OWN.contains(&class).then_some(message)})
}

/// The failure of a task.
pub(crate) fn failure(failure: &Failure) -> Value {
    named(&failure.error, &failure.message)
}

/// The error that a run ended with.
pub(crate) fn run_error(error: &GraphRunError) -> Value {
    match error {
        GraphRunError::NodeFailed { failure, .. } => self::failure(failure),
        GraphRunError::RecursionLimit { .. } => named("GraphRecursionError", ""),
        GraphRunError::Step(error) if error.to_string().contains("no message has the id") => {
            named("UnknownMessage", "")
        }
        GraphRunError::Step(_) | GraphRunError::InvalidUpdate { .. } => named("InvalidUpdateError", ""),
        GraphRunError::EmptyInput => named("EmptyInputError", ""),
        GraphRunError::AmbiguousAnswer { .. } => named("AmbiguousResume", ""),
        GraphRunError::NoThread => named("NoCheckpointer", ""),
        other => json!({"class": other.code(), "message": other.to_string()}),
    }
}

/// A value with the one form of overwrites that outcomes have.
pub(crate) fn plain(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(object) => {
            let is_overwrite = object.len() == 1;
            let renamed = object.into_iter().map(|(key, value)| match key.as_str() {
                "__overwrite__" if is_overwrite => ("overwrite".to_owned(), plain(value)),
                _ => (key, plain(value)),
            });
            Value::Object(renamed.collect())
        }
        other => other,
    }
}

/// A question; of the schema of a Rust type, what JSON schema says of any integer, text or boolean.
fn interrupt(interrupt: &Value) -> Value {
    let mut shown = plain(interrupt.clone());
    if let Some(schema) = shown.get_mut("response_schema").and_then(Value::as_object_mut)
        && schema.contains_key("$schema")
    {
        schema.retain(|key, _| key == "type");
    }
    shown
}

fn interrupts(list: Option<&Value>) -> Value {
    list.and_then(Value::as_array).into_iter().flatten().map(interrupt).collect()
}

/// The error of a task as a stream shows it.
fn told_error(error: Option<&Value>) -> Value {
    match error.cloned().map(serde_json::from_value::<Failure>) {
        Some(Ok(failure)) => self::failure(&failure),
        _ => Value::Null,
    }
}

/// Where a stream's config points.
fn told_place(config: Option<&Value>) -> Value {
    match config.and_then(|config| config.get("configurable")) {
        Some(place) => json!({"ns": place.get("checkpoint_ns"), "id": place.get("checkpoint_id")}),
        None => Value::Null,
    }
}

/// One part of a stream.
pub(crate) fn event(part: StreamPart) -> Value {
    let ns: Vec<&str> = part.ns.parts().collect();
    let data = match part.mode {
        StreamMode::Values | StreamMode::Updates => shown(part.data),
        StreamMode::Tasks => task(part.data),
        StreamMode::Checkpoints => checkpoint(&part.data),
        StreamMode::Messages => message(&part.data),
        _ => part.data,
    };
    json!({"ns": ns, "mode": part.mode.as_str(), "data": data})
}

/// Values or updates, with their questions.
fn shown(data: Value) -> Value {
    let mut data = plain(data);
    if let Some(object) = data.as_object_mut()
        && let Some(list) = object.get("__interrupt__")
    {
        let list = interrupts(Some(list));
        object.insert("__interrupt__".to_owned(), list);
    }
    data
}

fn task(data: Value) -> Value {
    let mut data = plain(data);
    if let Some(object) = data.as_object_mut()
        && object.contains_key("error")
    {
        let (error, list) = (told_error(object.get("error")), interrupts(object.get("interrupts")));
        object.insert("error".to_owned(), error);
        object.insert("interrupts".to_owned(), list);
    }
    data
}

fn checkpoint(data: &Value) -> Value {
    let tasks = data.get("tasks").and_then(Value::as_array).into_iter().flatten().map(|task| {
        let mut shown = plain(task.clone());
        if let Some(object) = shown.as_object_mut() {
            object.insert("error".to_owned(), told_error(task.get("error")));
            object.insert("state".to_owned(), told_place(task.get("state")));
            if task.get("interrupts").is_some() {
                object.insert("interrupts".to_owned(), interrupts(task.get("interrupts")));
            }
        }
        shown
    });
    let mut metadata = data.get("metadata").cloned().unwrap_or_default();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.retain(|key, _| ["source", "step", "parents"].contains(&key.as_str()));
    }
    json!({
        "checkpoint": told_place(data.get("config")),
        "parent": told_place(data.get("parent_config")),
        "values": data.get("values"),
        "metadata": metadata,
        "next": data.get("next"),
        "tasks": tasks.collect::<Value>(),
    })
}

/// A piece of a message with where it was made.
fn message(data: &Value) -> Value {
    let (Some(message), Some(metadata)) = (data.get(0), data.get(1)) else { return Value::Null };
    let mut shown: Map<String, Value> = Map::new();
    for key in ["type", "content", "id", "name", "tool_call_id", "tool_calls"] {
        shown.extend(
            message.get(key).filter(|value| !value.is_null()).map(|value| (key.to_owned(), value.clone())),
        );
    }
    if let Some(chunks) = message.get("tool_call_chunks").and_then(Value::as_array) {
        let kept = |chunk: &Value| json!({"name": chunk.get("name"), "args": chunk.get("args"), "id": chunk.get("id"), "index": chunk.get("index")});
        shown.insert("tool_call_chunks".to_owned(), chunks.iter().map(kept).collect());
    }
    let tokens = |key: &str| message.get("usage_metadata").and_then(|usage| usage.get(key)?.as_u64());
    if let (Some(input), Some(output)) = (tokens("input_tokens"), tokens("output_tokens"))
        && input + output > 0
    {
        shown.insert("usage".to_owned(), json!({"input": input, "output": output}));
    }
    let metadata = metadata.as_object().into_iter().flatten();
    let metadata = metadata.filter(|(key, _)| key.starts_with("langgraph_"));
    let metadata: Map<String, Value> = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
    json!({"message": shown, "metadata": metadata})
}

/// A snapshot, its tasks by path.
pub(crate) fn snapshot(snapshot: &StateSnapshot) -> Value {
    let ns = &snapshot.ns;
    let mut tasks: Vec<_> = snapshot.view.tasks.iter().collect();
    tasks.sort_by(|a, b| a.path.cmp(&b.path));
    let mut next: Vec<&str> = snapshot.view.next.iter().map(|name| &**name).collect();
    next.sort_unstable();
    let shown = tasks.iter().map(|task| {
        let state = match (&task.subgraph, snapshot.subgraphs.get(&task.id)) {
            (Some(_), Some(inner)) => self::snapshot(inner),
            (Some(ns), None) => json!({"ns": ns, "id": null}),
            _ => Value::Null,
        };
        json!({
            "id": task.id,
            "name": task.name,
            "path": task.path,
            "error": task.error.as_ref().map(failure),
            "interrupts": asked(&task.interrupts),
            "result": task.result.clone().map(plain),
            "state": state,
        })
    });
    let all: Vec<Interrupt> = tasks.iter().flat_map(|task| task.interrupts.iter().cloned()).collect();
    let metadata = snapshot.checkpoint.as_ref().map(|checkpoint| {
        json!({"source": checkpoint.source, "step": checkpoint.step, "parents": checkpoint.parents})
    });
    let (id, parent) = match &snapshot.checkpoint {
        Some(checkpoint) => (json!(checkpoint.id), checkpoint.parent.map(|id| json!({"ns": ns, "id": id}))),
        None => (Value::Null, None),
    };
    json!({
        "values": snapshot.view.values,
        "next": next,
        "tasks": shown.collect::<Value>(),
        "metadata": metadata,
        "checkpoint": {"ns": ns, "id": id},
        "parent": parent,
        "interrupts": asked(&all),
    })
}

fn asked(list: &[Interrupt]) -> Value {
    interrupts(Some(&json!(list)))
}
