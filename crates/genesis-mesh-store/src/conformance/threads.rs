//! Checks of whole threads: their graphs, copies, deletion and pruning.
//!
//! Owns: the sentences about what belongs to a thread.
//! Never: looks into a fact.

use super::samples::{
    begins, chain, ended, found, key, lineage_of, newest_pending, pending, snapshot, within,
};
use super::{Outcome, holds, same};
use genesis_mesh_core::run::{CheckpointId, Namespace};
use genesis_mesh_core::store::{HistoryQuery, Store, StoreError};

fn namespaces(names: &[&str]) -> Vec<Namespace> {
    names.iter().copied().map(Namespace::from).collect()
}

/// The namespaces of a thread, sorted: the contract promises no order.
async fn namespaces_of(store: &dyn Store, thread: &str) -> Result<Vec<Namespace>, StoreError> {
    let mut found = store.namespaces(thread).await?;
    found.sort();
    Ok(found)
}

pub(super) async fn are_apart(store: &dyn Store) -> Outcome {
    let (outer, inner) = (key("t"), within("t", "child:1"));
    chain(store, &outer, 2).await?;
    let refused = store.append(&inner, vec![pending(2, ended(1, 1))]).await;
    holds("a checkpoint of another graph is unknown", refused.is_err())?;
    same("the namespaces after that", &namespaces_of(store, "t").await?, &namespaces(&[""]))?;
    chain(store, &inner, 3).await?;
    store.append(&inner, vec![pending(2, ended(1, 1))]).await?;
    chain(store, &within("other", "child:2"), 1).await?;
    same("the namespaces", &namespaces_of(store, "t").await?, &namespaces(&["", "child:1"]))?;
    same("those of another thread", &namespaces_of(store, "other").await?, &namespaces(&["child:2"]))?;
    same("the outer lineage", &lineage_of(store, &outer, None).await?, &vec![1, 2])?;
    same("the inner lineage", &lineage_of(store, &inner, None).await?, &vec![1, 2, 3])?;
    same("the outer facts", &newest_pending(store, &outer).await?, &vec![])
}

pub(super) async fn copies(store: &dyn Store) -> Outcome {
    let (from, inner) = (key("from"), within("from", "child"));
    chain(store, &from, 2).await?;
    chain(store, &inner, 1).await?;
    store.append(&from, vec![pending(2, ended(1, 1)), snapshot(2, 1)?]).await?;
    holds("the thread was there", store.copy_thread("from", "to").await?)?;
    same("the copied namespaces", &namespaces_of(store, "to").await?, &namespaces(&["", "child"]))?;
    let (to, original) = (store.lineage(&key("to"), None).await?, store.lineage(&from, None).await?);
    same("the copied lineage", &to, &original)?;
    let all = HistoryQuery::default;
    same("the copied history", &found(store, &key("to"), all()).await?, &vec![2, 1])?;
    store.append(&key("to"), vec![begins(3, Some(2))]).await?;
    store.append(&from, vec![pending(2, ended(2, 2))]).await?;
    same("the history that was copied", &found(store, &from, all()).await?, &vec![2, 1])?;
    let copied = store.lineage(&key("to"), Some(CheckpointId(2))).await?.pop().map(|link| link.pending);
    same("the facts of the copy", &copied, &Some(vec![ended(1, 1)]))?;
    holds("deleting the original", store.delete_thread("from").await?)?;
    same("the copy after that", &found(store, &key("to"), all()).await?, &vec![3, 2, 1])
}

pub(super) async fn copies_over(store: &dyn Store) -> Outcome {
    chain(store, &key("from"), 2).await?;
    chain(store, &key("to"), 5).await?;
    chain(store, &within("to", "child"), 1).await?;
    holds("an unknown thread was not there", !store.copy_thread("nobody", "to").await?)?;
    same("what was there", &lineage_of(store, &key("to"), None).await?, &vec![1, 2, 3, 4, 5])?;
    holds("the thread was there", store.copy_thread("from", "to").await?)?;
    same("the new lineage", &lineage_of(store, &key("to"), None).await?, &vec![1, 2])?;
    same("the new namespaces", &namespaces_of(store, "to").await?, &namespaces(&[""]))?;
    holds("a copy onto itself", store.copy_thread("to", "to").await?)?;
    same("the lineage after that", &lineage_of(store, &key("to"), None).await?, &vec![1, 2])
}

pub(super) async fn deletes(store: &dyn Store) -> Outcome {
    holds("an unknown thread was not there", !store.delete_thread("t").await?)?;
    chain(store, &key("t"), 2).await?;
    chain(store, &within("t", "child"), 2).await?;
    chain(store, &key("other"), 1).await?;
    holds("the thread was there", store.delete_thread("t").await?)?;
    holds("it is not there any more", !store.delete_thread("t").await?)?;
    same("its namespaces", &namespaces_of(store, "t").await?, &vec![])?;
    same("its lineage", &lineage_of(store, &key("t"), None).await?, &vec![])?;
    same("its history", &found(store, &key("t"), HistoryQuery::default()).await?, &vec![])?;
    same("another thread", &lineage_of(store, &key("other"), None).await?, &vec![1])?;
    let late = store.append(&key("t"), vec![pending(2, ended(1, 1))]).await;
    let is_unknown = matches!(late, Err(StoreError::UnknownCheckpoint { .. }));
    holds("a run that goes on after that is told", is_unknown)?;
    chain(store, &key("t"), 1).await?;
    same("a new thread of the name", &lineage_of(store, &key("t"), None).await?, &vec![1])
}

pub(super) async fn prunes(store: &dyn Store) -> Outcome {
    holds("an unknown thread was not there", !store.prune_thread("t").await?)?;
    let (outer, inner) = (key("t"), within("t", "child"));
    chain(store, &outer, 3).await?;
    chain(store, &inner, 2).await?;
    store.append(&outer, vec![begins(5, Some(1)), snapshot(5, 1)?, pending(5, ended(1, 1))]).await?;
    store.append(&inner, vec![snapshot(2, 1)?]).await?;
    holds("the thread was there", store.prune_thread("t").await?)?;
    same("the outer history", &found(store, &outer, HistoryQuery::default()).await?, &vec![5])?;
    same("the inner history", &found(store, &inner, HistoryQuery::default()).await?, &vec![2])?;
    same("the facts of the newest", &newest_pending(store, &outer).await?, &vec![ended(1, 1)])?;
    store.append(&outer, vec![begins(6, Some(5))]).await?;
    same("the lineage of a run that goes on", &lineage_of(store, &outer, None).await?, &vec![5, 6])
}

pub(super) async fn prunes_safely(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 3).await?;
    store.append(&key, vec![snapshot(2, 1)?, begins(4, Some(1)), begins(5, Some(3))]).await?;
    holds("the thread was there", store.prune_thread("t").await?)?;
    same("the history", &found(store, &key, HistoryQuery::default()).await?, &vec![5, 3, 2])?;
    same("the lineage", &lineage_of(store, &key, None).await?, &vec![2, 3, 5])
}
