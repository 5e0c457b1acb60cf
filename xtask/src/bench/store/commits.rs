//! Commits: how many durable steps a second the stores keep, without an engine above them.
//!
//! Owns: the load, which is that of a chain of nodes: each step is one commit of a fact and a checkpoint, under a lease.
//! Never: counts a commit that was not answered.
//! Flow: runs are accepted and claimed, then each commits one step after the other until the time is up.

use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Line, Outcome, Unit};
use crate::bench::series::{Series, quantile};
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

/// How long a case is measured in a round.
const TIME: Duration = Duration::from_secs(2);
/// Runs at one time, and the steps a second that there must be.
const SQLITE: [(u32, Option<f64>); 3] = [(1, Some(3_000.0)), (16, Some(10_000.0)), (64, None)];
const POSTGRES: [(u32, Option<f64>); 3] = [(1, None), (16, None), (64, Some(15_000.0))];

struct Case {
    store: &'static str,
    runs: u32,
    floor: Option<f64>,
    rates: Vec<f64>,
    p99_ms: Vec<f64>,
}

/// Commits a second, and the time of the slowest hundredth of them.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::io("start a runtime", error))?;
    runtime.block_on(measure(desk))
}

async fn measure(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let sqlite: Arc<dyn RunStore> = Arc::new(SqliteStore::open(desk.data()?.join("bench.db"))?);
    let cluster = PostgresCluster::start().await?;
    let options = PostgresOptions::default();
    let postgres: Arc<dyn RunStore> = Arc::new(PostgresStore::connect(&cluster.url(), &options).await?);
    let case = |store| move |(runs, floor)| Case { store, runs, floor, rates: vec![], p99_ms: vec![] };
    let mut cases: Vec<Case> =
        SQLITE.map(case("SQLite")).into_iter().chain(POSTGRES.map(case("PostgreSQL"))).collect();
    let mut next = 1;
    for round in 0..desk.rounds {
        for case in &mut cases {
            let store = if case.store == "SQLite" { &sqlite } else { &postgres };
            let (rate, p99_ms) = load(store, case.runs, next).await?;
            next += u128::from(case.runs);
            let Case { store, runs, .. } = case;
            desk.tell("commits", round, &format!("{store}, {runs} runs: {rate:.0}/s, p99 {p99_ms:.2} ms"));
            case.rates.push(rate);
            case.p99_ms.push(p99_ms);
        }
    }
    Ok(cases.into_iter().flat_map(Case::lines).collect())
}

impl Case {
    fn lines(self) -> [Line; 2] {
        let what = match self.runs {
            1 => format!("the store alone, {}: commits of 1 run", self.store),
            runs => format!("the store alone, {}: commits of {runs} runs at one time", self.store),
        };
        let ours = Series::new(self.rates);
        let outcome = match self.floor {
            Some(floor) => Outcome::Floored { ours, floor },
            None => Outcome::Told { ours },
        };
        let slow = Outcome::Told { ours: Series::new(self.p99_ms) };
        [
            Line { what: what.clone(), unit: Unit::StepsPerSecond, outcome },
            Line { what: format!("{what}: p99"), unit: Unit::Milliseconds, outcome: slow },
        ]
    }
}

/// Lets so many runs commit for a while; their ids begin at `first`. Gives commits a second, and their p99.
async fn load(store: &Arc<dyn RunStore>, runs: u32, first: u128) -> Result<(f64, f64), BenchError> {
    let mut leases = Vec::new();
    for id in first..first + u128::from(runs) {
        let lease = store.accept(new_run(id)).await?.lease;
        leases.push((id, lease.ok_or_else(|| BenchError::program("the store", "claims no new run"))?));
    }
    let begun = Instant::now();
    let end = begun + TIME;
    let waits =
        try_join_all(leases.into_iter().map(|(id, lease)| commits(Arc::clone(store), id, lease, end)));
    let waits = waits.await?.concat();
    let rate = waits.len() as f64 / begun.elapsed().as_secs_f64();
    Ok((rate, quantile(waits.iter().map(|wait| wait.as_secs_f64() * 1e3).collect(), 0.99)))
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
