//! The stamp of an answer: its id, its time and its agent, which every chunk repeats.
//!
//! Owns: the wall clock and the ids of this surface.
//! Never: measures: what takes how long is telemetry's.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// What all parts of one answer say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `chatcmpl-` and 128 random bits in hex.
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// The agent that was asked.
    pub(super) model: String,
}

impl Stamp {
    /// A new stamp of an answer by `agent`.
    pub(super) fn new(agent: String) -> Self {
        let mut random = [0; 16];
        // Without randomness from the system the time still tells answers apart for people who read logs.
        if getrandom::fill(&mut random).is_err() {
            random = since_1970().as_nanos().to_be_bytes();
        }
        let mut id = String::with_capacity(41);
        id.push_str("chatcmpl-");
        for byte in random {
            let _ = write!(id, "{byte:02x}");
        }
        Self { id, created: now(), model: agent }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    since_1970().as_secs()
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
