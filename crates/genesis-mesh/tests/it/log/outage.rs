//! A store that is away for a while: it costs time, and nothing else.

use super::crash::{output, trip, written};
use super::faulty::{Fault, FaultyStore};
use super::world::{
    LONG_ENOUGH, SLOW, STORY, Working, World, count, done, follow, prompt, tale, text, within,
};
use crate::graph::ground::Count;
use genesis_mesh::log::RunStatus;
use genesis_mesh::{FinishReason, GenesisMesh, Submission};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_its_store_and_nothing_is_lost_or_told_twice() {
    for fault in [Fault::Before, Fault::After] {
        let world = World::new();
        let store = FaultyStore::new(&world.store);
        let working = Working::on(world.mesh_over(tale(SLOW), &store).await).await;
        let run = working.submit(Submission::new("tale", prompt())).await;
        working.reached(run, 3).await;
        store.set(move |_, _| fault);
        tokio::time::sleep(LONG_ENOUGH).await;
        store.set(|_, _| Fault::None);
        let log = working.log(run).await;
        assert_eq!((text(&log).as_str(), done(&log)), (STORY, (FinishReason::Stop, 7)));
        assert_eq!((count(&log, "delta"), working.row(run).await.epoch), (7, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_claimed_while_its_log_cannot_be_read_goes_on_when_it_can() {
    for call in ["events", "lineage", "history"] {
        let (world, begun) = (World::new(), Count::default());
        let agents = || tale(SLOW).agent("trip", trip(&begun));
        let first = Working::on(world.mesh(agents()).await).await;
        let answer = first.submit(Submission::new("tale", prompt())).await;
        let graph = first.submit(Submission::new("trip", json!({}))).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        first.kill().await;
        world.mesh(agents()).await.store().release_all().await.unwrap();
        let store = FaultyStore::with(
            &world.store,
            move |now, _| {
                if now == call { Fault::Before } else { Fault::None }
            },
        );
        let second = Working::on(world.mesh_over(agents(), &store).await).await;
        tokio::time::sleep(LONG_ENOUGH).await;
        store.set(|_, _| Fault::None);
        assert_eq!(text(&second.log(answer).await), STORY, "{call}");
        let log = second.log(graph).await;
        assert_eq!(second.row(graph).await.status, RunStatus::Succeeded, "{call}: {log:#?}");
        assert_eq!(output(&log)["log"], json!(["plan", "work 1", "work 2", "work 3", "end"]));
        assert_eq!(written(&log).iter().filter(|(node, _)| node == "work").count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_answer_was_lost_is_the_same_run_when_it_is_sent_again() {
    let world = World::new();
    let store = FaultyStore::with(&world.store, |call, number| {
        if call == "accept" && number == 1 { Fault::After } else { Fault::None }
    });
    let working = Working::on(world.mesh_over(tale(SLOW), &store).await).await;
    let keyed = || Submission { idempotency_key: Some("k".into()), ..Submission::new("tale", prompt()) };
    let lost = working.mesh.submit(keyed()).await.expect_err("the answer is lost");
    assert_eq!((lost.code(), lost.is_retryable()), ("store_unavailable", true));
    let found = working.mesh.submit(keyed()).await.unwrap();
    assert!(!found.is_new);
    // Who accepted it does not know that it has it; when the lease has run out it is claimed.
    let log = working.log(found.run.id).await;
    assert_eq!((text(&log).as_str(), working.row(found.run.id).await.epoch), (STORY, 2));
}

#[tokio::test(start_paused = true)]
async fn work_is_found_after_an_outage_and_runs_that_were_accepted_before_it_end() {
    let world = World::new();
    let store = FaultyStore::new(&world.store);
    let mesh = world.mesh_over(GenesisMesh::new().agent("trip", trip(&Count::default())), &store).await;
    let run = mesh.submit(Submission::new("trip", json!({}))).await.unwrap().run;
    store.set(|_, _| Fault::Before);
    let working = Working::on(mesh).await;
    tokio::time::sleep(LONG_ENOUGH).await;
    store.set(|_, _| Fault::None);
    working.log(run.id).await;
    assert_eq!(working.row(run.id).await.status, RunStatus::Succeeded);
}

/// One word each three seconds: longer than two leases.
const LONG: &str = "[[rule]]\ntext = \"Once upon a time there was one\"\ndelay_ms = 3000";

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_hangs_costs_a_run_no_owner() {
    let world = World::new();
    let store = FaultyStore::with(&world.store, |call, number| {
        if call == "heartbeat" && number == 2 { Fault::Hangs } else { Fault::None }
    });
    let first = Working::on(world.mesh_over(tale(LONG), &store).await).await;
    let run = first.submit(Submission::new("tale", prompt())).await;
    let _second = Working::on(world.mesh_with(tale(LONG), &world.store, world.options()).await).await;
    assert_eq!(text(&first.log(run).await), STORY);
    assert_eq!(first.row(run).await.epoch, 1, "the leases were kept all the time");
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_calls_hang_at_the_start_is_asked_again() {
    for hanging in ["claim", "release_all", "sweep"] {
        let world = World::new();
        let store = FaultyStore::with(&world.store, move |call, number| {
            if call == hanging && number == 1 { Fault::Hangs } else { Fault::None }
        });
        let mut options = world.options();
        options.is_alone = true;
        let mesh = world.mesh_with(tale(SLOW), &store, options).await;
        let kept = Submission { ttl_ms: Some(1), ..Submission::new("tale", prompt()) };
        let run = mesh.submit(kept).await.unwrap().run.id;
        let working = Working::on(mesh).await;
        assert_eq!(text(&working.log(run).await), STORY, "{hanging}");
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(working.mesh.get(run).await.unwrap(), None, "what has outlived its time goes: {hanging}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mesh_that_can_claim_and_not_commit_gives_its_runs_to_others() {
    let world = World::new();
    let store =
        FaultyStore::with(&world.store, |call, _| if call == "commit" { Fault::Before } else { Fault::None });
    let bad = Working::on(world.mesh_over(tale(SLOW), &store).await).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(bad.submit(Submission::new("tale", prompt())).await);
    }
    let mut options = world.options();
    options.owner = "good".to_owned();
    let good = Working::on(world.mesh_with(tale(SLOW), &world.store, options).await).await;
    for run in runs {
        assert_eq!(text(&good.log(run).await), STORY);
        let row = good.row(run).await;
        assert_eq!((row.owner.as_deref(), row.status), (Some("good"), RunStatus::Succeeded));
    }
    // It rests; what comes is for the other, at once.
    let begun = tokio::time::sleep(Duration::ZERO).deadline();
    let run = bad.submit(Submission::new("tale", prompt())).await;
    assert_eq!(text(&good.log(run).await), STORY);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // And when it can commit again it works as before.
    good.kill().await;
    store.set(|_, _| Fault::None);
    let run = bad.submit(Submission::new("tale", prompt())).await;
    assert_eq!(text(&bad.log(run).await), STORY);
    let begun = tokio::time::sleep(Duration::ZERO).deadline();
    let run = bad.submit(Submission::new("tale", prompt())).await;
    assert_eq!((text(&bad.log(run).await).as_str(), bad.row(run).await.epoch), (STORY, 1));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_store_that_is_away_and_the_run_goes_on_elsewhere() {
    for fault in [Fault::Before, Fault::Hangs] {
        let world = World::new();
        let store = FaultyStore::new(&world.store);
        let mesh = world.mesh_over(tale(SLOW), &store).await;
        let working = Working::drained_after(mesh, Duration::ZERO).await;
        let run = working.submit(Submission::new("tale", prompt())).await;
        working.reached(run, 3).await;
        store.set(move |call, _| if call == "commit" { fault } else { Fault::None });
        // Something waits for the store by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::time::timeout(LONG_ENOUGH, working.stop()).await.expect("it stops");
        let next = Working::on(world.mesh(tale(SLOW)).await).await;
        let log = next.log(run).await;
        assert_eq!((text(&log).as_str(), done(&log)), (STORY, (FinishReason::Stop, 7)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_told_to_its_readers_and_read_when_it_can() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    let store = FaultyStore::new(&world.store);
    let elsewhere = world.mesh_over(tale(SLOW), &store).await;
    let mut reader = elsewhere.follow(run, 0).await.expect("the run is there");
    within(reader.next()).await.expect("goes on").expect("well");
    store.set(|call, _| if call == "events" { Fault::Damaged } else { Fault::None });
    let error = loop {
        if let Err(error) = within(reader.next()).await.expect("no end without a reason") {
            break error;
        }
    };
    assert_eq!((error.code(), error.is_retryable()), ("store_corrupt", false));
    assert!(within(reader.next()).await.is_none());
    store.set(|_, _| Fault::None);
    assert_eq!(text(&follow(&elsewhere, run, 0).await), STORY);
}
