//! The server's clock: what measures are taken by.
//!
//! Owns: the two readings, monotonic and of the wall.
//! Never: decides anything by the wall clock, which may jump; it only stamps spans.
//! Source: the monotonic one is tokio's, so that a test can pause it.

use std::time::SystemTime;
use tokio::time::Instant;

/// Reads the time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock;

impl Clock {
    /// Now, for durations.
    #[expect(clippy::unused_self, reason = "the time is read through a value that its user was given")]
    pub(crate) fn now(self) -> Instant {
        Instant::now()
    }

    /// Now, for stamps that other programs read.
    #[expect(clippy::unused_self, reason = "the time is read through a value that its user was given")]
    pub(crate) fn wall(self) -> SystemTime {
        SystemTime::now()
    }
}
