//! Checks of appends: atomic, in order, and what is told about snapshots.
//!
//! Owns: the sentences about what is written.
//! Never: looks at more than one graph of a thread; `threads.rs` does.

use super::samples::{
    begins as made, chain, checkpoint, ended, found, key, lineage_of, newest_pending, pending, resumed,
    snapshot,
};
use super::{Outcome, holds, same};
use futures_util::future::try_join_all;
use genesis_mesh_core::run::{
    CallRecord, CheckpointId, FactRecord, Namespace, Source, TaskEnd, TaskId, TaskPath,
};
use genesis_mesh_core::store::{Entry, HistoryQuery, Store, StoreError};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn begins(store: &dyn Store) -> Outcome {
    let key = key("new");
    same("the number of namespaces before", &store.namespaces("new").await?.len(), &0)?;
    let appended = store.append(&key, Vec::new()).await?;
    holds("an append of nothing wants no snapshot", !appended.wants_snapshot)?;
    same("the number of namespaces after an append of nothing", &store.namespaces("new").await?.len(), &0)?;
    store.append(&key, vec![made(1, None)]).await?;
    same("the namespaces", &store.namespaces("new").await?, &vec![Namespace::default()])?;
    same("the lineage", &lineage_of(store, &key, None).await?, &vec![1])
}

pub(super) async fn reads_back(store: &dyn Store) -> Outcome {
    let key = key("t");
    let mut first = checkpoint(1, None);
    first.source = Source::Input;
    first.step = -1;
    first.created_at_ms = -5;
    first.parents.insert(Namespace::from("child:1|x"), CheckpointId(7));
    first.metadata.insert("of".to_owned(), json!({"z": [1.5, null], "a": "ä"}));
    first.fact = Some(FactRecord::InputReceived { checkpoint: CheckpointId(1), writes: Vec::new() });
    let mut second = checkpoint(2, Some(1));
    second.fact = None;
    second.source = Source::Fork;
    let fact = FactRecord::TaskEnded {
        task: TaskId(u128::MAX),
        name: "ask".to_owned(),
        path: TaskPath::Call(Arc::new(TaskPath::Push(3)), 2),
        calls: vec![CallRecord { caller: TaskId(4), index: 2, name: "ask".to_owned() }],
        answers: vec![json!(null), json!({"ok": true})],
        end: TaskEnd::Finished(Vec::new()),
    };
    let entries = vec![
        Entry::Checkpoint(first.clone()),
        pending(1, fact.clone()),
        Entry::Checkpoint(second.clone()),
        snapshot(2, 3)?,
    ];
    store.append(&key, entries).await?;
    let links = store.lineage(&key, Some(CheckpointId(1))).await?;
    same("the first checkpoint", &links.first().map(|link| &link.checkpoint), &Some(&first))?;
    same("its facts", &links.first().map(|link| link.pending.clone()), &Some(vec![fact]))?;
    let history = store.history(&key, HistoryQuery::default()).await?;
    same("the history", &history, &vec![second, first])?;
    let newest = store.lineage(&key, None).await?.pop();
    let snapshot_of = |entry| match entry {
        Entry::Snapshot { snapshot, .. } => Some(snapshot),
        _ => None,
    };
    same("the snapshot", &newest.and_then(|link| link.snapshot), &snapshot_of(snapshot(2, 3)?))
}

pub(super) async fn is_atomic(store: &dyn Store) -> Outcome {
    let key = key("t");
    let orphans =
        [vec![made(2, Some(1))], vec![made(5, None), pending(4, ended(1, 1))], vec![snapshot(3, 1)?]];
    for entries in orphans {
        let result = store.append(&key, entries).await;
        holds("an entry that names an unknown checkpoint is refused", is_unknown(&result))?;
        same("the number of namespaces after it", &store.namespaces("t").await?.len(), &0)?;
    }
    chain(store, &key, 2).await?;
    let entries = vec![made(3, Some(2)), pending(2, ended(1, 1)), pending(9, ended(2, 2))];
    let result = store.append(&key, entries).await;
    holds("an unknown checkpoint is refused in a thread that is there", is_unknown(&result))?;
    same("the checkpoints", &found(store, &key, HistoryQuery::default()).await?, &vec![2, 1])?;
    same("the facts", &newest_pending(store, &key).await?, &Vec::new())?;
    // The parent of a checkpoint with a snapshot may be gone: it is a new beginning.
    store.append(&key, vec![made(9, Some(8)), snapshot(9, 1)?]).await?;
    same("the lineage of the new beginning", &lineage_of(store, &key, None).await?, &vec![9])
}

fn is_unknown<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::UnknownCheckpoint { .. }))
}

