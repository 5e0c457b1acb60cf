//! Checks of claims: in which order, by whom, how often, and how runs are given back.
//!
//! Owns: the sentences about who gets which run.
//! Never: commits more than it needs to end a run or bring it further.

use super::samples::{
    accept, briefly, claim, claim_one, claimed, commit, ending, fact, is_fenced, new, on, run, start,
    start_briefly,
};
use crate::conformance::{Outcome, holds, same};
use futures_util::future::try_join_all;
use genesis_mesh_core::log::{Claim, Commit, Lease, NewRun, RunStatus, RunStore};
use genesis_mesh_core::run::RunId;

pub(super) async fn is_in_order(store: &dyn RunStore) -> Outcome {
    same("what can be claimed of nothing", &claimed(store, claim(9)).await?, &vec![])?;
    for id in 1..=5 {
        accept(store, id).await?;
    }
    same("a claim of none", &claimed(store, claim(0)).await?, &vec![])?;
    same("a claim of two", &claimed(store, claim(2)).await?, &vec![1, 2])?;
    same("a claim of one", &claimed(store, claim(1)).await?, &vec![3])?;
    let rest = store.claim(claim(9)).await?;
    let leases: Vec<_> = rest.iter().map(|claimed| claimed.lease.clone()).collect();
    same("the leases of the rest", &leases, &[4, 5].map(|id| Lease { run: RunId(id), epoch: 1 }).to_vec())?;
    for claimed in rest {
        same("the run that is read", &store.run(claimed.run.id).await?, &Some(claimed.run.clone()))?;
        same("its owner", &claimed.run.owner.as_deref(), &Some("owner"))?;
        holds("its lease has an end", claimed.run.lease_until_ms > Some(claimed.run.updated_at_ms))?;
    }
    same("what is left", &claimed(store, claim(9)).await?, &vec![])
}

pub(super) async fn expired_first(store: &dyn RunStore) -> Outcome {
    for id in 1..=4 {
        accept(store, id).await?;
    }
    same("a claim of the first", &claimed(store, claim(1)).await?, &vec![1])?;
    same("a claim that expires at once", &claimed(store, briefly()).await?, &vec![2])?;
    let again = claim_one(store, claim(1)).await?;
    same("the run that has expired", &again.run.id, &RunId(2))?;
    same("its counts", &(again.run.epoch, again.run.attempt, again.lease.epoch), &(2, 2, 2))?;
    same("those that wait", &claimed(store, claim(9)).await?, &vec![3, 4])?;
    // An old one and a young one, both expired.
    start_briefly(store, new(6)).await?;
    start_briefly(store, new(7)).await?;
    accept(store, 5).await?;
    accept(store, 8).await?;
    same("expired ones, the older first", &claimed(store, claim(3)).await?, &vec![6, 7, 5])
}

pub(super) async fn one_of_a_thread(store: &dyn RunStore) -> Outcome {
    for (thread, id) in [("t", 1), ("t", 2), ("u", 3), ("t", 4), ("u", 5)] {
        store.accept(on(thread, id)).await?;
    }
    let first = store.claim(Claim { lease_ms: 0, ..claim(9) }).await?;
    let ids: Vec<u128> = first.iter().map(|claimed| claimed.run.id.0).collect();
    same("the oldest of each", &ids, &vec![1, 3])?;
    same("they again, when they have expired", &claimed(store, claim(9)).await?, &vec![1, 3])?;
    same("what is left", &claimed(store, claim(9)).await?, &vec![])?;
    store.delete_run(RunId(1)).await?;
    same("the next, when the first is gone", &claimed(store, claim(9)).await?, &vec![2])
}

pub(super) async fn is_by_agent(store: &dyn RunStore) -> Outcome {
    let of = |id, agent: &str| NewRun { agent: agent.to_owned(), ..new(id) };
    for (id, agent) in [(1, "a"), (2, "b"), (3, "c"), (4, "a")] {
        store.accept(of(id, agent)).await?;
    }
    store.accept(NewRun { agent: "a".to_owned(), ..on("t", 5) }).await?;
    store.accept(NewRun { agent: "b".to_owned(), ..on("t", 6) }).await?;
    let by = |agents: &[&str]| Claim {
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        ..claim(9)
    };
    same("nobody's", &claimed(store, by(&[])).await?, &vec![])?;
    // Run 6 waits for run 5, whoever may work on that.
    same("those of b and c", &claimed(store, by(&["c", "b"])).await?, &vec![2, 3])?;
    let briefly = Claim { lease_ms: 0, limit: 1, ..by(&["a"]) };
    same("one of a", &claimed(store, briefly).await?, &vec![1])?;
    same("an expired one of another agent", &claimed(store, by(&["b"])).await?, &vec![])?;
    same("those of a", &claimed(store, by(&["a"])).await?, &vec![1, 4, 5])
}

