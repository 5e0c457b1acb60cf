//! Checks of busy threads: what becomes of a new run, and of those that are there.
//!
//! Owns: the sentences about `IfBusy`.
//! Never: undoes anything; who is told to does that when it ends.

use super::samples::{all, claim, claimed, ending, on, run, start, status, texts};
use crate::conformance::samples::Failed;
use crate::conformance::{Outcome, holds, same};
use genesis_mesh_core::log::{CancelKind, EventClass, IfBusy, Lease, NewRun, RunStatus, RunStore};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

pub(super) async fn rejects(store: &dyn RunStore) -> Outcome {
    let request = |id| NewRun { if_busy: IfBusy::Reject, ..on("t", id) };
    holds("an idle thread takes it", store.accept(request(1)).await?.is_new)?;
    let busy = StoreError::ThreadBusy { thread: "t".to_owned(), run: RunId(1) };
    same("a thread whose run waits", &store.accept(request(2)).await, &Err(busy.clone()))?;
    same("the run that was refused", &store.run(RunId(2)).await?, &None)?;
    store.accept(on("t", 3)).await?;
    let lease = store.claim(claim(1)).await?.pop().ok_or("nothing to claim")?.lease;
    same("a thread whose run works", &store.accept(request(4)).await, &Err(busy))?;
    same("what its run is told", &run(store, 1).await?.cancel, &None)?;
    store.commit(&lease, ending(1, RunStatus::Succeeded)).await?;
    let busy = StoreError::ThreadBusy { thread: "t".to_owned(), run: RunId(3) };
    same("a thread whose next run waits", &store.accept(request(5)).await, &Err(busy))?;
    let other = NewRun { if_busy: IfBusy::Reject, ..on("other", 6) };
    holds("another thread", store.accept(other).await?.is_new)
}

pub(super) async fn enqueues(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    let accepted = store.accept(on("t", 2)).await?;
    same("who was stopped", &accepted.stopped, &vec![])?;
    same("what the first is told", &run(store, 1).await?.cancel, &None)?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![])?;
    store.commit(&lease, ending(1, RunStatus::Interrupted)).await?;
    same("what can be claimed after the end", &claimed(store, claim(9)).await?, &vec![2])
}

/// A thread with a run that works and two that wait, and a fourth that stops them.
async fn stops(store: &dyn RunStore, if_busy: IfBusy, kind: CancelKind) -> Result<Lease, Failed> {
    let lease = start(store, on("t", 1)).await?;
    store.accept(on("t", 2)).await?;
    store.accept(on("t", 3)).await?;
    store.accept(on("other", 9)).await?;
    let accepted = store.accept(NewRun { if_busy, claim: Some(claim(1)), ..on("t", 4) }).await?;
    same("who was stopped", &accepted.stopped, &vec![RunId(1), RunId(2), RunId(3)])?;
    same("the lease of the new one", &accepted.lease, &None)?;
    same("what the first is told", &run(store, 1).await?.cancel, &Some(kind))?;
    same("its status", &status(store, 1).await?, &RunStatus::Running)?;
    for id in [2, 3] {
        let stopped = run(store, id).await?;
        same("who waited", &(stopped.status, stopped.cancel), &(RunStatus::Cancelled, None))?;
        same("its last number", &stopped.last_seq, &2)?;
        same("its events", &texts(store, id).await?, &all(&["accepted", "stopped"]))?;
        let class = store.events(RunId(id), 1, 9).await?.pop().map(|event| event.class);
        same("the class of the last", &class, &Some(EventClass::End))?;
    }
    same("another thread's", &status(store, 9).await?, &RunStatus::Queued)?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![9])?;
    Ok(lease)
}

pub(super) async fn interrupts(store: &dyn RunStore) -> Outcome {
    let lease = stops(store, IfBusy::Interrupt, CancelKind::Interrupt).await?;
    // To undo is the stronger wish.
    store.accept(NewRun { if_busy: IfBusy::Rollback, ..on("t", 5) }).await?;
    same("what the first is told now", &run(store, 1).await?.cancel, &Some(CancelKind::Rollback))?;
    same("the one in between", &status(store, 4).await?, &RunStatus::Cancelled)?;
    store.commit(&lease, ending(1, RunStatus::Cancelled)).await?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![5])
}

pub(super) async fn rolls_back(store: &dyn RunStore) -> Outcome {
    let lease = stops(store, IfBusy::Rollback, CancelKind::Rollback).await?;
    store.accept(NewRun { if_busy: IfBusy::Interrupt, ..on("t", 5) }).await?;
    same("what the first is told still", &run(store, 1).await?.cancel, &Some(CancelKind::Rollback))?;
    store.commit(&lease, ending(1, RunStatus::Cancelled)).await?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![5])
}
