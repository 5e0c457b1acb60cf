//! Items in memory: they keep the contract, give back what has ended, and refuse embeddings that can't be.

use super::*;
use crate::conformance::run_all_items;
use genesis_mesh_core::items::ItemTtl;
use serde_json::Map;
use std::sync::atomic::{AtomicI64, Ordering};

fn still() -> Clock {
    Arc::new(|| 0)
}

fn put(key: &str, ttl: ItemTtl) -> ItemPut {
    let namespace = ItemNamespace::new(["n"]).expect("a namespace");
    ItemPut { ttl, ..ItemPut::new(namespace, key, Map::new()) }
}

#[tokio::test]
async fn items_in_memory_keep_the_contract() {
    run_all_items(|options| Arc::new(MemoryItems::new(options))).await;
}

#[tokio::test]
async fn without_an_index_a_query_is_passed_over() {
    let items = MemoryItems::new(ItemsOptions::new(still()));
    items.put(put("k", ItemTtl::Default)).await.expect("a put");
    let search = ItemSearch { query: Some("anything".to_owned()), ..ItemSearch::new(Vec::new()) };
    let found = items.search(search).await.expect("a search");
    assert_eq!(found.iter().map(|found| found.score).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn an_embedding_that_does_not_fit_its_texts_is_refused() {
    let wrong: [(&str, Vec<Vec<f32>>); 4] = [
        ("none", vec![]),
        ("too many", vec![vec![1.0], vec![1.0]]),
        ("empty", vec![vec![]]),
        ("no number", vec![vec![f32::NAN]]),
    ];
    for (what, vectors) in wrong {
        let embed: Embed = Arc::new(move |_| {
            let vectors = vectors.clone();
            Box::pin(async move { Ok(vectors) })
        });
        let index = Some(ItemsIndex { embed, paths: vec!["$".to_owned()] });
        let items = MemoryItems::new(ItemsOptions { index, ..ItemsOptions::new(still()) });
        let refused = items.put(put("k", ItemTtl::Default)).await.expect_err("an error");
        assert_eq!((refused.code(), refused.is_retryable()), ("embedding_invalid", false), "{what}");
        assert_eq!(items.search(ItemSearch::new(Vec::new())).await.expect("a search"), [], "{what}");
    }
}

#[tokio::test]
async fn items_that_have_ended_leave_no_memory_behind() {
    let now_ms = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now_ms);
    let items = MemoryItems::new(ItemsOptions::new(Arc::new(move || clock.load(Ordering::SeqCst))));
    for number in 0..100 {
        items.put(put(&number.to_string(), ItemTtl::Ms(10))).await.expect("a put");
        items.put(put("again", ItemTtl::Ms(10))).await.expect("a put");
        now_ms.fetch_add(1, Ordering::SeqCst);
    }
    assert_eq!(items.shelves.lock().expect("a lock").sizes(), (1, 11, 11));
    now_ms.fetch_add(10, Ordering::SeqCst);
    items.batch(Vec::new()).await.expect("a batch");
    assert_eq!(items.shelves.lock().expect("a lock").sizes(), (0, 0, 0));
}
