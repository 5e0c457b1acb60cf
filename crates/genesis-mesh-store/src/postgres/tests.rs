//! Tests of the store on a real cluster, one for all of them but those that kill it.

use super::schema::KNOWN;
use super::*;
use crate::conformance;
use crate::testing::PostgresCluster;
use crate::testing::ServiceError;
use futures_util::future::join_all;
use genesis_mesh_core::log::RunStore;
use genesis_mesh_core::log::{Claim, Commit, EventClass, IfBusy, Lease, NewEvent, NewRun};
use genesis_mesh_core::run::{FactRecord, RunId, Source};
use serde_json::Map;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

async fn cluster() -> &'static PostgresCluster {
    static CLUSTER: OnceCell<PostgresCluster> = OnceCell::const_new();
    CLUSTER.get_or_init(async || PostgresCluster::start().await.expect("a cluster")).await
}

/// A schema that nobody has.
fn fresh() -> PostgresOptions {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    PostgresOptions::default().schema(format!("test_{number}")).connections(4)
}

async fn store() -> Arc<PostgresStore> {
    Arc::new(PostgresStore::connect(&cluster().await.url(), &fresh()).await.expect("a store"))
}

#[tokio::test]
async fn the_store_keeps_the_contract_of_threads() {
    conformance::run_all(store).await;
}

#[tokio::test]
async fn the_store_keeps_the_contract_of_runs() {
    conformance::run_all_runs(store).await;
}

fn event(text: impl fmt::Display) -> NewEvent {
    NewEvent { class: EventClass::Fact, data: format!("\"{text}\""), memo: None }
}

/// A run of a thread of its own, claimed as it is accepted.
async fn begin(store: &PostgresStore, run: u128) -> Lease {
    let claim = Claim { owner: "me".to_owned(), lease_ms: 600_000, agents: Vec::new(), limit: 1 };
    let new = NewRun {
        id: RunId(run),
        agent: "a".to_owned(),
        thread: Some(format!("t{run}")),
        input: "{}".to_owned(),
        principal: None,
        idempotency: None,
        if_busy: IfBusy::Reject,
        metadata: Map::new(),
        ttl_ms: None,
        first: event(0),
        stopped: event("stopped"),
        claim: Some(claim),
    };
    store.accept(new).await.expect("a run").lease.expect("a lease")
}

fn key(run: u128) -> ThreadKey {
    ThreadKey { thread: format!("t{run}"), ns: Namespace::default() }
}

/// Step `number` of a run: one event, and the checkpoint of that number.
fn step(run: u128, number: u64) -> Commit {
    let id = CheckpointId(u128::from(number));
    let checkpoint = Checkpoint {
        id,
        parent: number.checked_sub(2).map(|before| CheckpointId(u128::from(before) + 1)),
        step: 0,
        source: Source::Loop,
        created_at_ms: 0,
        parents: BTreeMap::new(),
        metadata: Map::new(),
        fact: Some(FactRecord::StepCommitted { checkpoint: id }),
    };
    let entries = vec![(key(run), vec![Entry::Checkpoint(checkpoint)])];
    Commit { number, events: vec![event(number)], entries, end: None, is_progress: true }
}

