//! The lifecycle of a run, from its acceptance to its end.
//!
//! Owns: a run as it is kept, what it is accepted with, how it ends.
//! Never: decides what comes next; the store's transactions and the runner do.

use super::event::{NewEvent, Seq};
use super::lease::{Claim, Lease};
use crate::run::RunId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It waits to be claimed.
    Queued,
    /// It was claimed, and has not ended.
    Running,
    /// It came to its end.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It ended with open questions; another run of its thread answers them.
    Interrupted,
    /// It was stopped.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Interrupted, Self::Cancelled];

    /// Whether nothing follows.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Its name, as stores and clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// How a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelKind {
    /// What it did is kept.
    Interrupt,
    /// What it did to its thread is undone.
    Rollback,
}

impl CancelKind {
    /// Its name, as stores and clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Rollback => "rollback",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Interrupt, Self::Rollback].into_iter().find(|kind| kind.name() == name)
    }
}

/// What becomes of a new run whose thread has one that has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfBusy {
    /// It is refused.
    Reject,
    /// It waits.
    #[default]
    Enqueue,
    /// The others are stopped, what they did is kept; then it runs.
    Interrupt,
    /// The others are stopped, what they did to the thread is undone; then it runs.
    Rollback,
}

/// What makes two requests the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, within its caller's namespace.
    pub key: String,
    /// A hash of the request: the same key with another hash is refused.
    pub body_hash: u128,
}

/// A run that is to be accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its id, which the caller draws.
    pub id: RunId,
    /// The agent.
    pub agent: String,
    /// The thread that it runs on.
    pub thread: Option<String>,
    /// JSON of what it is to do; the runner reads it.
    pub input: String,
    /// Who asked for it, if the server knows; only who asked may read it.
    pub principal: Option<String>,
    /// What makes a second request the same.
    pub idempotency: Option<IdempotencyKey>,
    /// What to do if the thread is busy.
    pub if_busy: IfBusy,
    /// What the caller says of it.
    pub metadata: Map<String, Value>,
    /// How long it is kept after its end, in milliseconds; `None`: until it is deleted.
    pub ttl_ms: Option<u64>,
    /// Its first event.
    pub first: NewEvent,
    /// The last event of each run of the thread that waits and is stopped for this one.
    pub stopped: NewEvent,
    /// Who works on it, if it need not wait; `agents` and `limit` do not count.
    pub claim: Option<Claim>,
}

/// What came of a request to accept a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The run: the new one, or the earlier one of the same key.
    pub run: Run,
    /// Whether it is the new one.
    pub is_new: bool,
    /// The right to work on it, if it was claimed.
    pub lease: Option<Lease>,
    /// Other runs of the thread that were told to stop, or ended in the queue.
    pub stopped: Vec<RunId>,
}

/// A run, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The agent.
    pub agent: String,
    /// The thread that it runs on.
    pub thread: Option<String>,
    /// As in [`NewRun`].
    pub input: String,
    /// As in [`NewRun`].
    pub principal: Option<String>,
    /// As in [`NewRun`].
    pub metadata: Map<String, Value>,
    /// Where it stands.
    pub status: RunStatus,
    /// When it was accepted, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When its status or its owner changed last.
    pub updated_at_ms: i64,
    /// Who works on it, or did last.
    pub owner: Option<String>,
    /// How often it was claimed.
    pub epoch: u64,
    /// How often it was claimed since it last came further.
    pub attempt: u32,
    /// Until when it is its owner's, in milliseconds since 1970.
    pub lease_until_ms: Option<i64>,
    /// The number of its last event.
    pub last_seq: Seq,
    /// How often a client began to read it, as far as that was noted: [`RunStore::watch`](super::RunStore::watch).
    pub watched: u64,
    /// The wish that it stop, if it has not ended yet.
    pub cancel: Option<CancelKind>,
    /// Why it failed, as clients were told.
    pub error: Option<Value>,
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// One of the statuses that are an end.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<Value>,
    /// Whether what it did to its thread is undone.
    pub rolls_back: bool,
}

/// Which runs are asked for; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunQuery {
    /// Of this thread.
    pub thread: Option<String>,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of one of these statuses; empty: of any.
    pub statuses: Vec<RunStatus>,
    /// Asked for by this principal.
    pub principal: Option<String>,
    /// Accepted before this one: its id is less.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// What came of the wish that a run stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It had not begun, and has ended.
    Ended,
    /// Its owner will see the wish.
    Asked,
    /// It had ended already.
    Over(RunStatus),
    /// There is no such run.
    NotFound,
}
