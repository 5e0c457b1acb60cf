//! Rows of the store as clients read them.
//!
//! Owns: the JSON of runs and threads, and of mistakes in a query.
//! Never: reads a store.

use crate::http::answer::ErrorAnswer;
use axum::http::StatusCode;
use genesis_mesh::log::{CancelKind, Run, RunStatus, ThreadInfo};
use genesis_mesh::{RunId, thread_label};
use serde::Serialize;
use serde_json::{Map, Value};

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct RunView<'a> {
    run_id: RunId,
    object: &'static str,
    agent: &'a str,
    thread_id: Option<&'a str>,
    status: RunStatus,
    created_at_ms: i64,
    updated_at_ms: i64,
    /// The number of its last event: what a reader that has it has all.
    last_seq: u64,
    /// How often it was begun; more than once after a crash.
    attempts: u64,
    owner: Option<&'a str>,
    cancel: Option<CancelKind>,
    error: Option<&'a Value>,
    metadata: &'a Map<String, Value>,
}

impl<'a> RunView<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        Self {
            run_id: run.id,
            object: "run",
            agent: &run.agent,
            thread_id: run.thread.as_deref().map(thread_label),
            status: run.status,
            created_at_ms: run.created_at_ms,
            updated_at_ms: run.updated_at_ms,
            last_seq: run.last_seq,
            attempts: run.epoch,
            owner: run.owner.as_deref(),
            cancel: run.cancel,
            error: run.error.as_ref(),
            metadata: &run.metadata,
        }
    }
}

/// A thread.
#[derive(Debug, Serialize)]
pub(super) struct ThreadView<'a> {
    thread_id: &'a str,
    object: &'static str,
    created_at_ms: i64,
    updated_at_ms: i64,
    metadata: &'a Map<String, Value>,
    ttl_seconds: Option<u64>,
}

impl<'a> ThreadView<'a> {
    pub(super) fn of(thread: &'a ThreadInfo) -> Self {
        Self {
            thread_id: thread_label(&thread.id),
            object: "thread",
            created_at_ms: thread.created_at_ms,
            updated_at_ms: thread.updated_at_ms,
            metadata: &thread.metadata,
            ttl_seconds: thread.ttl_ms.map(|ms| ms / 1000),
        }
    }
}

/// A parameter of an address has no meaning.
pub(super) fn invalid_query(message: &str) -> ErrorAnswer {
    ErrorAnswer::new(StatusCode::BAD_REQUEST, "invalid_query", message)
}