/// Commits steps under a lease until `is_over`; one whose answer is that the database is away is sent again with its number.
/// Gives how many were acknowledged.
async fn work(store: &PostgresStore, lease: &Lease, is_over: impl Fn() -> bool) -> u64 {
    let (run, mut number) = (lease.run.0, 0);
    while !is_over() {
        number += 1;
        loop {
            match store.commit(lease, step(run, number)).await {
                Ok(committed) => {
                    assert_eq!(committed.last_seq, number + 1, "run {run}");
                    break;
                }
                Err(StoreError::Unavailable { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("run {run}, step {number}: {error}"),
            }
        }
    }
    number
}

/// Whether the log and the thread of a run have each step once.
async fn is_whole(store: &PostgresStore, run: u128, steps: u64) {
    let events = store.events(RunId(run), 0, usize::MAX).await.expect("a log");
    let texts: Vec<String> = events.iter().map(|event| event.data.to_string()).collect();
    let wanted: Vec<String> = (0..=steps).map(|number| event(number).data).collect();
    assert_eq!(texts, wanted, "run {run}");
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    let history = store.history(&key(run), HistoryQuery::default()).await.expect("a history");
    assert_eq!(history.len() as u64, steps, "run {run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_in_the_middle_of_commits_loses_and_repeats_nothing() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let store = PostgresStore::connect(&cluster.url(), &fresh()).await.expect("a store");
    let (is_over, steps) = (std::sync::atomic::AtomicBool::new(false), AtomicU32::new(0));
    let leases = join_all((1..=16).map(|run| begin(&store, run))).await;
    let runs = join_all(leases.iter().map(|lease| {
        work(&store, lease, || {
            steps.fetch_add(1, Ordering::Relaxed);
            is_over.load(Ordering::Relaxed)
        })
    }));
    let chaos = async {
        for round in 1..=4 {
            // Some hundred commits are acknowledged between two kills, whatever the speed of the machine.
            while steps.load(Ordering::Relaxed) < round * 400 {
                tokio::task::yield_now().await;
            }
            cluster.kill().await;
            cluster.start_again().await?;
        }
        is_over.store(true, Ordering::Relaxed);
        Ok::<_, ServiceError>(())
    };
    let (numbers, chaos) = futures_util::join!(runs, chaos);
    chaos.expect("the cluster comes back");
    for (run, steps) in (1..).zip(numbers) {
        is_whole(&store, run, steps).await;
    }
}

#[tokio::test]
async fn one_that_is_fenced_takes_no_other_of_its_group_down() {
    let store = store().await;
    let mut leases = Vec::new();
    for run in 1..=20 {
        leases.push(begin(&store, run).await);
    }
    for lease in leases.iter_mut().step_by(3) {
        lease.epoch += 1;
    }
    let commits = leases.iter().map(|lease| store.commit(lease, step(lease.run.0, 1)));
    let outcomes = join_all(commits).await;
    for (lease, outcome) in leases.iter().zip(outcomes) {
        let is_fenced = outcome == Err(StoreError::Fenced { run: lease.run });
        assert_eq!(is_fenced, lease.epoch == 2, "{outcome:?}");
        is_whole(&store, lease.run.0, u64::from(!is_fenced)).await;
    }
}

#[tokio::test]
async fn stores_that_write_one_thread_at_one_time_wait_for_each_other() {
    let options = fresh();
    let url = cluster().await.url();
    let first = PostgresStore::connect(&url, &options).await.expect("a store");
    let second = PostgresStore::connect(&url, &options.clone().lanes(3)).await.expect("a store");
    let (key, other) = (key(1), key(2));
    let entries = |number| step(1, number).entries.pop().expect("entries").1;
    first.append(&key, entries(1)).await.expect("an append");
    first.append(&other, entries(1)).await.expect("an append");
    let pending = |task| Entry::Pending {
        checkpoint: CheckpointId(1),
        fact: FactRecord::Resumed {
            run: None,
            answer: Some(serde_json::json!(task)),
            answers: BTreeMap::new(),
            writes: Vec::new(),
        },
    };
    let appends = (0..100).flat_map(|task| {
        [&first, &second]
            .map(|store| store.append(if task % 2 == 0 { &key } else { &other }, vec![pending(task)]))
    });
    assert!(join_all(appends).await.iter().all(Result::is_ok));
    for key in [&key, &other] {
        let links = first.lineage(key, None).await.expect("a lineage");
        assert_eq!(links[0].pending.len(), 100);
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_found_again() {
    let cluster = PostgresCluster::start().await.expect("a cluster");
    let store = PostgresStore::connect(&cluster.url(), &fresh()).await.expect("a store");
    store.check().await.expect("it is there");
    cluster.stop().await.expect("a stop");
    for error in [
        store.check().await.expect_err("it is away"),
        store.append(&key(1), step(1, 1).entries.remove(0).1).await.expect_err("it is away"),
        store.delete_thread("t").await.expect_err("it is away"),
        PostgresStore::connect(&cluster.url(), &fresh()).await.expect_err("it is away"),
    ] {
        assert!(error.is_retryable(), "{error}");
        let text = error.to_string();
        assert!(text.contains("PostgreSQL at mesh@127.0.0.1") && !text.contains("a-password"), "{text}");
    }
    let text = store.check().await.expect_err("it is away").to_string();
    assert!(text.contains("refused") && text.contains("look whether the server runs"), "{text}");
    cluster.start_again().await.expect("a start");
    store.check().await.expect("it is there again");
    store.append(&key(1), step(1, 1).entries.remove(0).1).await.expect("an append");
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_what_to_do() {
    let url = cluster().await.url();
    let cases = [
        (url.replace("a-password", "another"), "look at the user and the password"),
        (format!("{}nowhere", url.trim_end_matches("postgres")), "make the database"),
        (format!("{url}?sslmode=require"), "sslmode=disable"),
        (url.replace(":a-password", ""), "correct the URL"),
        ("http://u:a-password@h".to_owned(), "write postgres://"),
    ];
    for (url, advice) in cases {
        let error = PostgresStore::connect(&url, &fresh()).await.expect_err(advice);
        assert_eq!((error.code(), error.is_retryable()), ("store_refused", false));
        let text = error.to_string();
        assert!(text.contains(advice) && !text.contains("a-password"), "{text}");
    }
    let error = PostgresStore::connect(&url, &fresh().schema("a; DROP")).await.expect_err("no name");
    assert!(error.to_string().contains("no name of a schema"), "{error}");
}

#[tokio::test]
async fn the_schema_of_a_newer_program_is_left_alone() {
    let (url, options) = (cluster().await.url(), fresh());
    let store = PostgresStore::connect(&url, &options).await.expect("a store");
    let client = store.pools.reads.get().await.expect("a connection");
    client.execute("UPDATE schema_version SET version = version + 1", &[]).await.expect("an update");
    let error = PostgresStore::connect(&url, &options).await.expect_err("it is newer");
    assert_eq!(error, StoreError::NewerSchema { found: KNOWN + 1, known: KNOWN });
}

#[tokio::test]
async fn many_stores_make_one_schema_at_one_time() {
    let (url, options) = (cluster().await.url(), fresh().connections(1));
    let stores = join_all((0..8).map(|_| PostgresStore::connect(&url, &options))).await;
    assert!(stores.iter().all(Result::is_ok), "{stores:?}");
}

#[tokio::test]
async fn names_may_have_any_character() {
    let store = store().await;
    let thread = "a\0b\u{10ffff}0'\"é".to_owned();
    let key = ThreadKey { thread: thread.clone(), ns: Namespace::from("n\0:s") };
    let mut entries = step(1, 1).entries.remove(0).1;
    if let Entry::Checkpoint(checkpoint) = &mut entries[0] {
        checkpoint.metadata.insert("k\0".to_owned(), serde_json::json!("v\0"));
    }
    let wanted = entries.clone();
    store.append(&key, entries).await.expect("an append");
    let found = store.history(&key, HistoryQuery::default()).await.expect("a history");
    assert_eq!(found.into_iter().map(Entry::Checkpoint).collect::<Vec<_>>(), wanted);
    assert_eq!(store.namespaces(&thread).await.expect("names"), [key.ns]);
    assert!(store.copy_thread(&thread, "\0").await.expect("a copy"));
    assert!(store.delete_thread(&thread).await.expect("a deletion"));
}
