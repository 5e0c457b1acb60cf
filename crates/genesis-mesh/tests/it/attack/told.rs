//! Streams: every mode alone and beside the others, slow readers, readers that leave, readers that come again.

use super::zoo::{ALL, settle, zoo};
use crate::graph::ground::{Log, LogUpdate, kept, parts, signs};
use genesis_mesh::graph::{Context, Graph, NodeError, START, StreamMode};
use genesis_mesh::state::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MODES: [StreamMode; 8] = [
    StreamMode::Values,
    StreamMode::Updates,
    StreamMode::Messages,
    StreamMode::Custom,
    StreamMode::Tasks,
    StreamMode::Checkpoints,
    StreamMode::Debug,
    StreamMode::Events,
];

#[tokio::test]
async fn a_mode_tells_as_much_alone_as_beside_all_others() {
    for graph in zoo() {
        for durability in ALL {
            let graph = || kept(graph.clone()).with_durability(durability);
            let together = parts(graph().run(json!({"x": 0})).thread("t").stream_with_subgraphs(MODES)).await;
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for part in &together {
                *counts.entry(format!("{:?}", part.mode)).or_default() += 1;
            }
            for mode in MODES {
                let alone =
                    parts(graph().run(json!({"x": 0})).thread("t").stream_with_subgraphs([mode])).await;
                let beside = counts.get(&format!("{mode:?}")).copied().unwrap_or_default();
                assert_eq!(alone.len(), beside, "{} {durability:?} {mode:?}", graph().name());
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_leaves_after_any_part_leaves_a_thread_that_goes_on() {
    for graph in zoo() {
        let wanted = settle(&kept(graph.clone())).await.unwrap();
        for left in 0..30 {
            let graph = kept(graph.clone());
            let mut stream = graph.run(json!({"x": 0})).thread("t").stream_with_subgraphs(MODES);
            for _ in 0..left {
                tokio::task::yield_now().await;
                if stream.next().await.is_none() {
                    break;
                }
            }
            drop(stream);
            assert_eq!(settle(&graph).await.unwrap(), wanted, "{} after {left} parts", graph.name());
        }
    }
}

#[tokio::test]
async fn a_stream_that_has_ended_stays_ended_also_after_an_error() {
    let wrong =
        async |_: Snapshot<Log>| -> Result<LogUpdate, NodeError> { Err(NodeError::new("Wrong", "x")) };
    let graph: Graph<Log> = Graph::builder("wrong").node("a", wrong).entry("a").build().unwrap();
    let mut stream = graph.run(json!({})).stream([StreamMode::Updates]);
    let mut errors = 0;
    while let Some(part) = stream.next().await {
        errors += usize::from(part.is_err());
    }
    assert_eq!(errors, 1);
    for _ in 0..3 {
        assert!(stream.next().await.is_none());
    }
    assert!(stream.outcome().is_none());
}

#[tokio::test]
async fn a_slow_reader_gets_every_part_once_and_in_order_from_nodes_beside_each_other() {
    let writes = |name: &'static str| {
        move |_: Snapshot<Log>, context: Context| async move {
            for n in 0..1_000 {
                context.write(json!({"from": name, "n": n})).await?;
            }
            Ok::<LogUpdate, NodeError>(Log::update().log([name]))
        }
    };
    let graph: Graph<Log> = Graph::builder("writers")
        .node("a", writes("a"))
        .node("b", writes("b"))
        .node("c", signs("c"))
        .edge(START, "a")
        .edge(START, "b")
        .join(["a", "b"], "c")
        .build()
        .unwrap();
    let mut stream = graph.run(json!({})).stream([StreamMode::Custom]);
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    while let Some(part) = stream.next().await {
        let part = part.unwrap().data;
        seen.entry(part["from"].to_string()).or_default().push(part["n"].clone());
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    let wanted: Vec<Value> = (0..1_000).map(Value::from).collect();
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [wanted.clone(), wanted]);
}
