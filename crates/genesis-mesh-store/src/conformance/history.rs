//! Checks of histories: order, bounds and filters.
//!
//! Owns: the sentences about what a history finds.
//! Never: looks at facts; lineages have them.

use super::samples::{chain, checkpoint, found, key};
use super::{Outcome, same};
use genesis_mesh_core::run::{CheckpointId, Source};
use genesis_mesh_core::store::{Entry, HistoryQuery, Store};
use serde_json::{Value, json};

pub(super) async fn begins_with_newest(store: &dyn Store) -> Outcome {
    let key = key("t");
    same("the history of nothing", &found(store, &key, HistoryQuery::default()).await?, &vec![])?;
    chain(store, &key, 3).await?;
    store.append(&key, vec![Entry::Checkpoint(checkpoint(9, Some(1)))]).await?;
    store.append(&key, vec![Entry::Checkpoint(checkpoint(5, Some(1)))]).await?;
    same("the history", &found(store, &key, HistoryQuery::default()).await?, &vec![9, 5, 3, 2, 1])
}

pub(super) async fn has_bounds(store: &dyn Store) -> Outcome {
    let key = key("t");
    chain(store, &key, 5).await?;
    let query = |before: Option<u128>, limit| HistoryQuery {
        before: before.map(CheckpointId),
        limit,
        ..HistoryQuery::default()
    };
    same("the two newest", &found(store, &key, query(None, Some(2))).await?, &vec![5, 4])?;
    same("older than 3", &found(store, &key, query(Some(3), None)).await?, &vec![2, 1])?;
    same("the one before 3", &found(store, &key, query(Some(3), Some(1))).await?, &vec![2])?;
    same(
        "older than an id that nothing has",
        &found(store, &key, query(Some(100), Some(1))).await?,
        &vec![5],
    )?;
    same("older than the first", &found(store, &key, query(Some(1), None)).await?, &vec![])?;
    same("none", &found(store, &key, query(None, Some(0))).await?, &vec![])
}

pub(super) async fn is_filtered(store: &dyn Store) -> Outcome {
    let key = key("t");
    for id in 1..=4_u128 {
        let mut made = checkpoint(id, id.checked_sub(1).filter(|id| *id > 0));
        made.source = if id == 1 { Source::Input } else { Source::Loop };
        made.metadata.insert("run".to_owned(), json!(if id < 3 { "a" } else { "b" }));
        if id == 4 {
            made.metadata.insert("tags".to_owned(), json!({"deep": [1, 2]}));
        }
        store.append(&key, vec![Entry::Checkpoint(made)]).await?;
    }
    let by = |filter: Value| HistoryQuery {
        filter: filter.as_object().cloned().unwrap_or_default(),
        ..HistoryQuery::default()
    };
    let cases = [
        (json!({"source": "input"}), vec![1]),
        (json!({"source": "loop"}), vec![4, 3, 2]),
        (json!({"step": 1}), vec![2]),
        (json!({"run": "a"}), vec![2, 1]),
        (json!({"run": "b", "step": 2}), vec![3]),
        (json!({"run": "b", "step": 0}), vec![]),
        (json!({"tags": {"deep": [1, 2]}}), vec![4]),
        (json!({"tags": {"deep": [1]}}), vec![]),
        (json!({"none": 1}), vec![]),
        (json!({"source": "elsewhere"}), vec![]),
        (json!({}), vec![4, 3, 2, 1]),
    ];
    for (filter, wanted) in cases {
        same(&format!("what {filter} finds"), &found(store, &key, by(filter)).await?, &wanted)?;
    }
    // The limit counts what fits, not what was looked at.
    let mut first = by(json!({"run": "a"}));
    first.limit = Some(1);
    same("the newest of a run", &found(store, &key, first).await?, &vec![2])
}