pub(super) async fn repeats(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 2).await?;
    store.append(&key, vec![pending(2, ended(1, 1))]).await?;
    let mut again = checkpoint(2, Some(1));
    again.metadata.insert("is".to_owned(), json!("another"));
    store.append(&key, vec![Entry::Checkpoint(again)]).await?;
    let link = store.lineage(&key, None).await?.pop();
    same("the checkpoint", &link.as_ref().map(|link| &link.checkpoint), &Some(&checkpoint(2, Some(1))))?;
    same("its facts", &link.map(|link| link.pending), &Some(vec![ended(1, 1)]))
}

pub(super) async fn keeps_order(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 2).await?;
    let facts = [ended(3, "a"), resumed(1), ended(1, "b"), resumed(1), ended(2, "c"), resumed(null())];
    for fact in &facts {
        store.append(&key, vec![pending(2, fact.clone())]).await?;
    }
    store.append(&key, vec![pending(1, ended(9, "late"))]).await?;
    same("the facts at the newest", &newest_pending(store, &key).await?, &facts.to_vec())?;
    let older = store.lineage(&key, Some(CheckpointId(1))).await?.pop().map(|link| link.pending);
    same("the facts of an older checkpoint", &older, &Some(vec![ended(9, "late")]))
}

fn null() -> Value {
    Value::Null
}

pub(super) async fn keeps_branches(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 1).await?;
    let old = [ended(1, "old"), resumed("go"), ended(1, "again")];
    for fact in &old {
        store.append(&key, vec![pending(1, fact.clone())]).await?;
    }
    store.append(&key, vec![made(2, Some(1))]).await?;
    store.append(&key, vec![pending(1, ended(1, "late"))]).await?;
    store.append(&key, vec![made(3, Some(1))]).await?;
    let facts_on_the_way_to = async |id| {
        let links = store.lineage(&key, Some(CheckpointId(id))).await?;
        Ok::<_, StoreError>(links.first().map(|link| link.pending.clone()))
    };
    let late: Vec<FactRecord> = old.iter().cloned().chain([ended(1, "late")]).collect();
    same("the facts of the older branch", &facts_on_the_way_to(2).await?, &Some(old.to_vec()))?;
    same("the facts of the newer branch", &facts_on_the_way_to(3).await?, &Some(late.clone()))?;
    same("all facts of the checkpoint", &facts_on_the_way_to(1).await?, &Some(late))
}

pub(super) async fn keeps_many(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 1).await?;
    let facts: Vec<FactRecord> = (0..1_000).map(|task| ended(task, "x")).collect();
    for fact in &facts {
        store.append(&key, vec![pending(1, fact.clone())]).await?;
    }
    holds("all facts are there in order", newest_pending(store, &key).await? == facts)
}

pub(super) async fn wants_snapshot(store: &dyn Store) -> Outcome {
    let (small, large) = (key("small"), key("large"));
    let first = |id| vec![made(id, None)];
    holds("a first checkpoint wants no snapshot", !store.append(&small, first(1)).await?.wants_snapshot)?;
    store.append(&large, first(1)).await?;
    store.append(&large, vec![snapshot(1, 20_000)?]).await?;
    let mut first_wish = None;
    for step in 2..=2_000 {
        let entries =
            || vec![pending(step - 1, ended(step, json!(vec!["x"; 8]))), made(step, Some(step - 1))];
        let wants = store.append(&small, entries()).await?.wants_snapshot;
        holds("facts in another thread, after a large snapshot, want none", {
            step > 1_000 || !store.append(&large, entries()).await?.wants_snapshot
        })?;
        if wants && first_wish.is_none() {
            first_wish = Some(step);
            let appended = store.append(&small, vec![snapshot(step, 1)?]).await?;
            holds("a snapshot fulfils the wish", !appended.wants_snapshot)?;
        }
    }
    holds("two thousand steps want a snapshot", first_wish.is_some())?;
    holds("ten steps want no snapshot", first_wish > Some(10))
}

pub(super) async fn is_concurrent(store: &dyn Store) -> Outcome {
    let keys: Vec<_> = (0..50).map(|thread| key(&format!("thread {thread}"))).collect();
    for id in 1..=4_u128 {
        let parent = id.checked_sub(1).filter(|id| *id > 0);
        let appends = keys.iter().zip(0_u128..).map(|(key, task)| {
            store.append(key, vec![made(id, parent), pending(id, ended(task, id.to_string()))])
        });
        try_join_all(appends).await?;
    }
    for (key, task) in keys.iter().zip(0_u128..) {
        same("a lineage", &lineage_of(store, key, None).await?, &vec![1, 2, 3, 4])?;
        same("its facts", &newest_pending(store, key).await?, &vec![ended(task, "4")])?;
    }
    // Tasks of one step end at one time.
    let one = key("one");
    chain(store, &one, 1).await?;
    let one = &one;
    try_join_all(
        (0..50).map(|task| async move { store.append(one, vec![pending(1, ended(task, "x"))]).await }),
    )
    .await?;
    same("the facts of one step", &newest_pending(store, one).await?.len(), &50)
}
