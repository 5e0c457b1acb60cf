//! The simulation: meshes that share a store in one seeded world where stores fail, hang and lose answers, hints are
//! lost, processes are killed and frozen, and clients come, leave and read on elsewhere. In the end all is healed, and
//! every promise must have been kept.
//!
//! `GENESIS_MESH_SIM_SEED=7` runs one seed and prints what happens. A seed chooses all faults and all choices of clients;
//! ids and the order of hash maps are not its.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test says what it expects by panicking, and a seed that runs alone says what happens"
)]

mod draws;
#[path = "../it/log/faulty.rs"]
#[expect(dead_code, reason = "the tests of the log use more of it")]
mod faulty;
mod agents;
mod world;
mod client;
mod chaos;
mod verdict;

use chaos::Chaos;
use faulty::Mistake;
use genesis_mesh::log::EventClass;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

const SEEDS: u64 = 320;

/// Runs one world to its end; what was promised and not kept is an error.
fn simulate(seed: u64, is_loud: bool, mistake: Option<Mistake>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let simulated = catch_unwind(AssertUnwindSafe(|| {
        runtime.expect("a runtime").block_on(async {
            let world = World::new(seed, is_loud);
            let mut chaos = Chaos::begin(&world, mistake).await;
            chaos.run().await?;
            verdict::check(&world).await
        })
    }));
    simulated.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("a panic: {}", said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    })
}

#[test]
fn every_promise_is_kept_whatever_happens() {
    if let Ok(seed) = std::env::var("GENESIS_MESH_SIM_SEED") {
        let seed = seed.parse().expect("GENESIS_MESH_SIM_SEED is a number");
        return simulate(seed, true, None).unwrap();
    }
    let failed: Vec<String> = (1..=SEEDS)
        .filter_map(|seed| simulate(seed, false, None).err().map(|error| format!("seed {seed}: {error}")))
        .collect();
    assert!(failed.is_empty(), "{} seeds failed; the first ones:\n{}", failed.len(), first(&failed));
}

fn first(failed: &[String]) -> String {
    failed.iter().take(5).cloned().collect::<Vec<_>>().join("\n")
}

/// Whether some seed finds a store that makes this mistake.
fn is_found(mistake: Mistake) -> bool {
    std::panic::set_hook(Box::new(|_| {}));
    let is_found = (1..=SEEDS).any(|seed| simulate(seed, false, Some(mistake)).is_err());
    drop(std::panic::take_hook());
    is_found
}

#[test]
fn a_store_that_takes_commits_of_lost_leases_is_found() {
    assert!(is_found(|run, mut lease, mut commit| {
        if lease.epoch != run.epoch {
            lease.epoch = run.epoch;
            commit.number = next();
        }
        (lease, commit)
    }));
}

#[test]
fn a_store_that_does_repeated_commits_twice_is_found() {
    assert!(is_found(|_, lease, mut commit| {
        commit.number = next();
        (lease, commit)
    }));
}

#[test]
fn a_store_that_loses_a_piece_now_and_then_is_found() {
    assert!(is_found(|_, lease, mut commit| {
        let is_piece = commit.events.len() == 1 && commit.events[0].class == EventClass::Delta;
        if is_piece && next().is_multiple_of(50) {
            commit.events[0].data = commit.events[0].data.replace("\"text\":\"", "\"text\":\"-");
        }
        (lease, commit)
    }));
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
