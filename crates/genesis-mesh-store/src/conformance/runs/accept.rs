//! Checks of acceptance: what is kept of a run, and what a repeated request gives.
//!
//! Owns: the sentences about idempotency keys, and about the run that is claimed as it comes.
//! Never: looks at what happens to the others of a thread; `busy.rs` does.

use super::samples::{LONG_MS, accept, all, claim, events, fact, last, new, on, run, texts};
use crate::conformance::{Outcome, holds, same};
use futures_util::future::try_join_all;
use genesis_mesh_core::log::{
    Accepted, EventClass, IdempotencyKey, IfBusy, Lease, NewEvent, NewRun, RunQuery, RunStatus, RunStore,
    ThreadQuery,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use serde_json::{Map, json};

/// A hundred years.
const CENTURY_MS: u64 = 100 * 365 * 86_400_000;

fn keyed(id: u128, key: &str, body_hash: u128) -> NewRun {
    NewRun { idempotency: Some(IdempotencyKey { key: key.to_owned(), body_hash }), ..new(id) }
}

pub(super) async fn reads_back(store: &dyn RunStore) -> Outcome {
    let metadata = Map::from_iter([("a".to_owned(), json!({"z": [1.5, null, "ä\u{0}"]}))]);
    let given = NewRun {
        input: "{\"b\": 1, \"a\":\"é\"}".to_owned(),
        principal: Some("somebody".to_owned()),
        metadata: metadata.clone(),
        ttl_ms: Some(u64::MAX),
        first: NewEvent { memo: Some("[1]".to_owned()), ..fact("accepted") },
        ..on("t", u128::MAX)
    };
    let Accepted { run, is_new, lease, stopped } = store.accept(given.clone()).await?;
    holds("it is new", is_new)?;
    same("its lease", &lease, &None)?;
    same("who was stopped", &stopped, &vec![])?;
    same("its id", &run.id, &given.id)?;
    same("its agent", &run.agent, &given.agent)?;
    same("its thread", &run.thread, &given.thread)?;
    same("its input", &run.input, &given.input)?;
    same("its principal", &run.principal, &given.principal)?;
    same("its metadata", &run.metadata, &metadata)?;
    // A store may keep less than for ever, if it is long enough.
    holds("how long it is kept", run.ttl_ms.is_some_and(|ttl_ms| ttl_ms > CENTURY_MS))?;
    let short = store.accept(NewRun { ttl_ms: Some(1_500), ..new(1) }).await?.run;
    same("how long a short one is kept", &short.ttl_ms, &Some(1_500))?;
    same("one that is kept", &store.accept(new(2)).await?.run.ttl_ms, &None)?;
    same("its status", &run.status, &RunStatus::Queued)?;
    same("its counts", &(run.epoch, run.attempt, run.last_seq, run.watched), &(0, 0, 1, 0))?;
    same("when it changed", &run.updated_at_ms, &run.created_at_ms)?;
    same("its owner", &(&run.owner, run.lease_until_ms), &(&None, None))?;
    same("its end", &(run.cancel, &run.error), &(None, &None))?;
    same("the run that is read", &store.run(given.id).await?, &Some(run))?;
    let events = events(store, u128::MAX).await?;
    let first = events.first().map(|event| (event.seq, event.class, &*event.data, event.memo.as_deref()));
    same("its first event", &first, &Some((1, EventClass::Fact, given.first.data.as_str(), Some("[1]"))))?;
    same("the number of events", &events.len(), &1)?;
    same("an unknown run", &store.run(RunId(7)).await?, &None)
}

pub(super) async fn begins_thread(store: &dyn RunStore) -> Outcome {
    let accepted = store.accept(on("t", 1)).await?;
    accept(store, 2).await?;
    let threads = store.threads(ThreadQuery::default()).await?;
    let known: Vec<_> = threads.iter().map(|thread| (thread.id.as_str(), thread.updated_at_ms)).collect();
    same("the threads", &known, &vec![("t", accepted.run.created_at_ms)])?;
    same("its namespaces", &store.namespaces("t").await?, &vec![])
}

pub(super) async fn repeats(store: &dyn RunStore) -> Outcome {
    let request = |id| NewRun { thread: Some("t".to_owned()), ..keyed(id, "key", 9) };
    let first = store.accept(request(1)).await?;
    let again = NewRun { if_busy: IfBusy::Reject, claim: Some(claim(1)), ..request(2) };
    let second = store.accept(again).await?;
    holds("the first is new, the second is not", first.is_new && !second.is_new)?;
    same("the run", &second.run, &first.run)?;
    same("its lease", &second.lease, &None)?;
    same("the run of the second request", &store.run(RunId(2)).await?, &None)?;
    same("the events", &texts(store, 1).await?, &all(&["accepted"]))?;
    store.claim(claim(1)).await?;
    let third = store.accept(NewRun { if_busy: IfBusy::Interrupt, ..request(3) }).await?;
    same("what became of the run", &third.run.status, &RunStatus::Running)?;
    same("who was stopped", &(third.stopped, third.run.cancel), &(vec![], None))
}

pub(super) async fn refuses_reuse(store: &dyn RunStore) -> Outcome {
    store.accept(keyed(1, "key", u128::MAX)).await?;
    let refused = store.accept(keyed(2, "key", u128::MAX - 1)).await;
    same("another request", &refused, &Err(StoreError::KeyReused { key: "key".to_owned() }))?;
    same("its run", &store.run(RunId(2)).await?, &None)?;
    holds("another key", store.accept(keyed(3, "other", u128::MAX - 1)).await?.is_new)?;
    store.delete_run(RunId(1)).await?;
    holds("the key of a deleted run is free", store.accept(keyed(4, "key", 0)).await?.is_new)
}

pub(super) async fn is_by_principal(store: &dyn RunStore) -> Outcome {
    let principals = [None, Some(""), Some("a"), Some("b")];
    for (id, principal) in (1..).zip(principals) {
        let principal = principal.map(str::to_owned);
        let accepted = store.accept(NewRun { principal, ..keyed(id, "key", id) }).await?;
        holds("the key of another principal", accepted.is_new)?;
    }
    let principal = Some("a".to_owned());
    let again = store.accept(NewRun { principal, ..keyed(9, "key", 3) }).await?;
    same("the run of this principal", &(again.run.id.0, again.is_new), &(3, false))
}

pub(super) async fn is_concurrent(store: &dyn RunStore) -> Outcome {
    let accepted = try_join_all((1..=20).map(|id| store.accept(keyed(id, "key", 1)))).await?;
    same("how many are new", &accepted.iter().filter(|accepted| accepted.is_new).count(), &1)?;
    let first = accepted.first().map(|accepted| accepted.run.id);
    holds("all have the same run", accepted.iter().all(|accepted| Some(accepted.run.id) == first))?;
    same("the number of runs", &store.runs(RunQuery::default()).await?.len(), &1)
}

pub(super) async fn repeats_id(store: &dyn RunStore) -> Outcome {
    let first = store.accept(on("t", 1)).await?;
    let other = NewRun { input: "[]".to_owned(), if_busy: IfBusy::Reject, ..on("t", 1) };
    let second = store.accept(other).await?;
    holds("it is not new", !second.is_new)?;
    same("the run", &second.run, &first.run)?;
    same("its events", &texts(store, 1).await?, &all(&["accepted"]))
}

pub(super) async fn claims(store: &dyn RunStore) -> Outcome {
    let at_once = |new| NewRun { claim: Some(claim(0)), ..new };
    for new in [new(1), on("t", 2)] {
        let id = new.id;
        let accepted = store.accept(at_once(new)).await?;
        same("its lease", &accepted.lease, &Some(Lease { run: id, epoch: 1 }))?;
        same("its status", &accepted.run.status, &RunStatus::Running)?;
        same("its owner", &accepted.run.owner.as_deref(), &Some("owner"))?;
        same("its attempt", &accepted.run.attempt, &1)?;
        let until = accepted.run.lease_until_ms.map(|until| until - accepted.run.created_at_ms);
        holds("its lease is as long as was asked for", until.is_some_and(|ms| ms >= 0))?;
        holds("it ends", until.is_some_and(|ms| ms.unsigned_abs() <= LONG_MS))?;
        same("the run that is read", &store.run(id).await?, &Some(accepted.run))?;
    }
    let busy = store.accept(at_once(on("t", 3))).await?;
    same("the lease on a busy thread", &busy.lease, &None)?;
    same("its status", &busy.run.status, &RunStatus::Queued)?;
    // Those that are stopped for it and have not begun hinder no more.
    store.accept(on("u", 4)).await?;
    let stopping = NewRun { if_busy: IfBusy::Interrupt, stopped: last("for 5"), ..on("u", 5) };
    let accepted = store.accept(at_once(stopping)).await?;
    same("who was stopped", &accepted.stopped, &vec![RunId(4)])?;
    same("the lease after that", &accepted.lease, &Some(Lease { run: RunId(5), epoch: 1 }))?;
    same("the status of 4", &run(store, 4).await?.status, &RunStatus::Cancelled)
}