pub(super) async fn is_concurrent(store: &dyn RunStore) -> Outcome {
    for id in 1..=40 {
        store.accept(on(&format!("thread {}", id % 10), id)).await?;
    }
    let claims = try_join_all((0..20).map(|_| claimed(store, claim(3)))).await?;
    let mut ids = claims.concat();
    ids.sort_unstable();
    same("the runs that were claimed", &ids, &(1..=10).collect::<Vec<u128>>())?;
    // A claim may pass over what another one looks at: so again, one by one.
    same("what is left", &claimed(store, claim(9)).await?, &vec![])
}

pub(super) async fn counts(store: &dyn RunStore) -> Outcome {
    let first = start_briefly(store, new(1)).await?;
    same("the first epoch", &first.epoch, &1)?;
    let second = claim_one(store, briefly()).await?;
    same("the second", &(second.run.epoch, second.run.attempt), &(2, 2))?;
    let progress = Commit { is_progress: true, ..commit(1, vec![fact("further")]) };
    store.commit(&second.lease, progress).await?;
    same("the attempts, forgiven", &run(store, 1).await?.attempt, &0)?;
    store.commit(&second.lease, commit(2, vec![fact("no further")])).await?;
    let third = claim_one(store, claim(1)).await?;
    same("the third", &(third.run.epoch, third.run.attempt), &(3, 1))
}

pub(super) async fn releases(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    store.accept(on("t", 2)).await?;
    accept(store, 3).await?;
    let stale = Lease { epoch: 7, ..lease.clone() };
    let unknown = Lease { run: RunId(99), epoch: 1 };
    store.release(&[stale, unknown, lease.clone()]).await?;
    let released = run(store, 1).await?;
    same("its attempts", &released.attempt, &0)?;
    same("its lease", &released.lease_until_ms, &None)?;
    let late = store.commit(&lease, commit(1, vec![fact("late")])).await;
    holds("who released it is fenced", is_fenced(&late, 1))?;
    store.release(std::slice::from_ref(&lease)).await?;
    let again = claim_one(store, claim(1)).await?;
    same("who is claimed next", &again.run.id, &RunId(1))?;
    same("its counts", &(again.run.epoch, again.run.attempt), &(2, 1))?;
    store.release(&[lease]).await?;
    holds("an old lease releases nothing", run(store, 1).await?.lease_until_ms.is_some())?;
    store.commit(&again.lease, ending(1, RunStatus::Succeeded)).await?;
    store.release(&[again.lease]).await?;
    same("a run that has ended", &run(store, 1).await?.status, &RunStatus::Succeeded)?;
    same("what is left", &claimed(store, claim(9)).await?, &vec![2, 3])
}

pub(super) async fn releases_all(store: &dyn RunStore) -> Outcome {
    same("how many there are of none", &store.release_all().await?, &0)?;
    let first = start(store, new(1)).await?;
    start_briefly(store, new(2)).await?;
    let third = start(store, new(3)).await?;
    accept(store, 4).await?;
    store.commit(&third, ending(1, RunStatus::Failed)).await?;
    same("how many there were", &store.release_all().await?, &2)?;
    same("how many there are now", &store.release_all().await?, &0)?;
    let late = store.commit(&first, commit(1, vec![fact("late")])).await;
    holds("who had one is fenced", is_fenced(&late, 1))?;
    let again = store.claim(claim(2)).await?;
    let seen: Vec<_> =
        again.iter().map(|claimed| (claimed.run.id.0, claimed.run.epoch, claimed.run.attempt)).collect();
    // Whatever ended the process may have been the run: that counts.
    same("those that are claimed again", &seen, &vec![(1, 2, 2), (2, 2, 2)])?;
    same("those that wait", &claimed(store, claim(9)).await?, &vec![4])
}
