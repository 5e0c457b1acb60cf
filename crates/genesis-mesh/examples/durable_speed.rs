//! You learn: nothing; this program measures runs of a graph whose steps are kept, for `cargo xtask bench store`.
//!
//! Run: `cargo run --release -p genesis-mesh --example durable_speed`, then one case a line on standard input, each
//! answered with a line of JSON. `steps STORE RUNS NODES SECONDS DURABILITY` gives `steps_per_second` of chains of so
//! many nodes, so many runs at one time; `growth STORE STEPS BYTES` gives `thread_bytes`, `database_bytes` with the run's
//! log, and `read_ms_max` of a thread whose list grew by an item of so many bytes a step. STORE is `sqlite:PATH` or
//! `postgres://…`, DURABILITY `sync` or `async`.
use genesis_mesh::graph::{Durability, END, Graph, GraphThread, HistoryQuery, START};
use genesis_mesh::log::RunStatus;
use genesis_mesh::state::Snapshot;
use genesis_mesh::store::Store;
use genesis_mesh::{
    BusSource, GenesisMesh, Mesh, RunnerOptions, SqliteStore, State, StoreSource, Submission,
};
use serde_json::{Value, json};
use std::error::Error;
use std::future::pending;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Debug, Clone, Default, State)]
struct Counter {
    n: u64,
}

#[derive(Debug, Clone, Default, State)]
struct Growing {
    #[reduce(append)]
    items: Vec<String>,
    steps: u64,
    bytes: u64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match *line.split(' ').collect::<Vec<_>>() {
            ["steps", store, runs, nodes, seconds, durability] => {
                let graph = chain(nodes.parse()?, durability)?;
                steps(store, graph, runs.parse()?, nodes.parse()?, seconds.parse()?).await?
            }
            ["growth", store, steps, bytes] => growth(store, steps.parse()?, bytes.parse()?).await?,
            _ => {
                return Err(
                    "`steps STORE RUNS NODES SECONDS DURABILITY` or `growth STORE STEPS BYTES`".into()
                );
            }
        };
        println!("{answer}");
    }
    Ok(())
}

/// A mesh that works on a store as a server does, until `measured` is done.
async fn with_mesh<T>(
    agents: GenesisMesh,
    store: &str,
    measured: impl AsyncFnOnce(Mesh) -> Outcome<T>,
) -> Outcome<T> {
    let store = StoreSource::parse(store, Path::new("."))?;
    let mut options = RunnerOptions::default();
    options.is_alone = true;
    let bus = BusSource::of(&store);
    let mesh = agents.store(store).bus(bus).runner(options).setup().await?;
    tokio::select! {
        outcome = measured(mesh.clone()) => outcome,
        worked = mesh.work(pending(), pending()) => Err(format!("the mesh works no more: {worked:?}").into()),
    }
}

/// Runs a graph once, and gives what it told; each run has a thread of its own.
async fn run(mesh: &Mesh, agent: &str, thread: Option<&str>, input: Value) -> Outcome<u64> {
    let submission = Submission { thread: thread.map(str::to_owned), ..Submission::new(agent, input) };
    let submitted = mesh.submit(submission).await?;
    let mut reader = mesh.follow_run(&submitted.run, 0)?;
    let mut events = 0;
    while let Some(event) = reader.next().await {
        event?;
        events += 1;
    }
    let ended = mesh.get(submitted.run.id).await?.ok_or("the run is gone")?;
    match ended.status {
        RunStatus::Succeeded => Ok(events),
        status => Err(format!("the run is {status:?}").into()),
    }
}

fn chain(nodes: usize, durability: &str) -> Outcome<Graph<Counter>> {
    let names: Vec<String> = (0..nodes).map(|node| format!("n{node:04}")).collect();
    let mut builder = Graph::builder("chain").edge(START, names.first().ok_or("no nodes")?);
    for name in &names {
        builder = builder.node(name, async |state: Snapshot<Counter>| Counter::update().n(state.n + 1));
    }
    let durability = match durability {
        "sync" => Durability::Sync,
        "async" => Durability::Async,
        other => return Err(format!("no durability {other}").into()),
    };
    let graph = builder.sequence(names).build()?.with_recursion_limit(u32::try_from(nodes)? + 2);
    Ok(graph.with_durability(durability))
}

