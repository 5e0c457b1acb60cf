//! Mailboxes: the hints that one subscriber has not taken yet.
//!
//! Owns: their bound, and what becomes of hints that say the same.
//! Never: waits for a reader: when a mailbox is full, one `Missed` takes the place of all that is in it.

use genesis_mesh_core::bus::Hint;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// So many hints wait at most. Those of one run are one, so only many cancelled runs at once come near.
const LENGTH_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    hints: VecDeque<Hint>,
    reader: Option<Waker>,
    is_closed: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, hint: Hint) {
        let reader = {
            let mut inside = self.lock();
            put(&mut inside.hints, hint, LENGTH_MAX);
            inside.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// No hint comes any more; those that are there can still be taken.
    pub(super) fn close(&self) {
        let reader = {
            let mut inside = self.lock();
            inside.is_closed = true;
            inside.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub(super) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<Hint>> {
        let mut inside = self.lock();
        if let Some(hint) = inside.hints.pop_front() {
            return Poll::Ready(Some(hint));
        }
        if inside.is_closed {
            return Poll::Ready(None);
        }
        inside.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Adds a hint to those that wait; one that says no more than they do is dropped. Beyond `length_max` they all become
/// one [`Hint::Missed`].
pub(super) fn put(hints: &mut VecDeque<Hint>, hint: Hint, length_max: usize) {
    for waiting in hints.iter_mut() {
        match (waiting, hint) {
            (Hint::Appended { run, seq }, Hint::Appended { run: same, seq: newer }) if *run == same => {
                *seq = newer.max(*seq);
                return;
            }
            (waiting, hint) if *waiting == hint => return,
            _ => {}
        }
    }
    if hints.len() >= length_max {
        hints.clear();
        hints.push_back(Hint::Missed);
        return;
    }
    hints.push_back(hint);
}
