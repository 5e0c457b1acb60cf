//! Checks of ends: what is over, what is kept, and what is undone.
//!
//! Owns: the sentences about ends and rollbacks.
//! Never: cancels a run; `cancel.rs` does.

use super::samples::{
    all, claim, claim_one, claimed, commit, ending, entries, events, fact, last, on, run, start,
    start_briefly, step, texts, undoing,
};
use crate::conformance::samples::{begins, chain, ended, found, key, lineage_of, pending, snapshot, within};
use crate::conformance::{Outcome, holds, same};
use genesis_mesh_core::log::{CancelKind, Commit, EventClass, RunEnd, RunStatus, RunStore};
use genesis_mesh_core::run::{FactRecord, Namespace, RunId};
use genesis_mesh_core::store::{HistoryQuery, StoreError, ThreadKey};
use serde_json::json;

pub(super) async fn closes(store: &dyn RunStore) -> Outcome {
    let ends = [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Interrupted, RunStatus::Cancelled];
    for (id, status) in (1..).zip(ends) {
        let lease = start(store, on("t", id)).await?;
        store.commit(&lease, commit(1, vec![fact("x")])).await?;
        let error = (status == RunStatus::Failed).then(|| json!({"code": "model_busy", "n": 1.5}));
        let end = RunEnd { status, error: error.clone(), rolls_back: false };
        let committed = store.commit(&lease, Commit { end: Some(end), ..ending(2, status) }).await?;
        let run = run(store, id).await?;
        same("its status", &(run.status, &run.error), &(status, &error))?;
        same("its lease", &(run.lease_until_ms, run.cancel), &(None, None))?;
        same("its counts", &(run.epoch, run.last_seq), &(1, committed.last_seq))?;
        same("when it changed", &run.updated_at_ms, &committed.at_ms)?;
        same("who was its owner", &run.owner.as_deref(), &Some("owner"))?;
        same("its log", &texts(store, id).await?, &all(&["accepted", "x", "end"]))?;
        let class = events(store, id).await?.pop().map(|event| event.class);
        same("the class of the last event", &class, &Some(EventClass::End))?;
        same("what can be claimed", &claimed(store, claim(9)).await?, &vec![])?;
    }
    Ok(())
}

async fn history(store: &dyn RunStore, key: &ThreadKey) -> Result<Vec<u128>, StoreError> {
    found(store, key, HistoryQuery::default()).await
}

/// The facts at checkpoint `id`.
async fn facts_at(
    store: &dyn RunStore,
    key: &ThreadKey,
    id: u128,
) -> Result<Option<Vec<FactRecord>>, StoreError> {
    let at = Some(genesis_mesh_core::run::CheckpointId(id));
    Ok(store.lineage(key, at).await?.pop().map(|link| link.pending))
}

pub(super) async fn keeps(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    store.commit(&lease, step(1, key("t"), 1, None)).await?;
    let last = Commit { entries: vec![(key("t"), vec![begins(2, Some(1))])], ..ending(2, RunStatus::Failed) };
    store.commit(&lease, last).await?;
    same("the thread", &lineage_of(store, &key("t"), None).await?, &vec![1, 2])
}

pub(super) async fn rolls_back(store: &dyn RunStore) -> Outcome {
    let (outer, inner, young) = (key("t"), within("t", "child"), within("t", "young"));
    chain(store, &outer, 2).await?;
    chain(store, &inner, 1).await?;
    store.append(&outer, vec![pending(2, ended(1, "before"))]).await?;
    let other = within("other", "");
    // A run that was kept, and then one that is undone; it waits while more comes.
    let kept = start(store, on("t", 1)).await?;
    store.commit(&kept, step(1, outer.clone(), 3, Some(2))).await?;
    store.accept(on("t", 2)).await?;
    store.commit(&kept, ending(2, RunStatus::Interrupted)).await?;
    store.append(&outer, vec![begins(4, Some(3)), pending(3, ended(1, "kept"))]).await?;
    let first = claim_one(store, super::samples::briefly()).await?.lease;
    let at_old = vec![pending(2, ended(2, "undone")), pending(3, ended(2, "undone"))];
    store.commit(&first, entries(1, outer.clone(), at_old)).await?;
    store.commit(&first, step(2, outer.clone(), 5, Some(4))).await?;
    store.commit(&first, step(3, young.clone(), 1, None)).await?;
    // Another owner goes on; what the first one did is undone all the same.
    let second = claim_one(store, claim(1)).await?.lease;
    let more = vec![begins(6, Some(5)), snapshot(6, 1)?, pending(6, ended(1, "x")), begins(7, Some(2))];
    store.commit(&second, entries(1, outer.clone(), more)).await?;
    store.commit(&second, step(2, inner.clone(), 2, Some(1))).await?;
    store.commit(&second, step(3, other.clone(), 1, None)).await?;
    let last = Commit { entries: vec![(outer.clone(), vec![begins(8, Some(6))])], ..undoing(4) };
    store.commit(&second, last).await?;
    same("its status", &run(store, 2).await?.status, &RunStatus::Cancelled)?;
    same("its last number", &run(store, 2).await?.last_seq, &8)?;
    same("the outer history", &history(store, &outer).await?, &vec![4, 3, 2, 1])?;
    same("the inner history", &history(store, &inner).await?, &vec![1])?;
    let namespaces = store.namespaces("t").await?;
    same("the namespaces", &namespaces, &vec![Namespace::default(), Namespace::from("child")])?;
    same("facts at 2", &facts_at(store, &outer, 2).await?, &Some(vec![ended(1, "before")]))?;
    same("facts at 3", &facts_at(store, &outer, 3).await?, &Some(vec![ended(1, "kept")]))?;
    same("another thread", &history(store, &other).await?, &vec![1])?;
    // The thread goes on from where it was.
    let next = start(store, on("t", 3)).await?;
    let entries_next = vec![begins(5, Some(4)), pending(4, ended(3, "next"))];
    let committed = store.commit(&next, entries(1, outer.clone(), entries_next)).await?;
    holds("a snapshot that was undone is wanted again", committed.wants_snapshot)?;
    store.commit(&next, ending(2, RunStatus::Succeeded)).await?;
    same("the lineage of the next", &lineage_of(store, &outer, None).await?, &vec![1, 2, 3, 4, 5])?;
    same("facts at 4", &facts_at(store, &outer, 4).await?, &Some(vec![ended(3, "next")]))
}

