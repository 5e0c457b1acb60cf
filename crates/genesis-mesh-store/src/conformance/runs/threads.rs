//! Checks of threads as they are listed, and of what happens to their runs.
//!
//! Owns: the sentences about what is known of a thread beside its checkpoints.
//! Never: looks at checkpoints but to see that they are gone.

use super::samples::{accept, claim, claimed, commit, ending, fact, is_fenced, on, start, step};
use crate::conformance::samples::{Failed, begins, chain, key, lineage_of};
use crate::conformance::{Outcome, holds, same};
use genesis_mesh_core::log::{RunQuery, RunStatus, RunStore, ThreadInfo, ThreadQuery};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use serde_json::{Map, Value, json};

fn info(id: &str, metadata: &[(&str, Value)]) -> ThreadInfo {
    let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    ThreadInfo { id: id.to_owned(), metadata, ..ThreadInfo::default() }
}

async fn known(store: &dyn RunStore, id: &str) -> Result<ThreadInfo, Failed> {
    let query = ThreadQuery { id: Some(id.to_owned()), ..ThreadQuery::default() };
    let mut threads = store.threads(query).await?;
    match (threads.pop(), threads.len()) {
        (Some(thread), 0) if thread.id == id => Ok(thread),
        _ => Err(format!("the thread {id} is not known, or not alone").into()),
    }
}

/// The names of the threads that a search finds, sorted: two may be used in one millisecond.
async fn names(store: &dyn RunStore, query: ThreadQuery) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<_> = store.threads(query).await?.into_iter().map(|thread| thread.id).collect();
    names.sort();
    Ok(names)
}

pub(super) async fn merges(store: &dyn RunStore) -> Outcome {
    let told = ThreadInfo {
        created_at_ms: -7,
        updated_at_ms: -7,
        ttl_ms: Some(1_000_000),
        ..info("t", &[("a", json!(1)), ("b", json!({"c": [null, "ä"]}))])
    };
    store.put_thread(told).await?;
    let first = known(store, "t").await?;
    holds("the store says when it began", first.created_at_ms > 0)?;
    same("when it was used", &first.updated_at_ms, &first.created_at_ms)?;
    same("its time to live", &first.ttl_ms, &Some(1_000_000))?;
    store.put_thread(info("t", &[("b", json!(2)), ("c", json!(3))])).await?;
    let second = known(store, "t").await?;
    let merged = info("", &[("a", json!(1)), ("b", json!(2)), ("c", json!(3))]).metadata;
    same("its metadata", &second.metadata, &merged)?;
    same("its time to live, untold", &second.ttl_ms, &Some(1_000_000))?;
    same("when it began", &second.created_at_ms, &first.created_at_ms)?;
    store.put_thread(ThreadInfo { ttl_ms: Some(5_000_000), ..info("t", &[]) }).await?;
    store.accept(on("t", 1)).await?;
    let third = known(store, "t").await?;
    same("its time to live, told", &(third.ttl_ms, &third.metadata), &(Some(5_000_000), &merged))?;
    holds("a run uses it", third.updated_at_ms >= second.updated_at_ms)?;
    store.accept(on("u", 2)).await?;
    store.put_thread(info("u", &[("x", json!(null))])).await?;
    same(
        "one that a run began",
        &known(store, "u").await?.metadata,
        &info("", &[("x", json!(null))]).metadata,
    )
}

pub(super) async fn begins_by_append(store: &dyn RunStore) -> Outcome {
    same("the threads of nothing", &names(store, ThreadQuery::default()).await?, &Vec::<String>::new())?;
    let refused = store.append(&key("refused"), vec![begins(2, Some(1))]).await;
    holds("an append that is refused", refused.is_err())?;
    store.append(&key("empty"), Vec::new()).await?;
    chain(store, &key("appended"), 1).await?;
    let lease = start(store, on("run", 1)).await?;
    store.commit(&lease, step(1, key("committed"), 1, None)).await?;
    let wanted = ["appended", "committed", "run"].map(str::to_owned).to_vec();
    same("the threads", &names(store, ThreadQuery::default()).await?, &wanted)?;
    let prefixed = ThreadQuery { prefix: Some("com".to_owned()), ..ThreadQuery::default() };
    same("those of a prefix", &names(store, prefixed).await?, &vec!["committed".to_owned()])?;
    let thread = known(store, "appended").await?;
    same("what is known of it", &(thread.metadata, thread.ttl_ms), &(Map::new(), None))
}

