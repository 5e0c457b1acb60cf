//! Checks of leases: how they are extended, and what they allow when they are lost.
//!
//! Owns: the sentences about heartbeats and fences.
//! Never: looks at the order of claims; `claim.rs` does.

use super::samples::{
    LONG_MS, all, claim, claim_one, claimed, commit, ending, fact, is_fenced, new, on, run, start,
    start_briefly, step, texts,
};
use crate::conformance::samples::key;
use crate::conformance::{Outcome, holds, same};
use genesis_mesh_core::log::{Beat, CancelKind, Lease, RunStatus, RunStore};
use genesis_mesh_core::run::RunId;

pub(super) async fn extends(store: &dyn RunStore) -> Outcome {
    let first = start_briefly(store, new(1)).await?;
    let second = start_briefly(store, new(2)).await?;
    store.cancel(RunId(2), CancelKind::Interrupt, super::samples::last("never")).await?;
    let before = run(store, 1).await?.lease_until_ms;
    let leases = [second, first];
    // They have expired, but nobody took them.
    let beats = store.heartbeat(&leases, LONG_MS).await?;
    same("the beats", &beats, &vec![Beat::Held(Some(CancelKind::Interrupt)), Beat::Held(None)])?;
    holds("the lease ends later", run(store, 1).await?.lease_until_ms > before)?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![])?;
    same("beats of nobody", &store.heartbeat(&[], LONG_MS).await?, &vec![])?;
    store.heartbeat(&leases, 0).await?;
    same("what can be claimed when they end at once", &claimed(store, claim(9)).await?, &vec![1, 2])
}

pub(super) async fn tells_lost(store: &dyn RunStore) -> Outcome {
    let taken = start_briefly(store, new(1)).await?;
    claim_one(store, claim(1)).await?;
    let ended = start(store, new(2)).await?;
    store.commit(&ended, ending(1, RunStatus::Succeeded)).await?;
    let deleted = start(store, new(3)).await?;
    store.delete_run(RunId(3)).await?;
    let released = start(store, new(4)).await?;
    store.release(std::slice::from_ref(&released)).await?;
    let held = start(store, new(5)).await?;
    let future = Lease { epoch: 2, ..held.clone() };
    let beats = store.heartbeat(&[taken, ended, deleted, held, released, future], LONG_MS).await?;
    let lost = Beat::Lost;
    same("the beats", &beats, &vec![lost, lost, lost, Beat::Held(None), lost, lost])?;
    same("the run that has ended", &run(store, 2).await?.lease_until_ms, &None)?;
    same("the run that was given back", &claimed(store, claim(9)).await?, &vec![4])
}

pub(super) async fn fences_old(store: &dyn RunStore) -> Outcome {
    let old = start_briefly(store, on("t", 1)).await?;
    store.commit(&old, commit(1, vec![fact("old")])).await?;
    let new = claim_one(store, claim(1)).await?;
    for number in [1, 2] {
        let late = store.commit(&old, step(number, key("t"), 1, None)).await;
        holds("the old lease is fenced", is_fenced(&late, 1))?;
        let end = store.commit(&old, ending(number, RunStatus::Failed)).await;
        holds("it ends nothing", is_fenced(&end, 1))?;
    }
    same("the thread", &store.namespaces("t").await?, &vec![])?;
    store.commit(&new.lease, commit(1, vec![fact("new")])).await?;
    let again = store.commit(&old, commit(1, vec![fact("old")])).await;
    holds("what it committed is not repeated either", is_fenced(&again, 1))?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "old", "new"]))?;
    same("the run", &run(store, 1).await?.status, &RunStatus::Running)
}

pub(super) async fn fences_over(store: &dyn RunStore) -> Outcome {
    let ended = start(store, on("t", 1)).await?;
    store.commit(&ended, commit(1, vec![fact("one")])).await?;
    store.commit(&ended, ending(2, RunStatus::Succeeded)).await?;
    let late = store.commit(&ended, step(3, key("t"), 1, None)).await;
    holds("a run that has ended takes nothing", is_fenced(&late, 1))?;
    same("its log", &texts(store, 1).await?, &all(&["accepted", "one", "end"]))?;
    let deleted = start(store, on("t", 2)).await?;
    store.delete_run(RunId(2)).await?;
    let late = store.commit(&deleted, step(1, key("t"), 1, None)).await;
    holds("a run that is gone takes nothing", is_fenced(&late, 2))?;
    same("the thread", &store.namespaces("t").await?, &vec![])?;
    let unknown = Lease { run: RunId(9), epoch: 1 };
    let late = store.commit(&unknown, commit(1, vec![fact("x")])).await;
    holds("a run that never was takes nothing", is_fenced(&late, 9))
}

pub(super) async fn outlives_expiry(store: &dyn RunStore) -> Outcome {
    let lease = start_briefly(store, on("t", 1)).await?;
    store.commit(&lease, step(1, key("t"), 1, None)).await?;
    store.commit(&lease, ending(2, RunStatus::Succeeded)).await?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "step", "end"]))?;
    same("the run", &run(store, 1).await?.status, &RunStatus::Succeeded)
}
