//! Tests of the buses that need no server.

mod servers;

use super::{LocalBus, LossyBus, LossyOptions};
use crate::conformance;
use futures_util::{FutureExt as _, StreamExt as _};
use genesis_mesh_core::bus::{Bus, Hint, Hints, Topic};
use genesis_mesh_core::run::RunId;
use std::sync::Arc;

const RUN: RunId = RunId(7);

fn appended(seq: u64) -> Hint {
    Hint::Appended { run: RUN, seq }
}

/// All hints that are there now.
fn waiting(hints: &mut Hints) -> Vec<Hint> {
    let mut found = Vec::new();
    while let Some(Some(hint)) = hints.next().now_or_never() {
        found.push(hint);
    }
    found
}

#[tokio::test]
async fn the_local_bus_keeps_the_contract() {
    conformance::run_all_bus(async || Arc::new(LocalBus::new()) as Arc<dyn Bus>).await;
}

#[tokio::test]
async fn hints_of_one_run_that_wait_become_the_newest() {
    let bus = LocalBus::new();
    let mut hints = bus.subscribe(Topic::Run(RUN)).await.expect("a subscription");
    for seq in [1, 3, 2] {
        bus.publish(appended(seq));
    }
    assert_eq!(waiting(&mut hints), [appended(3)]);
}

#[tokio::test]
async fn a_reader_that_is_far_behind_is_told_that_it_missed_some() {
    let bus = LocalBus::new();
    let mut hints = bus.subscribe(Topic::Work).await.expect("a subscription");
    for run in 0..1_000 {
        bus.publish(Hint::Cancelled { run: RunId(run) });
    }
    let found = waiting(&mut hints);
    assert_eq!(found[0], Hint::Missed);
    assert!(found.len() <= 256, "{}", found.len());
}

#[tokio::test]
async fn a_subscription_ends_with_its_bus_and_leaves_nothing_behind() {
    let bus = LocalBus::new();
    let mut hints = bus.subscribe(Topic::Work).await.expect("a subscription");
    drop(bus.subscribe(Topic::Run(RUN)).await.expect("a subscription"));
    assert_eq!(format!("{bus:?}"), "LocalBus { subscriptions: 1 }");
    bus.publish(Hint::Queued);
    drop(bus);
    assert_eq!(hints.next().await, Some(Hint::Queued));
    assert_eq!(hints.next().await, None);
}

/// What a subscriber to the log of a run is told of 300 hints, each taken before the next.
async fn told(seed: u64, options: LossyOptions) -> Vec<Hint> {
    let bus = LossyBus::with(Arc::new(LocalBus::new()), seed, options);
    let mut hints = bus.subscribe(Topic::Run(RUN)).await.expect("a subscription");
    let mut found = Vec::new();
    for seq in 1..=300 {
        bus.publish(appended(seq));
        found.extend(waiting(&mut hints));
    }
    found
}

#[tokio::test]
async fn a_lossy_bus_drops_repeats_and_reorders_as_its_seed_says() {
    let found = told(1, LossyOptions::default()).await;
    assert_eq!(found, told(1, LossyOptions::default()).await);
    assert_ne!(found, told(2, LossyOptions::default()).await);
    let is_there = |seq| found.contains(&appended(seq));
    assert!((1..=300).filter(|seq| !is_there(*seq)).count() > 50);
    assert!(found.windows(2).any(|pair| pair[0] == pair[1]));
    let numbers: Vec<u64> =
        found.iter().map(|hint| if let Hint::Appended { seq, .. } = hint { *seq } else { 0 }).collect();
    assert!(numbers.windows(2).any(|pair| pair[0] > pair[1]));
}

#[tokio::test]
async fn a_deaf_bus_tells_nothing_and_a_perfect_one_everything() {
    assert_eq!(told(1, LossyOptions::deaf()).await, []);
    let all: Vec<Hint> = (1..=300).map(appended).collect();
    assert_eq!(told(1, LossyOptions::per_mille(0, 0, 0)).await, all);
}