pub(super) async fn honours_wish(store: &dyn RunStore) -> Outcome {
    chain(store, &key("t"), 1).await?;
    let lease = start(store, on("t", 1)).await?;
    store.commit(&lease, step(1, key("t"), 2, Some(1))).await?;
    store.cancel(RunId(1), CancelKind::Rollback, last("never")).await?;
    // Its owner has not heard of it.
    let end =
        Commit { entries: vec![(key("t"), vec![begins(3, Some(2))])], ..ending(2, RunStatus::Succeeded) };
    let committed = store.commit(&lease, end.clone()).await?;
    same("the wish that the commit tells", &committed.cancel, &Some(CancelKind::Rollback))?;
    same("its status", &run(store, 1).await?.status, &RunStatus::Succeeded)?;
    same("its log", &texts(store, 1).await?, &all(&["accepted", "step", "end"]))?;
    same("the thread", &history(store, &key("t")).await?, &vec![1])?;
    let again = store.commit(&lease, end).await?;
    same("the same end again", &again.last_seq, &committed.last_seq)?;
    same("the thread then", &history(store, &key("t")).await?, &vec![1])?;
    // The weaker wish undoes nothing.
    let lease = start(store, on("t", 2)).await?;
    store.commit(&lease, step(1, key("t"), 2, Some(1))).await?;
    store.cancel(RunId(2), CancelKind::Interrupt, last("never")).await?;
    store.commit(&lease, ending(2, RunStatus::Cancelled)).await?;
    same("a thread that is kept", &history(store, &key("t")).await?, &vec![2, 1])
}

pub(super) async fn leaves_others(store: &dyn RunStore) -> Outcome {
    // Of a thread that the run began nothing is left but its name.
    let lease = start_briefly(store, on("new", 1)).await?;
    store.commit(&lease, step(1, key("new"), 1, None)).await?;
    store.commit(&lease, undoing(2)).await?;
    same("the namespaces", &store.namespaces("new").await?, &vec![])?;
    same("the lineage", &lineage_of(store, &key("new"), None).await?, &vec![])?;
    chain(store, &key("new"), 1).await?;
    same("a new beginning", &lineage_of(store, &key("new"), None).await?, &vec![1])?;
    // A checkpoint that was there and is repeated by the run was not made by it.
    chain(store, &key("t"), 2).await?;
    chain(store, &key("other"), 3).await?;
    let lease = start(store, on("t", 2)).await?;
    store.commit(&lease, entries(1, key("t"), vec![begins(2, Some(1)), begins(3, Some(2))])).await?;
    // What another thread loses in the meantime, and gets, has no part in it.
    store.delete_thread("other").await?;
    store.commit(&lease, step(2, key("t"), 4, Some(3))).await?;
    chain(store, &key("other"), 1).await?;
    store.commit(&lease, undoing(3)).await?;
    same("the thread", &history(store, &key("t")).await?, &vec![2, 1])?;
    same("the other", &history(store, &key("other")).await?, &vec![1])?;
    // A run without a thread has nothing to undo.
    let lease = start(store, super::samples::new(3)).await?;
    store.commit(&lease, undoing(1)).await?;
    same("its status", &run(store, 3).await?.status, &RunStatus::Cancelled)
}
