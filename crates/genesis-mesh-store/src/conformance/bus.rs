//! The suite that every bus must pass: one check for each sentence of the `Bus` contract.
//!
//! Owns: the checks and their names.
//! Never: asks that no hint is lost, or that one comes once; only that a confirmed subscription of a healthy bus works.

use super::{Outcome, holds, note, same};
use futures_util::StreamExt as _;
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::bus::{Bus, Hint, Hints, Topic};
use genesis_mesh_core::run::RunId;
use std::sync::Arc;

/// A sentence of the contract, and how it is checked on a bus without subscribers.
type Check = (&'static str, for<'a> fn(&'a dyn Bus) -> BoxFuture<'a, Outcome>);

// table
const CHECKS: &[Check] = &[
    ("a hint reaches every subscriber of its topic, the sender included", |bus| Box::pin(reaches_all(bus))),
    ("a subscription gets nothing of other topics", |bus| Box::pin(keeps_apart(bus))),
    ("a subscription is confirmed when it is given", |bus| Box::pin(is_confirmed(bus))),
    ("a thousand runs have their own hints", |bus| Box::pin(carries_many(bus))),
    ("what is published without subscribers hinders nobody", |bus| Box::pin(drops_unheard(bus))),
    ("the newest of many hints of one run arrives", |bus| Box::pin(ends_with_newest(bus))),
];

/// Runs every check, each on a bus of its own that `make` gives.
///
/// # Panics
/// With all sentences of the contract that do not hold.
pub async fn run_all_bus(make: impl AsyncFn() -> Arc<dyn Bus>) {
    let mut broken = String::new();
    for (sentence, check) in CHECKS {
        note(&mut broken, sentence, check(&*make().await).await);
    }
    assert!(broken.is_empty(), "the bus breaks its contract:{broken}");
}

fn appended(run: u128, seq: u64) -> Hint {
    Hint::Appended { run: RunId(run), seq }
}

/// The next hint that is not `Missed`: that one may come at any time.
async fn next(hints: &mut Hints) -> Result<Hint, Box<dyn std::error::Error + Send + Sync>> {
    loop {
        match hints.next().await {
            Some(Hint::Missed) => {}
            Some(hint) => return Ok(hint),
            None => return Err("the subscription has ended".into()),
        }
    }
}

async fn reaches_all(bus: &dyn Bus) -> Outcome {
    let mut first = bus.subscribe(Topic::Work).await?;
    let mut second = bus.subscribe(Topic::Work).await?;
    let cancelled = Hint::Cancelled { run: RunId(u128::MAX) };
    bus.publish(cancelled);
    same("the hint", &next(&mut first).await?, &cancelled)?;
    same("the hint of the other", &next(&mut second).await?, &cancelled)
}

async fn keeps_apart(bus: &dyn Bus) -> Outcome {
    let mut run = bus.subscribe(Topic::Run(RunId(1))).await?;
    let mut work = bus.subscribe(Topic::Work).await?;
    bus.publish(appended(2, 9));
    bus.publish(Hint::Queued);
    bus.publish(appended(1, 1));
    same("the hint of the run", &next(&mut run).await?, &appended(1, 1))?;
    same("the hint of the work", &next(&mut work).await?, &Hint::Queued)
}

async fn is_confirmed(bus: &dyn Bus) -> Outcome {
    for round in 1..=50 {
        let mut hints = bus.subscribe(Topic::Run(RunId(round))).await?;
        bus.publish(appended(round, 5));
        same("the hint", &next(&mut hints).await?, &appended(round, 5))?;
    }
    Ok(())
}

async fn carries_many(bus: &dyn Bus) -> Outcome {
    // Each is taken before the next is sent: no queue need be longer than one.
    let mut all = Vec::new();
    for run in 1..=1_000 {
        all.push((run, bus.subscribe(Topic::Run(RunId(run))).await?));
    }
    for (run, hints) in &mut all {
        bus.publish(appended(*run, 1));
        same("the hint", &next(hints).await?, &appended(*run, 1))?;
    }
    Ok(())
}

async fn drops_unheard(bus: &dyn Bus) -> Outcome {
    drop(bus.subscribe(Topic::Run(RunId(1))).await?);
    for seq in 1..=100_000 {
        bus.publish(appended(1, seq));
    }
    let mut hints = bus.subscribe(Topic::Run(RunId(2))).await?;
    bus.publish(appended(2, 1));
    same("the hint", &next(&mut hints).await?, &appended(2, 1))
}

async fn ends_with_newest(bus: &dyn Bus) -> Outcome {
    let mut hints = bus.subscribe(Topic::Run(RunId(1))).await?;
    let mut last = 0;
    for seq in 1..=200 {
        bus.publish(appended(1, seq));
    }
    while last < 200 {
        if let Hint::Appended { run, seq } = next(&mut hints).await? {
            holds("the hint is of this run", run == RunId(1))?;
            last = last.max(seq);
        }
    }
    Ok(())
}
