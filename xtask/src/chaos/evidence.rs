//! Evidence: what was seen of all runs, by their clients, in their logs, and by the world outside.
//!
//! Owns: its form.
//! Never: judges; the checker does.

use super::event::Event;
use super::work::Work;

/// What a client saw of one run.
#[derive(Debug, Clone)]
pub(crate) struct Transcript {
    /// The idempotency key.
    pub(crate) key: String,
    pub(crate) work: Work,
    pub(crate) thread: Option<String>,
    /// The ids that the server gave it, in order: the run was accepted if there is one.
    pub(crate) run_ids: Vec<String>,
    /// The events, in the order in which they came, over all connections.
    pub(crate) frames: Vec<Event>,
    /// How often the client connected for it.
    pub(crate) visits: usize,
    /// The codes of errors that were about a request.
    pub(crate) refusals: Vec<String>,
}

/// The log of a run, as the server told it at last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunLog {
    pub(crate) run: String,
    pub(crate) status: String,
    pub(crate) last_seq: u64,
    /// How often it was begun.
    pub(crate) attempts: u64,
    pub(crate) events: Vec<Event>,
}

/// A keyed effect that the world outside saw.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Effect {
    pub(crate) run: String,
    pub(crate) step: String,
    pub(crate) key: String,
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) transcripts: Vec<Transcript>,
    /// The logs of all runs that the server knows.
    pub(crate) logs: Vec<RunLog>,
    pub(crate) effects: Vec<Effect>,
    /// The text of the story.
    pub(crate) story: String,
    /// How often a server ended by itself, with what it said.
    pub(crate) crashes: Vec<String>,
}

impl Transcript {
    /// The run's id, if it was accepted.
    pub(crate) fn run(&self) -> Option<&str> {
        self.run_ids.first().map(String::as_str)
    }

    /// The number of the last event that was seen.
    pub(crate) fn cursor(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.seq)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.frames.last().is_some_and(Event::is_end)
    }
}

impl RunLog {
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "running")
    }
}
