//! Stopping: runs that are cancelled, wherever they are, and meshes that are.

use super::crash::trip;
use super::world::{SLOW, STORY, Working, World, count, done, error, kinds, prompt, tale, text, within};
use crate::graph::ground::{Count, Log, signs};
use genesis_mesh::graph::{Graph, START};
use genesis_mesh::log::{CancelKind, CancelOutcome, RunStatus};
use genesis_mesh::state::Snapshot;
use genesis_mesh::store::HistoryQuery;
use genesis_mesh::{FinishReason, GenesisMesh, Submission};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_ends_in_the_queue_and_its_readers_see_it() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let first = working.submit(Submission::new("tale", prompt()).thread("t")).await;
    let second = working.submit(Submission::new("tale", prompt()).thread("t")).await;
    let third = working.submit(Submission::new("tale", prompt()).thread("t")).await;
    let mut reader = working.mesh.follow(second, 1).await.unwrap();
    let outcome = working.mesh.cancel(second, CancelKind::Interrupt).await.unwrap();
    assert_eq!(outcome, CancelOutcome::Ended);
    within(reader.next()).await.expect("its end").expect("well");
    assert!(within(reader.next()).await.is_none());
    let log = working.log(second).await;
    assert_eq!((kinds(&log), done(&log)), (vec!["run".into(), "done".into()], (FinishReason::Cancelled, 0)));
    assert_eq!(working.row(second).await.status, RunStatus::Cancelled);
    assert_eq!(text(&working.log(first).await), STORY);
    assert_eq!(text(&working.log(third).await), STORY);
    let over = working.mesh.cancel(first, CancelKind::Interrupt).await.unwrap();
    assert_eq!(over, CancelOutcome::Over(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_answer_keeps_what_it_said_and_tells_its_usage() {
    for said in [0, 3] {
        let world = World::new();
        let working = Working::on(world.mesh(tale(SLOW)).await).await;
        let run = working.submit(Submission::new("tale", prompt())).await;
        working.reached(run, said + 1).await;
        let outcome = working.mesh.cancel(run, CancelKind::Interrupt).await.unwrap();
        assert_eq!(outcome, CancelOutcome::Asked);
        let log = working.log(run).await;
        let words: String = STORY.split_inclusive(' ').take(usize::try_from(said).unwrap()).collect();
        assert_eq!(text(&log).trim(), words.trim());
        assert_eq!(done(&log), (FinishReason::Cancelled, said));
        let row = working.row(run).await;
        assert_eq!((row.status, row.cancel, row.lease_until_ms), (RunStatus::Cancelled, None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_graph_is_cancelled_in_its_nodes_and_in_the_graphs_within() {
    for (after_ms, updates) in [(5, 1), (30, 2), (90, 5)] {
        let (world, begun) = (World::new(), Count::default());
        let agents = GenesisMesh::new().agent("trip", trip(&begun));
        let working = Working::on(world.mesh(agents).await).await;
        let run = working.submit(Submission::new("trip", json!({})).thread("t")).await;
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        working.mesh.cancel(run, CancelKind::Interrupt).await.unwrap();
        let log = working.log(run).await;
        assert_eq!(done(&log).0, FinishReason::Cancelled);
        assert!(count(&log, "update") >= updates && count(&log, "output") == 0, "{:?}", kinds(&log));
        let last = log.len();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(working.log(run).await.len(), last, "nothing is told after the end");
        // What it did is kept, and the thread goes on from there.
        let next = working.submit(Submission::new("trip", genesis_mesh::Ask::GoOn).thread("t")).await;
        let output = super::crash::output(&working.log(next).await);
        assert_eq!(output["log"], json!(["plan", "work 1", "work 2", "work 3", "end"]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_rolled_back_leaves_its_thread_as_it_was() {
    let slow = async |_: Snapshot<Log>| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Log::update().log(["slow"])
    };
    let graph: Graph<Log> = Graph::builder("two")
        .node("quick", signs("quick"))
        .node("slow", slow)
        .sequence([START, "quick", "slow"])
        .build()
        .unwrap();
    let world = World::new();
    let working = Working::on(world.mesh(GenesisMesh::new().agent("two", graph)).await).await;
    let first = working.submit(Submission::new("two", json!({})).thread("t")).await;
    working.log(first).await;
    let before = working.mesh.thread_history("two", "t", HistoryQuery::default()).await.unwrap();
    let second = working.submit(Submission::new("two", json!({})).thread("t")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        working.mesh.thread_history("two", "t", HistoryQuery::default()).await.unwrap().len() > before.len()
    );
    working.mesh.cancel(second, CancelKind::Rollback).await.unwrap();
    assert_eq!(done(&working.log(second).await).0, FinishReason::Cancelled);
    assert_eq!(working.mesh.thread_history("two", "t", HistoryQuery::default()).await.unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn a_mesh_that_stops_lets_runs_end_and_gives_back_what_does_not() {
    for (drain_ms, epoch) in [(10_000, 1), (200, 2)] {
        let world = World::new();
        let mesh = world.mesh_with(tale(SLOW), &world.store, world.options()).await;
        let working = Working::drained_after(mesh.clone(), Duration::from_millis(drain_ms)).await;
        let run = working.submit(Submission::new("tale", prompt())).await;
        working.reached(run, 2).await;
        working.stop().await;
        let row = mesh.get(run).await.unwrap().unwrap();
        assert_eq!(row.status.is_end(), epoch == 1);
        // Given back: nobody's, at once, and no attempt is counted.
        assert_eq!((row.lease_until_ms, row.attempt), (None, 0));
        let next = Working::on(world.mesh_with(tale(SLOW), &world.store, world.options()).await).await;
        let began = now();
        let log = next.log(run).await;
        assert_eq!((text(&log).as_str(), done(&log).1, next.row(run).await.epoch), (STORY, 7, epoch));
        assert!(began.elapsed() < Duration::from_secs(2), "it waited for a lease");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mesh_works_once_and_a_second_time_says_so() {
    let world = World::new();
    let mesh = world.mesh(tale(SLOW)).await;
    let working = Working::on(mesh.clone()).await;
    let pending = std::future::pending::<()>;
    let refused = mesh.work(pending(), pending()).await.expect_err("it works");
    assert_eq!((refused.code(), refused.is_retryable()), ("mesh_works_once", false));
    let run = working.submit(Submission::new("tale", prompt())).await;
    assert_eq!(text(&working.log(run).await), STORY, "the first one is not disturbed");
    working.stop().await;
    mesh.work(pending(), pending()).await.expect_err("it has worked");
}

fn now() -> tokio::time::Instant {
    tokio::time::sleep(Duration::ZERO).deadline()
}

#[tokio::test(start_paused = true)]
async fn a_mesh_that_has_stopped_accepts_runs_for_others() {
    let world = World::new();
    let mesh = world.mesh(tale(SLOW)).await;
    Working::on(mesh.clone()).await.stop().await;
    let submitted = mesh.submit(Submission::new("tale", prompt())).await.unwrap();
    assert_eq!(submitted.run.status, RunStatus::Queued);
    let killed = world.mesh(tale(SLOW)).await;
    Working::on(killed.clone()).await.kill().await;
    let other = killed.submit(Submission::new("tale", prompt())).await.unwrap();
    assert_eq!(other.run.status, RunStatus::Queued);
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    assert_eq!(text(&working.log(submitted.run.id).await), STORY);
    assert_eq!(text(&working.log(other.run.id).await), STORY);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_tells_too_much_fails_and_what_it_told_stands() {
    let world = World::new();
    let mut options = world.options();
    options.log_bytes_max = 3_000;
    let script = "[[rule]]\npieces = [\"word \"]\nrepeat = 1000\ndelay_ms = 1";
    let working = Working::on(world.mesh_with(tale(script), &world.store, options).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    let log = working.log(run).await;
    let bytes: usize = log.iter().map(|event| event.data.len()).sum();
    assert_eq!(error(&log), "log_too_long");
    assert!((3_000..3_500).contains(&bytes), "{bytes}");
    let row = working.row(run).await;
    assert_eq!((row.status, row.error.unwrap()["code"].clone()), (RunStatus::Failed, json!("log_too_long")));
}
