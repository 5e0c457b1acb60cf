//! Rows of the store as clients read them.
//!
//! Owns: the JSON of runs and threads, and of mistakes in a query.
//! Never: reads a store.

use crate::http::answer::ErrorAnswer;
use crate::http::error::HttpError;
use genesis_mesh::log::{CancelKind, Run, RunStatus, ThreadInfo};
use genesis_mesh::{RunId, named_thread, thread_label};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run")]
pub(crate) struct RunView<'a> {
    /// Its id.
    #[schemars(with = "String")]
    run_id: RunId,
    /// What this is.
    #[schemars(extend("const" = "run"))]
    object: &'static str,
    /// The agent.
    agent: &'a str,
    /// The thread that it runs on, if it was given one.
    thread_id: Option<&'a str>,
    /// Where it stands.
    status: RunStatus,
    /// When it was accepted, in milliseconds since 1970 by the store's clock.
    created_at_ms: i64,
    /// When its status or its owner changed last.
    updated_at_ms: i64,
    /// The number of its last event: whoever has that one has all.
    last_seq: u64,
    /// How often it was begun; more than once after a crash.
    attempts: u64,
    /// The process that works on it, or did last.
    owner: Option<&'a str>,
    /// The wish that it stop, if it has not ended yet.
    cancel: Option<CancelKind>,
    /// Why it failed: `code`, `message`, `param`.
    error: Option<&'a Value>,
    /// What its caller says of it.
    metadata: &'a Map<String, Value>,
    /// How long it is kept after its end; null: until it is deleted.
    ttl_seconds: Option<u64>,
}

impl<'a> RunView<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        Self {
            run_id: run.id,
            object: "run",
            agent: &run.agent,
            thread_id: named_thread(run),
            status: run.status,
            created_at_ms: run.created_at_ms,
            updated_at_ms: run.updated_at_ms,
            last_seq: run.last_seq,
            attempts: run.epoch,
            owner: run.owner.as_deref(),
            cancel: run.cancel,
            error: run.error.as_ref(),
            metadata: &run.metadata,
            ttl_seconds: run.ttl_ms.map(|ms| ms / 1000),
        }
    }
}

/// A thread.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Thread")]
pub(crate) struct ThreadView<'a> {
    /// Its name.
    thread_id: &'a str,
    /// What this is.
    #[schemars(extend("const" = "thread"))]
    object: &'static str,
    /// When it began, in milliseconds since 1970 by the store's clock.
    created_at_ms: i64,
    /// When it was used last.
    updated_at_ms: i64,
    /// What its makers say of it.
    metadata: &'a Map<String, Value>,
    /// How long it is kept after it was last used; null: until it is deleted.
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
    HttpError::InvalidQuery { message: message.to_owned() }.into()
}
