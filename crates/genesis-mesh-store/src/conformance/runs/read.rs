//! Checks of what is read and counted, and of deleting.
//!
//! Owns: the sentences about searches, pages of logs, watches and deletions.
//! Never: looks at threads; `threads.rs` does.

use super::samples::{
    accept, claim, claimed, commit, ending, fact, is_fenced, new, on, run, start, start_briefly,
};
use crate::conformance::{Outcome, holds, same};
use genesis_mesh_core::log::{NewRun, RunQuery, RunStatus, RunStore};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

async fn found(store: &dyn RunStore, query: RunQuery) -> Result<Vec<u128>, StoreError> {
    Ok(store.runs(query).await?.iter().map(|run| run.id.0).collect())
}

pub(super) async fn finds(store: &dyn RunStore) -> Outcome {
    let all = RunQuery::default;
    same("runs of nothing", &found(store, all()).await?, &vec![])?;
    let first = start(store, on("t", 1)).await?;
    store.commit(&first, ending(1, RunStatus::Failed)).await?;
    store.accept(NewRun { agent: "other".to_owned(), ..on("t", 2) }).await?;
    start(store, new(3)).await?;
    store.accept(on("u", 4)).await?;
    store.accept(on("t", 1 << 100)).await?;
    let newest = 1 << 100;
    same("all", &found(store, all()).await?, &vec![newest, 4, 3, 2, 1])?;
    let read = store.runs(RunQuery { limit: Some(1), ..all() }).await?;
    same("a run that was found", &read.into_iter().next(), &store.run(RunId(newest)).await?)?;
    let of_t = || RunQuery { thread: Some("t".to_owned()), ..all() };
    same("those of a thread", &found(store, of_t()).await?, &vec![newest, 2, 1])?;
    let agent = Some("agent".to_owned());
    let of_agent = RunQuery { agent, ..all() };
    same("those of an agent", &found(store, of_agent.clone()).await?, &vec![newest, 4, 3, 1])?;
    let statuses = vec![RunStatus::Queued, RunStatus::Failed];
    let by_status = || RunQuery { statuses: statuses.clone(), ..all() };
    same("those of two statuses", &found(store, by_status()).await?, &vec![newest, 4, 2, 1])?;
    let before = RunQuery { before: Some(RunId(4)), ..all() };
    same("those before one", &found(store, before).await?, &vec![3, 2, 1])?;
    same("two of them", &found(store, RunQuery { limit: Some(2), ..all() }).await?, &vec![newest, 4])?;
    same("none of them", &found(store, RunQuery { limit: Some(0), ..all() }).await?, &vec![])?;
    let before = Some(RunId(newest));
    let both = RunQuery { before, limit: Some(1), thread: Some("t".to_owned()), ..by_status() };
    same("all conditions", &found(store, RunQuery { statuses, ..both }).await?, &vec![2])?;
    store.accept(NewRun { principal: Some("ann".to_owned()), ..new(1 << 101) }).await?;
    let of_ann = RunQuery { principal: Some("ann".to_owned()), ..all() };
    same("those of a principal", &found(store, of_ann).await?, &vec![1 << 101])?;
    let nobody = RunQuery { thread: Some("nobody".to_owned()), ..of_agent };
    same("those of nobody", &found(store, nobody).await?, &vec![])
}

pub(super) async fn pages(store: &dyn RunStore) -> Outcome {
    let lease = start(store, new(1)).await?;
    let other = start(store, new(2)).await?;
    for number in 1..=10 {
        store.commit(&lease, commit(number, vec![fact("mine"), fact("mine")])).await?;
        store.commit(&other, commit(number, vec![fact("other")])).await?;
    }
    let page = async |after, limit| {
        let events = store.events(RunId(1), after, limit).await?;
        Ok::<_, StoreError>(events.iter().map(|event| event.seq).collect::<Vec<_>>())
    };
    same("the first page", &page(0, 3).await?, &vec![1, 2, 3])?;
    same("the next", &page(3, 3).await?, &vec![4, 5, 6])?;
    same("the last", &page(19, 9).await?, &vec![20, 21])?;
    same("what follows the last", &page(21, 9).await?, &vec![])?;
    same("what follows more", &page(u64::MAX, usize::MAX).await?, &vec![])?;
    same("a page of nothing", &page(0, 0).await?, &vec![])?;
    same("all", &page(0, usize::MAX).await?, &(1..=21).collect())?;
    same("the log of nobody", &store.events(RunId(9), 0, 9).await?, &vec![])
}

pub(super) async fn watches(store: &dyn RunStore) -> Outcome {
    accept(store, 1).await?;
    accept(store, 2).await?;
    for count in 1..=3 {
        same("how often it was noted", &store.watch(RunId(1)).await?, &count)?;
    }
    let lease = store.claim(claim(1)).await?.pop().ok_or("nothing to claim")?.lease;
    store.commit(&lease, ending(1, RunStatus::Succeeded)).await?;
    same("how often when it has ended", &store.watch(RunId(1)).await?, &4)?;
    same("the run", &run(store, 1).await?.watched, &4)?;
    same("another", &run(store, 2).await?.watched, &0)?;
    let unknown = StoreError::UnknownRun { run: RunId(9) };
    same("what is not there", &store.watch(RunId(9)).await, &Err(unknown))
}

pub(super) async fn deletes(store: &dyn RunStore) -> Outcome {
    holds("an unknown run was not there", !store.delete_run(RunId(1)).await?)?;
    let owner = start(store, on("t", 1)).await?;
    store.accept(on("t", 2)).await?;
    store.accept(on("t", 3)).await?;
    let ended = start(store, on("u", 4)).await?;
    store.commit(&ended, ending(1, RunStatus::Succeeded)).await?;
    start_briefly(store, new(5)).await?;
    for id in [2, 1, 4, 5] {
        holds("it was there", store.delete_run(RunId(id)).await?)?;
        holds("it is not there any more", !store.delete_run(RunId(id)).await?)?;
        same("the run", &store.run(RunId(id)).await?, &None)?;
        same("its log", &store.events(RunId(id), 0, 9).await?, &vec![])?;
    }
    let late = store.commit(&owner, commit(1, vec![fact("late")])).await;
    holds("its owner is fenced", is_fenced(&late, 1))?;
    let late = store.commit(&ended, ending(1, RunStatus::Succeeded)).await;
    holds("nothing is repeated of what is gone", is_fenced(&late, 4))?;
    same("those that are left", &found(store, RunQuery::default()).await?, &vec![3])?;
    same("what can be claimed", &claimed(store, claim(9)).await?, &vec![3])?;
    // The same id again is another run: nothing of the old one comes back.
    holds("it is new", accept(store, 1).await?.is_new)?;
    let late = store.commit(&owner, commit(1, vec![fact("late")])).await;
    holds("the old owner is fenced still", is_fenced(&late, 1))?;
    same("the number of its events", &store.events(RunId(1), 0, 9).await?.len(), &1)
}

pub(super) async fn checks(store: &dyn RunStore) -> Outcome {
    store.check().await?;
    accept(store, 1).await?;
    store.check().await?;
    same("the runs after it", &found(store, RunQuery::default()).await?, &vec![1])?;
    same("the threads after it", &store.threads(Default::default()).await?, &vec![])
}
