//! Cancelling: the other end of a `CancelHandle`.
//!
//! Owns: the flag that the handle raises, and waking whoever polls the stream.
//! Never: ends a stream itself; the stream looks at the flag when it is polled.

use futures_util::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

/// What a stream and its `CancelHandle` share.
#[derive(Default)]
pub(crate) struct Cancel {
    is_asked: AtomicBool,
    waker: AtomicWaker,
}

impl Cancel {
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Whether cancelling was asked for; if not, the task of `context` is woken when it is.
    pub(crate) fn poll_asked(&self, context: &Context<'_>) -> bool {
        self.waker.register(context.waker());
        self.is_asked()
    }
}
