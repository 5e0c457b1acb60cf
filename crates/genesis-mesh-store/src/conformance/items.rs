//! Checks of items: what is put, found, listed and forgotten, and what a batch sees.
//!
//! Owns: the sentences of the `Items` contract. What is found is what LangGraph's store in memory finds, but where it
//! raises or repeats an item on the next page.
//! Never: waits; the checks hold the clock.

use super::{Outcome, holds, same};
use crate::items::{Embed, ItemsIndex, ItemsOptions};
use genesis_mesh_core::items::{
    FoundItem, ItemAnswer, ItemFilter, ItemIndex, ItemNamespace, ItemOp, ItemPut, ItemSearch, ItemTtl, Items,
    ItemsError, NamespaceSearch,
};
use genesis_mesh_core::{BoxFuture, ModelError};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A store under test, and the hands of its clock.
struct Bench {
    items: Arc<dyn Items>,
    now_ms: Arc<AtomicI64>,
}

impl Bench {
    fn wait(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

type Failed = Box<dyn Error + Send + Sync>;
type Check = (&'static str, Option<u64>, for<'a> fn(&'a Bench) -> BoxFuture<'a, Outcome>);

// table
const CHECKS: &[Check] = &[
    ("an item is read back as it was put", None, |bench| Box::pin(reads_back(bench))),
    ("a search finds what is below a prefix, in order", None, |bench| Box::pin(finds_below(bench))),
    ("a filter tests what items hold", None, |bench| Box::pin(filters(bench))),
    ("a query finds the nearest first", None, |bench| Box::pin(finds_nearest(bench))),
    ("an item is found by the texts that its put names", None, |bench| Box::pin(indexes(bench))),
    ("namespaces are listed by patterns and depth", None, |bench| Box::pin(lists(bench))),
    ("reads of a batch see what was there before", None, |bench| Box::pin(batches(bench))),
    ("a batch that fails changes nothing", None, |bench| Box::pin(fails_whole(bench))),
    ("an item is gone when its time is over", None, |bench| Box::pin(expires(bench))),
    ("a read makes an item live longer if it may", None, |bench| Box::pin(refreshes(bench))),
    ("an item lives as long as the setting says", Some(1_000), |bench| Box::pin(lives_by_default(bench))),
];

/// Runs every check, each on a store of its own that `make` gives.
///
/// # Panics
/// With all sentences of the contract that do not hold.
pub async fn run_all_items(make: impl Fn(ItemsOptions) -> Arc<dyn Items>) {
    let mut broken = String::new();
    for (sentence, ttl_ms, check) in CHECKS {
        let now_ms = Arc::new(AtomicI64::new(1_800_000_000_000));
        let clock = Arc::clone(&now_ms);
        let options = ItemsOptions {
            ttl_ms: *ttl_ms,
            index: Some(ItemsIndex { embed: embed(), paths: vec!["text".to_owned()] }),
            ..ItemsOptions::new(Arc::new(move || clock.load(Ordering::SeqCst)))
        };
        let bench = Bench { items: make(options), now_ms };
        if let Err(seen) = check(&bench).await {
            broken.push_str(&format!("\n- {sentence}: {seen}"));
        }
    }
    assert!(broken.is_empty(), "the store of items breaks its contract:{broken}");
}

/// Counts apples and pears; a text with `fail` in it fails.
fn embed() -> Embed {
    Arc::new(|texts| {
        Box::pin(async move {
            if texts.iter().any(|text| text.contains("fail")) {
                return Err(ModelError::Failed { message: "it had to".to_owned() });
            }
            let count =
                |text: &str, word: &str| u16::try_from(text.matches(word).count()).unwrap_or(u16::MAX);
            let vector =
                |text: &String| vec![f32::from(count(text, "apple")), f32::from(count(text, "pear")), 0.25];
            Ok(texts.iter().map(vector).collect())
        })
    })
}

fn namespace(text: &str) -> Result<ItemNamespace, Failed> {
    Ok(ItemNamespace::new(text.split('/'))?)
}

fn labels(text: &str) -> Vec<String> {
    text.split('/').filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn put_of(ns: &str, key: &str, value: Value) -> Result<ItemPut, Failed> {
    let object = match value {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    Ok(ItemPut::new(namespace(ns)?, key, object))
}

/// Puts the items that most checks look for.
async fn fill(bench: &Bench) -> Outcome {
    let puts = [
        ("b/x", "k1", json!({"n": 1, "text": "apple"})),
        ("a", "k1", json!({"n": 2, "text": "pear"})),
        ("b/y/z", "k2", json!({"n": 3, "text": "apple pear"})),
        ("b/x/deep", "k1", json!({"n": 4.0, "tag": "t"})),
        ("bb", "k1", json!({"n": 5, "text": "apple apple"})),
        ("b/x", "k0", json!({"n": 6, "tag": null, "text": "none"})),
        ("b/x", "k1", json!({"n": 7, "text": "apple pear pear"})),
    ];
    for (ns, key, value) in puts {
        bench.items.put(put_of(ns, key, value)?).await?;
        bench.wait(1);
    }
    Ok(())
}

fn below(prefix: &str) -> ItemSearch {
    ItemSearch { limit: 100, ..ItemSearch::new(labels(prefix)) }
}

/// The places of the found items, `namespace:key`.
fn places(found: &[FoundItem]) -> Vec<String> {
    let place = |found: &FoundItem| format!("{}:{}", found.item.namespace.labels().join("/"), found.item.key);
    found.iter().map(place).collect()
}

async fn finds(bench: &Bench, search: ItemSearch, wanted: &[&str]) -> Outcome {
    let what = format!("what {search:?} finds");
    let wanted: Vec<String> = wanted.iter().map(|place| (*place).to_owned()).collect();
    same(&what, &places(&bench.items.search(search).await?), &wanted)
}

async fn reads_back(bench: &Bench) -> Outcome {
    let (ns, items) = (namespace("users/1")?, &bench.items);
    same("an unknown item", &items.get(&ns, "k").await?, &None)?;
    let value = json!({"z": 1, "a": {"deep": [null, 1.5, "ä"]}});
    items.put(put_of("users/1", "k", value.clone())?).await?;
    let created = bench.now_ms.load(Ordering::SeqCst);
    let item = items.get(&ns, "k").await?.ok_or("the item is not there")?;
    same("the value", &Value::Object(item.value), &value)?;
    same("the times", &(item.created_at_ms, item.updated_at_ms), &(created, created))?;
    bench.wait(5);
    items.put(put_of("users/1", "k", json!({"new": true}))?).await?;
    let item = items.get(&ns, "k").await?.ok_or("the item is not there")?;
    same("the new value", &Value::Object(item.value), &json!({"new": true}))?;
    same("the new times", &(item.created_at_ms, item.updated_at_ms), &(created, created + 5))?;
    same("a key elsewhere", &items.get(&namespace("users")?, "k").await?, &None)?;
    items.delete(&ns, "k").await?;
    items.delete(&ns, "never").await?;
    same("the deleted item", &items.get(&ns, "k").await?, &None)?;
    same("the namespaces", &items.list_namespaces(NamespaceSearch::default()).await?, &Vec::new())
}

async fn finds_below(bench: &Bench) -> Outcome {
    fill(bench).await?;
    let all = ["b/x:k1", "b/x:k0", "a:k1", "b/y/z:k2", "b/x/deep:k1", "bb:k1"];
    finds(bench, below(""), &all).await?;
    finds(bench, below("b"), &["b/x:k1", "b/x:k0", "b/y/z:k2", "b/x/deep:k1"]).await?;
    finds(bench, below("b/x"), &["b/x:k1", "b/x:k0", "b/x/deep:k1"]).await?;
    finds(bench, below("c"), &[]).await?;
    finds(bench, below("*"), &[]).await?;
    finds(bench, ItemSearch { limit: 2, offset: 1, ..below("") }, &["b/x:k0", "a:k1"]).await?;
    finds(bench, ItemSearch { limit: 2, offset: 9, ..below("") }, &[]).await?;
    finds(bench, ItemSearch { limit: 0, ..below("") }, &[]).await?;
    for number in 0..20 {
        bench.items.put(put_of("many", &format!("k{number}"), json!({}))?).await?;
    }
    let first = bench.items.search(ItemSearch::new(labels("many"))).await?;
    same("the number of items without a limit", &first.len(), &10)?;
    holds("no query gives no score", first.iter().all(|found| found.score.is_none()))
}

async fn filters(bench: &Bench) -> Outcome {
    fill(bench).await?;
    let without_tag = ["b/x:k1", "b/x:k0", "a:k1", "b/y/z:k2", "bb:k1"];
    let cases: [(Value, &[&str]); 9] = [
        (json!({"n": 7}), &["b/x:k1"]),
        (json!({"n": 4}), &["b/x/deep:k1"]),
        (json!({"n": {"$gt": 3}}), &["b/x:k1", "b/x:k0", "b/x/deep:k1", "bb:k1"]),
        (json!({"n": {"$gte": 3, "$lt": 6}}), &["b/y/z:k2", "b/x/deep:k1", "bb:k1"]),
        (json!({"n": {"$ne": 5}}), &["b/x:k1", "b/x:k0", "a:k1", "b/y/z:k2", "b/x/deep:k1"]),
        (json!({"tag": null}), &without_tag),
        (json!({"tag": "t"}), &["b/x/deep:k1"]),
        (json!({"tag": {"$ne": "t"}}), &without_tag),
        (json!({"tag": {"$gt": "a"}}), &["b/x/deep:k1"]),
    ];
    for (filter, wanted) in cases {
        let filter = ItemFilter::new(object(&filter))?;
        finds(bench, ItemSearch { filter, ..below("") }, wanted).await?;
    }
    // Limits count what passes.
    let filter = ItemFilter::new(object(&json!({"n": {"$gt": 3}})))?;
    finds(bench, ItemSearch { filter, limit: 2, offset: 1, ..below("") }, &["b/x:k0", "b/x/deep:k1"]).await
}

async fn finds_nearest(bench: &Bench) -> Outcome {
    fill(bench).await?;
    let about = |query: &str, prefix: &str| ItemSearch { query: Some(query.to_owned()), ..below(prefix) };
    let order = ["bb:k1", "b/y/z:k2", "b/x:k1", "b/x:k0", "a:k1", "b/x/deep:k1"];
    finds(bench, about("apple", ""), &order).await?;
    let scores = bench.items.search(about("apple", "")).await?;
    let scores: Vec<_> = scores.iter().map(|found| found.score.map(|score| (score * 1e3).round())).collect();
    let wanted = [Some(993.0), Some(718.0), Some(458.0), Some(243.0), Some(59.0), None];
    same("the scores in thousandths", &scores.as_slice(), &wanted.as_slice())?;
    finds(bench, ItemSearch { limit: 2, offset: 1, ..about("apple", "") }, &["b/y/z:k2", "b/x:k1"]).await?;
    finds(bench, ItemSearch { limit: 3, offset: 5, ..about("apple", "") }, &["b/x/deep:k1"]).await?;
    finds(bench, ItemSearch { limit: 3, offset: 6, ..about("apple", "") }, &[]).await?;
    let filter = ItemFilter::new(object(&json!({"n": {"$gt": 3}})))?;
    let search = ItemSearch { filter, ..about("pear", "b") };
    finds(bench, search, &["b/x:k1", "b/x:k0", "b/x/deep:k1"]).await
}

async fn indexes(bench: &Bench) -> Outcome {
    let value = || json!({"text": "apple", "parts": [{"say": "pear"}, {"say": "apple apple apple"}]});
    let indexes = [
        ("default", ItemIndex::Default),
        ("off", ItemIndex::Off),
        ("parts", ItemIndex::Paths(vec!["parts[*].say".to_owned()])),
        ("whole", ItemIndex::Paths(vec!["$".to_owned()])),
    ];
    for (key, index) in indexes {
        bench.items.put(ItemPut { index, ..put_of("i", key, value())? }).await?;
    }
    let about = |query: &str| ItemSearch { query: Some(query.to_owned()), ..below("i") };
    // The nearest text of an item counts.
    finds(bench, about("pear"), &["i:parts", "i:whole", "i:default", "i:off"]).await?;
    finds(bench, about("apple"), &["i:default", "i:parts", "i:whole", "i:off"]).await?;
    // A new put forgets the old texts.
    bench.items.put(put_of("i", "parts", json!({"text": "none"}))?).await?;
    finds(bench, about("pear"), &["i:whole", "i:parts", "i:default", "i:off"]).await
}

async fn lists(bench: &Bench) -> Outcome {
    fill(bench).await?;
    let search = |prefix: &str, suffix: &str, depth_max| NamespaceSearch {
        prefix: labels(prefix),
        suffix: labels(suffix),
        depth_max,
        ..NamespaceSearch::default()
    };
    let cases: [(NamespaceSearch, &[&str]); 9] = [
        (search("", "", None), &["a", "b/x", "b/x/deep", "b/y/z", "bb"]),
        (search("b", "", None), &["b/x", "b/x/deep", "b/y/z"]),
        (search("*/x", "", None), &["b/x", "b/x/deep"]),
        (search("", "z", None), &["b/y/z"]),
        (search("", "x/*", None), &["b/x/deep"]),
        (search("", "", Some(1)), &["a", "b", "bb"]),
        (search("b", "", Some(2)), &["b/x", "b/y"]),
        (search("b", "x", None), &["b/x"]),
        (NamespaceSearch { limit: 2, offset: 1, ..search("", "", None) }, &["b/x", "b/x/deep"]),
    ];
    for (search, wanted) in cases {
        let what = format!("what {search:?} lists");
        let wanted = wanted.iter().map(|ns| namespace(ns)).collect::<Result<Vec<_>, _>>()?;
        same(&what, &bench.items.list_namespaces(search).await?, &wanted)?;
    }
    Ok(())
}

async fn batches(bench: &Bench) -> Outcome {
    fill(bench).await?;
    let get = |ns: &str, key: &str| -> Result<ItemOp, Failed> {
        Ok(ItemOp::Get { namespace: namespace(ns)?, key: key.to_owned(), refreshes_ttl: None })
    };
    let ops = vec![
        ItemOp::Put(put_of("n", "k", json!({"v": 1}))?),
        get("n", "k")?,
        ItemOp::Put(put_of("n", "k", json!({"v": 2}))?),
        ItemOp::Search(below("n")),
        ItemOp::Delete { namespace: namespace("a")?, key: "k1".to_owned() },
        get("a", "k1")?,
        ItemOp::Namespaces(NamespaceSearch { depth_max: Some(1), ..NamespaceSearch::default() }),
    ];
    let answers = bench.items.batch(ops).await?;
    let there = matches!(answers.get(5), Some(ItemAnswer::Item(Some(item))) if item.key == "k1");
    holds("an item that is deleted in the batch is read as it was", there)?;
    let top = ["a", "b", "bb"].iter().map(|ns| namespace(ns)).collect::<Result<Vec<_>, _>>()?;
    let mut others = answers;
    if others.len() > 5 {
        others.remove(5);
    }
    let wanted = vec![
        ItemAnswer::Done,
        ItemAnswer::Item(None),
        ItemAnswer::Done,
        ItemAnswer::Found(Vec::new()),
        ItemAnswer::Done,
        ItemAnswer::Namespaces(top),
    ];
    same("the other answers", &others, &wanted)?;
    let put = bench.items.get(&namespace("n")?, "k").await?.map(|item| Value::Object(item.value));
    same("the last put", &put, &Some(json!({"v": 2})))?;
    same("the deleted item", &bench.items.get(&namespace("a")?, "k1").await?, &None)?;
    let ops = vec![
        ItemOp::Delete { namespace: namespace("n")?, key: "k".to_owned() },
        ItemOp::Put(put_of("n", "k", json!({"v": 3}))?),
    ];
    bench.items.batch(ops).await?;
    let put = bench.items.get(&namespace("n")?, "k").await?.map(|item| Value::Object(item.value));
    same("the put after a deletion", &put, &Some(json!({"v": 3})))
}

async fn fails_whole(bench: &Bench) -> Outcome {
    fill(bench).await?;
    let ops = vec![
        ItemOp::Delete { namespace: namespace("a")?, key: "k1".to_owned() },
        ItemOp::Put(put_of("a", "k2", json!({"text": "fail"}))?),
    ];
    let failed = bench.items.batch(ops).await;
    holds("the embedding's error is told", matches!(failed, Err(ItemsError::Embed(_))))?;
    finds(bench, below("a"), &["a:k1"]).await
}

async fn expires(bench: &Bench) -> Outcome {
    let lasting = |key: &str, ttl| -> Result<ItemPut, Failed> {
        Ok(ItemPut { ttl, ..put_of("t", key, json!({"text": "apple"}))? })
    };
    bench.items.put(lasting("short", ItemTtl::Ms(100))?).await?;
    bench.items.put(lasting("long", ItemTtl::Ms(10_000))?).await?;
    bench.items.put(lasting("ever", ItemTtl::Never)?).await?;
    bench.items.put(lasting("plain", ItemTtl::Default)?).await?;
    let look = || ItemSearch { refreshes_ttl: Some(false), ..below("t") };
    bench.wait(99);
    finds(bench, look(), &["t:short", "t:long", "t:ever", "t:plain"]).await?;
    bench.wait(1);
    finds(bench, look(), &["t:long", "t:ever", "t:plain"]).await?;
    finds(bench, ItemSearch { query: Some("apple".to_owned()), ..look() }, &["t:long", "t:ever", "t:plain"])
        .await?;
    same("the item that ended", &bench.items.get(&namespace("t")?, "short").await?, &None)?;
    // A new item of the key has nothing of the old one.
    bench.items.put(lasting("short", ItemTtl::Never)?).await?;
    let born = bench.items.get(&namespace("t")?, "short").await?.map(|item| item.created_at_ms);
    same("its birth", &born, &Some(bench.now_ms.load(Ordering::SeqCst)))?;
    // A put without an end takes the end away.
    bench.items.put(lasting("long", ItemTtl::Never)?).await?;
    bench.wait(1_000_000);
    finds(bench, look(), &["t:long", "t:ever", "t:plain", "t:short"]).await?;
    bench.items.put(ItemPut { ttl: ItemTtl::Ms(1), ..put_of("gone", "k", json!({}))? }).await?;
    bench.wait(1);
    let listed = bench.items.list_namespaces(NamespaceSearch::default()).await?;
    same("the namespaces that have items", &listed, &vec![namespace("t")?])
}

async fn refreshes(bench: &Bench) -> Outcome {
    let get = async |refreshes_ttl| -> Result<bool, Failed> {
        let op = ItemOp::Get { namespace: namespace("t")?, key: "k".to_owned(), refreshes_ttl };
        let answers = bench.items.batch(vec![op]).await?;
        Ok(matches!(answers.first(), Some(ItemAnswer::Item(Some(_)))))
    };
    let put = || Ok::<_, Failed>(ItemPut { ttl: ItemTtl::Ms(100), ..put_of("t", "k", json!({}))? });
    bench.items.put(put()?).await?;
    for _ in 0..3 {
        bench.wait(60);
        holds("a read refreshes", get(None).await?)?;
    }
    for _ in 0..3 {
        bench.wait(60);
        holds("a search refreshes", bench.items.search(below("t")).await?.len() == 1)?;
    }
    bench.wait(60);
    holds("it is there", get(Some(false)).await?)?;
    bench.wait(60);
    holds("a read that does not refresh leaves the end", !get(Some(true)).await?)?;
    bench.items.put(put()?).await?;
    bench.wait(60);
    bench.items.put(put()?).await?;
    bench.wait(60);
    holds("a put begins anew", get(Some(false)).await?)
}

async fn lives_by_default(bench: &Bench) -> Outcome {
    bench.items.put(put_of("t", "plain", json!({}))?).await?;
    bench.items.put(ItemPut { ttl: ItemTtl::Never, ..put_of("t", "ever", json!({}))? }).await?;
    bench.items.put(ItemPut { ttl: ItemTtl::Ms(5_000), ..put_of("t", "own", json!({}))? }).await?;
    let look = || ItemSearch { refreshes_ttl: Some(false), ..below("t") };
    bench.wait(999);
    finds(bench, look(), &["t:plain", "t:ever", "t:own"]).await?;
    bench.wait(1);
    finds(bench, look(), &["t:ever", "t:own"]).await
}
