//! Engine runs: the load that all comparisons of engines share, and the turns in which they are made.
//!
//! Owns: the lengths of prompts and answers, and the order of turns.
//! Never: knows with what our engine is compared.

use super::context::Context;
use super::error::BenchError;
use super::line::{Bound, Line, Outcome, Unit};
use super::series::Series;
use genesis_mesh_local::measure::{Load, Probe};

/// Tokens of each prompt.
pub(crate) const PROMPT_TOKENS: usize = 64;
/// Tokens of each answer: about as long as a short paragraph.
pub(crate) const ANSWER_TOKENS: usize = 128;

/// Runs of each side that are not counted: they warm caches and clocks, and our engine tries each number of
/// threads on each size of batch before it knows the best.
pub(crate) const WARM_UPS: usize = 3;

/// How fast one run was, in tokens of all sequences a second.
#[derive(Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) prefill: f64,
    pub(crate) decode: f64,
}

/// The speeds of two sides, a pair a round.
pub(crate) struct Turns {
    pub(crate) what: String,
    pub(crate) beside: String,
    ours: Vec<Speed>,
    other: Vec<Speed>,
}

/// One side of a comparison: runs so many sequences once.
pub(crate) type Side<'a> = dyn FnMut(usize) -> Result<Speed, BenchError> + 'a;

/// Runs `sequences` sequences on our engine.
pub(crate) fn run(probe: &mut Probe, sequences: usize) -> Speed {
    let load = Load { sequences, prompt_tokens: PROMPT_TOKENS, answer_tokens: ANSWER_TOKENS };
    let measured = probe.run(load);
    let prefill = (sequences * PROMPT_TOKENS) as f64 / measured.prefill.as_secs_f64();
    Speed { prefill, decode: measured.decode_tokens_per_s }
}

/// Measures both sides in turns, after some runs of each that are not counted.
pub(crate) fn in_turns(
    context: &Context,
    beside: &str,
    sequences: usize,
    ours: &mut Side<'_>,
    other: &mut Side<'_>,
) -> Result<Turns, BenchError> {
    let what = format!("{sequences} sequence{}", if sequences == 1 { "" } else { "s" });
    let mut turns = Turns { what, beside: beside.to_owned(), ours: Vec::new(), other: Vec::new() };
    for _ in 0..WARM_UPS {
        ours(sequences)?;
        other(sequences)?;
    }
    for round in 0..context.rounds {
        let (own, others) = (ours(sequences)?, other(sequences)?);
        let gave = format!(
            "decode {:.0} and {:.0} tok/s, prefill {:.0} and {:.0}",
            own.decode, others.decode, own.prefill, others.prefill
        );
        context.tell(&format!("{} beside {beside}", turns.what), round, &gave);
        turns.ours.push(own);
        turns.other.push(others);
    }
    Ok(turns)
}

impl Turns {
    /// The line of tokens made a second.
    pub(crate) fn decode(&self, bound: Bound) -> Line {
        self.line(format!("decode, {}", self.what), bound, |speed| speed.decode)
    }

    /// The line of prompt tokens read a second.
    pub(crate) fn prefill(&self, bound: Bound) -> Line {
        self.line(format!("prefill, {}", self.what), bound, |speed| speed.prefill)
    }

    fn line(&self, what: String, bound: Bound, value: fn(&Speed) -> f64) -> Line {
        let [ours, other] = [&self.ours, &self.other].map(|speeds| Series::new(speeds.iter().map(value)));
        let beside = self.beside.clone();
        Line { what, unit: Unit::TokensPerSecond, outcome: Outcome::Compared { ours, other, beside, bound } }
    }
}
