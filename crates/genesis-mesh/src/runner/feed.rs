//! Feeds: the last events of one run's log, for all who read it in this process.
//!
//! Owns: the tail of the log, and waking its readers.
//! Never: reads the store; who finds that the tail begins after its cursor does.

use genesis_mesh_core::log::{EventClass, LogEvent, Seq};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So many events a tail keeps at most, and so many bytes of them: a reader that is further behind reads the store.
const EVENTS_MAX: usize = 1_024;
const BYTES_MAX: usize = 256 * 1024;

/// The tail of one run's log.
#[derive(Debug, Default)]
pub(super) struct Feed {
    state: Mutex<Tail>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Tail {
    events: VecDeque<LogEvent>,
    bytes: usize,
    /// The number of the last event that is known.
    last: Seq,
    /// No event follows.
    is_ended: bool,
    /// The run is gone from the store.
    is_gone: bool,
    /// Whether the run is driven in this process.
    is_driven: bool,
    readers: usize,
}

/// What a reader finds after its cursor.
#[derive(Debug)]
pub(super) enum Found {
    /// The next events.
    Events(Vec<LogEvent>),
    /// There are some, and the tail does not have them any more.
    Older,
    /// There are none yet.
    Nothing,
    /// There will be none.
    Ended,
    /// The run was deleted.
    Gone,
}

impl Feed {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds events that are in the log; what is known already is passed over.
    pub(super) fn push(&self, events: impl IntoIterator<Item = LogEvent>) {
        let mut tail = self.tail();
        for event in events {
            if event.seq <= tail.last {
                continue;
            }
            if event.seq != tail.last + 1 {
                // What lies between is in the store alone.
                tail.events.clear();
                tail.bytes = 0;
            }
            tail.last = event.seq;
            tail.is_ended |= event.class == EventClass::End;
            tail.bytes += event.data.len();
            tail.events.push_back(event);
        }
        while tail.events.len() > EVENTS_MAX || tail.bytes > BYTES_MAX && tail.events.len() > 1 {
            if let Some(event) = tail.events.pop_front() {
                tail.bytes -= event.data.len();
            }
        }
        drop(tail);
        self.changed.notify_waiters();
    }

    /// Notes that the log has come to `last`, as its row says.
    pub(super) fn knows(&self, last: Seq) {
        let mut tail = self.tail();
        if last > tail.last {
            tail.events.clear();
            tail.bytes = 0;
            tail.last = last;
            drop(tail);
            self.changed.notify_waiters();
        }
    }

    pub(super) fn last(&self) -> Seq {
        self.tail().last
    }

    /// What comes after `cursor`, `limit` events at most.
    pub(super) fn after(&self, cursor: Seq, limit: usize) -> Found {
        let tail = self.tail();
        if tail.is_gone {
            return Found::Gone;
        }
        if cursor >= tail.last {
            return if tail.is_ended { Found::Ended } else { Found::Nothing };
        }
        let Some(first) = tail.events.front().map(|event| event.seq) else { return Found::Older };
        match usize::try_from((cursor + 1).wrapping_sub(first)) {
            Ok(skipped) if cursor + 1 >= first => {
                Found::Events(tail.events.iter().skip(skipped).take(limit).cloned().collect())
            }
            _ => Found::Older,
        }
    }

    /// Returns when something may have come after `cursor`, or the feed has ended.
    pub(super) async fn changed(&self, cursor: Seq) {
        let mut notified = std::pin::pin!(self.changed.notified());
        // From here on no change is missed.
        notified.as_mut().enable();
        let is_news = {
            let tail = self.tail();
            tail.last > cursor || tail.is_ended || tail.is_gone
        };
        if !is_news {
            notified.await;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let tail = self.tail();
        tail.is_ended || tail.is_gone
    }

    /// The log has its last event.
    pub(super) fn ended(&self) {
        self.tail().is_ended = true;
        self.changed.notify_waiters();
    }

    /// The run is gone: readers end.
    pub(super) fn gone(&self) {
        self.tail().is_gone = true;
        self.changed.notify_waiters();
    }

    /// Notes whether the run is driven here; gives whether somebody reads it.
    pub(super) fn drive(&self, is_driven: bool) -> bool {
        let mut tail = self.tail();
        tail.is_driven = is_driven;
        tail.readers > 0
    }

    pub(super) fn is_driven(&self) -> bool {
        self.tail().is_driven
    }

    /// Counts a reader that comes or goes; gives whether nobody needs the feed any more.
    pub(super) fn reader(&self, comes: bool) -> bool {
        let mut tail = self.tail();
        tail.readers = if comes { tail.readers + 1 } else { tail.readers.saturating_sub(1) };
        tail.readers == 0 && !tail.is_driven
    }

    pub(super) fn readers(&self) -> usize {
        self.tail().readers
    }
}
