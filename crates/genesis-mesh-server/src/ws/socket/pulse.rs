//! The pulse of a socket: when to ping a silent client, and when to give a silent or stuck one up.
//!
//! Owns: one timer a socket.
//! Never: touches the stream; it only says what time it is for.
//! Source: DESIGN, WebSocket manners: ping every 20 s, close after 20 s of silence, 30 s for a stuck write.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// What it is time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing was heard for a while: ask.
    Ping,
    /// The ping was not answered: the client is gone.
    Silent,
    /// The client has not taken what was written.
    Stalled,
}

/// The clock of one socket.
#[derive(Debug)]
pub(super) struct Pulse {
    timer: Pin<Box<Sleep>>,
    ping_interval: Duration,
    stall: Duration,
    heard_at: Instant,
    pinged_at: Option<Instant>,
    blocked_at: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(ping_interval: Duration, stall: Duration) -> Self {
        let now = Instant::now();
        let timer = Box::pin(sleep_until(now + ping_interval));
        Self { timer, ping_interval, stall, heard_at: now, pinged_at: None, blocked_at: None }
    }

    /// The client sent something.
    pub(super) fn heard(&mut self) {
        self.heard_at = Instant::now();
        self.pinged_at = None;
    }

    /// The client does not take what is written, now or since a while.
    pub(super) fn blocked(&mut self) {
        if self.blocked_at.is_none() {
            let now = Instant::now();
            self.blocked_at = Some(now);
            if now + self.stall < self.timer.deadline() {
                self.timer.as_mut().reset(now + self.stall);
            }
        }
    }

    /// The client has taken all that was written.
    pub(super) fn flushed(&mut self) {
        self.blocked_at = None;
    }

    /// Ready when it is time for something.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Beat> {
        // The timer is set for the earliest deadline that was known; a later one resets it here.
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let beat = self.due(now);
            let next = self.next_deadline();
            self.timer.as_mut().reset(next);
            if let Some(beat) = beat {
                return Poll::Ready(beat);
            }
        }
        Poll::Pending
    }

    fn due(&mut self, now: Instant) -> Option<Beat> {
        let passed = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        if self.blocked_at.is_some_and(|since| passed(since, self.stall)) {
            return Some(Beat::Stalled);
        }
        match self.pinged_at {
            Some(since) => passed(since, self.ping_interval).then_some(Beat::Silent),
            None if passed(self.heard_at, self.ping_interval) => {
                self.pinged_at = Some(now);
                Some(Beat::Ping)
            }
            None => None,
        }
    }

    fn next_deadline(&self) -> Instant {
        let pulse = self.pinged_at.unwrap_or(self.heard_at) + self.ping_interval;
        self.blocked_at.map_or(pulse, |since| pulse.min(since + self.stall))
    }
}

#[cfg(test)]
mod tests;
