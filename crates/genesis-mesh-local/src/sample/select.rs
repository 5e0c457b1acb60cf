//! The filters: which tokens stay in question, without sorting the vocabulary.
//!
//! Owns: top-k, top-p and threshold selection, each by skipping whole blocks that can't hold a survivor.
//! Never: draws, or depends on the order in which equal entries stand: ties go to the lower id.
//! Flow: `Sampler::filter` calls one of them on the row, then draws among the candidates that it left.

use super::softmax::BLOCK;
use std::cmp::Ordering;

/// A token that is still in question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Its id.
    pub(super) token: u32,
    /// Its logit or its weight, by the pass that works on it; never NaN.
    pub(super) weight: f32,
}

/// Rises along the ranking: the heavier first, then the lower id. One integer, for it is compared often.
fn rank(candidate: &Candidate) -> u64 {
    let bits = candidate.weight.to_bits();
    // The bits of positive floats rise with them; those of negative ones fall, below all positive ones.
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32 | u64::from(candidate.token)
}

/// Fills `candidates` with the `k` best logits of the row, best first.
///
/// The `k` best of the blocks' maxima are `k` tokens of the row; so the `k`-th of them bounds the `k`-th token
/// from below, and only the few blocks that reach it are read again.
///
/// # Shape
/// `k`: 1 or more. -inf entries are never kept, so fewer than `k` may come out.
pub(super) fn top_k(
    logits: &[f32],
    maxima: &[f32],
    order: &mut Vec<f32>,
    candidates: &mut Vec<Candidate>,
    k: usize,
) {
    let mut bound = f32::MIN;
    if k < maxima.len() {
        order.clear();
        order.extend_from_slice(maxima);
        let descending = |a: &f32, b: &f32| b.partial_cmp(a).unwrap_or(Ordering::Equal);
        bound = bound.max(*order.select_nth_unstable_by(k - 1, descending).1);
    }
    gather(logits, maxima, candidates, bound);
    if k < candidates.len() {
        candidates.select_nth_unstable_by_key(k - 1, rank);
        candidates.truncate(k);
    }
    candidates.sort_unstable_by_key(rank);
}

/// Keeps the first of the ranked `candidates` whose weights reach `target` together, at least one.
pub(super) fn reaching(candidates: &mut Vec<Candidate>, target: f64) {
    let mut reached = 0.0;
    let last = candidates.iter().position(|candidate| {
        reached += f64::from(candidate.weight);
        reached >= target
    });
    candidates.truncate(last.map_or(usize::MAX, |last| last + 1));
}

/// Fills `candidates` with the smallest set of a row of weights whose sum reaches `share` of `total`, in the
/// order of their ids.
///
/// # Shape
/// `share`: 0.0 to 1.0. `sums`: the sum of each block, not below any weight in it.
pub(super) fn nucleus(
    weights: &[f32],
    sums: &[f32],
    candidates: &mut Vec<Candidate>,
    total: f64,
    share: f64,
) {
    // All tokens lighter than the mean share of what may be dropped weigh less than that together.
    let dropped = total * (1.0 - share) / weights.len() as f64;
    // Half of it leaves room for rounding; the least normal f32 leaves out weights of 0.
    gather(weights, sums, candidates, ((dropped * 0.5) as f32).max(f32::MIN_POSITIVE));
    if let Some(last) = last_reaching(candidates, total * share) {
        // The search has reordered them: the row gives them again in a stated order.
        candidates.clear();
        gather(weights, sums, candidates, last.weight);
        candidates.retain(|candidate| rank(candidate) <= rank(&last));
    }
}

/// The last of those that `reaching` would keep if `open` were ranked; each turn settles half of the rest.
fn last_reaching(mut open: &mut [Candidate], target: f64) -> Option<Candidate> {
    let mut reached = 0.0;
    while open.len() > 1 {
        let middle = open.len() / 2;
        open.select_nth_unstable_by_key(middle, rank);
        let (heavy, light) = open.split_at_mut(middle);
        let sum: f64 = heavy.iter().map(|candidate| f64::from(candidate.weight)).sum();
        if reached + sum >= target {
            open = heavy;
        } else {
            reached += sum;
            open = light;
        }
    }
    open.first().copied()
}

/// Fills `candidates` with the tokens for which `keep` gives a weight, in the order of their ids.
///
/// # Shape
/// `keep` rises with the logit: a block whose best logit it drops is not read.
pub(super) fn at_least(
    logits: &[f32],
    maxima: &[f32],
    candidates: &mut Vec<Candidate>,
    keep: impl Fn(f32) -> Option<f32>,
) {
    for (block, (row, &maximum)) in logits.chunks(BLOCK).zip(maxima).enumerate() {
        if keep(maximum).is_some() {
            let tokens = (block * BLOCK) as u32..;
            let kept = tokens.zip(row).filter_map(|(token, &logit)| Some((token, keep(logit)?)));
            candidates.extend(kept.map(|(token, weight)| Candidate { token, weight }));
        }
    }
}

/// Fills `candidates` with the entries of `row` that are `bound` or more, in the order of their ids.
fn gather(row: &[f32], bounds: &[f32], candidates: &mut Vec<Candidate>, bound: f32) {
    at_least(row, bounds, candidates, |value| (value >= bound).then_some(value));
}

/// The `count` best of raw logits, best first; NaN is never among them.
pub(super) fn best(logits: &[f32], count: usize) -> Vec<Candidate> {
    let mut best: Vec<Candidate> = Vec::with_capacity(count + 1);
    let mut worst = f32::NEG_INFINITY;
    for (token, &weight) in (0..).zip(logits) {
        if weight > worst || (best.len() < count && !weight.is_nan()) {
            let place = best.partition_point(|other| other.weight >= weight);
            best.insert(place, Candidate { token, weight });
            best.truncate(count);
            if best.len() == count {
                worst = best.last().map_or(f32::INFINITY, |last| last.weight);
            }
        }
    }
    best
}
