//! The `Store` contract: what keeps threads, their checkpoints and what their tasks have done.
//!
//! Owns: the form of what is kept, the trait, and its error.
//! Never: knows an implementation, or folds facts: a store keeps and finds, the run machine understands.
//! Flow: a runner appends entries before it goes on; who resumes asks for a lineage and applies its facts.

use crate::model::BoxFuture;
use crate::run::{CheckpointId, FactRecord, MachineSnapshot, Namespace, RunId, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One thing to keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A new checkpoint.
    Checkpoint(Checkpoint),
    /// What happened at a checkpoint before the next one: a task ended, a run went on.
    Pending {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// What happened. A newer end of the same task stands where it came, and the older one is gone.
        fact: FactRecord,
    },
    /// A whole machine at a checkpoint, so that a lineage may begin there.
    Snapshot {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The machine.
        snapshot: Box<MachineSnapshot>,
    },
}

/// A checkpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its id; later checkpoints have greater ids.
    pub id: CheckpointId,
    /// The checkpoint before it.
    pub parent: Option<CheckpointId>,
    /// Its step, from -1.
    pub step: i64,
    /// How it came to be.
    pub source: Source,
    /// When, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The checkpoints of the graphs around this one, by their namespaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parents: BTreeMap<Namespace, CheckpointId>,
    /// What the run's caller says of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The fact that made it; `None` if only its snapshot was kept.
    pub fact: Option<FactRecord>,
}

/// A checkpoint with what happened at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What happened there before the next link's checkpoint was kept, in order; at the last link all that did.
    pub pending: Vec<FactRecord>,
    /// The machine at it, if that was kept.
    pub snapshot: Option<Box<MachineSnapshot>>,
}

/// What was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// So much was appended since the last snapshot that a new one would pay.
    pub wants_snapshot: bool,
}

/// Which part of a thread is meant: the history of the outermost graph, or of a subgraph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadKey {
    /// The thread.
    pub thread: String,
    /// The graph within it.
    pub ns: Namespace,
}

/// Which checkpoints of a history are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryQuery {
    /// Only older ones than this.
    pub before: Option<CheckpointId>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those whose `source`, `step` or metadata have these values.
    pub filter: Map<String, Value>,
}

/// Keeps threads. Every function is atomic: all of it is kept, or nothing.
///
/// # Cancel safety
/// A future that was polled once may have done its work even if it is dropped.
pub trait Store: Send + Sync + fmt::Debug {
    /// Appends entries to a thread, which begins with its first entry. When it returns they are kept. A checkpoint that
    /// is there already stays as it is.
    ///
    /// # Errors
    /// The store can't be written, or an entry names a checkpoint that is not there, as its own or as its parent; the
    /// parent of one that comes with a snapshot may be gone. Nothing of `entries` is kept.
    fn append<'a>(
        &'a self,
        key: &'a ThreadKey,
        entries: Vec<Entry>,
    ) -> BoxFuture<'a, Result<Appended, StoreError>>;

    /// The checkpoints that lead to `at` (the newest if `None`), oldest first, from the last snapshot or the first
    /// checkpoint on; empty if there is no such checkpoint.
    ///
    /// # Errors
    /// The store can't be read.
    fn lineage<'a>(
        &'a self,
        key: &'a ThreadKey,
        at: Option<CheckpointId>,
    ) -> BoxFuture<'a, Result<Vec<Link>, StoreError>>;

    /// The checkpoints of a thread, newest first.
    ///
    /// # Errors
    /// The store can't be read.
    fn history<'a>(
        &'a self,
        key: &'a ThreadKey,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, StoreError>>;

    /// The namespaces in which a thread has checkpoints.
    ///
    /// # Errors
    /// The store can't be read.
    fn namespaces<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<Vec<Namespace>, StoreError>>;

    /// Copies a thread with all its history, but none of its runs; what `to` had is gone, its runs too. Returns whether
    /// `from` was there.
    ///
    /// # Errors
    /// The store can't be written.
    fn copy_thread<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Deletes a thread with all its history and its runs, whose owners are fenced. Returns whether it was there.
    ///
    /// # Errors
    /// The store can't be written.
    fn delete_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Deletes all checkpoints but the newest of each namespace. One that has no snapshot keeps its lineage. Returns
    /// whether the thread was there.
    ///
    /// # Errors
    /// The store can't be written.
    fn prune_thread<'a>(&'a self, thread: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It can't be reached, or is busy.
    #[error("the store can't be reached: {message}")]
    Unavailable {
        /// What happened.
        message: String,
    },
    /// It refuses this program, or its address is none; said when it is opened, since waiting does not help.
    #[error("the store refuses this program: {message}")]
    Refused {
        /// What happened, and what to do.
        message: String,
    },
    /// Another process has it, and it can have but one.
    #[error("the store is in use: {message}")]
    InUse {
        /// By whom, and what to do.
        message: String,
    },
    /// What it holds can't be read.
    #[error("the store holds what can't be read: {message}")]
    Corrupt {
        /// What was found.
        message: String,
    },
    /// An entry names a checkpoint that the thread does not have; it was deleted while the run went on, perhaps.
    #[error("the thread has no checkpoint {checkpoint}")]
    UnknownCheckpoint {
        /// The checkpoint.
        checkpoint: CheckpointId,
    },
    /// Another owner has the run, or nobody: what this one did after it lost its lease is dropped.
    #[error("the run {run} is no longer this process's: another one has taken it, or it has ended")]
    Fenced {
        /// The run.
        run: RunId,
    },
    /// There is no such run; it was deleted, perhaps.
    #[error("there is no run {run}")]
    UnknownRun {
        /// The run.
        run: RunId,
    },
    /// The thread has a run already, and the new one was not to wait or take its place.
    #[error("the thread `{thread}` is busy with the run {run}")]
    ThreadBusy {
        /// The thread.
        thread: String,
        /// The run that it is busy with.
        run: RunId,
    },
    /// The idempotency key stands for another request.
    #[error(
        "the idempotency key `{key}` was used for another request: send the same request, or another key"
    )]
    KeyReused {
        /// The key, as the caller sent it.
        key: String,
    },
    /// There is no room left.
    #[error("the store has no room left: {message}")]
    Full {
        /// What happened.
        message: String,
    },
    /// A newer program has written it, in a form that this one does not know.
    #[error(
        "the store has schema {found}, and this program knows {known}: use a program as new as the one that wrote it"
    )]
    NewerSchema {
        /// The version of the store's schema.
        found: i64,
        /// The last version that this program knows.
        known: i64,
    },
}

impl StoreError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "store_unavailable",
            Self::Refused { .. } => "store_refused",
            Self::InUse { .. } => "store_in_use",
            Self::Corrupt { .. } => "store_corrupt",
            Self::UnknownCheckpoint { .. } => "checkpoint_not_found",
            Self::Fenced { .. } => "run_fenced",
            Self::UnknownRun { .. } => "run_not_found",
            Self::ThreadBusy { .. } => "thread_busy",
            Self::KeyReused { .. } => "idempotency_key_reused",
            Self::Full { .. } => "store_full",
            Self::NewerSchema { .. } => "store_schema_newer",
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::InUse { .. } | Self::Full { .. } | Self::ThreadBusy { .. }
        )
    }
}
