//! Clients: each submits a run, reads it to its end wherever it can, and may stop it.

use crate::agents::PLANS;
use crate::draws::Draws;
use crate::world::World;
use genesis_mesh::log::{CancelKind, CancelOutcome, EventClass, IfBusy, LogEvent};
use genesis_mesh::{Mesh, RunId, Submission};
use serde_json::json;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// So long a client waits for an answer or for the next event before it asks another replica.
const PATIENCE: Duration = Duration::from_secs(4);

/// A client's life.
pub(crate) async fn live(world: World, number: usize, mut draws: Draws) {
    sleep(draws.millis(0, 25_000)).await;
    let (agent, thread) = match draws.below(6) {
        0 => ("tale", None),
        1 => ("forgets", None),
        2 => ("parsed", None),
        3 => (PLANS[draws.below(2)], None),
        place => (PLANS[draws.below(2)], Some(format!("thread {}", place - 3))),
    };
    let run = submit(&world, number, agent, thread.clone(), &mut draws).await;
    world.seen.lock().unwrap().entry(run).or_default().agent = agent;
    world.seen.lock().unwrap().entry(run).or_default().thread = thread;
    if draws.chance(250) {
        let kind = if draws.chance(500) { CancelKind::Interrupt } else { CancelKind::Rollback };
        let wait = draws.millis(0, 3_000);
        let reads = read(&world, number, run, draws.fork());
        tokio::join!(reads, cancel(&world, number, run, kind, wait, draws));
    } else {
        read(&world, number, run, draws).await;
    }
}

async fn submit(
    world: &World,
    number: usize,
    agent: &'static str,
    thread: Option<String>,
    draws: &mut Draws,
) -> RunId {
    let if_busy = if draws.chance(100) { IfBusy::Interrupt } else { IfBusy::Enqueue };
    let ask = if matches!(agent, "tale" | "forgets") { json!({"prompt": "Tell."}) } else { json!({}) };
    let submission = Submission {
        thread,
        if_busy,
        idempotency_key: Some(format!("client {number}")),
        ..Submission::new(agent, ask)
    };
    loop {
        if let Some((replica, mesh)) = world.any_mesh(draws) {
            match timeout(PATIENCE, mesh.submit(submission.clone())).await {
                Ok(Ok(submitted)) => {
                    let run = submitted.run.id;
                    world.say(|| format!("client {number} has {agent} {run} accepted by {replica}"));
                    return run;
                }
                Ok(Err(error)) => world.say(|| format!("client {number} is refused by {replica}: {error}")),
                Err(_) => world.say(|| format!("client {number} gives up on {replica}")),
            }
        }
        sleep(draws.millis(50, 500)).await;
    }
}

/// Reads the run to its end, now here and now there.
async fn read(world: &World, number: usize, run: RunId, mut draws: Draws) {
    loop {
        if let Some((replica, mesh)) = world.any_mesh(&mut draws) {
            let events_max = if draws.chance(400) { draws.below(8) } else { usize::MAX };
            if read_here(world, &mesh, run, events_max).await {
                world.say(|| format!("client {number} saw the end of {run} at {replica}"));
                return;
            }
        }
        sleep(draws.millis(1, 400)).await;
    }
}

/// Reads at one replica; gives whether the run's end was seen.
async fn read_here(world: &World, mesh: &Mesh, run: RunId, events_max: usize) -> bool {
    let after = world.seen.lock().unwrap()[&run].events.last().map_or(0, |event| event.seq);
    let Ok(Ok(mut reader)) = timeout(PATIENCE, mesh.follow(run, after)).await else { return false };
    for _ in 0..events_max {
        // An error and a replica that says nothing are the same to a client: it asks elsewhere.
        let Ok(Some(Ok(event))) = timeout(PATIENCE, reader.next()).await else { return false };
        let is_end = event.class == EventClass::End;
        let event = LogEvent { memo: None, ..event };
        world.seen.lock().unwrap().get_mut(&run).expect("known").events.push(event);
        if is_end {
            return true;
        }
    }
    false
}

async fn cancel(
    world: &World,
    number: usize,
    run: RunId,
    kind: CancelKind,
    wait: Duration,
    mut draws: Draws,
) {
    sleep(wait).await;
    world.seen.lock().unwrap().get_mut(&run).expect("known").cancels.push(kind);
    loop {
        if let Some((replica, mesh)) = world.any_mesh(&mut draws)
            && let Ok(Ok(outcome)) = timeout(PATIENCE, mesh.cancel(run, kind)).await
        {
            let is_undone = (outcome, kind) == (CancelOutcome::Asked, CancelKind::Rollback);
            world.seen.lock().unwrap().get_mut(&run).expect("known").is_undone |= is_undone;
            return world.say(|| format!("client {number} stops {run} at {replica}: {kind:?}, {outcome:?}"));
        }
        sleep(draws.millis(50, 500)).await;
    }
}
