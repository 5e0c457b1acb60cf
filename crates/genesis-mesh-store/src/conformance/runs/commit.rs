//! Checks of commits: atomic, numbered, and done once.
//!
//! Owns: the sentences about what is appended to a log.
//! Never: ends a run but to see that the end is not repeated; `end.rs` does.

use super::samples::{
    all, claim, claim_one, commit, delta, ending, entries, events, fact, new, on, run, start, start_briefly,
    step, texts,
};
use crate::conformance::samples::{begins, ended, key, lineage_of, pending, within};
use crate::conformance::{Outcome, holds, same};
use futures_util::future::try_join_all;
use genesis_mesh_core::log::{Commit, EventClass, NewEvent, RunStatus, RunStore};
use genesis_mesh_core::store::StoreError;

pub(super) async fn numbers(store: &dyn RunStore) -> Outcome {
    let lease = start(store, new(1)).await?;
    let with_memo = NewEvent { memo: Some("{\"n\":[1.0e3]}".to_owned()), ..fact("ä\\u0000\\\"") };
    let first = store.commit(&lease, commit(1, vec![delta("a"), with_memo.clone(), delta("")])).await?;
    same("the last number", &(first.last_seq, first.cancel), &(4, None))?;
    let deltas = store.commit(&lease, commit(2, vec![delta("b"), delta("c")])).await?;
    same("the next", &deltas.last_seq, &6)?;
    let nothing = store.commit(&lease, commit(3, vec![])).await?;
    same("the last number after nothing", &nothing.last_seq, &6)?;
    let log = events(store, 1).await?;
    same("the numbers", &log.iter().map(|event| event.seq).collect::<Vec<_>>(), &(1..=6).collect())?;
    let (delta, fact) = (EventClass::Delta, EventClass::Fact);
    let classes: Vec<_> = log.iter().map(|event| event.class).collect();
    same("the classes", &classes, &vec![fact, delta, fact, delta, delta, delta])?;
    let third = log.get(2).map(|event| (event.data.to_string(), event.memo.as_deref().map(str::to_owned)));
    same("the event with a memo", &third, &Some((with_memo.data, with_memo.memo)))?;
    let times: Vec<_> = log.iter().skip(1).map(|event| event.at_ms).collect();
    let (a, b) = (first.at_ms, deltas.at_ms);
    same("when they were appended", &times, &vec![a, a, a, b, b])?;
    same("the run", &run(store, 1).await?.last_seq, &6)
}

pub(super) async fn is_atomic(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    let good = (key("t"), vec![begins(1, None)]);
    let bad = (within("t", "child"), vec![begins(1, None), pending(9, ended(1, 1))]);
    for (number, given) in [(1, vec![good.clone(), bad.clone()]), (1, vec![bad, good])] {
        let with_end = Commit { entries: given.clone(), ..ending(number, RunStatus::Succeeded) };
        let without = Commit { entries: given, is_progress: true, ..commit(number, vec![fact("x")]) };
        for commit in [with_end, without] {
            let result = store.commit(&lease, commit).await;
            let is_unknown = matches!(result, Err(StoreError::UnknownCheckpoint { .. }));
            holds("an entry that names an unknown checkpoint is refused", is_unknown)?;
            same("the log after it", &texts(store, 1).await?, &all(&["accepted"]))?;
            same("the thread after it", &store.namespaces("t").await?, &vec![])?;
            let run = run(store, 1).await?;
            same("the run after it", &(run.status, run.last_seq, run.attempt), &(RunStatus::Running, 1, 1))?;
        }
    }
    // Its number is free.
    store.commit(&lease, step(1, key("t"), 1, None)).await?;
    same("the thread", &lineage_of(store, &key("t"), None).await?, &vec![1])
}

