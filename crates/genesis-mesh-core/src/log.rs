//! The run log: what is kept of a run, and the contract of what keeps it.
//!
//! Owns: runs with their lifecycle, the events of their logs, leases, and the trait `RunStore`.
//! Never: knows what an event means: to a store it is one JSON object with a number.
//! Flow: a surface has a run accepted, a runner claims it and commits events under its lease, readers follow the log.

mod status;
mod event;
mod row;
mod lease;
mod accept;
mod thread;

pub use accept::{Accepted, CancelOutcome, IdempotencyKey, NewRun};
pub use event::{Commit, Committed, EventClass, LogEvent, NewEvent, Seq};
pub use lease::{Beat, Claim, Claimed, Lease};
pub use row::{Run, RunQuery};
pub use status::{CancelKind, IfBusy, RunEnd, RunStatus};
pub use thread::{Swept, ThreadInfo, ThreadQuery};

use crate::model::BoxFuture;
use crate::run::RunId;
use crate::store::{Store, StoreError};

/// Keeps runs and their logs beside the threads. Every function is atomic: all of it is done, or nothing.
///
/// Times are those of the store's own clock, never of the caller: a lease means the same to all who share a store.
///
/// # Cancel safety
/// A future that was polled once may have done its work even if it is dropped.
pub trait RunStore: Store {
    /// Accepts a run: it is on disk, with its first event as number 1, when this returns. If `new.claim` is given and
    /// nothing hinders it, it is claimed in the same transaction. A thread that is not there begins here.
    ///
    /// With an idempotency key that its principal has used before, nothing is done: the run of then is given, `is_new`
    /// false. So is a run whose id is there. The key of a run that was deleted is free.
    ///
    /// # Errors
    /// `KeyReused` if the key stands for another body; `ThreadBusy` with [`IfBusy::Reject`]; the store can't be written.
    fn accept(&self, new: NewRun) -> BoxFuture<'_, Result<Accepted, StoreError>>;

    /// Gives all runs that are claimed back, whoever has them. For a store of one process, at its start: who had them is
    /// gone. That counts as an attempt: perhaps the run was what ended the process. Returns how many there were.
    ///
    /// # Errors
    /// The store can't be written.
    fn release_all(&self) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Claims up to `claim.limit` runs: those whose lease has expired first, then those that wait, oldest first. Of the
    /// runs of one thread only the oldest that has not ended can be claimed. Each gets `epoch + 1` and `attempt + 1`.
    ///
    /// # Errors
    /// The store can't be written.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>>;

    /// Extends leases; gives for each, in order, whether it is still held and whether the run is to stop.
    ///
    /// # Errors
    /// The store can't be written; no lease was extended.
    fn heartbeat<'a>(
        &'a self,
        leases: &'a [Lease],
        lease_ms: u64,
    ) -> BoxFuture<'a, Result<Vec<Beat>, StoreError>>;

    /// Gives runs back: whoever claims next goes on with them, at once; until then they are nobody's, and what is committed
    /// under the lease is fenced. It does not count as an attempt. A lease that is held no more is passed over.
    ///
    /// # Errors
    /// The store can't be written.
    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Appends events to the run's log and entries to its thread, and ends the run if `commit.end` says so; all of it
    /// under the run's lease, in one transaction. A commit with a fact, an entry or an end is on disk when this returns;
    /// one of deltas alone survives the end of the process, and may be lost with the machine's power.
    ///
    /// An end gives the lease back. One that rolls back deletes every checkpoint that the thread got since the run was
    /// first claimed, in all namespaces, and the facts that older checkpoints got since then. So does one that does not say
    /// so, if that was wished by [`RunStore::cancel`] before it: which of them came first is decided here.
    ///
    /// # Errors
    /// `Fenced` if the lease's epoch is not the run's any more, or the lease was given back, or the run has ended or is
    /// gone: nothing is kept. An expired lease that nobody has taken is still good. A commit that is repeated with its
    /// number under the same epoch is answered as done, also if it ended the run. Else as [`Store::append`].
    fn commit<'a>(&'a self, lease: &'a Lease, commit: Commit)
    -> BoxFuture<'a, Result<Committed, StoreError>>;

    /// Asks a run to stop. One that waits ends here, as cancelled, with `end` as its last event; of one that is claimed
    /// the wish is noted for its owner. A wish that it be undone is not weakened by a later one.
    ///
    /// # Errors
    /// The store can't be written.
    fn cancel(
        &self,
        run: RunId,
        kind: CancelKind,
        end: NewEvent,
    ) -> BoxFuture<'_, Result<CancelOutcome, StoreError>>;

    /// The run of this id.
    ///
    /// # Errors
    /// The store can't be read.
    fn run(&self, run: RunId) -> BoxFuture<'_, Result<Option<Run>, StoreError>>;

    /// Runs, newest first.
    ///
    /// # Errors
    /// The store can't be read.
    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Vec<Run>, StoreError>>;

    /// The events of a run's log after `after`, in order, at most `limit`; empty if there is no such run.
    ///
    /// # Errors
    /// The store can't be read.
    fn events(
        &self,
        run: RunId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<LogEvent>, StoreError>>;

    /// Notes that a client begins to read a run, and gives how often that was noted.
    ///
    /// # Errors
    /// `UnknownRun`, or the store can't be written.
    fn watch(&self, run: RunId) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Deletes a run with its log, whatever its state; its owner is fenced. A thread whose name begins with `_` goes with
    /// its last run. Returns whether it was there.
    ///
    /// # Errors
    /// The store can't be written.
    fn delete_run(&self, run: RunId) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Makes a thread known, or changes its metadata (keys are merged) and, if given, its time to live.
    ///
    /// # Errors
    /// The store can't be written.
    fn put_thread(&self, thread: ThreadInfo) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Threads, the one that was used last first. Those whose name begins with `_` belong to single runs, and are told
    /// only if asked for by name.
    ///
    /// # Errors
    /// The store can't be read.
    fn threads(&self, query: ThreadQuery) -> BoxFuture<'_, Result<Vec<ThreadInfo>, StoreError>>;

    /// Deletes what has outlived its time: runs that have ended, with their logs, and threads that no run is busy with,
    /// with all their runs. At most `limit` of each, so that others get their turn.
    ///
    /// # Errors
    /// The store can't be written.
    fn sweep(&self, limit: usize) -> BoxFuture<'_, Result<Swept, StoreError>>;

    /// Whether the store can be written now; what `/ready` tells.
    ///
    /// # Errors
    /// Why not.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
