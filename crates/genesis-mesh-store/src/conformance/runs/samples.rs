//! Samples: runs, claims, commits and events for the checks, and the most used calls.
//!
//! Owns: the form of what the checks accept and commit.
//! Never: judges what a store does with it.

use crate::conformance::samples::{Failed, begins};
use genesis_mesh_core::log::{
    Accepted, Claim, Claimed, Commit, EventClass, IfBusy, Lease, LogEvent, NewEvent, NewRun, Run, RunEnd,
    RunStatus, RunStore,
};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::{Entry, StoreError, ThreadKey};
use serde_json::Map;

/// No check waits so long.
pub(super) const LONG_MS: u64 = 3_600_000;

fn event(class: EventClass, text: &str) -> NewEvent {
    NewEvent { class, data: format!("{{\"text\":\"{text}\"}}"), memo: None }
}

pub(super) fn delta(text: &str) -> NewEvent {
    event(EventClass::Delta, text)
}

pub(super) fn fact(text: &str) -> NewEvent {
    event(EventClass::Fact, text)
}

pub(super) fn last(text: &str) -> NewEvent {
    event(EventClass::End, text)
}

/// Run number `id` without a thread.
pub(super) fn new(id: u128) -> NewRun {
    NewRun {
        id: RunId(id),
        agent: "agent".to_owned(),
        thread: None,
        input: "{}".to_owned(),
        principal: None,
        idempotency: None,
        if_busy: IfBusy::Enqueue,
        metadata: Map::new(),
        ttl_ms: None,
        first: fact("accepted"),
        stopped: last("stopped"),
        claim: None,
    }
}

/// Run number `id` on a thread.
pub(super) fn on(thread: &str, id: u128) -> NewRun {
    NewRun { thread: Some(thread.to_owned()), ..new(id) }
}

/// Claims up to `limit` runs for long.
pub(super) fn claim(limit: usize) -> Claim {
    Claim { owner: "owner".to_owned(), lease_ms: LONG_MS, agents: vec!["agent".to_owned()], limit }
}

/// Claims one run, with a lease that has expired at once.
pub(super) fn briefly() -> Claim {
    Claim { lease_ms: 0, ..claim(1) }
}

pub(super) async fn accept(store: &dyn RunStore, id: u128) -> Result<Accepted, StoreError> {
    store.accept(new(id)).await
}

/// Accepts and claims a run.
pub(super) async fn start(store: &dyn RunStore, new: NewRun) -> Result<Lease, Failed> {
    let accepted = store.accept(NewRun { claim: Some(claim(1)), ..new }).await?;
    accepted.lease.ok_or_else(|| "the run was not claimed".into())
}

/// Accepts and claims a run, with a lease that has expired at once.
pub(super) async fn start_briefly(store: &dyn RunStore, new: NewRun) -> Result<Lease, Failed> {
    let accepted = store.accept(NewRun { claim: Some(briefly()), ..new }).await?;
    accepted.lease.ok_or_else(|| "the run was not claimed".into())
}

/// The one run that a claim gives.
pub(super) async fn claim_one(store: &dyn RunStore, claim: Claim) -> Result<Claimed, Failed> {
    let mut claimed = store.claim(claim).await?;
    match (claimed.pop(), claimed.len()) {
        (Some(one), 0) => Ok(one),
        (_, others) => Err(format!("a claim gave not one run, but {others} and one more or none").into()),
    }
}

/// The numbers of the runs that a claim gives.
pub(super) async fn claimed(store: &dyn RunStore, claim: Claim) -> Result<Vec<u128>, StoreError> {
    Ok(store.claim(claim).await?.iter().map(|claimed| claimed.run.id.0).collect())
}

pub(super) fn commit(number: u64, events: Vec<NewEvent>) -> Commit {
    Commit { number, events, ..Commit::default() }
}

/// A commit of checkpoint number `id`.
pub(super) fn step(number: u64, key: ThreadKey, id: u128, parent: Option<u128>) -> Commit {
    entries(number, key, vec![begins(id, parent)])
}

pub(super) fn entries(number: u64, key: ThreadKey, entries: Vec<Entry>) -> Commit {
    Commit { entries: vec![(key, entries)], ..commit(number, vec![fact("step")]) }
}

/// A commit that ends the run.
pub(super) fn ending(number: u64, status: RunStatus) -> Commit {
    let end = RunEnd { status, error: None, rolls_back: false };
    Commit { end: Some(end), ..commit(number, vec![last("end")]) }
}

/// A commit that ends the run and undoes what it did.
pub(super) fn undoing(number: u64) -> Commit {
    let end = RunEnd { status: RunStatus::Cancelled, error: None, rolls_back: true };
    Commit { end: Some(end), ..commit(number, vec![last("undone")]) }
}

/// The run of this number, which is there.
pub(super) async fn run(store: &dyn RunStore, id: u128) -> Result<Run, Failed> {
    store.run(RunId(id)).await?.ok_or_else(|| format!("run {id} is not there").into())
}

pub(super) async fn status(store: &dyn RunStore, id: u128) -> Result<RunStatus, Failed> {
    Ok(run(store, id).await?.status)
}

pub(super) async fn events(store: &dyn RunStore, id: u128) -> Result<Vec<LogEvent>, StoreError> {
    store.events(RunId(id), 0, usize::MAX).await
}

/// What the events of a run say.
pub(super) async fn texts(store: &dyn RunStore, id: u128) -> Result<Vec<String>, StoreError> {
    let text = |event: &LogEvent| {
        let text = event.data.strip_prefix("{\"text\":\"").and_then(|text| text.strip_suffix("\"}"));
        text.unwrap_or(&event.data).to_owned()
    };
    Ok(events(store, id).await?.iter().map(text).collect())
}

/// Texts, to compare with those.
pub(super) fn all(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn is_fenced<T>(result: &Result<T, StoreError>, id: u128) -> bool {
    matches!(result, Err(StoreError::Fenced { run }) if run.0 == id)
}
