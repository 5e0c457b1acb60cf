//! Keyed effects: a node may run again, with the same key.
//!
//! Owns: what the world outside must have seen.
//! Never: counts repeats as breaches; they are why keys exist.

use super::super::breach::{Breach, BreachKind};
use super::super::evidence::{Evidence, RunLog, Transcript};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(evidence: &Evidence, logs: &BTreeMap<&str, &RunLog>) -> Vec<Breach> {
    let mut keys: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut places: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for effect in &evidence.effects {
        let place = (effect.run.as_str(), effect.step.as_str());
        keys.entry(place).or_default().insert(&effect.key);
        places.entry(&effect.key).or_default().insert(place);
    }
    let mut breaches = Vec::new();
    for ((run, step), keys) in keys.iter().filter(|(_, keys)| keys.len() > 1) {
        breaches.push(Breach::new(BreachKind::Keys, *run, format!("{step} was done with the keys {keys:?}")));
    }
    for (key, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        let detail = format!("the key was used for {places:?}");
        breaches.push(Breach::new(BreachKind::Keys, *key, detail));
    }
    let ended = |run: &&str| logs.get(*run).is_some_and(|log| log.status == "succeeded");
    for transcript in &evidence.transcripts {
        let Some(run) = transcript.run().filter(ended) else { continue };
        breaches.extend(missing(run, transcript, &keys));
    }
    breaches
}

/// Steps of a run that succeeded, without their effect.
fn missing(run: &str, transcript: &Transcript, keys: &BTreeMap<(&str, &str), BTreeSet<&str>>) -> Vec<Breach> {
    let steps = transcript.work.steps();
    let missing = steps.iter().filter(|step| !keys.contains_key(&(run, step.as_str())));
    missing.map(|step| Breach::new(BreachKind::StepMissing, run, format!("{step} had no effect"))).collect()
}

/// How many effects were done again.
pub(crate) fn repeats(evidence: &Evidence) -> usize {
    let places: BTreeSet<(&str, &str)> =
        evidence.effects.iter().map(|effect| (effect.run.as_str(), effect.step.as_str())).collect();
    evidence.effects.len().saturating_sub(places.len())
}
