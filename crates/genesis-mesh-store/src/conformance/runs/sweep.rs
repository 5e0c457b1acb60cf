//! Checks of retention: what has outlived its time is deleted, and nothing else.
//!
//! Owns: the sentences about sweeping. A time to live of 0 is over at once.
//! Never: waits.

use super::samples::{claim, ending, is_fenced, new, on, start, step};
use crate::conformance::samples::{chain, key};
use crate::conformance::{Outcome, holds, same};
use genesis_mesh_core::log::{
    CancelKind, Lease, NewRun, RunQuery, RunStatus, RunStore, Swept, ThreadInfo, ThreadQuery,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

fn lasting(new: NewRun, ttl_ms: u64) -> NewRun {
    NewRun { ttl_ms: Some(ttl_ms), ..new }
}

async fn left(store: &dyn RunStore) -> Result<Vec<u128>, StoreError> {
    Ok(store.runs(RunQuery::default()).await?.iter().map(|run| run.id.0).collect())
}

async fn end(store: &dyn RunStore, lease: &Lease) -> Outcome {
    store.commit(lease, ending(1, RunStatus::Succeeded)).await?;
    Ok(())
}

pub(super) async fn runs(store: &dyn RunStore) -> Outcome {
    same("a sweep of nothing", &store.sweep(9).await?, &Swept::default())?;
    for id in [1, 2, 3] {
        let lease = start(store, lasting(on("t", id), 0)).await?;
        end(store, &lease).await?;
    }
    let for_ever = start(store, new(4)).await?;
    end(store, &for_ever).await?;
    let long = start(store, lasting(new(5), u64::MAX)).await?;
    end(store, &long).await?;
    let working = start(store, lasting(new(6), 0)).await?;
    store.accept(lasting(new(7), 0)).await?;
    store.accept(lasting(new(8), 0)).await?;
    store.cancel(RunId(8), CancelKind::Interrupt, super::samples::last("cancelled")).await?;
    same("a sweep of two", &store.sweep(2).await?, &Swept { runs: 2, threads: 0 })?;
    same("a sweep of all", &store.sweep(9).await?, &Swept { runs: 2, threads: 0 })?;
    same("a sweep after it", &store.sweep(9).await?, &Swept::default())?;
    same("what is left", &left(store).await?, &vec![7, 6, 5, 4])?;
    same("the log of a swept run", &store.events(RunId(1), 0, 9).await?, &vec![])?;
    end(store, &working).await?;
    same("a sweep when another has ended", &store.sweep(9).await?, &Swept { runs: 1, threads: 0 })?;
    same("what is left of threads", &store.threads(ThreadQuery::default()).await?.len(), &1)
}

pub(super) async fn threads(store: &dyn RunStore) -> Outcome {
    let put = |id: &str, ttl_ms| ThreadInfo { id: id.to_owned(), ttl_ms, ..ThreadInfo::default() };
    for (id, ttl_ms) in [("a", Some(0)), ("b", Some(0)), ("ever", None), ("long", Some(u64::MAX))] {
        chain(store, &key(id), 1).await?;
        store.put_thread(put(id, ttl_ms)).await?;
    }
    for thread in ["working", "waiting"] {
        store.put_thread(put(thread, Some(0))).await?;
    }
    let idle = start(store, on("a", 1)).await?;
    end(store, &idle).await?;
    let working = start(store, on("working", 2)).await?;
    store.commit(&working, step(1, key("working"), 1, None)).await?;
    store.accept(on("waiting", 3)).await?;
    same("a sweep of one", &store.sweep(1).await?, &Swept { runs: 0, threads: 1 })?;
    same("a sweep of all", &store.sweep(9).await?, &Swept { runs: 0, threads: 1 })?;
    same("the runs that are left", &left(store).await?, &vec![3, 2])?;
    same("the checkpoints of one", &store.namespaces("a").await?, &vec![])?;
    let mut names: Vec<_> =
        store.threads(ThreadQuery::default()).await?.into_iter().map(|thread| thread.id).collect();
    names.sort();
    same(
        "the threads that are left",
        &names,
        &["ever", "long", "waiting", "working"].map(str::to_owned).to_vec(),
    )?;
    store.commit(&working, ending(2, RunStatus::Succeeded)).await?;
    store.claim(claim(1)).await?;
    same("a sweep when one has ended", &store.sweep(9).await?, &Swept { runs: 0, threads: 1 })?;
    same("the runs that are left then", &left(store).await?, &vec![3])
}

pub(super) async fn hidden(store: &dyn RunStore) -> Outcome {
    let lease = start(store, lasting(on("_1", 1), 0)).await?;
    store.commit(&lease, step(1, key("_1"), 1, None)).await?;
    store.commit(&lease, ending(2, RunStatus::Succeeded)).await?;
    let working = start(store, on("_2", 2)).await?;
    store.commit(&working, step(1, key("_2"), 1, None)).await?;
    let named = start(store, lasting(on("t", 3), 0)).await?;
    store.commit(&named, step(1, key("t"), 1, None)).await?;
    store.commit(&named, ending(2, RunStatus::Succeeded)).await?;
    same("the sweep", &store.sweep(9).await?, &Swept { runs: 2, threads: 0 })?;
    let by_name = async |id: &str| {
        let query = ThreadQuery { id: Some(id.to_owned()), ..ThreadQuery::default() };
        Ok::<_, StoreError>(store.threads(query).await?.len())
    };
    same("the thread of the run that was swept", &by_name("_1").await?, &0)?;
    same("its checkpoints", &store.namespaces("_1").await?, &vec![])?;
    same("a thread with a name", &store.namespaces("t").await?.len(), &1)?;
    holds("a run that works is deleted", store.delete_run(RunId(2)).await?)?;
    same("its thread", &by_name("_2").await?, &0)?;
    let late = store.commit(&working, step(2, key("_2"), 2, Some(1))).await;
    holds("its owner is fenced", is_fenced(&late, 2))?;
    same("its checkpoints", &store.namespaces("_2").await?, &vec![])
}
