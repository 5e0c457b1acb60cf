//! The writer of one run: what its work tells and keeps goes into the store in order, some of it together.
//!
//! Owns: the queue before the store, and the commits of one lease, one after the other, each with its number.
//! Never: tells readers an event that is not in the log; goes on after the lease is lost.
//! Flow: the work pushes events and asks for entries to be kept; `write` commits all that waits at once, pushes it to the
//! feed, hints the bus, and answers those who asked. While a commit is on its way the next one gathers.

#[cfg(test)]
mod tests;

use super::feed::Feed;
use super::hub::Hub;
use super::observed::Observed;
use genesis_mesh_core::bus::Hint;
use genesis_mesh_core::log::{Commit, Committed, Lease, LogEvent, NewEvent, RunEnd};
use genesis_mesh_core::run::{FactRecord, TaskEnd};
use genesis_mesh_core::store::{Appended, Entry, StoreError, ThreadKey};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// So many bytes of events may wait for the store; then the work waits. Some thousand tokens.
const WAITING_BYTES_MAX: usize = 256 * 1024;
/// So many entries may wait that nobody waits for: some dozens of steps, which a crash would make run again.
const WAITING_ENTRIES_MAX: usize = 64;
/// The first and the longest wait before a commit that failed is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// A lease is extended so often while a commit fails before the run is given back: three leases. The store is there, so
/// another mesh may be able to commit what this one is not.
const BEATS_IN_VAIN: u32 = 9;
/// So long a stop waits for a store that is away, once runs are given back: two of the longest waits.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// The queue before the store.
#[derive(Debug, Default)]
pub(super) struct RunWriter {
    queue: Mutex<Queue>,
    /// Something waits, or nothing will any more.
    filled: Notify,
    /// What waited is in the store.
    emptied: Notify,
    /// The store has said of what was kept last that it wants a snapshot.
    wants_snapshot: AtomicBool,
    /// So many bytes of events may come, and whether more did.
    bytes_max: usize,
    is_over: CancellationToken,
}

#[derive(Debug, Default)]
struct Queue {
    events: Vec<NewEvent>,
    /// Of events that wait, and of all that ever did.
    bytes: usize,
    bytes_told: usize,
    entries: Vec<Waiting>,
    end: Option<RunEnd>,
    is_progress: bool,
    is_closed: bool,
    /// How often something was to be kept that nobody waited for, and how often that was done.
    unasked: u64,
    unasked_kept: u64,
}

impl Queue {
    fn take(&mut self, events: impl IntoIterator<Item = NewEvent>) {
        for event in events {
            self.bytes += event.data.len();
            self.bytes_told += event.data.len();
            self.events.push(event);
        }
    }
}

/// Entries to be kept, and who asked for it.
#[derive(Debug)]
struct Waiting {
    key: ThreadKey,
    entries: Vec<Entry>,
    /// `None`: nobody waits for it, and the run can't go on without it.
    answer: Option<Asker>,
}

type Asker = oneshot::Sender<Result<Appended, StoreError>>;

