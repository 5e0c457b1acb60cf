//! Threads with several runs, and requests that come twice.

use super::world::{SLOW, STORY, Working, World, done, prompt, tale, text};
use crate::graph::ground::Log;
use genesis_mesh::graph::Graph;
use genesis_mesh::log::{IfBusy, RunStatus};
use genesis_mesh::state::Snapshot;
use genesis_mesh::{FinishReason, GenesisMesh, Submission};
use serde_json::json;
use std::time::Duration;

fn on_thread(if_busy: IfBusy) -> Submission {
    Submission { if_busy, ..Submission::new("tale", prompt()).thread("t") }
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_thread_that_wait_run_one_after_the_other_in_their_order() {
    let signs = async |log: Snapshot<Log>| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Log::update().x(log.x + 1).log([format!("{} after {}", log.word, log.log.len())])
    };
    let graph: Graph<Log> = Graph::builder("g").node("signs", signs).entry("signs").build().unwrap();
    let agents = || GenesisMesh::new().agent("g", graph.clone());
    let world = World::new();
    let mut workers = Vec::new();
    for _ in 0..3 {
        let mesh = world.mesh_with(agents(), &world.store, world.options()).await;
        workers.push(Working::on(mesh).await);
    }
    let mut runs = Vec::new();
    for (word, worker) in ["a", "b", "c", "d", "e"].into_iter().zip(workers.iter().cycle()) {
        runs.push(worker.submit(Submission::new("g", json!({"word": word})).thread("t")).await);
    }
    for run in &runs {
        workers[0].log(*run).await;
        assert_eq!(workers[0].row(*run).await.status, RunStatus::Succeeded);
    }
    let state = workers[1].mesh.thread_state("g", "t").await.unwrap();
    assert_eq!(
        state["values"]["log"],
        json!(["a after 0", "b after 1", "c after 2", "d after 3", "e after 4"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_thread_refuses_stops_or_undoes_as_the_new_run_says() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let first = working.submit(on_thread(IfBusy::Enqueue)).await;
    working.reached(first, 3).await;
    let refused = working.mesh.submit(on_thread(IfBusy::Reject)).await.expect_err("busy");
    assert_eq!((refused.code(), refused.is_retryable()), ("thread_busy", true));
    let waits = working.submit(on_thread(IfBusy::Enqueue)).await;
    let next = working.submit(on_thread(IfBusy::Interrupt)).await;
    assert_eq!(done(&working.log(first).await), (FinishReason::Cancelled, 2));
    assert_eq!(done(&working.log(waits).await), (FinishReason::Cancelled, 0));
    working.reached(next, 3).await;
    let last = working.submit(on_thread(IfBusy::Rollback)).await;
    assert_eq!(done(&working.log(next).await), (FinishReason::Cancelled, 2));
    assert_eq!(text(&working.log(last).await), STORY);
    // Nobody is busy any more.
    let free = working.submit(on_thread(IfBusy::Reject)).await;
    assert_eq!(text(&working.log(free).await), STORY);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_tried_again_is_kept_as_long_as_the_first() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    for ttl_ms in [None, Some(90_000)] {
        let first = working.submit(Submission { ttl_ms, ..Submission::new("tale", prompt()) }).await;
        let again = Submission::again(&working.row(first).await).expect("it can be read");
        let again = working.submit(again).await;
        working.log(again).await;
        assert_eq!(working.row(again).await.ttl_ms, ttl_ms);
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(
            working.mesh.get(again).await.unwrap().is_none(),
            ttl_ms.is_some(),
            "it goes with its time"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_request_with_the_same_key_is_the_same_run() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let keyed = |ask: serde_json::Value, principal: Option<&str>| Submission {
        idempotency_key: Some("k".into()),
        principal: principal.map(str::to_owned),
        ..Submission::new("tale", ask)
    };
    let ask = json!({"prompt": "Tell me."});
    let first = working.mesh.submit(keyed(ask.clone(), None)).await.unwrap();
    let again = working.mesh.submit(keyed(ask.clone(), None)).await.unwrap();
    assert_eq!((first.is_new, again.is_new, first.run.id), (true, false, again.run.id));
    assert_eq!(text(&working.log(first.run.id).await), STORY);
    let after = working.mesh.submit(keyed(ask.clone(), None)).await.unwrap();
    assert_eq!((after.run.id, after.run.status), (first.run.id, RunStatus::Succeeded));
    let other =
        working.mesh.submit(keyed(json!({"prompt": "Else."}), None)).await.expect_err("another request");
    assert_eq!(other.code(), "idempotency_key_reused");
    // Another principal has keys of its own.
    assert!(working.mesh.submit(keyed(ask, Some("p"))).await.unwrap().is_new);
}
