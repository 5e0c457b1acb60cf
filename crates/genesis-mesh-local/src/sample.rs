//! Sampling: which token comes next, given a row of logits.
//!
//! Owns: the grammar's mask on the row, the penalties, temperature, the filters, and the draw.
//! Never: keeps state between two picks but its buffers: the same row, history, seed and position give the
//! same token, on every machine, so an answer can be repeated, checked, and carried on after a crash.
//! Flow: the engine computes a row of logits a token; `Sampler::pick` turns it into an id.

mod softmax;
mod select;

use genesis_mesh_core::Sampling;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use select::Candidate;
use softmax::{BLOCK, exp};

/// Words of the generator's stream that one draw takes: a `u64` is two.
const WORDS_PER_DRAW: u128 = 2;

/// Picks tokens for one answer; keeps its buffers, so that a pick allocates nothing once they have grown.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    /// How many tokens of a history are the prompt.
    prompt_len: usize,
    draws: ChaCha8Rng,
    /// One entry a block of the row: first the block's best logit, later the sum of its weights.
    blocks: Vec<f32>,
    /// A copy of `blocks` that selection may reorder.
    order: Vec<f32>,
    /// The tokens that are still in question, once a filter has narrowed the row.
    candidates: Vec<Candidate>,
    /// One bit a token: has the repetition penalty been applied to it in this pick?
    seen: Vec<u32>,
    /// One entry a token: how often the answer has it; all 0 between two picks.
    counts: Vec<u32>,
}

