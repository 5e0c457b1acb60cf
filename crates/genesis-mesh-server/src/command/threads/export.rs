//! A thread as one document.
//!
//! Owns: reading all pages of its runs, of their logs and of its history.
//! Never: leaves out a part.

use crate::command::remote::{Failure, Server, text};
use serde_json::{Value, json};

/// As many as the server gives at once.
const RUNS: usize = 1_000;
const EVENTS: usize = 10_000;
const CHECKPOINTS: usize = 1_000;

/// `thread` (with its state), `runs` (newest first, each with `events`), `history` (newest first).
pub(super) async fn document(server: &Server, id: &str) -> Result<Value, Failure> {
    let thread = server.get(&["threads", id], &[]).await?;
    let of_thread = [("thread_id", id.to_owned()), ("limit", RUNS.to_string())];
    let mut runs = all(server, &["runs"], &of_thread, "run_id").await?;
    for run in &mut runs {
        let events = events(server, &text(run, "run_id")).await?;
        if let Some(fields) = run.as_object_mut() {
            fields.insert("events".to_owned(), Value::Array(events));
        }
    }
    let large = [("limit", CHECKPOINTS.to_string())];
    let history = all(server, &["threads", id, "history"], &large, "checkpoint_id").await?;
    Ok(json!({"thread": thread, "runs": runs, "history": history}))
}

/// All rows of a list that goes backwards; each page begins before the last row of the one before, which `id` names.
async fn all(
    server: &Server,
    path: &[&str],
    query: &[(&'static str, String)],
    id: &str,
) -> Result<Vec<Value>, Failure> {
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let mut query = query.to_vec();
        query.extend(rows.last().map(|row| ("before", text(row, id))));
        let (page, has_more) = page(server.get(path, &query).await?);
        let is_empty = page.is_empty();
        rows.extend(page);
        if !has_more || is_empty {
            return Ok(rows);
        }
    }
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