async fn steps(
    store: &str,
    graph: Graph<Counter>,
    runs: usize,
    nodes: usize,
    seconds: f64,
) -> Outcome<Value> {
    let agents = GenesisMesh::new().agent("chain", graph);
    with_mesh(agents, store, async |mesh: Mesh| {
        run(&mesh, "chain", None, json!({"n": 0})).await?;
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(seconds);
        let mut loads = tokio::task::JoinSet::new();
        for _ in 0..runs {
            let mesh = mesh.clone();
            loads.spawn(async move {
                let mut done = 0_usize;
                while Instant::now() < end {
                    let events = run(&mesh, "chain", None, json!({"n": 0})).await?;
                    // The run, an update for each node, the output, the end.
                    if events < nodes as u64 + 2 {
                        return Err(format!("{events} events of {nodes} nodes").into());
                    }
                    done += nodes;
                }
                Outcome::Ok(done)
            });
        }
        let mut done = 0;
        while let Some(load) = loads.join_next().await {
            done += load??;
        }
        Ok(json!({"steps_per_second": done as f64 / begun.elapsed().as_secs_f64()}))
    })
    .await
}

async fn growth(store: &str, steps: u64, bytes: u64) -> Outcome<Value> {
    let path = store.strip_prefix("sqlite:").ok_or("the size is that of a SQLite file")?;
    let grow = async |state: Snapshot<Growing>| {
        // Not the same text each time, so that no store could keep it once.
        let item = format!("{:08}", state.items.len()).repeat(usize::try_from(state.bytes / 8).unwrap_or(0));
        Growing::update().items([item])
    };
    let next = |state: &Growing| if (state.items.len() as u64) < state.steps { "grow" } else { END };
    let graph: Graph<Growing> = Graph::builder("growing")
        .node("grow", grow)
        .edge(START, "grow")
        .branch_to("grow", next, ["grow", END])
        .build()?;
    let graph = graph.with_recursion_limit(u32::try_from(steps)? + 2);
    let input = json!({"steps": steps, "bytes": bytes});

    // A thread alone, of a run that nobody logs.
    let alone = format!("{path}-thread");
    let store_alone = Arc::new(SqliteStore::open(&alone)?);
    let outcome = graph.clone().with_store(store_alone).run(input.clone()).thread("thread").await?;
    drop(outcome);
    let thread_bytes = size(&alone);

    let agents = GenesisMesh::new().agent("growing", graph.clone());
    let read_ms_max = with_mesh(agents, store, async |mesh: Mesh| {
        run(&mesh, "growing", Some("thread"), input).await?;
        let graph = graph.with_store(Arc::clone(mesh.store()) as Arc<dyn Store>);
        slowest_read(&graph.thread("thread"), steps).await
    })
    .await?;
    let database_bytes = size(path);
    Ok(json!({"thread_bytes": thread_bytes, "database_bytes": database_bytes, "read_ms_max": read_ms_max}))
}

/// The size of a database on disk; the log that SQLite writes ahead is part of it.
fn size(path: &str) -> u64 {
    let size = |path: &str| std::fs::metadata(path).map_or(0, |file| file.len());
    size(path) + size(&format!("{path}-wal"))
}

/// The longest time, in milliseconds, that reading the state at a checkpoint takes, of all checkpoints of a thread. Of two
/// reads of one the faster counts: what else the machine does can only slow it.
async fn slowest_read(thread: &GraphThread<Growing>, steps: u64) -> Outcome<f64> {
    let history = thread.history(HistoryQuery::default()).await?;
    // Before the input, and before and after each step.
    if history.len() as u64 != steps + 2 {
        return Err(format!("{} checkpoints of {steps} steps", history.len()).into());
    }
    let mut slowest = Duration::ZERO;
    for id in history.iter().filter_map(|past| Some(past.checkpoint.as_ref()?.id)) {
        let mut fastest = Duration::MAX;
        for _ in 0..2 {
            let begun = Instant::now();
            let state = thread.state_at(id).await?;
            fastest = fastest.min(begun.elapsed());
            if state.view.values.is_null() {
                return Err("a state is null".into());
            }
        }
        slowest = slowest.max(fastest);
    }
    Ok(slowest.as_secs_f64() * 1e3)
}