impl Sampler {
    /// A sampler for `sampling`, whose draws come from `seed` alone; `sampling.seed` is not read.
    ///
    /// # Shape
    /// `sampling` in the ranges that its fields name; a value outside of them filters less, and never panics.
    #[must_use]
    pub fn new(sampling: &Sampling, seed: u64) -> Self {
        Self {
            sampling: *sampling,
            prompt_len: 0,
            draws: ChaCha8Rng::seed_from_u64(seed),
            blocks: Vec::new(),
            order: Vec::new(),
            candidates: Vec::new(),
            seen: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// The same sampler, for histories whose first `prompt_len` tokens are the prompt: the frequency and the
    /// presence penalty pass over them.
    #[must_use]
    pub fn after_prompt(self, prompt_len: usize) -> Self {
        Self { prompt_len, ..self }
    }

    /// Whether every pick is simply the most likely token: temperature 0, no penalty.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.picks_best() && !self.has_repetition_penalty() && !self.has_count_penalty()
    }

    /// Picks the next token, or `None` if the mask allows no token of the row (or the row is empty).
    ///
    /// # Shape
    /// `logits`: one a token of the vocabulary; used as scratch. NaN counts as impossible.
    /// `mask`: bit `i % 32` of word `i / 32` allows token `i`; tokens beyond its end are not allowed.
    /// `history`: the tokens of prompt and answer, for the penalties; ids outside the row are passed over.
    /// `position`: the index of the picked token in its sequence. The draw depends on seed and position alone.
    pub fn pick(
        &mut self,
        logits: &mut [f32],
        mask: Option<&[u32]>,
        history: &[u32],
        position: u64,
    ) -> Option<u32> {
        if self.has_repetition_penalty() {
            self.penalise_repetition(logits, history);
        }
        if self.has_count_penalty() {
            self.penalise_counts(logits, history.get(self.prompt_len..).unwrap_or_default());
        }
        let best = softmax::prepare(logits, mask, &mut self.blocks);
        if best == f32::NEG_INFINITY {
            return None;
        }
        if self.picks_best() {
            return softmax::first_equal(logits, &self.blocks, best);
        }
        // `min` keeps the factor finite, so that the best token's 0 times it is 0.
        let scale = self.sampling.temperature.recip().min(f32::MAX);
        if self.filter(logits, best, scale) {
            self.draw_candidate(position)
        } else {
            self.draw_weighted(logits, position)
        }
    }

    /// Applies the filters. `true`: what they leave is in `candidates`, the draw's weights with it. `false`:
    /// there is none, and `logits` holds the weight of each token.
    fn filter(&mut self, logits: &mut [f32], best: f32, scale: f32) -> bool {
        let Sampling { top_k, top_p, min_p, .. } = self.sampling;
        let top_k = usize::try_from(top_k).unwrap_or(usize::MAX);
        let (has_top_p, share) = (top_p < 1.0, f64::from(top_p.max(0.0)));
        // The best token weighs 1, so `min_p` is the least weight itself.
        let (has_min_p, least) = (min_p > 0.0, min_p.min(1.0));
        self.candidates.clear();
        if top_k > 0 && top_k < logits.len() {
            select::top_k(logits, &self.blocks, &mut self.order, &mut self.candidates, top_k);
            for candidate in &mut self.candidates {
                candidate.weight = exp((candidate.weight - best) * scale);
            }
            if has_top_p {
                let total: f64 = self.candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
                select::reaching(&mut self.candidates, total * share);
            }
        } else if has_top_p {
            let total = softmax::weigh(logits, best, scale, &mut self.blocks);
            select::nucleus(logits, &self.blocks, &mut self.candidates, total, share);
        } else if has_min_p {
            select::at_least(logits, &self.blocks, &mut self.candidates, |logit| {
                let weight = exp((logit - best) * scale);
                (weight >= least).then_some(weight)
            });
        } else {
            softmax::weigh(logits, best, scale, &mut self.blocks);
            return false;
        }
        if has_min_p {
            self.candidates.retain(|candidate| candidate.weight >= least);
        }
        true
    }

    fn draw_candidate(&mut self, position: u64) -> Option<u32> {
        let total: f64 = self.candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
        let target = self.draw(position) * total;
        let mut reached = 0.0;
        for candidate in &self.candidates {
            reached += f64::from(candidate.weight);
            if target < reached {
                return Some(candidate.token);
            }
        }
        // Only a target that rounding has put on the total itself comes here.
        self.candidates.last().map(|candidate| candidate.token)
    }

    /// Draws from a whole row of weights: first the block, by the sums in `blocks`, then the token in it.
    fn draw_weighted(&mut self, weights: &[f32], position: u64) -> Option<u32> {
        let total: f64 = self.blocks.iter().copied().map(f64::from).sum();
        let target = self.draw(position) * total;
        let (mut reached, mut last) = (0.0, None);
        for (block, (row, &sum)) in weights.chunks(BLOCK).zip(&self.blocks).enumerate() {
            if target < reached + f64::from(sum) {
                let mut inner = reached;
                for (index, &weight) in row.iter().enumerate() {
                    inner += f64::from(weight);
                    if weight > 0.0 {
                        last = token_at(block, index);
                    }
                    if target < inner {
                        return last;
                    }
                }
                // The block's sum was rounded up past its parts: its last possible token stands for the rest.
                return last;
            }
            reached += f64::from(sum);
            if let Some(index) = row.iter().rposition(|&weight| weight > 0.0) {
                last = token_at(block, index);
            }
        }
        last
    }

    /// A number in 0.0..1.0 that depends on the seed and `position` alone.
    fn draw(&mut self, position: u64) -> f64 {
        self.draws.set_word_pos(u128::from(position) * WORDS_PER_DRAW);
        // The upper 53 bits: as many as an f64 holds exactly.
        (self.draws.next_u64() >> 11) as f64 * (0.5f64).powi(53)
    }

    /// Applies the repetition penalty once to each distinct token of `history`.
    ///
    /// # Source
    /// Keskar et al., 2019 (CTRL), section 4.1, in the sign-aware form that is in common use.
    fn penalise_repetition(&mut self, logits: &mut [f32], history: &[u32]) {
        let penalty = self.sampling.repetition_penalty;
        self.seen.clear();
        self.seen.resize(logits.len().div_ceil(BLOCK), 0);
        for &token in history {
            let Ok(index) = usize::try_from(token) else { continue };
            let (Some(logit), Some(word)) = (logits.get_mut(index), self.seen.get_mut(index / BLOCK)) else {
                continue;
            };
            let bit = 1 << (index % BLOCK);
            if *word & bit == 0 {
                *word |= bit;
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }

    /// Takes from the logit of each token of `answer` the presence penalty, and the frequency penalty for each
    /// time that it is there.
    ///
    /// # Source
    /// The `OpenAI` API: `logit - count * frequency_penalty - (count > 0) * presence_penalty`.
    fn penalise_counts(&mut self, logits: &mut [f32], answer: &[u32]) {
        let Sampling { frequency_penalty, presence_penalty, .. } = self.sampling;
        self.counts.resize(logits.len(), 0);
        let index = |token: &u32| usize::try_from(*token).ok();
        for index in answer.iter().filter_map(index) {
            if let Some(count) = self.counts.get_mut(index) {
                *count += 1;
            }
        }
        for index in answer.iter().filter_map(index) {
            let (Some(logit), Some(count)) = (logits.get_mut(index), self.counts.get_mut(index)) else {
                continue;
            };
            // Taken, so that the next place of the same token finds nothing and the buffer is clean again.
            let count = std::mem::take(count);
            if count > 0 {
                *logit -= count as f32 * frequency_penalty + presence_penalty;
            }
        }
    }

    /// A temperature that is no number picks the best token, too.
    fn picks_best(&self) -> bool {
        self.sampling.temperature.is_nan() || self.sampling.temperature <= 0.0
    }

    fn has_repetition_penalty(&self) -> bool {
        self.sampling.repetition_penalty != 1.0
    }

    fn has_count_penalty(&self) -> bool {
        self.sampling.frequency_penalty != 0.0 || self.sampling.presence_penalty != 0.0
    }
}

/// The log probabilities of one picked token and of its rivals, all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Logprobs {
    /// The natural log probability of the picked token.
    pub picked: f32,
    /// The most likely tokens with theirs, best first, ties by the lower id.
    pub top: Vec<(u32, f32)>,
}

/// The log probabilities of `picked` and of the `top` best tokens, from raw `logits`: before mask and filters.
#[must_use]
pub fn log_softmax_top(logits: &[f32], picked: u32, top: usize) -> Logprobs {
    let log_total = softmax::log_total(logits);
    // The least f32 stands for "impossible": an infinity has no form in JSON.
    let log_probability =
        |logit: f32| ((f64::from(softmax::tamed(logit)) - log_total) as f32).clamp(f32::MIN, 0.0);
    let logit = usize::try_from(picked).ok().and_then(|index| logits.get(index)).copied();
    let best = select::best(logits, top);
    Logprobs {
        picked: log_probability(logit.unwrap_or(f32::NEG_INFINITY)),
        top: best.into_iter().map(|candidate| (candidate.token, log_probability(candidate.weight))).collect(),
    }
}

fn token_at(block: usize, index: usize) -> Option<u32> {
    u32::try_from(block * BLOCK + index).ok()
}

#[cfg(test)]
mod tests;
