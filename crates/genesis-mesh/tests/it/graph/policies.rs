//! Policies: tries, limits of time and caches, on a clock that tests set.

use super::ground::{Clock, Count, Log, LogUpdate, read, retryable};
use genesis_mesh::graph::{
    CachePolicy, Context, Graph, NodeError, NodeSettings, RetryPolicy, START, Send, Sent, TimeoutPolicy,
};
use genesis_mesh::state::Snapshot;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const STEADY: fn(u32) -> RetryPolicy =
    |max_attempts| RetryPolicy { max_attempts, has_jitter: false, ..RetryPolicy::default() };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A graph of one node with these settings.
fn alone<Form, N: genesis_mesh::graph::IntoNode<Log, Form>>(node: N, settings: NodeSettings) -> Graph<Log> {
    Graph::builder("alone").node_with("node", node, settings).edge(START, "node").build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_node_is_tried_again_after_waits_that_double_and_what_a_failed_try_did_is_gone() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let node = {
        let times = Arc::clone(&times);
        move |_: Snapshot<Log>, context: Context| {
            times.lock().unwrap().push(Instant::now());
            let attempt = context.attempt();
            async move {
                if attempt < 4 {
                    return Err(retryable("not yet"));
                }
                Ok(Log::update().log([format!("attempt {attempt}")]))
            }
        }
    };
    let outcome = alone(node, NodeSettings::new().retry(STEADY(4))).run(json!({})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "attempt 4");
    let times = times.lock().unwrap();
    let waits: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(waits, [500, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn tries_end_with_the_policy_with_a_final_failure_and_with_a_predicate_that_says_so() {
    let tried = async |policy: RetryPolicy, fail: fn() -> NodeError| {
        let count = Count::default();
        let node = {
            let count = count.clone();
            move |_: Snapshot<Log>| {
                count.one();
                std::future::ready(Err::<LogUpdate, _>(fail()))
            }
        };
        let graph = alone(node, NodeSettings::new().retry(policy));
        graph.run(json!({})).await.unwrap_err();
        count.get()
    };
    assert_eq!(tried(STEADY(3), || retryable("again")).await, 3);
    assert_eq!(tried(STEADY(3), || NodeError::new("Wrong", "for good")).await, 1);
    assert_eq!(
        tried(STEADY(3).on(|failure| failure.error == "Wrong"), || NodeError::new("Wrong", "")).await,
        3
    );
    assert_eq!(tried(STEADY(3).on(|_| false), || retryable("again")).await, 1);
    // An error that is not known to be final is worth a try.
    assert_eq!(tried(STEADY(2), || std::fmt::Error.into()).await, 2);
}

#[tokio::test(start_paused = true)]
async fn of_several_policies_the_first_that_fits_the_failure_counts() {
    let count = Count::default();
    let node = {
        let count = count.clone();
        move |_: Snapshot<Log>| {
            count.one();
            std::future::ready(Err::<LogUpdate, _>(NodeError::new("Rare", "again")))
        }
    };
    let policies = NodeSettings::new()
        .retry(STEADY(9).on(|failure| failure.error == "Other"))
        .retry(STEADY(2).on(|failure| failure.error == "Rare"))
        .retry(STEADY(7).on(|_| true));
    alone(node, policies).run(json!({})).await.unwrap_err();
    assert_eq!(count.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_longer_than_it_may_is_stopped_and_that_is_worth_another_try() {
    let (count, stopped) = (Count::default(), Count::default());
    let node = {
        let (count, stopped) = (count.clone(), stopped.clone());
        move |_: Snapshot<Log>| {
            let (attempt, guard) = (count.one(), stopped.guard());
            async move {
                let _guard = guard;
                if attempt == 1 {
                    std::future::pending::<()>().await;
                }
                Log::update().log([format!("attempt {attempt}")])
            }
        }
    };
    let limit = TimeoutPolicy { run: Some(ms(100)), ..TimeoutPolicy::default() };
    let once = alone(node.clone(), NodeSettings::new().timeout(limit));
    let error = once.run(json!({})).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("100 ms"), "{error}");
    assert_eq!(stopped.get(), 1);
    let again = Count::default();
    let node = {
        let again = again.clone();
        move |_: Snapshot<Log>| {
            let attempt = again.one();
            async move {
                if attempt == 1 {
                    std::future::pending::<()>().await;
                }
                Log::update().log([format!("attempt {attempt}")])
            }
        }
    };
    let twice = alone(node, NodeSettings::new().timeout(limit).retry(STEADY(2)));
    assert_eq!(read(&twice.run(json!({})).await.unwrap().state().unwrap()), "attempt 2");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_shows_signs_of_life_may_go_on_and_a_silent_one_may_not() {
    // Five signs, 60 ms apart, then silence or an end.
    let node = |is_heartbeat: bool, is_silent: bool| {
        move |_: Snapshot<Log>, context: Context| async move {
            for tick in 0..5 {
                tokio::time::sleep(ms(60)).await;
                match is_heartbeat {
                    true => context.heartbeat(),
                    false => context.write(tick).await?,
                }
            }
            if is_silent {
                tokio::time::sleep(ms(150)).await;
            }
            Ok::<_, NodeError>(Log::update().log(["alive"]))
        }
    };
    let idle = TimeoutPolicy { idle: Some(ms(100)), ..TimeoutPolicy::default() };
    let strict = TimeoutPolicy { is_heartbeat_only: true, ..idle };
    let run = async |is_heartbeat, is_silent, policy| {
        let graph = alone(node(is_heartbeat, is_silent), NodeSettings::new().timeout(policy));
        graph.run(json!({})).await.map(|outcome| read(&outcome.state().unwrap()))
    };
    assert_eq!(run(false, false, idle).await.unwrap(), "alive");
    assert_eq!(run(true, false, idle).await.unwrap(), "alive");
    assert!(run(false, true, idle).await.unwrap_err().to_string().contains("no sign of life"));
    assert_eq!(run(true, false, strict).await.unwrap(), "alive");
    assert!(run(false, false, strict).await.is_err(), "what is written is no heartbeat");
}

#[tokio::test(start_paused = true)]
async fn a_send_can_have_a_limit_of_its_own() {
    let graph: Graph<Log> = Graph::builder("limits")
        .node("work", async |wait: Sent<u64>| {
            tokio::time::sleep(ms(*wait)).await;
            Log::update().log(["done"])
        })
        .branch_to(START, |log: &Log| Send::to("work", 200_u64).timeout(ms(log.x.unsigned_abs())), ["work"])
        .build()
        .unwrap();
    assert_eq!(read(&graph.run(json!({"x": 300})).await.unwrap().state().unwrap()), "done");
    assert_eq!(graph.run(json!({"x": 100})).await.unwrap_err().code(), "node_failed");
}

#[tokio::test]
async fn what_a_node_wrote_for_an_equal_input_is_kept_until_its_time_is_over() {
    let (count, clock) = (Count::default(), Arc::new(Clock::default()));
    let node = {
        let count = count.clone();
        move |log: Snapshot<Log>| {
            std::future::ready(Log::update().log([format!("{} {}", log.x, count.one())]))
        }
    };
    let policy = CachePolicy { ttl: Some(ms(1000)), key: None };
    let graph = alone(node, NodeSettings::new().cache(policy)).with_ambient(clock.clone());
    let run = async |x: i64, at: i64| {
        clock.0.store(at, Ordering::SeqCst);
        read(&graph.run(json!({"x": x})).await.unwrap().state().unwrap())
    };
    assert_eq!(run(1, 0).await, "1 1");
    assert_eq!(run(1, 999).await, "1 1");
    assert_eq!(run(2, 999).await, "2 2");
    assert_eq!(run(1, 1000).await, "1 3");
    graph.clear_cache();
    assert_eq!(run(1, 1001).await, "1 4");
    assert_eq!(count.get(), 4);
}

#[tokio::test]
async fn a_cache_can_say_what_makes_two_inputs_equal_and_failures_are_not_kept() {
    let count = Count::default();
    let node = {
        let count = count.clone();
        move |log: Snapshot<Log>| {
            let n = count.one();
            let fails = n == 1;
            let word = log.word.clone();
            std::future::ready(if fails { Err(retryable("first")) } else { Ok(Log::update().log([word])) })
        }
    };
    let policy = CachePolicy { ttl: None, key: Some(Arc::new(|input| input["x"].to_string())) };
    let graph = alone(node, NodeSettings::new().cache(policy));
    assert!(graph.run(json!({"x": 1, "word": "a"})).await.is_err());
    let words = async |x: i64, word: &str| {
        read(&graph.run(json!({"x": x, "word": word})).await.unwrap().state().unwrap())
    };
    assert_eq!(words(1, "a").await, "a");
    assert_eq!(words(1, "b").await, "a");
    assert_eq!(words(2, "b").await, "b");
    assert_eq!(count.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn defaults_of_a_graph_hold_for_the_nodes_that_come_after_and_have_none_of_their_own() {
    let counts = [Count::default(), Count::default(), Count::default()];
    let fails = |count: &Count| {
        let count = count.clone();
        move |_: Snapshot<Log>| {
            count.one();
            std::future::ready(Err::<LogUpdate, _>(retryable("again")))
        }
    };
    for (index, node) in ["before", "after", "own"].into_iter().enumerate() {
        let graph: Graph<Log> = Graph::builder("defaults")
            .node("before", fails(&counts[0]))
            .node_defaults(NodeSettings::new().retry(STEADY(3)))
            .node("after", fails(&counts[1]))
            .node_with("own", fails(&counts[2]), NodeSettings::new().retry(STEADY(2)))
            .branch_to(START, |log: &Log| log.word.clone(), ["before", "after", "own"])
            .build()
            .unwrap();
        graph.run(json!({"word": node})).await.unwrap_err();
        assert_eq!(counts[index].get(), [1, 3, 2][index], "{node}");
    }
}