pub(super) async fn keeps_entries(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    let (outer, inner, other) = (key("t"), within("t", "child"), key("other"));
    let given = vec![
        (outer.clone(), vec![begins(1, None)]),
        (inner.clone(), vec![begins(2, None), pending(2, ended(1, "x"))]),
        (other.clone(), vec![begins(3, None)]),
        (outer.clone(), vec![begins(4, Some(1))]),
    ];
    store.commit(&lease, Commit { entries: given, ..commit(1, vec![]) }).await?;
    same("the outer graph", &lineage_of(store, &outer, None).await?, &vec![1, 4])?;
    same("the inner graph", &lineage_of(store, &inner, None).await?, &vec![2])?;
    same("another thread", &lineage_of(store, &other, None).await?, &vec![3])?;
    let wishes = async |number, id: u128| {
        let fact = pending(id, ended(id, "x".repeat(20_000)));
        Ok::<_, StoreError>(store.commit(&lease, entries(number, key("t"), vec![fact])).await?.wants_snapshot)
    };
    holds("much that was appended wants a snapshot", wishes(2, 4).await?)
}

pub(super) async fn repeats(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    let first = store.commit(&lease, step(1, key("t"), 1, None)).await?;
    let again = store.commit(&lease, step(1, key("t"), 1, None)).await?;
    same("the answer", &(again.last_seq, again.at_ms), &(first.last_seq, first.at_ms))?;
    let fact_at_1 = || entries(2, key("t"), vec![pending(1, ended(1, 1))]);
    store.commit(&lease, fact_at_1()).await?;
    let again = store.commit(&lease, fact_at_1()).await?;
    same("the last number", &again.last_seq, &3)?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "step", "step"]))?;
    let facts = store.lineage(&key("t"), None).await?.pop().map(|link| link.pending.len());
    same("the facts", &facts, &Some(1))?;
    store.commit(&lease, commit(3, vec![fact("next")])).await?;
    same("the log after the next", &run(store, 1).await?.last_seq, &4)
}

pub(super) async fn repeats_end(store: &dyn RunStore) -> Outcome {
    let lease = start(store, on("t", 1)).await?;
    let first = store.commit(&lease, ending(1, RunStatus::Succeeded)).await?;
    // The next run of the thread is at work already.
    let next = start(store, on("t", 2)).await?;
    let again = store.commit(&lease, ending(1, RunStatus::Succeeded)).await?;
    same("the answer", &(again.last_seq, again.at_ms), &(first.last_seq, first.at_ms))?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "end"]))?;
    store.commit(&next, ending(1, RunStatus::Succeeded)).await?;
    same("the next", &run(store, 2).await?.status, &RunStatus::Succeeded)
}

pub(super) async fn counts_anew(store: &dyn RunStore) -> Outcome {
    let old = start_briefly(store, new(1)).await?;
    store.commit(&old, commit(1, vec![fact("a")])).await?;
    store.commit(&old, commit(2, vec![fact("b")])).await?;
    let new = claim_one(store, claim(1)).await?.lease;
    store.commit(&new, commit(1, vec![fact("c")])).await?;
    store.commit(&new, commit(1, vec![fact("c")])).await?;
    same("the log", &texts(store, 1).await?, &all(&["accepted", "a", "b", "c"]))
}

pub(super) async fn is_concurrent(store: &dyn RunStore) -> Outcome {
    let mut leases = Vec::new();
    for id in 1..=20 {
        leases.push(start(store, on(&format!("thread {id}"), id)).await?);
    }
    for number in 1..=5_u64 {
        let commits = leases.iter().map(|lease| {
            let id = u128::from(number);
            let key = key(&format!("thread {}", lease.run.0));
            let events = vec![fact(&format!("{} {number}", lease.run.0)), delta("x")];
            let entries = vec![(key, vec![begins(id, id.checked_sub(1).filter(|id| *id > 0))])];
            store.commit(lease, Commit { entries, ..commit(number, events) })
        });
        let committed = try_join_all(commits).await?;
        holds("numbers are the run's own", committed.iter().all(|one| one.last_seq == 1 + 2 * number))?;
    }
    for id in 1..=20 {
        let wanted: Vec<_> = (1..=5).flat_map(|number| [format!("{id} {number}"), "x".to_owned()]).collect();
        same("a log", &texts(store, id).await?.split_off(1), &wanted)?;
        let key = key(&format!("thread {id}"));
        same("a lineage", &lineage_of(store, &key, None).await?, &vec![1, 2, 3, 4, 5])?;
    }
    Ok(())
}
