//! The clock: the one place where the server learns what time it is.
//!
//! Owns: the calls that read a clock, of the wall and the steady one, which a test can pause.
//! Never: decides anything; whoever judges a time takes it as a value.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Now, in seconds since 1970; what an expiry date is held against.
pub(crate) fn unix_seconds() -> i64 {
    let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Now, as a stamp that other programs read.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Now, for spans of time: it never goes back.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
