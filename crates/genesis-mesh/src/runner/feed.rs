//! Feeds: the last events of one run's log, for all who read it in this process.
//!
//! Owns: the tail of the log, and waking its readers.
//! Never: reads the store; who finds that the tail begins after its cursor does.

use super::pages::Pages;
use genesis_mesh_core::log::{EventClass, LogEvent, Run, Seq};
use genesis_mesh_core::store::StoreError;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So many events a tail keeps at most, and so many bytes of them: a reader that is further behind reads the store.
const EVENTS_MAX: usize = 1_024;
const BYTES_MAX: usize = 256 * 1024;

/// The tail of one run's log.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) pages: Pages,
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
    /// Why the log can't be read, until somebody tries again.
    unreadable: Option<StoreError>,
    /// How many tasks drive the run in this process: two, while one that has lost its lease does not know it yet.
    drivers: usize,
    /// Whether a task follows the log.
    is_followed: bool,
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
    /// The log can't be read.
    Unreadable(StoreError),
}

impl Feed {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds events that are in the log; what is known already is passed over.
    pub(super) fn push(&self, events: impl IntoIterator<Item = LogEvent>) {
        let mut tail = self.tail();
        for event in events {
            tail.is_ended |= event.class == EventClass::End;
            if event.seq <= tail.last {
                continue;
            }
            if event.seq != tail.last + 1 {
                // What lies between is in the store alone.
                tail.events.clear();
                tail.bytes = 0;
            }
            tail.last = event.seq;
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

    /// Begins a reader at a cursor, by the row of its run. Who follows or drives the run tells what comes, and the row
    /// may be older than that; else it says where the log stands. Gives the number of the last event that there is.
    pub(super) fn open(&self, after: Seq, row: &Run) -> Seq {
        let mut tail = self.tail();
        tail.unreadable = None;
        if !tail.is_followed && tail.drivers == 0 && tail.events.is_empty() {
            tail.is_ended |= row.status.is_end();
            // A log that goes on is read from here on once, for all who come.
            let known = if tail.is_ended { row.last_seq } else { after.min(row.last_seq) };
            tail.last = tail.last.max(known);
        }
        tail.last.max(row.last_seq)
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
            return match &tail.unreadable {
                _ if tail.is_ended => Found::Ended,
                Some(error) => Found::Unreadable(error.clone()),
                None => Found::Nothing,
            };
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
            tail.last > cursor || tail.is_ended || tail.is_gone || tail.unreadable.is_some()
        };
        if !is_news {
            notified.await;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let tail = self.tail();
        tail.is_ended || tail.is_gone
    }

    /// The run is gone: readers end.
    pub(super) fn gone(&self) {
        self.tail().is_gone = true;
        self.changed.notify_waiters();
    }

    /// The log can't be read, and waiting does not help: readers end when they have what there is.
    pub(super) fn fails(&self, error: StoreError) {
        self.tail().unreadable = Some(error);
        self.changed.notify_waiters();
    }

    /// Counts a task that begins or ceases to drive the run; gives whether nobody needs the feed any more.
    pub(super) fn driver(&self, comes: bool) -> bool {
        let mut tail = self.tail();
        tail.drivers = if comes { tail.drivers + 1 } else { tail.drivers.saturating_sub(1) };
        tail.is_unused()
    }

    /// Counts a reader that comes or goes; gives whether nobody needs the feed any more.
    pub(super) fn reader(&self, comes: bool) -> bool {
        let mut tail = self.tail();
        tail.readers = if comes { tail.readers + 1 } else { tail.readers.saturating_sub(1) };
        tail.is_unused()
    }

    /// Whether the log must be followed and nobody does: who asks does it from now on.
    pub(super) fn begin_following(&self) -> bool {
        let mut tail = self.tail();
        let begins = tail.must_be_followed() && !tail.is_followed;
        tail.is_followed |= begins;
        begins
    }

    /// Whether who follows the log must go on; else it does not follow any more.
    pub(super) fn goes_on_following(&self) -> bool {
        let mut tail = self.tail();
        tail.is_followed = tail.must_be_followed();
        tail.is_followed
    }

    pub(super) fn readers(&self) -> usize {
        self.tail().readers
    }
}

impl Tail {
    fn is_unused(&self) -> bool {
        self.readers == 0 && self.drivers == 0
    }

    fn must_be_followed(&self) -> bool {
        let is_over = self.is_ended || self.is_gone || self.unreadable.is_some();
        self.readers > 0 && self.drivers == 0 && !is_over
    }
}
