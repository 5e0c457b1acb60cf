//! Checks of cancelling: in each state of a run.
//!
//! Owns: the sentences about the wish that a run stop.
//! Never: undoes anything; who ends the run does.

use super::samples::{
    LONG_MS, all, claim, claim_one, claimed, commit, ending, events, fact, last, new, on, run, start,
    start_briefly, texts,
};
use crate::conformance::{Outcome, same};
use genesis_mesh_core::log::{Beat, CancelKind, CancelOutcome, EventClass, RunStatus, RunStore};
use genesis_mesh_core::run::RunId;

pub(super) async fn ends_waiting(store: &dyn RunStore) -> Outcome {
    let blocked = [on("t", 1), on("t", 2)];
    for new in blocked {
        store.accept(new).await?;
    }
    for (id, kind) in [(1, CancelKind::Interrupt), (2, CancelKind::Rollback)] {
        let outcome = store.cancel(RunId(id), kind, last("cancelled")).await?;
        same("the outcome", &outcome, &CancelOutcome::Ended)?;
        let run = run(store, id).await?;
        same("the run", &(run.status, run.cancel, run.last_seq), &(RunStatus::Cancelled, None, 2))?;
        same("its log", &texts(store, id).await?, &all(&["accepted", "cancelled"]))?;
        let class = events(store, id).await?.pop().map(|event| event.class);
        same("the class of its last event", &class, &Some(EventClass::End))?;
    }
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![])
}

pub(super) async fn asks_owner(store: &dyn RunStore) -> Outcome {
    let lease = start(store, new(1)).await?;
    let ask = |kind| store.cancel(RunId(1), kind, last("never"));
    same("the outcome", &ask(CancelKind::Interrupt).await?, &CancelOutcome::Asked)?;
    let asked = run(store, 1).await?;
    same("the run", &(asked.status, asked.cancel), &(RunStatus::Running, Some(CancelKind::Interrupt)))?;
    let committed = store.commit(&lease, commit(1, vec![fact("x")])).await?;
    same("what a commit tells", &committed.cancel, &Some(CancelKind::Interrupt))?;
    same("a stronger wish", &ask(CancelKind::Rollback).await?, &CancelOutcome::Asked)?;
    same("a weaker wish", &ask(CancelKind::Interrupt).await?, &CancelOutcome::Asked)?;
    let beats = store.heartbeat(std::slice::from_ref(&lease), LONG_MS).await?;
    same("what a heartbeat tells", &beats, &vec![Beat::Held(Some(CancelKind::Rollback))])?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "x"]))?;
    store.commit(&lease, ending(2, RunStatus::Cancelled)).await?;
    same("the wish when it has ended", &run(store, 1).await?.cancel, &None)
}

pub(super) async fn outlives_owner(store: &dyn RunStore) -> Outcome {
    start_briefly(store, new(1)).await?;
    let lease = start(store, new(2)).await?;
    store.release(&[lease]).await?;
    for id in [1, 2] {
        let outcome = store.cancel(RunId(id), CancelKind::Rollback, last("never")).await?;
        same("the outcome", &outcome, &CancelOutcome::Asked)?;
        let next = claim_one(store, claim(1)).await?;
        same("who is claimed", &next.run.id, &RunId(id))?;
        same("the wish", &next.run.cancel, &Some(CancelKind::Rollback))?;
    }
    Ok(())
}

pub(super) async fn is_late(store: &dyn RunStore) -> Outcome {
    let lease = start(store, new(1)).await?;
    store.commit(&lease, ending(1, RunStatus::Failed)).await?;
    let outcome = store.cancel(RunId(1), CancelKind::Interrupt, last("never")).await?;
    same("the outcome", &outcome, &CancelOutcome::Over(RunStatus::Failed))?;
    same("the wish", &run(store, 1).await?.cancel, &None)?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "end"]))?;
    let outcome = store.cancel(RunId(2), CancelKind::Interrupt, last("never")).await?;
    same("the outcome of nothing", &outcome, &CancelOutcome::NotFound)
}
