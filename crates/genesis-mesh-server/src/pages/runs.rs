//! Runs and threads in the HTTP description.
//!
//! Owns: the operations under `/v1/runs` and `/v1/threads`, with bodies that this server accepts.
//! Never: says anything of a run by hand that a struct says.
//! Flow: `openapi.rs` puts these paths beside the others. docs/runs.md is the same for people.

use super::operation::Operation;
use crate::runs::ask::RunBody;
use crate::runs::view::{RunView, ThreadView};
use genesis_mesh::Update;
use genesis_mesh::log::{CancelKind, RunStatus};
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

/// What any call to the store may come to.
const STORE: [u16; 3] = [400, 500, 503];
/// An id that looks like one.
const RUN: &str = "0192f0c1-2b3c-7d4e-8f90-123456789abc";

/// The schemas of what is told.
struct Told {
    run: Value,
    runs: Value,
    events: Value,
    event: Value,
}

/// The operations on runs and threads.
pub(super) fn paths(
    agent: &str,
    reads: &mut SchemaGenerator,
    writes: &mut SchemaGenerator,
) -> Map<String, Value> {
    let body = reads.subschema_for::<RunBody>().to_value();
    let kind = reads.subschema_for::<CancelKind>().to_value();
    let status = reads.subschema_for::<RunStatus>().to_value();
    let run = writes.subschema_for::<RunView<'_>>().to_value();
    let thread = writes.subschema_for::<ThreadView<'_>>().to_value();
    let event = json!({"allOf": [
        {"anyOf": [writes.subschema_for::<Update>().to_value(), {"properties": {"type": {"const": "error"}}}]},
        {"properties": {"seq": {"type": "integer", "minimum": 1}}, "required": ["type", "seq"]},
    ]});
    let told = Told { runs: list(&run), events: log(&event), run, event };
    Map::from_iter([
        (
            "/v1/runs".to_owned(),
            json!({"get": list_runs(&status, &told), "post": create(agent, &body, &told)}),
        ),
        ("/v1/runs/{run}".to_owned(), json!({"get": one(&told), "delete": delete()})),
        ("/v1/runs/{run}/events".to_owned(), json!({"get": events(&told)})),
        ("/v1/runs/{run}/cancel".to_owned(), json!({"post": cancel(&kind, &told)})),
        ("/v1/runs/{run}/retry".to_owned(), json!({"post": retry(&told)})),
        ("/v1/threads".to_owned(), json!({"get": threads(&thread)})),
        ("/v1/threads/{thread}".to_owned(), json!({"get": one_thread(&thread), "delete": delete_thread()})),
        ("/v1/threads/{thread}/history".to_owned(), json!({"get": history()})),
    ])
}

fn create(agent: &str, body: &Value, told: &Told) -> Value {
    let example = json!({"agent": agent, "input": {"prompt": "Say hello in one word.", "max_tokens": 16}});
    Operation::new("createRun", "runs", "Have a run accepted that nobody waits for")
        .describe("It is in the store when this is answered, and comes to an end that its log tells.")
        .header(
            "Idempotency-Key",
            "The same key with the same body is the same run",
            &json!({"type": "string"}),
        )
        .body(body, &json!({"plain": {"summary": "A run", "value": example}}))
        .answers(202, &of(&told.run))
        .fails(&[400, 404, 408, 409, 413, 415, 500, 502, 503, 504, 507])
        .keyed()
        .json()
}

fn list_runs(status: &Value, told: &Told) -> Value {
    paged(Operation::new("listRuns", "runs", "List runs, newest first"))
        .query("thread_id", "Of this thread", &json!({"type": "string"}))
        .query("agent", "Of this agent", &json!({"type": "string"}))
        .query("status", "That stand here", status)
        .query("before", "Accepted before this run", &json!({"type": "string"}))
        .answers(200, &of(&told.runs))
        .fails(&[404])
        .fails(&STORE)
        .keyed()
        .json()
}

