//! The report: a line a seed, and what is wrong with a seed that failed.
//!
//! Owns: the words, and the files that a failed seed leaves.
//! Never: decides what is a breach.

use super::breach::{Breach, BreachKind};
use super::check::repeats;
use super::error::ChaosError;
use super::evidence::Evidence;
use super::faults::Tally;
use super::trial::{Outcome, Plan};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// So many breaches of a seed are printed; the file has all.
const SHOWN: usize = 20;

/// What all seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    seeds: usize,
    runs: usize,
    kills: usize,
    storms: usize,
    repeats: usize,
    pub(crate) failed_seeds: usize,
    pub(crate) breaches: usize,
}

impl Totals {
    pub(crate) fn add(&mut self, outcome: &Outcome, breaches: &[Breach]) {
        self.seeds += 1;
        self.runs += accepted(&outcome.evidence);
        self.kills += outcome.kills.sum();
        self.storms += outcome.storms.sum();
        self.repeats += repeats(&outcome.evidence);
        self.failed_seeds += usize::from(!breaches.is_empty());
        self.breaches += breaches.len();
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "total: {} seeds, {} failed; {} runs accepted, {} kills, {} network faults, {} effects asked for again under their key, {} breaches",
            self.seeds, self.failed_seeds, self.runs, self.kills, self.storms, self.repeats, self.breaches
        )
    }
}

/// One seed in one line.
pub(crate) fn line(plan: &Plan, outcome: &Outcome, breaches: &[Breach]) -> String {
    let evidence = &outcome.evidence;
    let count = |kinds: &[BreachKind]| breaches.iter().filter(|breach| kinds.contains(&breach.kind)).count();
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    evidence.logs.iter().for_each(|log| *statuses.entry(&log.status).or_default() += 1);
    let visits: usize = evidence.transcripts.iter().map(|transcript| transcript.visits).sum();
    let taken_over: u64 = evidence.logs.iter().map(|log| log.attempts.saturating_sub(1)).sum();
    let resets = evidence.logs.iter().flat_map(|log| &log.events).filter(|event| event.kind() == "reset");
    format!(
        "seed {}: {} runs accepted ({}), read over {visits} connections, {taken_over} times taken over, {} resets; \
         {} kills ({}), {} network faults ({}), {} starts; \
         lost {}, gaps {}, duplicates {}, differences {}, other {}; {} effects, {} asked for again under their key; settled in {:.1} s: {}",
        plan.seed,
        accepted(evidence),
        pairs(&statuses),
        resets.count(),
        outcome.kills.sum(),
        tally(&outcome.kills),
        outcome.storms.sum(),
        tally(&outcome.storms),
        outcome.starts,
        count(&[BreachKind::Lost, BreachKind::Untold]),
        count(&[BreachKind::Gap, BreachKind::StepMissing]),
        count(&[BreachKind::Duplicate, BreachKind::StepTwice, BreachKind::Ends, BreachKind::Strange]),
        count(&[BreachKind::Differs, BreachKind::Text]),
        count(&[BreachKind::Failed, BreachKind::Keys, BreachKind::Crash]),
        evidence.effects.len(),
        repeats(evidence),
        outcome.settling.as_secs_f64(),
        if breaches.is_empty() { "ok" } else { "BROKEN" },
    )
}

fn accepted(evidence: &Evidence) -> usize {
    evidence.transcripts.iter().filter(|transcript| transcript.run().is_some()).count()
}

fn tally(tally: &Tally) -> String {
    pairs(&tally.0)
}

fn pairs(counts: &BTreeMap<&str, usize>) -> String {
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a seed.
pub(crate) fn details(plan: &Plan, breaches: &[Breach]) -> String {
    let mut text = String::new();
    for breach in breaches.iter().take(SHOWN) {
        // Writing to a text does not fail.
        let _ = writeln!(text, "  {breach}");
    }
    if let Some(more) = breaches.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
    let _ = write!(text, "  logs and evidence: {}", plan.folder.display());
    text
}

/// Writes all that was seen into the folder of the seed.
pub(crate) fn write(folder: &Path, evidence: &Evidence, breaches: &[Breach]) -> Result<(), ChaosError> {
    let breaches: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    let numbered = |events: &[super::event::Event]| -> Vec<serde_json::Value> {
        events.iter().map(|event| json!({"seq": event.seq, "data": event.data})).collect()
    };
    let transcripts = evidence.transcripts.iter().map(|seen| {
        json!({
            "key": seen.key, "agent": seen.work.agent(), "thread": seen.thread, "runs": seen.run_ids,
            "refusals": seen.refusals, "frames": numbered(&seen.frames),
        })
    });
    let logs = evidence.logs.iter().map(|log| {
        json!({
            "run": log.run, "status": log.status, "last_seq": log.last_seq, "events": numbered(&log.events),
        })
    });
    let files = [
        ("breaches.txt", breaches.join("\n")),
        ("transcripts.jsonl", lines(transcripts)),
        ("logs.jsonl", lines(logs)),
        ("effects.jsonl", lines(evidence.effects.iter().map(|effect| json!(effect)))),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).map_err(ChaosError::io("write evidence"))?;
    }
    Ok(())
}

fn lines(values: impl Iterator<Item = serde_json::Value>) -> String {
    values.map(|value| value.to_string() + "\n").collect()
}
