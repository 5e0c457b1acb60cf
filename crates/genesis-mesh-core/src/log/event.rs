//! Events: the entries of a run's log.
//!
//! Owns: the forms of an event before and after it has its number, and what is committed together.
//! Never: reads what an event says.

use super::status::{CancelKind, RunEnd};
use crate::store::{Entry, ThreadKey};
use std::sync::Arc;

/// The number of an event in its run's log: contiguous, from 1; 0 is the cursor before the first.
pub type Seq = u64;

/// How an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventClass {
    /// A piece of something that is being made: it survives the end of the process before it is told.
    Delta,
    /// What has happened: it is on disk before it is told.
    Fact,
    /// The last event of a log, a fact too: nothing follows it.
    End,
}

impl EventClass {
    /// The number by which stores write it.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Delta => 0,
            Self::Fact => 1,
            Self::End => 2,
        }
    }

    /// The class of this number.
    #[must_use]
    pub fn of_code(code: i64) -> Option<Self> {
        [Self::Delta, Self::Fact, Self::End].into_iter().find(|class| class.code() == code)
    }
}

/// An event that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// How it is kept.
    pub class: EventClass,
    /// One JSON object, as clients read it, without its number.
    pub data: String,
    /// JSON that the runner wants back when it goes on after a crash; no client sees it.
    pub memo: Option<String>,
}

/// An event of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its number.
    pub seq: Seq,
    /// When it was appended, in milliseconds since 1970 by the store's clock.
    pub at_ms: i64,
    /// As in [`NewEvent`].
    pub class: EventClass,
    /// As in [`NewEvent`].
    pub data: Arc<str>,
    /// As in [`NewEvent`].
    pub memo: Option<Arc<str>>,
}

/// What is kept together, or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// Its place among the commits under its lease, from 1. A commit whose answer was lost is sent again with its number,
    /// and is done once.
    pub number: u64,
    /// Events for the run's log, in order. With an `end` the last one is of class [`EventClass::End`], else none is.
    pub events: Vec<NewEvent>,
    /// Entries for a thread.
    pub entries: Vec<(ThreadKey, Vec<Entry>)>,
    /// How the run ends, if it does.
    pub end: Option<RunEnd>,
    /// Whether the run has come further, so that earlier attempts are forgiven.
    pub is_progress: bool,
}

impl Commit {
    /// Whether it must be on disk when the commit returns.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.end.is_some()
            || !self.entries.is_empty()
            || self.events.iter().any(|event| event.class != EventClass::Delta)
    }
}

/// What was committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// The number of the log's last event: the first of `n` that were committed has `last_seq - n + 1`.
    pub last_seq: Seq,
    /// When the events were appended, in milliseconds since 1970.
    pub at_ms: i64,
    /// As [`crate::store::Appended`] says of the entries.
    pub wants_snapshot: bool,
    /// The run is to stop.
    pub cancel: Option<CancelKind>,
}
