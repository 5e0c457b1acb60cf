//! Durable steps of stores: how many commits a second runs get on disk, alone and beside each other.
//!
//! Owns: the load, which is that of a chain of nodes: each step is one commit of a fact and a checkpoint, under a lease.
//! Never: counts a commit that was not answered.
//! Flow: runs are accepted and claimed, then each commits one step after the other until the time is up.

use anyhow::Context as _;
use futures_util::future::try_join_all;
use genesis_mesh_core::log::{Claim, Commit, EventClass, IfBusy, Lease, NewEvent, NewRun, RunStore};
use genesis_mesh_core::run::{CheckpointId, FactRecord, Namespace, RunId, Source};
use genesis_mesh_core::store::{Checkpoint, Entry, StoreError, ThreadKey};
use genesis_mesh_store::testing::PostgresCluster;
use genesis_mesh_store::{PostgresOptions, PostgresStore, SqliteStore};
use serde_json::Map;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which stores to measure, and how.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Runs at one time, one line each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    runs: Vec<u32>,
    /// How long each line is measured, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How often all lines are measured, in turns; the best of a line counts, since neighbours only ever slow it.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// What one line came to.
struct Speed {
    commits_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures all stores, and prints a Markdown table.
///
/// # Errors
/// A store could not be opened, or failed.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let sqlite: Arc<dyn RunStore> = Arc::new(SqliteStore::open(folder.path().join("bench.db"))?);
    let cluster = PostgresCluster::start().await.context("PostgreSQL could not be started")?;
    let options = PostgresOptions::default();
    let postgres: Arc<dyn RunStore> = Arc::new(PostgresStore::connect(&cluster.url(), &options).await?);
    let stores = [("SQLite", sqlite), ("PostgreSQL", postgres)];
    let time = Duration::from_secs(arguments.seconds);
    let mut best: Vec<(&str, u32, Option<Speed>)> = Vec::new();
    for (name, _) in &stores {
        best.extend(arguments.runs.iter().map(|runs| (*name, *runs, None)));
    }
    let mut next = 1;
    for _ in 0..arguments.rounds {
        for (name, runs, known) in &mut best {
            let Some((_, store)) = stores.iter().find(|(other, _)| other == name) else { continue };
            let speed = load(store, *runs, next, time).await?;
            next += u128::from(*runs);
            if known.as_ref().is_none_or(|known| speed.commits_per_second > known.commits_per_second) {
                *known = Some(speed);
            }
        }
    }
    println!(
        "| store | runs at one time | durable steps/s | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- |"
    );
    for (name, runs, speed) in best {
        let Some(Speed { commits_per_second, p50_ms, p99_ms }) = speed else { continue };
        println!("| {name} | {runs} | {commits_per_second:.0} | {p50_ms:.2} | {p99_ms:.2} |");
    }
    Ok(())
}

/// Lets so many runs commit for so long; their ids begin at `first`.
async fn load(store: &Arc<dyn RunStore>, runs: u32, first: u128, time: Duration) -> anyhow::Result<Speed> {
    let mut leases = Vec::new();
    for id in first..first + u128::from(runs) {
        let accepted = store.accept(new_run(id)).await?;
        leases.push((id, accepted.lease.context("a new run is claimed at once")?));
    }
    let begun = Instant::now();
    let end = begun + time;
    let waits =
        try_join_all(leases.into_iter().map(|(id, lease)| commits(Arc::clone(store), id, lease, end)));
    let mut waits: Vec<Duration> = waits.await?.concat();
    let seconds = begun.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |share: usize| waits.get(waits.len() * share / 100).map_or(0.0, |wait| wait.as_secs_f64() * 1e3);
    Ok(Speed { commits_per_second: waits.len() as f64 / seconds, p50_ms: at(50), p99_ms: at(99) })
}

/// How long each commit of one run took.
async fn commits(
    store: Arc<dyn RunStore>,
    id: u128,
    lease: Lease,
    end: Instant,
) -> Result<Vec<Duration>, StoreError> {
    let key = ThreadKey { thread: format!("thread-{id}"), ns: Namespace::default() };
    let mut waits = Vec::new();
    for number in 1.. {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        store.commit(&lease, step(&key, number)).await?;
        waits.push(begun.elapsed());
    }
    Ok(waits)
}

/// A step: its checkpoint, and what is told of it.
fn step(key: &ThreadKey, number: u64) -> Commit {
    let id = CheckpointId(u128::from(number));
    let checkpoint = Checkpoint {
        id,
        parent: (number > 1).then(|| CheckpointId(u128::from(number) - 1)),
        step: i64::try_from(number).unwrap_or(0),
        source: Source::Loop,
        created_at_ms: 0,
        parents: BTreeMap::new(),
        metadata: Map::new(),
        fact: Some(FactRecord::StepCommitted { checkpoint: id }),
    };
    let data = format!(r#"{{"type":"update","node":"node","values":{{"x":{number}}}}}"#);
    Commit {
        number,
        events: vec![NewEvent { class: EventClass::Fact, data, memo: None }],
        entries: vec![(key.clone(), vec![Entry::Checkpoint(checkpoint)])],
        end: None,
        is_progress: true,
    }
}

fn new_run(id: u128) -> NewRun {
    let event = |class| NewEvent { class, data: "{}".to_owned(), memo: None };
    NewRun {
        id: RunId(id),
        agent: "bench".to_owned(),
        thread: Some(format!("thread-{id}")),
        input: "{}".to_owned(),
        principal: None,
        idempotency: None,
        if_busy: IfBusy::Reject,
        metadata: Map::new(),
        ttl_ms: None,
        first: event(EventClass::Fact),
        stopped: event(EventClass::End),
        claim: Some(Claim { owner: "bench".to_owned(), lease_ms: 3_600_000, agents: Vec::new(), limit: 1 }),
    }
}