impl RunWriter {
    /// A writer for a run that may tell so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Returns when the run has told more than it may.
    pub(super) async fn over(&self) {
        self.is_over.cancelled().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds events; they are in the log before anything that is asked for after this. A task of a graph that was stopped
    /// may still say a word on another thread: nothing is told after the end.
    pub(super) fn push(&self, events: impl IntoIterator<Item = NewEvent>) {
        self.add(events, false);
    }

    /// Adds events that no later attempt has to tell again: the run has come further.
    pub(super) fn push_progress(&self, events: impl IntoIterator<Item = NewEvent>) {
        self.add(events, true);
    }

    fn add(&self, events: impl IntoIterator<Item = NewEvent>, is_progress: bool) {
        let mut queue = self.queue();
        if queue.is_closed {
            return;
        }
        queue.is_progress |= is_progress;
        queue.take(events);
        if queue.bytes_told > self.bytes_max {
            self.is_over.cancel();
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Returns when there is room for more events.
    pub(super) async fn room(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            let is_full = {
                let queue = self.queue();
                let has_much = queue.bytes >= WAITING_BYTES_MAX || queue.entries.len() >= WAITING_ENTRIES_MAX;
                has_much && !queue.is_closed
            };
            if !is_full {
                return;
            }
            emptied.await;
        }
    }

    /// Keeps entries of the run's thread; returns when they are in the store.
    pub(super) async fn keep(&self, key: &ThreadKey, entries: Vec<Entry>) -> Result<Appended, StoreError> {
        let (answer, answered) = oneshot::channel();
        if !self.take_entries(key, entries, Some(answer)) {
            return Err(closed());
        }
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Keeps entries that the run can't go on without; they are in the store before whatever comes after them. To a
    /// checkpoint it says whether the store has wanted a snapshot since the last one.
    pub(super) fn keep_unasked(&self, key: &ThreadKey, entries: Vec<Entry>) -> Appended {
        let is_checkpoint = entries.iter().any(|entry| matches!(entry, Entry::Checkpoint(_)));
        self.take_entries(key, entries, None);
        Appended { wants_snapshot: is_checkpoint && self.wants_snapshot.swap(false, Ordering::Relaxed) }
    }

    /// Returns when everything that was to be kept is in the store.
    ///
    /// # Errors
    /// It can't be kept, and the run ends here.
    pub(super) async fn settled(&self) -> Result<(), StoreError> {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            {
                let queue = self.queue();
                if queue.unasked_kept == queue.unasked {
                    return Ok(());
                }
                if queue.is_closed {
                    return Err(closed());
                }
            }
            emptied.await;
        }
    }

    fn take_entries(&self, key: &ThreadKey, entries: Vec<Entry>, answer: Option<Asker>) -> bool {
        let mut queue = self.queue();
        if queue.is_closed {
            return false;
        }
        queue.is_progress |= entries.iter().any(is_progress);
        queue.unasked += u64::from(answer.is_none());
        queue.entries.push(Waiting { key: key.clone(), entries, answer });
        drop(queue);
        self.filled.notify_one();
        true
    }

    /// Ends the run with its last events.
    pub(super) fn end(&self, events: impl IntoIterator<Item = NewEvent>, end: RunEnd) {
        let mut queue = self.queue();
        queue.take(events);
        (queue.end, queue.is_closed) = (Some(end), true);
        drop(queue);
        self.filled.notify_one();
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn close(&self) {
        self.queue().is_closed = true;
        self.filled.notify_one();
    }

    /// What waits now; `None` if nothing does and nothing will.
    async fn take(&self) -> Option<Queue> {
        loop {
            {
                let mut queue = self.queue();
                if !queue.events.is_empty() || !queue.entries.is_empty() || queue.end.is_some() {
                    let Queue { is_closed, bytes_told, unasked, unasked_kept, .. } = *queue;
                    let next = Queue { is_closed, bytes_told, unasked, unasked_kept, ..Queue::default() };
                    return Some(std::mem::replace(&mut *queue, next));
                }
                if queue.is_closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Writes until the writer is closed and empty.
    ///
    /// # Errors
    /// The lease is lost, or the store can't keep what it must; nothing more of this run may be told.
    pub(super) async fn write(&self, to: &Target<'_>) -> Result<(), StoreError> {
        let mut number = 0;
        while let Some(queue) = self.take().await {
            number += 1;
            let unasked = queue.unasked;
            let (mut commit, waiting) = commit_of(number, queue);
            let mut written = to.commit(&commit).await;
            if let Err(error) = &written
                && !is_lost(error)
                && !waiting.is_empty()
                && waiting.iter().all(Option::is_some)
            {
                // What is wrong is wrong with the entries: who asked for them is told, the events stand.
                tracing::warn!(run = %to.lease.run, %error, "the store refused what a thread was to keep");
                let error = error.clone();
                commit.entries.clear();
                written = to.commit(&commit).await;
                answer(waiting, &Err(error));
            } else {
                let appended = |committed: &Committed| Appended { wants_snapshot: committed.wants_snapshot };
                answer(waiting, &written.as_ref().map(appended).map_err(Clone::clone));
            }
            let written = written?;
            if written.wants_snapshot {
                self.wants_snapshot.store(true, Ordering::Relaxed);
            }
            to.tell(commit.events, &written);
            self.queue().unasked_kept = unasked;
            self.emptied.notify_waiters();
        }
        Ok(())
    }

    /// Takes nothing more, and forgets what waits.
    pub(super) fn abandon(&self, error: &StoreError) {
        let mut queue = self.queue();
        let Queue { unasked, unasked_kept, .. } = *queue;
        let closed = Queue { is_closed: true, unasked, unasked_kept, ..Queue::default() };
        let left = std::mem::replace(&mut *queue, closed);
        drop(queue);
        answer(left.entries.into_iter().map(|waiting| waiting.answer).collect(), &Err(error.clone()));
        self.emptied.notify_waiters();
    }
}

/// Where a run's commits go.
pub(super) struct Target<'a> {
    pub(super) hub: &'a Hub,
    pub(super) lease: &'a Lease,
    pub(super) feed: &'a Feed,
    pub(super) lost: &'a CancellationToken,
    /// How often the lease was extended.
    pub(super) beats: &'a AtomicU32,
    pub(super) observed: &'a Observed,
}

impl Target<'_> {
    /// Commits; while the store can't be reached it is tried again, until the lease is known to be lost, the store has been
    /// there for all but this run's commits for too long, or this process is to end. What nobody was told is made again by
    /// whoever goes on.
    async fn commit(&self, commit: &Commit) -> Result<Committed, StoreError> {
        let given_up = async {
            self.hub.gives_back.cancelled().await;
            tokio::time::sleep(STOP_PATIENCE).await;
        };
        tokio::select! {
            biased;
            done = self.commit_patiently(commit) => done,
            () = given_up => Err(StoreError::Unavailable {
                message: "it was not there when this process ended; the run goes on where its log ends".to_owned(),
            }),
        }
    }

    async fn commit_patiently(&self, commit: &Commit) -> Result<Committed, StoreError> {
        let mut wait = RETRY_FIRST;
        let beats = self.beats.load(Ordering::Relaxed);
        loop {
            let committed = tokio::select! {
                biased;
                committed = self.hub.store.commit(self.lease, commit.clone()) => committed,
                () = self.lost.cancelled() => return Err(StoreError::Fenced { run: self.lease.run }),
            };
            match committed {
                Err(error @ StoreError::Unavailable { .. })
                    if self.beats.load(Ordering::Relaxed).wrapping_sub(beats) >= BEATS_IN_VAIN =>
                {
                    return Err(error);
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(run = %self.lease.run, %error, "a commit is tried again");
                    tokio::select! {
                        () = self.lost.cancelled() => return Err(StoreError::Fenced { run: self.lease.run }),
                        () = tokio::time::sleep(wait) => {}
                    }
                    wait = (wait * 2).min(RETRY_MAX);
                }
                done => {
                    if done.is_ok() {
                        self.hub.has_committed();
                    }
                    return done;
                }
            }
        }
    }

    /// Shows what is in the log to its readers, here and elsewhere.
    fn tell(&self, events: Vec<NewEvent>, committed: &Committed) {
        if let Some(kind) = committed.cancel {
            self.hub.stop_here(self.lease.run, kind);
        }
        if events.is_empty() {
            return;
        }
        let first = (committed.last_seq + 1).saturating_sub(events.len() as u64);
        let events = events.into_iter().zip(first..).map(|(event, seq)| LogEvent {
            seq,
            at_ms: committed.at_ms,
            class: event.class,
            data: event.data.into(),
            memo: None,
        });
        let events: Vec<LogEvent> = events.collect();
        self.observed.tell(&events);
        self.feed.push(events);
        self.hub.bus.publish(Hint::Appended { run: self.lease.run, seq: committed.last_seq });
    }
}

fn commit_of(number: u64, queue: Queue) -> (Commit, Vec<Option<Asker>>) {
    let mut waiting = Vec::with_capacity(queue.entries.len());
    let mut entries = Vec::with_capacity(queue.entries.len());
    for asked in queue.entries {
        entries.push((asked.key, asked.entries));
        waiting.push(asked.answer);
    }
    let Queue { events, end, is_progress, .. } = queue;
    (Commit { number, events, entries, end, is_progress }, waiting)
}

/// Whether an entry spares the next attempt something; that a run went on does not.
fn is_progress(entry: &Entry) -> bool {
    match entry {
        Entry::Checkpoint(_) => true,
        Entry::Pending { fact, .. } => {
            matches!(fact, FactRecord::TaskEnded { end: TaskEnd::Finished(_), .. })
        }
        Entry::Snapshot { .. } => false,
    }
}

fn answer(waiting: Vec<Option<Asker>>, result: &Result<Appended, StoreError>) {
    for asker in waiting.into_iter().flatten() {
        // Nobody listens if the work was dropped.
        let _ = asker.send(result.clone());
    }
}

fn is_lost(error: &StoreError) -> bool {
    matches!(error, StoreError::Fenced { .. } | StoreError::UnknownRun { .. })
}

fn closed() -> StoreError {
    StoreError::Unavailable { message: "the run has ended, and keeps nothing more".to_owned() }
}
