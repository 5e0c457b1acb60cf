//! The verdict: what must hold of every world in the end.

use crate::agents::{PLANS, STEPS, STORY};
use crate::world::{Seen, World};
use genesis_mesh::log::{CancelKind, EventClass, LogEvent, Run, RunQuery, RunStatus, RunStore};
use genesis_mesh::{RunId, Update};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

macro_rules! hold {
    ($condition:expr, $($said:tt)*) => {
        if !$condition {
            return Err(format!($($said)*));
        }
    };
}

/// Checks all.
pub(crate) async fn check(world: &World) -> Result<(), String> {
    let runs = world.store.runs(RunQuery::default()).await.expect("the store is there");
    let seen = world.seen.lock().unwrap().clone();
    hold!(!seen.is_empty() && runs.len() == seen.len(), "{} runs for {} clients", runs.len(), seen.len());
    for run in &runs {
        let log = world.store.events(run.id, 0, usize::MAX).await.expect("the store is there");
        let log: Vec<LogEvent> = log.into_iter().map(|event| LogEvent { memo: None, ..event }).collect();
        let Some(seen) = seen.get(&run.id) else { return Err(format!("{} is nobody's", run.id)) };
        let held = whole(run, &log)
            .and_then(|()| if seen.events == log { Ok(()) } else { Err(differs(&seen.events, &log)) })
            .and_then(|()| told(run, seen, &log));
        held.map_err(|error| format!("{} {}: {error}\n{}", run.agent, run.id, shown(&log)))?;
    }
    effects(world, &runs)?;
    threads(world, &runs, &seen).await
}

/// Each run has ended, its log is contiguous and has one end.
fn whole(run: &Run, log: &[LogEvent]) -> Result<(), String> {
    hold!(run.status.is_end(), "it is {:?}, epoch {}", run.status, run.epoch);
    hold!(run.status != RunStatus::Failed, "it has failed: {:?}", run.error);
    hold!(run.last_seq == log.len() as u64, "its row says {} events of {}", run.last_seq, log.len());
    for (event, seq) in log.iter().zip(1..) {
        hold!(event.seq == seq, "event {} stands at {seq}", event.seq);
        let is_last = seq == log.len() as u64;
        hold!(
            (event.class == EventClass::End) == is_last,
            "event {seq} of {} is {:?}",
            log.len(),
            event.class
        );
    }
    let is_first = log.first().is_some_and(|event| event.data.starts_with("{\"type\":\"run\""));
    hold!(is_first, "its log does not begin with it");
    Ok(())
}

fn differs(seen: &[LogEvent], log: &[LogEvent]) -> String {
    let place = seen.iter().zip(log).take_while(|(seen, log)| seen == log).count();
    format!(
        "the client saw {} events of {}; from {place} on they differ: {:?} and {:?}",
        seen.len(),
        log.len(),
        seen.get(place),
        log.get(place)
    )
}

/// What a log tells is what the agent has to say.
fn told(run: &Run, seen: &Seen, log: &[LogEvent]) -> Result<(), String> {
    let is_done = run.status == RunStatus::Succeeded;
    hold!(is_done || run.status == RunStatus::Cancelled, "it ended as {:?}", run.status);
    let may_stop = !seen.cancels.is_empty() || seen.thread.is_some();
    hold!(is_done || may_stop, "nobody has stopped it");
    let (mut text, mut messages, mut updates) = (String::new(), BTreeMap::new(), Vec::new());
    for event in log {
        let update: Update = serde_json::from_str(&event.data).map_err(|error| error.to_string())?;
        match update {
            Update::Delta { text: piece, message: None, .. } => text.push_str(&piece),
            Update::Reset { message: None, .. } => text.clear(),
            Update::Delta { text, message: Some(message), .. } => {
                messages.entry(message).or_insert_with(String::new).push_str(&text);
            }
            Update::Reset { message: Some(message), .. } => drop(messages.remove(&message)),
            Update::Written { values, .. } => updates.push(values.to_string()),
            _ => {}
        }
    }
    let all: BTreeSet<_> = updates.iter().collect();
    hold!(all.len() == updates.len(), "an update was told twice: {updates:?}");
    if PLANS.contains(&&*run.agent) {
        let mut said: Vec<_> = messages.into_values().collect();
        said.sort();
        let wanted = [1, 2, 3].map(|n| format!("work {n} is done"));
        hold!(!is_done || said == wanted, "its messages are {said:?}");
        hold!(!is_done || updates.len() == 2 * STEPS.len(), "it told {} updates", updates.len());
    } else {
        let is_right = if is_done { text == STORY } else { STORY.starts_with(&text) };
        hold!(is_right, "its text is {text:?}");
    }
    Ok(())
}

