//! Steps: state exactly once, in the log and in the state that a run came to.
//!
//! Owns: what the list in the state of the agent `steps` must hold.
//! Never: looks at how often a node's code ran.

use super::super::breach::{Breach, BreachKind};
use super::super::event::Event;
use super::super::evidence::{RunLog, Transcript};
use super::super::work::Work;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The channel that counts.
const DONE: &str = "done";

pub(super) fn check(transcript: &Transcript, log: &RunLog, all: &[Transcript]) -> Vec<Breach> {
    let steps = transcript.work.steps();
    if !matches!(transcript.work, Work::Steps { .. }) {
        return Vec::new();
    }
    let told = log.events.iter().filter(|event| event.kind() == "update");
    let told: Vec<String> = told.flat_map(|event| entries(event.data.get("values"))).collect();
    let mut breaches = count(log, "the log", &told, &steps);
    let outputs: Vec<&Event> = log.events.iter().filter(|event| event.kind() == "output").collect();
    match (log.status.as_str(), outputs.as_slice()) {
        ("succeeded", [output]) => {
            let state = entries(output.data.get("value"));
            let mine = |entry: &&String| entry.split('/').next() == Some(log.run.as_str());
            let own: Vec<String> = state.iter().filter(mine).cloned().collect();
            breaches.extend(count(log, "the state", &own, &steps));
            breaches.extend(neighbours(transcript, log, &state, all));
        }
        ("succeeded", outputs) => {
            let detail = format!("it has {} outputs", outputs.len());
            breaches.push(Breach::new(BreachKind::StepTwice, &log.run, detail));
        }
        _ => {}
    }
    breaches
}

/// The list of a state or of an update.
fn entries(values: Option<&Value>) -> Vec<String> {
    let list = values.and_then(|values| values.get(DONE)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

/// Each step of the run once; of a run that failed at most once.
fn count(log: &RunLog, place: &str, found: &[String], steps: &BTreeSet<String>) -> Vec<Breach> {
    let mut times: BTreeMap<&str, usize> = steps.iter().map(|step| (step.as_str(), 0)).collect();
    for entry in found {
        let step = entry.split_once('/').filter(|(run, _)| *run == log.run).map(|(_, step)| step);
        *times.entry(step.unwrap_or(entry)).or_default() += 1;
    }
    let breaches = times.into_iter().filter_map(|(step, times)| {
        let kind = match times {
            0 if log.status == "succeeded" => BreachKind::StepMissing,
            1 if steps.contains(step) => return None,
            0 => return None,
            _ => BreachKind::StepTwice,
        };
        Some(Breach::new(kind, &log.run, format!("{step} is {times} times in {place}")))
    });
    breaches.collect()
}

/// The other entries of the state are of runs of the same thread, each once, those of one run side by side.
fn neighbours(transcript: &Transcript, log: &RunLog, state: &[String], all: &[Transcript]) -> Vec<Breach> {
    let on_thread = |other: &&Transcript| other.thread.is_some() && other.thread == transcript.thread;
    let runs: BTreeSet<&str> = all.iter().filter(on_thread).filter_map(Transcript::run).collect();
    let breach = |detail: String| Breach::new(BreachKind::StepTwice, &log.run, detail);
    let (mut breaches, mut seen, mut over) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut last = "";
    for entry in state {
        let run = entry.split('/').next().unwrap_or_default();
        if run != log.run && !runs.contains(run) {
            breaches.push(breach(format!("the state has {entry}, which is of no run of its thread")));
        }
        if run != log.run && !seen.insert(entry) {
            breaches.push(breach(format!("the state has {entry} twice")));
        }
        if run != last && !over.insert(run) {
            breaches.push(breach(format!("the steps of {run} are among those of other runs")));
        }
        last = run;
    }
    breaches
}
