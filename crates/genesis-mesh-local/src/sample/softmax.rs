//! The passes over a whole row of logits, 32 tokens at a time.
//!
//! Owns: making a row safe to compare, its best entry, its weights, and their sums in a fixed order.
//! Never: calls the platform's `exp`: its last bits differ between machines, and a seed must not.
//! Flow: `prepare` leaves each block's best logit for `select` to skip by; `weigh` turns logits to weights.

/// Tokens in a block: the bits of one mask word.
pub(super) const BLOCK: usize = 32;

/// Independent lanes of a reduction: the compiler makes vectors of them, and the order of sums stays fixed.
const LANES: usize = 8;

/// A logit that can be compared: infinities become the nearest finite value, NaN the least one, -0 becomes 0.
pub(super) fn tamed(logit: f32) -> f32 {
    // In this order, a comparison with NaN fails and gives the least value.
    let logit = if logit > f32::MIN { logit } else { f32::MIN };
    let logit = if logit < f32::MAX { logit } else { f32::MAX };
    logit + 0.0
}

/// Makes `logits` comparable, puts -inf where `mask` allows nothing, and notes the best logit of each block.
///
/// Returns the best logit of all; -inf if no token is allowed.
pub(super) fn prepare(logits: &mut [f32], mask: Option<&[u32]>, maxima: &mut Vec<f32>) -> f32 {
    maxima.clear();
    let allowed = |block: usize| mask.map_or(u32::MAX, |words| words.get(block).copied().unwrap_or(0));
    let mut best = f32::NEG_INFINITY;
    for (index, block) in logits.chunks_mut(BLOCK).enumerate() {
        let word = allowed(index);
        if word == 0 {
            block.fill(f32::NEG_INFINITY);
        } else {
            block.iter_mut().for_each(|logit| *logit = tamed(*logit));
            if word != u32::MAX {
                forbid(block, word);
            }
        }
        let maximum = maximum(block);
        maxima.push(maximum);
        best = best.max(maximum);
    }
    best
}

fn forbid(block: &mut [f32], word: u32) {
    for (bit, logit) in block.iter_mut().enumerate() {
        if word >> bit & 1 == 0 {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn maximum(block: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (rows, rest) = block.as_chunks::<LANES>();
    for row in rows {
        for (lane, &logit) in lanes.iter_mut().zip(row) {
            *lane = larger(*lane, logit);
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger)
}

/// The first token whose logit is `best`.
pub(super) fn first_equal(logits: &[f32], maxima: &[f32], best: f32) -> Option<u32> {
    let block = maxima.iter().position(|&maximum| maximum == best)?;
    let start = block * BLOCK;
    let index = logits.get(start..)?.iter().position(|&logit| logit == best)?;
    u32::try_from(start + index).ok()
}

/// Replaces each logit by its weight `exp((logit - best) * scale)`, and `sums` by each block's sum.
///
/// Returns the sum of all.
pub(super) fn weigh(logits: &mut [f32], best: f32, scale: f32, sums: &mut Vec<f32>) -> f64 {
    sums.clear();
    let mut total = 0.0;
    for block in logits.chunks_mut(BLOCK) {
        block.iter_mut().for_each(|logit| *logit = exp((*logit - best) * scale));
        let sum = sum(block);
        sums.push(sum);
        total += f64::from(sum);
    }
    total
}

fn sum(block: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (rows, rest) = block.as_chunks::<LANES>();
    for row in rows {
        for (lane, &weight) in lanes.iter_mut().zip(row) {
            *lane += weight;
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).sum()
}

/// The natural logarithm of the row's softmax denominator.
pub(super) fn log_total(logits: &[f32]) -> f64 {
    let best = logits.iter().fold(f32::MIN, |best, &logit| best.max(tamed(logit)));
    let mut total = 0.0;
    for block in logits.chunks(LANES) {
        let mut weights = [0.0; LANES];
        for (weight, &logit) in weights.iter_mut().zip(block) {
            *weight = exp(tamed(logit) - best);
        }
        total += f64::from(weights.iter().sum::<f32>());
    }
    f64::from(best) + total.ln()
}

/// `e` to the power of `x`, for `x` up to 0; within 3 units in the last place, and the same on every machine.
///
/// Below -87 (about 1e-38, the least normal f32) it is 0.
///
/// # Source
/// Range reduction by ln 2 in two parts and the minimax polynomial of the Cephes library's `expf`.
pub(super) fn exp(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let rounded = clamped * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let r = (clamped - whole * LN_2_HIGH) - whole * LN_2_LOW;
    let mut poly = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        poly = poly * r + coefficient;
    }
    let fraction = poly * (r * r) + r + 1.0;
    let power = f32::from_bits(fraction.to_bits().wrapping_add(rounded.to_bits() << 23));
    if x >= -87.0 { power } else { 0.0 }
}