fn one(told: &Told) -> Value {
    of_run("retrieveRun", "Look a run up").answers(200, &of(&told.run)).json()
}

fn delete() -> Value {
    of_run("deleteRun", "Delete a run with its log, whatever it does")
        .answers(200, &any())
        .fails(&[507])
        .json()
}

fn events(told: &Told) -> Value {
    let number = json!({"type": "integer", "minimum": 0, "maximum": 9_223_372_036_854_775_807_u64});
    let content = json!({
        "application/json": {"schema": told.events},
        // OpenAPI 3.1 has no word for the schema of an event's data.
        "text/event-stream": {"x-event-data": told.event},
    });
    of_run("readRun", "Read the log of a run from any cursor on")
        .describe(
            "One page as JSON; or, with `stream=true` or `Accept: text/event-stream`, all of it as server-sent \
             events, whose `id` is the cursor, until the run ends.",
        )
        .query("after", "The number of the last event that its reader has; 0 reads all", &number)
        .query("limit", "So many events at most, to 10,000", &number)
        .query("stream", "Whether to follow it", &json!({"type": "boolean"}))
        .header("Last-Event-ID", "The same as `after`, as browsers send it", &json!({"type": "string"}))
        .answers(200, &content)
        .json()
}

fn cancel(kind: &Value, told: &Told) -> Value {
    of_run("cancelRun", "Ask a run to stop")
        .describe("With `rollback` what it did to its thread is undone. A run that has ended stays as it is.")
        .query("action", "What becomes of what it did", kind)
        .answers(202, &of(&told.run))
        .fails(&[507])
        .json()
}

fn retry(told: &Told) -> Value {
    of_run("retryRun", "Ask the same of the same agent once more, as a run of its own")
        .answers(202, &of(&told.run))
        .fails(&[409, 502, 504, 507])
        .json()
}

fn threads(thread: &Value) -> Value {
    let number = json!({"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32});
    paged(Operation::new("listThreads", "runs", "List threads, the one that was used last first"))
        .query("offset", "So many are passed over", &number)
        .answers(200, &of(&list(thread)))
        .fails(&STORE)
        .keyed()
        .json()
}

fn one_thread(thread: &Value) -> Value {
    of_thread("retrieveThread", "Look a thread up, with the state that its graph came to")
        .answers(200, &of(thread))
        .json()
}

fn history() -> Value {
    paged(of_thread("readThread", "The checkpoints of a thread, newest first"))
        .query("before", "Made before this checkpoint", &json!({"type": "string"}))
        .answers(200, &of(&list(&json!({"type": "object"}))))
        .json()
}

fn delete_thread() -> Value {
    of_thread("deleteThread", "Delete a thread with its checkpoints and runs, whatever they do")
        .answers(200, &any())
        .fails(&[507])
        .json()
}

fn of_run(id: &str, summary: &str) -> Operation {
    Operation::new(id, "runs", summary)
        .path_part("run", "The run's id, or that of a stored completion", RUN)
        .fails(&[404])
        .fails(&STORE)
        .keyed()
}

fn of_thread(id: &str, summary: &str) -> Operation {
    Operation::new(id, "runs", summary)
        .path_part("thread", "The thread's name", "t1")
        .fails(&[404, 502])
        .fails(&STORE)
        .keyed()
}

fn paged(operation: Operation) -> Operation {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 20});
    operation.query("limit", "So many at most", &limit)
}

/// A page of `item`.
fn list(item: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["object", "data", "has_more"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": item},
            "has_more": {"type": "boolean"},
        },
    })
}

/// A page of a log.
fn log(event: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["object", "data", "run_id", "status", "last_seq", "has_more"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": event},
            "run_id": {"type": "string"},
            "status": {"type": "string"},
            "last_seq": {"type": "integer"},
            "has_more": {"type": "boolean"},
        },
    })
}

fn of(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn any() -> Value {
    of(&json!({"type": "object"}))
}
