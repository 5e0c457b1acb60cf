//! Graphs whose steps do not wait for the store: they run ahead of it, by so much and no further, and lose nothing.

use super::crash::{output, written};
use super::faulty::{Fate, Fault, FaultyStore};
use super::world::{Working, World, count};
use crate::graph::ground::{Count, Log};
use genesis_mesh::graph::{CallOptions, Context, Durability, Effect, Graph, NodeError, START};
use genesis_mesh::log::{LogEvent, RunStatus};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{GenesisMesh, Submission};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NODES: usize = 12;
/// So long a commit takes: longer than a node.
const COMMIT: Duration = Duration::from_millis(10);

/// The keys with which each node has had its effect.
type Keys = Arc<Mutex<BTreeMap<usize, BTreeSet<String>>>>;

/// A chain; every fourth of its nodes has an effect on the world outside.
fn chain(begun: &Count, keys: &Keys) -> GenesisMesh {
    let names: Vec<String> = (0..NODES).map(|node| format!("n{node:02}")).collect();
    let mut builder = Graph::builder("chain").edge(START, &names[0]);
    for (place, name) in names.iter().enumerate() {
        let (begun, keys) = (begun.clone(), Arc::clone(keys));
        builder = builder.node(name, move |log: Snapshot<Log>, context: Context| {
            begun.one();
            let keys = Arc::clone(&keys);
            async move {
                if place % 4 == 3 {
                    let act = move |context: Context| {
                        keys.lock().unwrap().entry(place).or_default().insert(context.idempotency_key());
                        std::future::ready(Ok::<_, NodeError>(()))
                    };
                    let options = CallOptions::default().effect(Effect::Idempotent);
                    context.call_with("act", options, act).await?;
                }
                Ok::<_, NodeError>(Log::update().x(log.x + 1).log([format!("{place}")]))
            }
        });
    }
    let graph = builder.sequence(names).build().unwrap().with_durability(Durability::Async);
    GenesisMesh::new().agent("chain", graph)
}

/// A store whose commits take their time, and hang after the first `cut`.
fn slow(world: &World, cut: usize) -> Arc<FaultyStore> {
    FaultyStore::with(&world.store, move |call, number| match call {
        "commit" if number > cut => Fate::from(Fault::Hangs),
        "commit" => Fate { wait_before: COMMIT, ..Fate::from(Fault::None) },
        _ => Fate::from(Fault::None),
    })
}

async fn undisturbed() -> (Vec<LogEvent>, usize) {
    let world = World::new();
    let store = slow(&world, usize::MAX);
    let agents = chain(&Count::default(), &Keys::default());
    let working = Working::on(world.mesh_over(agents, &store).await).await;
    let run = working.submit(Submission::new("chain", json!({}))).await;
    (working.log(run).await, store.count("commit"))
}

#[tokio::test(start_paused = true)]
async fn steps_that_do_not_wait_share_commits_and_come_to_the_same_end_wherever_they_are_cut() {
    let (wanted, commits) = undisturbed().await;
    assert_eq!(count(&wanted, "update"), NODES + 3);
    // Alone each step would be a commit; here only effects wait for what was before them.
    assert!((4..NODES).contains(&commits), "{commits}");
    for cut in 0..=commits {
        let (world, begun, keys) = (World::new(), Count::default(), Keys::default());
        let store = slow(&world, cut);
        let dying = Working::on(world.mesh_over(chain(&begun, &keys), &store).await).await;
        let run = dying.submit(Submission::new("chain", json!({}))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        dying.kill().await;
        let working = Working::on(world.mesh(chain(&begun, &keys)).await).await;
        let log = working.log(run).await;
        assert_eq!(output(&log), output(&wanted), "cut after {cut}");
        assert_eq!(written(&log), written(&wanted), "cut after {cut}");
        assert_eq!(working.row(run).await.status, RunStatus::Succeeded);
        let keys = keys.lock().unwrap();
        assert_eq!(keys.keys().copied().collect::<Vec<_>>(), [3, 7, 11], "cut after {cut}");
        assert!(keys.values().all(|keys| keys.len() == 1), "an effect got a second key: {keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn steps_run_so_far_ahead_of_a_store_that_hangs_and_no_further() {
    let (world, begun) = (World::new(), Count::default());
    let counted = begun.clone();
    let count = move |log: Snapshot<Log>| {
        counted.one();
        std::future::ready(Log::update().x(log.x + 1))
    };
    let next = |log: &Log| if log.x < 1_000 { "count" } else { genesis_mesh::graph::END };
    let graph: Graph<Log> = Graph::builder("long")
        .node("count", count)
        .edge(START, "count")
        .branch_to("count", next, ["count", genesis_mesh::graph::END])
        .build()
        .unwrap();
    let graph = graph.with_recursion_limit(1_002).with_durability(Durability::Async);
    let agents = GenesisMesh::new().agent("long", graph);
    let working = Working::on(world.mesh_over(agents, &slow(&world, 2)).await).await;
    let run = working.submit(Submission::new("long", json!({}))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // What is on its way, and what waits behind it.
    assert!((30..150).contains(&begun.get()), "{} nodes ran", begun.get());
    let kept = working.row(run).await.last_seq;
    assert!(kept < 150, "{kept} events");
    working.kill().await;
}
