//! Runs that are dropped after every poll, and stores that fail at every call.

use super::zoo::{ALL, Shaky, settle, step, zoo};
use crate::graph::ground::Log;
use genesis_mesh::graph::{Durability, Graph, HistoryQuery};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

/// A subgraph with a history of its own ends before the graph around it; of a run that is kept at its end only, its history
/// may then be kept without that of the run.
fn durabilities(graph: &Graph<Log>) -> Vec<Durability> {
    ALL.into_iter().filter(|durability| graph.name() != "own" || *durability != Durability::Exit).collect()
}

#[tokio::test]
async fn a_run_that_is_dropped_after_any_poll_comes_to_the_same_end() {
    let mut bad = Vec::new();
    let mut count = 0;
    for graph in zoo() {
        for durability in durabilities(&graph) {
            let fresh = || graph.clone().with_store(Arc::new(Shaky::default())).with_durability(durability);
            let wanted = settle(&fresh()).await.unwrap();
            for drops in [1, 3] {
                for polls in 0..60 {
                    let graph = fresh();
                    for _ in 0..drops {
                        drop(step(&graph, polls).await.unwrap());
                    }
                    count += 1;
                    let got = settle(&graph).await.map_err(|e| format!("{e:?}"));
                    if got.as_ref() != Ok(&wanted) {
                        bad.push(format!(
                            "{} {durability:?} {drops}x{polls}: {got:?} != {wanted}",
                            graph.name()
                        ));
                    } else if let Err(e) = graph.thread("t").history(HistoryQuery::default()).await {
                        bad.push(format!("{} {durability:?} {drops}x{polls}: history {e:?}", graph.name()));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} of {count}:\n{}", bad.len(), bad.join("\n"));
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_loses_nothing_and_doubles_nothing() {
    let mut bad = Vec::new();
    let mut count = 0;
    for graph in zoo() {
        for durability in durabilities(&graph) {
            let fresh = |left, does_first| {
                let store = Arc::new(Shaky { left: AtomicI64::new(left), does_first, ..Shaky::default() });
                (graph.clone().with_store(store.clone()).with_durability(durability), store)
            };
            let wanted = settle(&fresh(0, false).0).await.unwrap();
            for does_first in [false, true] {
                for k in 1..400 {
                    let (graph, store) = fresh(k, does_first);
                    let mut got = settle(&graph).await;
                    let mut tries = 0;
                    while got.is_err() && tries < 3 {
                        tries += 1;
                        got = settle(&graph).await;
                    }
                    count += 1;
                    let got = got.map_err(|e| format!("{e:?}"));
                    if got.as_ref() != Ok(&wanted) {
                        bad.push(format!(
                            "{} {durability:?} {does_first} {k}: {got:?} != {wanted}",
                            graph.name()
                        ));
                    }
                    if store.left.load(Ordering::SeqCst) > 0 {
                        break;
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} of {count}:\n{}", bad.len(), bad.join("\n"));
}
