//! A thread as one document.
//!
//! Owns: reading all pages of its runs and of their logs.
//! Never: leaves out a part in silence: what the server does not give whole is said in the document.

use crate::command::remote::{Failure, Server, text};
use serde_json::{Value, json};

/// As many as the server gives at once.
const RUNS: usize = 1_000;
const EVENTS: usize = 10_000;
const CHECKPOINTS: usize = 1_000;

/// `thread` (with its state), `runs` (newest first, each with `events`), `history` (newest first).
pub(super) async fn document(server: &Server, id: &str) -> Result<Value, Failure> {
    let thread = server.get(&["threads", id], &[]).await?;
    let mut runs = Vec::new();
    loop {
        let mut query = vec![("thread_id", id.to_owned()), ("limit", RUNS.to_string())];
        query.extend(runs.last().map(|run| ("before", text(run, "run_id"))));
        let (page, has_more) = page(server.get(&["runs"], &query).await?);
        let is_empty = page.is_empty();
        runs.extend(page);
        if !has_more || is_empty {
            break;
        }
    }
    for run in &mut runs {
        let events = events(server, &text(run, "run_id")).await?;
        if let Some(fields) = run.as_object_mut() {
            fields.insert("events".to_owned(), Value::Array(events));
        }
    }
    let query = [("limit", CHECKPOINTS.to_string())];
    let (history, _) = page(server.get(&["threads", id, "history"], &query).await?);
    // The server has no second page of these.
    let is_whole = history.len() < CHECKPOINTS;
    Ok(json!({"thread": thread, "runs": runs, "history": history, "history_is_whole": is_whole}))
}

/// All events of a run's log.
async fn events(server: &Server, run: &str) -> Result<Vec<Value>, Failure> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.last().and_then(|event| event.get("seq")?.as_u64()).unwrap_or(0);
        let query = [("after", after.to_string()), ("limit", EVENTS.to_string())];
        let (page, has_more) = page(server.get(&["runs", run, "events"], &query).await?);
        let is_empty = page.is_empty();
        events.extend(page);
        if !has_more || is_empty {
            return Ok(events);
        }
    }
}

fn page(mut found: Value) -> (Vec<Value>, bool) {
    let has_more = found.get("has_more") == Some(&Value::Bool(true));
    match found.get_mut("data").map(Value::take) {
        Some(Value::Array(rows)) => (rows, has_more),
        _ => (Vec::new(), false),
    }
}
