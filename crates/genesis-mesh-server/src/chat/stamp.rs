//! The stamp of an answer: its id, its time and its agent, which every chunk repeats.
//!
//! Owns: the ids of this surface.
//! Never: measures: what takes how long is telemetry's.

use crate::clock;
use genesis_mesh::RunId;
use std::fmt::Write as _;

/// What all parts of one answer say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `chatcmpl-` and 128 random bits in hex, or the id of the run that is kept of it.
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// The agent that was asked.
    pub(super) model: String,
}

impl Stamp {
    /// A new stamp of an answer by `agent`.
    pub(super) fn new(agent: String) -> Self {
        let mut random = [0; 16];
        let created = clock::unix_seconds();
        // Without randomness from the system the time still tells answers apart for people who read logs.
        if getrandom::fill(&mut random).is_err() {
            random = i128::from(created).to_be_bytes();
        }
        let mut id = String::with_capacity(41);
        id.push_str("chatcmpl-");
        for byte in random {
            let _ = write!(id, "{byte:02x}");
        }
        Self { id, created, model: agent }
    }

    /// Names the answer after the run that is kept of it.
    pub(super) fn name(&mut self, run: RunId) {
        self.id = format!("chatcmpl-{run}");
    }
}
