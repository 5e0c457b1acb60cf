//! The checker: holds what was seen to what the server promises.
//!
//! Owns: the order of the checks, one module for each kind of promise.
//! Never: asks the server; it reads evidence, and the same evidence gives the same answer.
//! Flow: each log by itself, each transcript against its log, then steps, texts and effects over all runs.

mod effects;
mod log;
mod seen;
mod steps;
mod text;

pub(crate) use effects::repeats;

use super::breach::{Breach, BreachKind};
use super::evidence::{Evidence, RunLog, Transcript};
use std::collections::{BTreeMap, BTreeSet};

/// The one failure that a run may come to: it was begun again and again and came no further.
const POISONED: &str = "run_poisoned";

/// All breaches in `evidence`.
pub(crate) fn check(evidence: &Evidence) -> Vec<Breach> {
    let logs: BTreeMap<&str, &RunLog> = evidence.logs.iter().map(|log| (log.run.as_str(), log)).collect();
    let mut breaches: Vec<Breach> =
        evidence.crashes.iter().map(|crash| Breach::new(BreachKind::Crash, "a server", crash)).collect();
    breaches.extend(strangers(evidence));
    breaches.extend(evidence.logs.iter().flat_map(log::check));
    for transcript in &evidence.transcripts {
        let Some(run) = transcript.run() else { continue };
        breaches.extend(doubles(transcript));
        let Some(log) = logs.get(run) else {
            breaches.push(Breach::new(BreachKind::Lost, run, "it was accepted, and is not there"));
            continue;
        };
        breaches.extend(seen::check(transcript, log));
        breaches.extend(failure(log));
        breaches.extend(text::check(transcript, log, &evidence.story));
        breaches.extend(steps::check(transcript, log, &evidence.transcripts));
    }
    breaches.extend(effects::check(evidence, &logs));
    breaches
}

/// Runs that no client knows.
fn strangers(evidence: &Evidence) -> Vec<Breach> {
    let known: BTreeSet<&str> = evidence.transcripts.iter().filter_map(Transcript::run).collect();
    let has_unseen = evidence.transcripts.iter().any(|transcript| transcript.run().is_none());
    let strange = evidence.logs.iter().filter(|log| !known.contains(log.run.as_str()));
    // A client that never saw its run may have one all the same.
    strange
        .filter(|_| !has_unseen)
        .map(|log| Breach::new(BreachKind::Strange, &log.run, "no client was told of this run"))
        .collect()
}

/// One key, two runs.
fn doubles(transcript: &Transcript) -> Option<Breach> {
    let ids: BTreeSet<&String> = transcript.run_ids.iter().collect();
    let detail = || format!("the key {} was given the runs {ids:?}", transcript.key);
    (ids.len() > 1).then(|| Breach::new(BreachKind::Strange, &transcript.key, detail()))
}

/// A run that failed for no good reason.
fn failure(log: &RunLog) -> Option<Breach> {
    let code = log.events.last().and_then(|event| event.error_code());
    let is_fine = log.status == "succeeded" || code == Some(POISONED) || !log.has_ended();
    let detail = || {
        let last = log.events.last().map(|event| format!("{:?}", event.data)).unwrap_or_default();
        format!("it ended as {}: {last}", log.status)
    };
    (!is_fine).then(|| Breach::new(BreachKind::Failed, &log.run, detail()))
}

#[cfg(test)]
mod tests;
