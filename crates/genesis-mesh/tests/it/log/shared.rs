//! Meshes that share a store: readers away from the work, and leases that are lost.

use super::faulty::{Fault, FaultyStore};
use super::world::{SLOW, STORY, Working, World, done, follow, prompt, tale, text};
use genesis_mesh::log::{CancelKind, RunStatus};
use genesis_mesh::{BusSource, FinishReason, LocalBus, LossyBus, LossyOptions, Submission};
use std::sync::Arc;
use std::time::Duration;

fn buses() -> [(BusSource, &'static str); 3] {
    let local = || Arc::new(LocalBus::new());
    [
        (local().into(), "local"),
        (Arc::new(LossyBus::new(local(), 7)).into(), "lossy"),
        (Arc::new(LossyBus::with(local(), 7, LossyOptions::deaf())).into(), "deaf"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_reader_away_from_the_work_sees_all_with_any_bus_and_with_none() {
    for (bus, name) in buses() {
        let world = World::on(bus);
        let driver = Working::on(world.mesh(tale(SLOW)).await).await;
        let away = world.mesh_with(tale(SLOW), &world.store, world.options()).await;
        let run = driver.submit(Submission::new("tale", prompt())).await;
        let seen = follow(&away, run, 0).await;
        assert_eq!(seen, driver.log(run).await, "{name}");
        assert_eq!(text(&seen), STORY);
        assert_eq!(away.readers(run), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_from_away_with_any_bus_and_with_none() {
    for (bus, name) in buses() {
        let world = World::on(bus);
        let script = "[[rule]]\npieces = [\"word \"]\nrepeat = 100000\ndelay_ms = 60000";
        let driver = Working::on(world.mesh(tale(script)).await).await;
        let away = world.mesh_with(tale(script), &world.store, world.options()).await;
        let run = driver.submit(Submission::new("tale", prompt())).await;
        driver.reached(run, 2).await;
        away.cancel(run, CancelKind::Interrupt).await.unwrap();
        let began = tokio::time::sleep(Duration::ZERO).deadline();
        assert_eq!(done(&follow(&away, run, 0).await), (FinishReason::Cancelled, 1), "{name}");
        // A heartbeat tells it at the latest, and the reader looks twice a second.
        assert!(began.elapsed() < Duration::from_secs(5), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_is_found_by_another_mesh_with_any_bus_and_with_none() {
    for (bus, name) in buses() {
        let world = World::on(bus);
        let _driver = Working::on(world.mesh(tale(SLOW)).await).await;
        let idle = world.mesh_with(tale(SLOW), &world.store, world.options()).await;
        let run = idle.submit(Submission::new("tale", prompt())).await.unwrap().run;
        assert_eq!(
            (run.status, text(&follow(&idle, run.id, 0).await).as_str()),
            (RunStatus::Queued, STORY),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_away_from_the_work_cost_the_store_one_read_for_each_piece_of_news() {
    let world = World::new();
    let driver = Working::on(world.mesh(tale(SLOW)).await).await;
    let store = FaultyStore::new(&world.store);
    let away = world.mesh_over(tale(SLOW), &store).await;
    let run = driver.submit(Submission::new("tale", prompt())).await;
    let readers = futures_util::future::join_all((0..1_000).map(|_| follow(&away, run, 0)));
    let logs = readers.await;
    let wanted = driver.log(run).await;
    assert!(logs.iter().all(|log| *log == wanted));
    // Each of the 9 events once, and each hint or poll that finds nothing more.
    assert!(store.count("events") <= 2 * wanted.len(), "{} reads", store.count("events"));
}

#[tokio::test(start_paused = true)]
async fn readers_that_come_and_go_while_a_run_changes_its_mesh_see_all_of_it() {
    let world = World::new();
    let first = Working::on(world.mesh_with(tale(SLOW), &world.store, world.options()).await).await;
    let second = Working::on(world.mesh_with(tale(SLOW), &world.store, world.options()).await).await;
    let run = first.submit(Submission::new("tale", prompt())).await;
    first.reached(run, 3).await;
    let (left, right) = (first.mesh.clone(), second.mesh.clone());
    let (on_second, ()) = tokio::join!(follow(&right, run, 0), first.kill());
    assert_eq!(text(&on_second), STORY);
    assert_eq!((second.row(run).await.epoch, second.log(run).await), (2, on_second));
    assert_eq!(left.readers(run), 0);
}

#[tokio::test(start_paused = true)]
async fn a_mesh_that_is_frozen_beyond_its_lease_loses_the_run_and_tells_nothing_of_it_any_more() {
    let world = World::new();
    let store = FaultyStore::new(&world.store);
    let script = "[[rule]]\npieces = [\"word \"]\nrepeat = 400\ndelay_ms = 100";
    let frozen = Working::on(world.mesh_over(tale(script), &store).await).await;
    let other = Working::on(world.mesh_with(tale(script), &world.store, world.options()).await).await;
    let run = frozen.submit(Submission::new("tale", prompt())).await;
    frozen.reached(run, 5).await;
    // Its heartbeats fail, its commits are done: it keeps the run for as long as its lease, and not longer.
    store.set(|call, _| if call == "heartbeat" { Fault::Before } else { Fault::None });
    tokio::time::sleep(Duration::from_secs(12)).await;
    let row = other.row(run).await;
    assert_eq!((row.epoch, row.status), (2, RunStatus::Running));
    let (here, there) = tokio::join!(frozen.log(run), other.log(run));
    assert_eq!(here, there);
    assert_eq!(text(&there), "word ".repeat(400));
    assert_eq!(done(&there), (FinishReason::Stop, 400));
}

#[tokio::test(start_paused = true)]
async fn a_mesh_whose_store_hangs_beyond_its_lease_keeps_nothing_when_it_thaws() {
    let world = World::new();
    let store = FaultyStore::new(&world.store);
    let frozen = Working::on(world.mesh_over(tale(SLOW), &store).await).await;
    let other = Working::on(world.mesh_with(tale(SLOW), &world.store, world.options()).await).await;
    let run = frozen.submit(Submission::new("tale", prompt())).await;
    frozen.reached(run, 3).await;
    // Its calls fail until another mesh has ended the run.
    store.set(
        |call, _| if matches!(call, "commit" | "heartbeat" | "claim") { Fault::Before } else { Fault::None },
    );
    let log = other.log(run).await;
    assert_eq!((text(&log).as_str(), done(&log).1), (STORY, 7));
    store.set(|_, _| Fault::None);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((other.log(run).await, frozen.log(run).await), (log.clone(), log));
    assert_eq!(other.row(run).await.epoch, 2);
}