/// Each step of each run has had its effect with one key.
fn effects(world: &World, runs: &[Run]) -> Result<(), String> {
    let effects = world.effects.lock().unwrap();
    for ((run, step), keys) in effects.iter() {
        hold!(keys.len() == 1, "the step {step} of {run} had its effect with {} keys", keys.len());
    }
    let done = runs.iter().filter(|run| PLANS.contains(&&*run.agent) && run.status == RunStatus::Succeeded);
    for run in done {
        for step in STEPS {
            let had = effects.contains_key(&(run.id.to_string(), step.to_owned()));
            hold!(had, "the step {step} of {} had no effect", run.id);
        }
    }
    Ok(())
}

/// The state of each thread has the steps of each run once, in their order, one run after the other.
async fn threads(world: &World, runs: &[Run], seen: &BTreeMap<RunId, Seen>) -> Result<(), String> {
    let effects = agents_states(world, runs).await?;
    for run in runs.iter().filter(|run| PLANS.contains(&&*run.agent)) {
        let thread = run.thread.clone().unwrap_or_default();
        let log = effects.get(&thread).cloned().unwrap_or_default();
        let id = run.id.to_string();
        let own = |entry: &&String| entry.starts_with(&id);
        let steps: Vec<String> =
            log.iter().filter(own).map(|entry| entry[id.len() + 1..].to_owned()).collect();
        let may_be_undone =
            seen.get(&run.id).is_some_and(|seen| seen.cancels.contains(&CancelKind::Rollback));
        let is_undone = seen.get(&run.id).is_some_and(|seen| seen.is_undone);
        let is_done = run.status == RunStatus::Succeeded;
        let is_whole = steps == STEPS || may_be_undone && steps.is_empty();
        hold!(!is_done || is_whole, "the thread {thread} has {steps:?} of the run {id}");
        let is_part = STEPS.starts_with(&steps.iter().map(String::as_str).collect::<Vec<_>>());
        hold!(is_part, "the thread {thread} has {steps:?} of the run {id}, which was stopped");
        hold!(is_done || !is_undone || steps.is_empty(), "{steps:?} of {id} were not undone");
        let first = log.iter().position(|entry| entry.starts_with(&id)).unwrap_or(0);
        let together = log.iter().skip(first).take(steps.len()).all(|entry| entry.starts_with(&id));
        hold!(together, "the steps of {id} stand between those of others: {log:?}");
    }
    Ok(())
}

/// The state of each thread.
async fn agents_states(world: &World, runs: &[Run]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mesh = crate::agents::agents(&world.effects).store(std::sync::Arc::clone(&world.store));
    let mesh = mesh.setup().await.expect("the mesh is right");
    let mut states = BTreeMap::new();
    let threads: BTreeSet<_> = runs.iter().filter_map(|run| run.thread.clone()).collect();
    for thread in threads {
        let state = mesh.thread_state("plan", &thread).await.map_err(|error| error.to_string())?;
        let log = state["values"]["log"].as_array().cloned().unwrap_or_default();
        let log = log.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        states.insert(thread, log);
    }
    Ok(states)
}

fn shown(log: &[LogEvent]) -> String {
    log.iter().map(|event| format!("    {:>3} {}", event.seq, event.data)).collect::<Vec<_>>().join("\n")
}
