//! Many and deep: sends by the ten thousand, subgraphs by the hundred, runs and steps by the hundred thousand.

use crate::graph::ground::{Log, data, kept, read, signs};
use genesis_mesh::graph::{Context, END, Graph, NodeError, START, Send, Sent, StreamMode};
use genesis_mesh::state::Snapshot;
use serde_json::json;

fn fan(count: u32) -> Graph<Log> {
    let work = async |sent: Sent<u32>| Log::update().log([sent.to_string()]);
    let sends = move |_: &Log| (0..count).map(|n| Send::to("work", n)).collect::<Vec<_>>();
    Graph::builder("fan").node("work", work).branch_to(START, sends, ["work"]).build().unwrap()
}

#[tokio::test]
async fn ten_thousand_sends_run_in_their_order_kept_and_watched_or_not() {
    let wanted: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let graph = kept(fan(10_000));
    assert_eq!(graph.run(json!({})).await.unwrap().state().unwrap().log, wanted);
    let told = data(graph.run(json!({})).thread("t").stream([StreamMode::Updates])).await;
    let told: Vec<String> =
        told.iter().map(|told| told["work"]["log"][0].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, wanted);
    assert_eq!(graph.thread("t").state().await.unwrap().view.values["log"], json!(wanted));
}

fn deep(levels: u32) -> Graph<Log> {
    let mut graph: Graph<Log> = Graph::builder("g0").node("n", signs("n")).entry("n").build().unwrap();
    for level in 1..levels {
        graph = Graph::builder(format!("g{level}")).subgraph("n", &graph).entry("n").build().unwrap();
    }
    graph
}

#[test]
fn subgraphs_nest_two_hundred_deep_on_a_small_stack() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(deep(200).run(json!({})).into_future()).unwrap();
        assert_eq!(read(&outcome.state().unwrap()), "n");
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[tokio::test]
async fn a_thread_of_a_hundred_thousand_steps_runs_in_one_run() {
    let turn = async |log: Snapshot<Log>| Log::update().x(log.x + 1);
    let graph: Graph<Log> = Graph::builder("loop")
        .node("turn", turn)
        .entry("turn")
        .branch_to("turn", |log: &Log| if log.x == 100_000 { END } else { "turn" }, [END, "turn"])
        .build()
        .unwrap();
    let outcome = graph.run(json!({})).recursion_limit(u32::MAX).await.unwrap();
    assert_eq!(outcome.state().unwrap().x, 100_000);
    let error = graph.run(json!({})).recursion_limit(1).await.unwrap_err();
    assert_eq!(error.code(), "recursion_limit");
}

#[tokio::test]
async fn a_node_that_runs_its_own_graph_for_ever_fails() {
    use std::sync::{Arc, OnceLock};
    let cell: Arc<OnceLock<Graph<Log>>> = Arc::default();
    let node = {
        let cell = cell.clone();
        move |log: Snapshot<Log>, context: Context| -> genesis_mesh_core::BoxFuture<'static, Result<crate::graph::ground::LogUpdate, NodeError>> {
            let cell = cell.clone();
            Box::pin(async move {
                let graph = cell.get().unwrap();
                context.run_graph(graph, json!({"x": log.x + 1})).await?;
                Ok(Log::update())
            })
        }
    };
    let graph: Graph<Log> = Graph::builder("self").node("n", node).entry("n").build().unwrap();
    cell.set(graph.clone()).unwrap();
    let error = graph.run(json!({})).await.unwrap_err();
    assert!(error.to_string().contains("within each other"), "{error}");
}
