//! Accepting a run, and stopping one.
//!
//! Owns: what a run is accepted with, and what comes of that.
//! Never: decides what comes next; the store's transactions and the runner do.

use super::event::NewEvent;
use super::lease::{Claim, Lease};
use super::row::Run;
use super::status::{IfBusy, RunStatus};
use crate::run::RunId;
use serde_json::{Map, Value};

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
