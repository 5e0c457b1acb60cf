//! You learn: nothing; this program measures what a task of a graph costs, on demand, for `cargo xtask bench graph`.
//!
//! Run: `cargo run --release -p genesis-mesh --example graph_speed`, then one case a line on standard input:
//! `chain 10 none`, `chain 10 memory`, `fan 100 none`, `channels 1000 none`, `loop 1000 memory`, `waiting 10 none`.
//! Each line is answered with a line of JSON: `cpu_us_per_task`, or `bytes_per_run` of runs that wait.
use genesis_mesh::graph::{END, Graph, START, Send, Sent};
use genesis_mesh::state::{DynShape, DynState, Snapshot};
use genesis_mesh::{MemoryStore, State};
use serde_json::json;
use std::error::Error;
use std::future::IntoFuture;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long a case is measured at least, in CPU time.
const MEASURED_MIN: Duration = Duration::from_millis(1_000);
/// How many runs wait at a time.
const WAITING: usize = 10_000;

#[derive(Debug, Clone, Default, State)]
struct Counter {
    n: i64,
    #[reduce(add)]
    done: u64,
}

async fn count(state: Snapshot<Counter>) -> CounterUpdate {
    Counter::update().n(state.n + 1)
}

async fn work(item: Sent<i64>) -> CounterUpdate {
    let _ = item;
    Counter::update().done(1)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [case, size, store] = *line.split(' ').collect::<Vec<_>>() else {
            return Err("CASE SIZE STORE".into());
        };
        let (size, has_store) = (size.parse()?, store == "memory");
        println!("{}", measure(case, size, has_store).await?);
    }
    Ok(())
}

async fn measure(case: &str, size: usize, has_store: bool) -> Outcome<serde_json::Value> {
    let per_task = match case {
        "chain" => run_often(&chain(size, has_store)?, size, has_store).await?,
        "fan" => run_often(&fan(size)?, size, has_store).await?,
        "channels" => run_often(&channels(size, has_store)?, 10, has_store).await?,
        "loop" => run_often(&looped(size, has_store)?, size, has_store).await?,
        "waiting" => return waiting(size).await,
        other => return Err(format!("there is no case {other}").into()),
    };
    Ok(json!({"cpu_us_per_task": per_task}))
}

/// Runs the graph again and again, and gives the CPU time of one of its tasks, in microseconds.
async fn run_often<S: State>(graph: &Graph<S>, tasks: usize, has_store: bool) -> Outcome<f64> {
    let mut thread = 0_u64;
    let mut run = async || {
        thread += 1;
        let request = graph.run(json!({"n": 0}));
        let request = if has_store { request.thread(format!("t{thread}")) } else { request };
        let outcome = request.await?;
        if has_store {
            graph.thread(format!("t{thread}")).delete().await?;
        }
        if outcome.is_done() { Ok::<_, Box<dyn Error>>(()) } else { Err("the run is not done".into()) }
    };
    for _ in 0..1 + 1_000 / tasks {
        run().await?;
    }
    let (before, mut runs) = (cpu_time()?, 0_usize);
    loop {
        for _ in 0..1 + 5_000 / tasks {
            run().await?;
            runs += 1;
        }
        let spent = cpu_time()?.saturating_sub(before);
        if spent >= MEASURED_MIN {
            return Ok(spent.as_secs_f64() * 1e6 / (runs * tasks) as f64);
        }
    }
}

fn chain(nodes: usize, has_store: bool) -> Outcome<Graph<Counter>> {
    let names: Vec<String> = (0..nodes).map(|node| format!("n{node:04}")).collect();
    let mut builder = Graph::builder("chain").edge(START, names.first().ok_or("no nodes")?);
    for name in &names {
        builder = builder.node(name, count);
    }
    finish(builder.sequence(names).build()?, nodes, has_store)
}

fn fan(tasks: usize) -> Outcome<Graph<Counter>> {
    let sends = move |_: &Counter| (0..tasks).map(|item| Send::to("work", item as i64)).collect::<Vec<_>>();
    let graph: Graph<Counter> = Graph::builder("fan")
        .node("work", work)
        .branch_to(START, sends, ["work"])
        .edge("work", END)
        .build()?;
    finish(graph, 1, false)
}

/// A chain of ten nodes over a state of many channels.
fn channels(count: usize, has_store: bool) -> Outcome<Graph<DynState>> {
    let shape =
        (0..count).fold(DynShape::new().last("n"), |shape, channel| shape.last(&format!("c{channel}")));
    let shape = shape.build().map_err(|problems| format!("{problems:?}"))?;
    let names: Vec<String> = (0..10).map(|node| format!("n{node}")).collect();
    let mut builder = Graph::builder("channels").shape(shape).edge(START, "n0");
    for name in &names {
        let step = async |state: Snapshot<DynState>| json!({"n": state.get("n").and_then(serde_json::Value::as_i64).unwrap_or_default() + 1});
        builder = builder.node(name, step);
    }
    finish(builder.sequence(names).build()?, 10, has_store)
}

/// One node that runs again and again.
fn looped(steps: usize, has_store: bool) -> Outcome<Graph<Counter>> {
    let next = move |state: &Counter| if state.n < steps as i64 { "count" } else { END };
    let graph: Graph<Counter> = Graph::builder("loop")
        .node("count", count)
        .edge(START, "count")
        .branch_to("count", next, ["count", END])
        .build()?;
    finish(graph, steps, has_store)
}

fn finish<S: State>(graph: Graph<S>, steps: usize, has_store: bool) -> Outcome<Graph<S>> {
    let graph = graph.with_recursion_limit(u32::try_from(steps)? + 2);
    Ok(if has_store { graph.with_store(Arc::new(MemoryStore::new())) } else { graph })
}

/// The memory that a run of a chain takes while one of its nodes waits, in bytes.
async fn waiting(nodes: usize) -> Outcome<serde_json::Value> {
    let names: Vec<String> = (0..nodes).map(|node| format!("n{node:04}")).collect();
    let mut builder = Graph::builder("waiting").edge(START, names.first().ok_or("no nodes")?);
    for (name, place) in names.iter().zip(0..) {
        builder = builder.node(name, move |state: Snapshot<Counter>| async move {
            if place == 5 {
                std::future::pending::<()>().await;
            }
            Counter::update().n(state.n + 1)
        });
    }
    let graph: Graph<Counter> = builder.sequence(names).build()?;
    let mut runs = Vec::with_capacity(WAITING);
    let before = resident_bytes()?;
    for _ in 0..WAITING {
        let mut run = graph.run(json!({"n": 0})).into_future();
        // One poll takes it to the node that waits.
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(run.as_mut().poll(context))).await;
        if polled.is_ready() {
            return Err("the run did not wait".into());
        }
        runs.push(run);
    }
    let bytes = resident_bytes()?.saturating_sub(before) / WAITING as u64;
    drop(runs);
    Ok(json!({"bytes_per_run": bytes}))
}

/// The CPU time of all threads of this process.
fn cpu_time() -> Outcome<Duration> {
    let mut ns = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        ns += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok(Duration::from_nanos(ns))
}

fn resident_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1024)
}
