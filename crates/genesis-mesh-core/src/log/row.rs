//! A run, as it is kept, and which runs are asked for.
//!
//! Owns: the row of a run.
//! Never: holds its events; the log does.

use super::event::Seq;
use super::status::{CancelKind, RunStatus};
use crate::run::RunId;
use serde_json::{Map, Value};

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
    /// As in [`NewRun`].
    pub ttl_ms: Option<u64>,
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
