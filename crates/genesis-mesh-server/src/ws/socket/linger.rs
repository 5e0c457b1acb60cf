//! Lingering: pieces of an answer wait a moment for others, where the options ask for it.
//!
//! Owns: one timer a socket, made when it is first needed.
//! Never: delays the first piece of an answer, or anything but an answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// The pause after a write of pieces.
#[derive(Debug)]
pub(super) struct Linger {
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Linger {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, timer: None, is_waiting: false }
    }

    /// Whether pieces wait for each other at all.
    pub(super) fn is_on(&self) -> bool {
        !self.pause.is_zero()
    }

    /// Pieces were written: the next ones wait.
    pub(super) fn begin(&mut self) {
        if self.is_on() {
            match &mut self.timer {
                Some(timer) => timer.as_mut().set(sleep(self.pause)),
                None => self.timer = Some(Box::pin(sleep(self.pause))),
            }
            self.is_waiting = true;
        }
    }

    /// An answer has ended: the first piece of the next one does not wait.
    pub(super) fn rest(&mut self) {
        (self.timer, self.is_waiting) = (None, false);
    }

    /// Whether the next pieces are to wait still; then the waker is kept.
    pub(super) fn poll_waiting(&mut self, context: &mut Context<'_>) -> bool {
        if let (true, Some(timer)) = (self.is_waiting, &mut self.timer) {
            self.is_waiting = timer.as_mut().poll(context) == Poll::Pending;
        }
        self.is_waiting
    }
}