pub(super) async fn lists(store: &dyn RunStore) -> Outcome {
    let numbers: Vec<String> = (0..6).map(|number| format!("t{number}")).collect();
    for (number, name) in numbers.iter().enumerate() {
        let told = [("even", json!(number % 2 == 0)), ("number", json!(number))];
        store.put_thread(info(name, &told)).await?;
    }
    store.accept(on("t1", 1)).await?;
    let all = store.threads(ThreadQuery::default()).await?;
    holds("the last used is first", all.is_sorted_by(|a, b| a.updated_at_ms >= b.updated_at_ms))?;
    same("all", &names(store, ThreadQuery::default()).await?, &numbers)?;
    let even = || ThreadQuery { metadata: info("", &[("even", json!(true))]).metadata, ..Default::default() };
    same("the even ones", &names(store, even()).await?, &["t0", "t2", "t4"].map(str::to_owned).to_vec())?;
    let both = info("", &[("even", json!(false)), ("number", json!(3))]).metadata;
    let both = ThreadQuery { metadata: both, ..ThreadQuery::default() };
    same("two conditions", &names(store, both).await?, &vec!["t3".to_owned()])?;
    let none = ThreadQuery { metadata: info("", &[("odd", json!(null))]).metadata, ..Default::default() };
    same("metadata that none has", &names(store, none).await?, &Vec::<String>::new())?;
    let ids = |threads: &[ThreadInfo]| threads.iter().map(|thread| thread.id.clone()).collect::<Vec<_>>();
    let page = |offset, limit| ThreadQuery { offset, limit, ..ThreadQuery::default() };
    let rest = |offset| all.get(offset..).map(ids).unwrap_or_default();
    same("those after two", &ids(&store.threads(page(2, None)).await?), &rest(2))?;
    same(
        "one after two",
        &ids(&store.threads(page(2, Some(1))).await?),
        &all.get(2..3).map(ids).unwrap_or_default(),
    )?;
    same("those after all", &ids(&store.threads(page(9, Some(9))).await?), &vec![])?;
    let second_even = store.threads(ThreadQuery { offset: 1, limit: Some(1), ..even() }).await?;
    let evens = store.threads(even()).await?;
    same("the second even one", &ids(&second_even), &evens.get(1..2).map(ids).unwrap_or_default())
}

pub(super) async fn hides(store: &dyn RunStore) -> Outcome {
    store.accept(on("_run", 1)).await?;
    store.accept(on("run_", 2)).await?;
    chain(store, &key("_appended"), 1).await?;
    same("the threads", &names(store, ThreadQuery::default()).await?, &vec!["run_".to_owned()])?;
    same("a hidden one by its name", &known(store, "_run").await?.id, &"_run".to_owned())?;
    same("another", &known(store, "_appended").await?.id, &"_appended".to_owned())
}

pub(super) async fn deletes(store: &dyn RunStore) -> Outcome {
    let owner = start(store, on("t", 1)).await?;
    store.commit(&owner, step(1, key("t"), 1, None)).await?;
    store.accept(on("t", 2)).await?;
    store.accept(on("other", 3)).await?;
    accept(store, 4).await?;
    holds("the thread was there", store.delete_thread("t").await?)?;
    holds("it is not there any more", !store.delete_thread("t").await?)?;
    let late = store.commit(&owner, step(2, key("t"), 2, Some(1))).await;
    holds("the owner of its run is fenced", is_fenced(&late, 1))?;
    let runs: Vec<u128> = store.runs(RunQuery::default()).await?.iter().map(|run| run.id.0).collect();
    same("the runs that are left", &runs, &vec![4, 3])?;
    same("their logs", &store.events(RunId(1), 0, 9).await?, &vec![])?;
    same("the threads", &names(store, ThreadQuery::default()).await?, &vec!["other".to_owned()])?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![3, 4])?;
    // One that has no more than a name.
    store.put_thread(info("t", &[("a", json!(1))])).await?;
    holds("a named thread is there", store.delete_thread("t").await?)?;
    store.accept(on("t", 5)).await?;
    same("a new one of that name", &known(store, "t").await?.metadata, &Map::new())
}

pub(super) async fn copies(store: &dyn RunStore) -> Outcome {
    let told = ThreadInfo { ttl_ms: Some(1_000_000), ..info("from", &[("a", json!(1))]) };
    store.put_thread(told).await?;
    let owner = start(store, on("from", 1)).await?;
    store.commit(&owner, step(1, key("from"), 1, None)).await?;
    let fenced = start(store, on("to", 2)).await?;
    store.put_thread(info("to", &[("b", json!(2))])).await?;
    holds("it was there", store.copy_thread("from", "to").await?)?;
    let copy = known(store, "to").await?;
    same(
        "its metadata",
        &(copy.metadata, copy.ttl_ms),
        &(info("", &[("a", json!(1))]).metadata, Some(1_000_000)),
    )?;
    same("its lineage", &lineage_of(store, &key("to"), None).await?, &vec![1])?;
    let runs = store.runs(RunQuery { thread: Some("to".to_owned()), ..RunQuery::default() }).await?;
    same("its runs", &runs, &vec![])?;
    let late = store.commit(&fenced, commit(1, vec![fact("late")])).await;
    holds("who worked on what was there is fenced", is_fenced(&late, 2))?;
    // The copy is whole and alone: what the run does to its own thread later is undone there only.
    store.commit(&owner, step(2, key("from"), 2, Some(1))).await?;
    store.commit(&owner, super::samples::undoing(3)).await?;
    same("the thread that was undone", &lineage_of(store, &key("from"), None).await?, &vec![])?;
    let next = start(store, on("to", 3)).await?;
    store.commit(&next, super::samples::undoing(1)).await?;
    same("the copy", &lineage_of(store, &key("to"), None).await?, &vec![1])?;
    // A thread that has only a name is copied too.
    store.put_thread(info("named", &[("c", json!(3))])).await?;
    holds("a named thread", store.copy_thread("named", "to").await?)?;
    same("what is left of the copy", &store.namespaces("to").await?, &vec![])?;
    let last = start(store, on("to", 4)).await?;
    store.commit(&last, ending(1, RunStatus::Succeeded)).await?;
    same("its metadata now", &known(store, "to").await?.metadata, &info("", &[("c", json!(3))]).metadata)
}
