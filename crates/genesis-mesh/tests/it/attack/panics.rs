//! Code that panics wherever a graph runs code of others.

use crate::graph::ground::{Log, LogUpdate, data, kept, signs};
use futures_util::FutureExt;
use genesis_mesh::State;
use genesis_mesh::graph::{
    CachePolicy, Context, Durability, Graph, NodeError, NodeSettings, RetryPolicy, START, StreamMode,
    TimeoutPolicy,
};
use genesis_mesh::state::Snapshot;
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// Awaits a run that must fail, and must not panic; gives its error.
async fn fails<S: State + std::fmt::Debug>(graph: &Graph<S>) -> String {
    let run = graph.run(json!({})).into_future();
    let ended = AssertUnwindSafe(run).catch_unwind().await.expect("the panic came out of the run");
    ended.unwrap_err().to_string()
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("bomb");
        }
    }
}

#[tokio::test]
async fn a_node_that_panics_before_its_future_in_it_or_when_it_is_dropped_fails_its_task() {
    let before = |_: Snapshot<Log>| -> std::future::Ready<LogUpdate> { panic!("before") };
    let graph: Graph<Log> = Graph::builder("p").node("a", before).entry("a").build().unwrap();
    assert!(fails(&graph).await.contains("before"));
    let within = async |log: Snapshot<Log>| -> LogUpdate { panic!("within {}", log.x) };
    let graph: Graph<Log> = Graph::builder("p").node("a", within).entry("a").build().unwrap();
    assert!(fails(&graph).await.contains("within 0"));
    let dropped = async |_: Snapshot<Log>| {
        let _bomb = Bomb;
        Log::update()
    };
    let graph: Graph<Log> = Graph::builder("p").node("a", dropped).entry("a").build().unwrap();
    assert!(fails(&graph).await.contains("bomb"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_panics_when_its_time_is_over_fails_its_task() {
    let late = async |_: Snapshot<Log>| {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
        Log::update()
    };
    let limit = Some(Duration::from_millis(5));
    for timeout in [
        TimeoutPolicy { run: limit, ..TimeoutPolicy::default() },
        TimeoutPolicy { idle: limit, ..TimeoutPolicy::default() },
    ] {
        let graph: Graph<Log> = Graph::builder("p")
            .node_with("a", late, NodeSettings::new().timeout(timeout))
            .entry("a")
            .build()
            .unwrap();
        fails(&graph).await;
    }
}

#[tokio::test]
async fn a_sibling_that_panics_when_it_is_stopped_does_not_hide_the_failure() {
    let waits = async |_: Snapshot<Log>| {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
        Log::update()
    };
    let wrong = async |_: Snapshot<Log>| -> Result<LogUpdate, NodeError> {
        tokio::task::yield_now().await;
        Err(NodeError::new("Wrong", "the failure"))
    };
    let graph: Graph<Log> = Graph::builder("p")
        .node("waits", waits)
        .node("wrong", wrong)
        .edge(START, "waits")
        .edge(START, "wrong")
        .build()
        .unwrap();
    assert!(fails(&graph).await.contains("the failure"));
}

#[tokio::test]
async fn a_branch_that_panics_fails_its_task() {
    let route = |log: &Log| -> &'static str { panic!("route {}", log.x) };
    let graph: Graph<Log> = Graph::builder("p")
        .node("a", signs("a"))
        .node("b", signs("b"))
        .entry("a")
        .branch_to("a", route, ["b"])
        .build()
        .unwrap();
    assert!(fails(&graph).await.contains("route 0"));
    let graph: Graph<Log> =
        Graph::builder("p").node("b", signs("b")).branch_to(START, route, ["b"]).build().unwrap();
    assert!(fails(&graph).await.contains("route 0"));
}

fn explodes(old: i64, new: i64) -> i64 {
    if new == 13 {
        panic!("thirteen");
    }
    old + new
}

#[derive(Debug, Clone, Default, State)]
struct Fragile {
    #[reduce(append)]
    log: Vec<String>,
    #[reduce(explodes)]
    sum: i64,
}

#[tokio::test]
async fn a_reducer_that_panics_fails_the_run_and_leaves_the_thread_as_it_was() {
    for durability in [Durability::Sync, Durability::Async, Durability::Exit] {
        let good = async |_: Snapshot<Fragile>| Fragile::update().log(["good"]).sum(1);
        let bad = async |_: Snapshot<Fragile>| Fragile::update().log(["bad"]).sum(13);
        let graph: Graph<Fragile> = Graph::builder("p")
            .node("a", good)
            .node("b", good)
            .node("c", bad)
            .edge(START, "a")
            .edge("a", "b")
            .edge("a", "c")
            .build()
            .unwrap();
        let graph = kept(graph).with_durability(durability);
        let run = graph.run(json!({})).thread("t").into_future();
        let ended = AssertUnwindSafe(run).catch_unwind().await;
        let ended = ended.unwrap_or_else(|_| panic!("{durability:?}: the panic came out of the run"));
        assert!(ended.unwrap_err().to_string().contains("thirteen"), "{durability:?}");
        let run = graph.go_on().thread("t").into_future();
        let again = AssertUnwindSafe(run).catch_unwind().await.expect("the panic came out of the second run");
        let again = again.map(|outcome| outcome.values());
        assert!(again.is_err(), "{durability:?}: {again:?}");
    }
}

#[tokio::test]
async fn policies_that_panic_fail_their_task() {
    let wrong =
        async |_: Snapshot<Log>| -> Result<LogUpdate, NodeError> { Err(NodeError::new("Wrong", "x")) };
    let policy = RetryPolicy::attempts(2).on(|_| panic!("predicate"));
    let graph: Graph<Log> = Graph::builder("p")
        .node_with("a", wrong, NodeSettings::new().retry(policy))
        .entry("a")
        .build()
        .unwrap();
    fails(&graph).await;
    let cache = CachePolicy { key: Some(Arc::new(|_| panic!("key"))), ..CachePolicy::default() };
    let graph: Graph<Log> = Graph::builder("p")
        .node_with("a", signs("a"), NodeSettings::new().cache(cache))
        .entry("a")
        .build()
        .unwrap();
    fails(&graph).await;
}

#[tokio::test(start_paused = true)]
async fn policies_with_extreme_numbers_do_not_panic() {
    for (initial, factor, max) in [
        (Duration::MAX, 2.0, Duration::MAX),
        (Duration::ZERO, f64::INFINITY, Duration::ZERO),
        (Duration::ZERO, f64::NAN, Duration::ZERO),
        (Duration::from_secs(1), -5.0, Duration::from_secs(1)),
    ] {
        let node = async |_: Snapshot<Log>, context: Context| -> Result<LogUpdate, NodeError> {
            if context.attempt() < 3 {
                Err(NodeError::new("Flaky", "x").retryable())
            } else {
                Ok(Log::update())
            }
        };
        let policy = RetryPolicy {
            initial_interval: initial,
            backoff_factor: factor,
            max_interval: max,
            max_attempts: u32::MAX,
            ..RetryPolicy::default()
        };
        let timeout =
            TimeoutPolicy { run: Some(Duration::MAX), idle: Some(Duration::MAX), ..TimeoutPolicy::default() };
        let graph: Graph<Log> = Graph::builder("p")
            .node_with("a", node, NodeSettings::new().retry(policy).timeout(timeout))
            .entry("a")
            .build()
            .unwrap();
        let run = AssertUnwindSafe(graph.run(json!({})).into_future()).catch_unwind();
        let ended = tokio::time::timeout(Duration::from_secs(1 << 40), run).await;
        if let Ok(ended) = ended {
            ended.expect("no panic").unwrap();
        }
    }
}

#[tokio::test]
async fn a_context_that_outlives_the_run_does_not_hold_its_stream_open() {
    let node = async |_: Snapshot<Log>, context: Context| {
        #[expect(clippy::disallowed_methods, reason = "code of others may do this")]
        tokio::spawn(async move {
            loop {
                tokio::task::yield_now().await;
                let _ = context.write("late").await;
                if context.call("late", |_| async { Ok::<_, NodeError>(1) }).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
        Log::update().log(["a"])
    };
    let graph: Graph<Log> = Graph::builder("late").node("a", node).entry("a").build().unwrap();
    let told = tokio::time::timeout(
        Duration::from_secs(5),
        data(kept(graph).run(json!({})).thread("t").stream([StreamMode::Updates])),
    );
    let told = told.await.expect("the stream does not end");
    assert_eq!(told.len(), 1, "{told:?}");
}
