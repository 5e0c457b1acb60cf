//! Failures: errors, panics, handlers, cancelled siblings, and what a failed run leaves behind.

use super::ground::{Count, Log, LogUpdate, kept, read, retryable, signs};
use genesis_mesh::graph::{Command, Context, Graph, GraphRunError, NodeError, START};
use genesis_mesh::state::Snapshot;
use serde_json::json;

type Fails = Result<LogUpdate, NodeError>;

#[tokio::test]
async fn an_error_of_a_node_ends_the_run_and_keeps_its_name_and_its_source() {
    let node = async |_: Snapshot<Log>| "seven".parse::<u32>().map(|_| ());
    let graph: Graph<Log> = Graph::builder("fails").node("parse", node).entry("parse").build().unwrap();
    let error = graph.run(json!({})).await.unwrap_err();
    let GraphRunError::NodeFailed { node, failure, source } = &error else { panic!("{error:?}") };
    assert!(source.as_ref().unwrap().is::<std::num::ParseIntError>());
    assert_eq!((node.as_str(), failure.error.as_str()), ("parse", "ParseIntError"));
    assert_eq!(failure.message, "invalid digit found in string");
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_task_alone_and_the_tasks_beside_it_are_stopped() {
    let (stopped, done) = (Count::default(), Count::default());
    let waits = {
        let (stopped, done) = (stopped.clone(), done.clone());
        move |_: Snapshot<Log>| {
            let (guard, done) = (stopped.guard(), done.clone());
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
                done.one();
            }
        }
    };
    let boom = async |log: Snapshot<Log>| -> LogUpdate {
        tokio::task::yield_now().await;
        panic!("boom {}", log.x)
    };
    let graph: Graph<Log> = Graph::builder("panics")
        .node("boom", boom)
        .node("waits", waits.clone())
        .node("waits too", waits)
        .edge(START, "waits")
        .edge(START, "boom")
        .edge(START, "waits too")
        .build()
        .unwrap();
    let error = graph.run(json!({"x": 3})).await.unwrap_err();
    let GraphRunError::NodeFailed { node, failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        (node.as_str(), failure.error.as_str(), failure.message.as_str()),
        ("boom", "Panic", "boom 3")
    );
    assert!(!error.is_retryable());
    assert_eq!((stopped.get(), done.get()), (2, 0));
}

#[tokio::test]
async fn after_a_failure_the_thread_goes_on_with_the_failed_task_and_runs_no_ended_one_again() {
    let (good, bad) = (Count::default(), Count::default());
    let counts = |count: &Count, name: &'static str, fails_first: bool| {
        let count = count.clone();
        move |_: Snapshot<Log>| {
            let attempt = count.one();
            async move {
                if fails_first && attempt == 1 {
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                    return Err(retryable("first"));
                }
                Ok::<_, NodeError>(Log::update().log([format!("{name} {attempt}")]))
            }
        }
    };
    let graph: Graph<Log> = Graph::builder("again")
        .node("good", counts(&good, "good", false))
        .node("bad", counts(&bad, "bad", true))
        .node("end", signs("end"))
        .edge(START, "good")
        .edge(START, "bad")
        .join(["good", "bad"], "end")
        .build()
        .unwrap();
    let graph = kept(graph);
    graph.run(json!({})).thread("t").await.unwrap_err();
    let stands = graph.thread("t").state().await.unwrap();
    assert_eq!(stands.view.next.iter().map(|next| &**next).collect::<Vec<_>>(), ["bad"]);
    assert_eq!(stands.view.tasks.iter().find_map(|task| task.error.clone()).unwrap().message, "first");
    let outcome = graph.go_on().thread("t").await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "bad 2 good 1 end");
}

#[tokio::test]
async fn a_handler_runs_in_the_place_of_a_node_that_failed_for_good_with_its_input_and_its_edges() {
    let fails = async |_: Snapshot<Log>| -> Fails { Err(NodeError::new("Wrong", "for good")) };
    let handler = async |log: Snapshot<Log>, context: Context| {
        let handled = context.handled().unwrap();
        let told = format!("{}: {} after x={}", handled.node, handled.failure.message, log.x);
        Command::update(Log::update().log([told])).and_goto("next")
    };
    let graph: Graph<Log> = Graph::builder("handled")
        .node("fails", fails)
        .error_handler("fails", handler)
        .node("next", signs("next"))
        .node("beside", signs("beside"))
        .edge(START, "fails")
        .edge(START, "beside")
        .edge("fails", "next")
        .build()
        .unwrap();
    let outcome = graph.run(json!({"x": 2})).await.unwrap();
    assert_eq!(read(&outcome.state().unwrap()), "beside fails: for good after x=2 next");
}

#[tokio::test]
async fn a_handler_that_fails_fails_the_run() {
    let fails = async |_: Snapshot<Log>| -> Fails { Err(NodeError::new("Wrong", "first")) };
    let also = async |_: Snapshot<Log>| -> Fails { Err(NodeError::new("Wrong", "second")) };
    let graph: Graph<Log> = Graph::builder("handled")
        .node("fails", fails)
        .error_handler("fails", also)
        .edge(START, "fails")
        .build()
        .unwrap();
    let error = graph.run(json!({})).await.unwrap_err();
    assert!(error.to_string().contains("second"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_waits_until_all_tries_are_used() {
    use genesis_mesh::graph::{NodeSettings, RetryPolicy};
    let tries = Count::default();
    let fails = {
        let tries = tries.clone();
        move |_: Snapshot<Log>| {
            tries.one();
            std::future::ready(Err::<LogUpdate, _>(retryable("again")))
        }
    };
    let graph: Graph<Log> = Graph::builder("handled")
        .node_with("fails", fails, NodeSettings::new().retry(RetryPolicy::attempts(3)))
        .error_handler("fails", signs("handled"))
        .edge(START, "fails")
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).await.unwrap();
    assert_eq!((read(&outcome.state().unwrap()).as_str(), tries.get()), ("handled", 3));
}
