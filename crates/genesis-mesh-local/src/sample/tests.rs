//! Sampling against a naive reference that sorts everything, in f64.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const GREEDY: Sampling = Sampling {
    temperature: 0.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    repetition_penalty: 1.0,
    frequency_penalty: 0.0,
    presence_penalty: 0.0,
    seed: None,
};
const FREE: Sampling = Sampling { temperature: 1.0, ..GREEDY };

/// The settings that take the different ways through `Sampler::filter`.
const SETTINGS: [Sampling; 7] = [
    FREE,
    Sampling { temperature: 0.7, top_k: 10, ..FREE },
    Sampling { temperature: 1.3, top_p: 0.8, ..FREE },
    Sampling { min_p: 0.1, ..FREE },
    Sampling { temperature: 0.8, top_k: 20, top_p: 0.9, ..FREE },
    Sampling { top_p: 0.9, min_p: 0.05, ..FREE },
    Sampling { top_k: 15, top_p: 0.95, min_p: 0.02, ..FREE },
];

/// Pseudo-random logits between -8 and 8, in steps that make ties.
fn row(vocab: usize, seed: u64) -> Vec<f32> {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    (0..vocab).map(|_| (draws.next_u32() % 161) as f32 * 0.1 - 8.0).collect()
}

fn words(allowed: &[bool]) -> Vec<u32> {
    let word =
        |bits: &[bool]| bits.iter().enumerate().fold(0, |word, (bit, &on)| word | u32::from(on) << bit);
    allowed.chunks(32).map(word).collect()
}

/// The tokens that `sampling` leaves, with their probabilities before renormalising: sorts everything.
///
/// `None` if a limit falls so close to a sum that f32 and f64 may differ about it.
fn reference(logits: &[f32], mask: Option<&[bool]>, sampling: &Sampling) -> Option<BTreeMap<u32, f64>> {
    const NEAR: f64 = 1e-5;
    let is_allowed = |token: usize| mask.is_none_or(|mask| mask.get(token) == Some(&true));
    let mut kept: Vec<(u32, f64)> = (0..logits.len())
        .filter(|&token| is_allowed(token))
        .map(|token| (token as u32, f64::from(logits[token])))
        .collect();
    kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let best = kept[0].1;
    kept.iter_mut().for_each(|(_, p)| *p = ((*p - best) / f64::from(sampling.temperature)).exp());
    if sampling.top_k > 0 {
        kept.truncate(sampling.top_k as usize);
    }
    if sampling.top_p < 1.0 {
        let total: f64 = kept.iter().map(|(_, p)| p).sum();
        let (mut reached, mut count) = (0.0, 0);
        for (_, p) in &kept {
            reached += p / total;
            count += 1;
            if (reached - f64::from(sampling.top_p)).abs() < NEAR {
                return None;
            }
            if reached >= f64::from(sampling.top_p) {
                break;
            }
        }
        kept.truncate(count);
    }
    let min_p = f64::from(sampling.min_p);
    if kept.iter().any(|(_, p)| min_p > 0.0 && (p - min_p).abs() < NEAR) {
        return None;
    }
    Some(kept.into_iter().filter(|(_, p)| *p >= min_p).collect())
}

/// What the sampler leaves, with its weights.
fn kept(logits: &[f32], mask: Option<&[bool]>, sampling: &Sampling) -> BTreeMap<u32, f64> {
    let mut sampler = Sampler::new(sampling, 0);
    let mut row = logits.to_vec();
    let mask = mask.map(words);
    let best = softmax::prepare(&mut row, mask.as_deref(), &mut sampler.blocks);
    if sampler.filter(&mut row, best, sampling.temperature.recip()) {
        let count = sampler.candidates.len();
        let kept: BTreeMap<u32, f64> =
            sampler.candidates.iter().map(|kept| (kept.token, f64::from(kept.weight))).collect();
        assert_eq!(kept.len(), count, "no token stands twice");
        kept
    } else {
        (0..).zip(row).filter(|(_, weight)| *weight > 0.0).map(|(token, w)| (token, f64::from(w))).collect()
    }
}

proptest! {
    #[test]
    fn each_filter_keeps_what_sorting_everything_keeps(
        vocab in 1usize..2500,
        seed: u64,
        (temperature, top_k, top_p, min_p) in (
            prop::sample::select(vec![0.2f32, 0.8, 1.0, 2.0]),
            prop::sample::select(vec![0u32, 1, 2, 40, 300, 10_000]),
            prop::sample::select(vec![0.01f32, 0.5, 0.95, 0.999, 1.0]),
            prop::sample::select(vec![0.0f32, 0.013, 0.31, 1.0]),
        ),
        allowed_share in prop::sample::select(vec![0u32, 1, 30, 100]),
    ) {
        let sampling = Sampling { temperature, top_k, top_p, min_p, ..FREE };
        let logits = row(vocab, seed);
        let mut draws = ChaCha8Rng::seed_from_u64(!seed);
        let mut mask: Vec<bool> = (0..vocab).map(|_| draws.next_u32() % 100 < allowed_share).collect();
        mask[seed as usize % vocab] = true;
        let mask = (allowed_share < 100).then_some(mask.as_slice());
        let Some(expected) = reference(&logits, mask, &sampling) else { return Ok(()) };
        let found = kept(&logits, mask, &sampling);
        prop_assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
        for (token, probability) in expected {
            prop_assert!((found[&token] - probability).abs() <= probability * 1e-5, "token {}", token);
        }
    }

    #[test]
    fn any_bits_as_logits_and_settings_never_panic_and_never_break_the_mask(
        bits in prop::collection::vec(any::<u32>(), 0..200),
        mask in prop::option::of(prop::collection::vec(any::<u32>(), 0..8)),
        (history, prompt_len) in (prop::collection::vec(0u32..300, 0..20), 0usize..30),
        (temperature, top_k, top_p, min_p) in any::<(f32, u32, f32, f32)>(),
        (repetition_penalty, frequency_penalty, presence_penalty) in any::<(f32, f32, f32)>(),
        position: u64,
    ) {
        let penalties = Sampling { repetition_penalty, frequency_penalty, presence_penalty, ..GREEDY };
        let sampling = Sampling { temperature, top_k, top_p, min_p, ..penalties };
        let mut logits: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        let is_allowed = |token: u32| {
            (token as usize) < bits.len()
                && mask.as_ref().is_none_or(|mask| {
                    mask.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
                })
        };
        let any_allowed = (0..bits.len() as u32).any(is_allowed);
        let mut sampler = Sampler::new(&sampling, 7).after_prompt(prompt_len);
        let picked = sampler.pick(&mut logits, mask.as_deref(), &history, position);
        prop_assert_eq!(picked.is_some(), any_allowed);
        prop_assert!(picked.is_none_or(is_allowed));
    }

    #[test]
    fn penalties_change_the_row_as_counting_every_token_does(
        vocab in 1usize..300,
        seed: u64,
        (history, prompt_len) in (prop::collection::vec(0u32..310, 0..60), 0usize..70),
        repetition_penalty in prop::sample::select(vec![0.7f32, 1.0, 1.3]),
        frequency_penalty in prop::sample::select(vec![-2.0f32, 0.0, 0.25, 2.0]),
        presence_penalty in prop::sample::select(vec![-0.5f32, 0.0, 1.5]),
    ) {
        let sampling = Sampling { repetition_penalty, frequency_penalty, presence_penalty, ..GREEDY };
        let mut sampler = Sampler::new(&sampling, 1).after_prompt(prompt_len);
        prop_assert_eq!(sampler.is_greedy(), sampling == GREEDY);
        let logits = row(vocab, seed);
        let answer = history.get(prompt_len..).unwrap_or_default();
        let expected: Vec<f64> = (0..vocab as u32).map(|token| {
            let logit = f64::from(logits[token as usize]);
            let penalty = if history.contains(&token) { f64::from(repetition_penalty) } else { 1.0 };
            let logit = if logit > 0.0 { logit / penalty } else { logit * penalty };
            let count = answer.iter().filter(|other| **other == token).count();
            let presence = if count > 0 { f64::from(presence_penalty) } else { 0.0 };
            logit - count as f64 * f64::from(frequency_penalty) - presence
        }).collect();
        // Twice: the first pick must leave no count behind.
        for position in 0..2 {
            let mut found = logits.clone();
            let picked = sampler.pick(&mut found, None, &history, position).expect("a token");
            for (token, (found, expected)) in found.iter().zip(&expected).enumerate() {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-3, "token {}: {} {}", token, found, expected);
            }
            let best = expected.iter().copied().fold(f64::MIN, f64::max);
            prop_assert!(best - expected[picked as usize] < 1e-3, "token {} is not the best", picked);
        }
    }

    #[test]
    fn exp_is_within_three_units_in_the_last_place(x in -87.0f32..=0.0) {
        let exact = f64::from(x).exp();
        let distance = (f64::from(exp(x)) - exact).abs() / exact;
        prop_assert!(distance < 3.0 * f64::from(f32::EPSILON), "exp({}) is off by {:e}", x, distance);
    }
}

#[test]
fn exp_ends_at_one_and_at_zero() {
    assert_eq!(exp(0.0), 1.0);
    assert_eq!(exp(-87.5), 0.0);
    assert_eq!(exp(f32::NEG_INFINITY), 0.0);
}

#[test]
fn greedy_picks_the_first_of_the_best_tokens() {
    let mut sampler = Sampler::new(&GREEDY, 1);
    assert!(sampler.is_greedy());
    for seed in 0..200 {
        let vocab = 1 + (seed as usize * 37) % 700;
        let logits = row(vocab, seed);
        let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let expected = logits.iter().position(|&logit| logit == best).map(|index| index as u32);
        assert_eq!(sampler.pick(&mut logits.clone(), None, &[], seed), expected);
    }
}

#[test]
fn zeros_of_both_signs_are_a_tie_for_the_lower_token() {
    for sampling in [GREEDY, Sampling { top_k: 1, ..FREE }, Sampling { top_p: 0.1, ..FREE }] {
        assert_eq!(Sampler::new(&sampling, 1).pick(&mut [-1.0, -0.0, 0.0], None, &[], 0), Some(1));
    }
}

#[test]
fn the_draw_follows_the_exact_probabilities() {
    // Goal: 20,000 picks with a fixed seed pass a chi-square test at 4 standard deviations, for each way
    // through the filters. Tokens that are expected less than 5 times share one class.
    const PICKS: u64 = 20_000;
    let logits: Vec<f32> = row(80, 3).iter().map(|logit| logit * 0.4).collect();
    for (index, sampling) in SETTINGS.iter().enumerate() {
        let expected = reference(&logits, None, sampling).expect("limits that are not close to a sum");
        let total: f64 = expected.values().sum();
        let mut sampler = Sampler::new(sampling, 11);
        let mut counts = BTreeMap::new();
        for position in 0..PICKS {
            let token = sampler.pick(&mut logits.clone(), None, &[], position).expect("a token");
            *counts.entry(token).or_insert(0u64) += 1;
        }
        assert!(counts.keys().all(|token| expected.contains_key(token)), "setting {index}: a dropped token");
        let mut classes: Vec<(f64, f64)> = vec![(0.0, 0.0)];
        for (token, p) in &expected {
            let pair = (p / total * PICKS as f64, counts.get(token).copied().unwrap_or(0) as f64);
            if pair.0 < 5.0 {
                classes[0] = (classes[0].0 + pair.0, classes[0].1 + pair.1);
            } else {
                classes.push(pair);
            }
        }
        classes.retain(|class| class.0 > 0.0);
        let chi_square: f64 = classes.iter().map(|(e, c)| (c - e) * (c - e) / e).sum();
        let freedom = (classes.len() - 1) as f64;
        assert!(
            (chi_square - freedom).abs() < 4.0 * (2.0 * freedom).sqrt(),
            "setting {index}: {chi_square} of {freedom}"
        );
    }
}

#[test]
fn the_same_seed_and_position_pick_the_same_token_whatever_was_picked_before() {
    let logits = row(500, 5);
    for sampling in SETTINGS {
        let mut sampler = Sampler::new(&sampling, 42);
        let forward: Vec<_> =
            (0..50).map(|position| sampler.pick(&mut logits.clone(), None, &[], position)).collect();
        for (position, expected) in forward.iter().enumerate().rev() {
            let fresh = Sampler::new(&sampling, 42).pick(&mut logits.clone(), None, &[], position as u64);
            assert_eq!(fresh, *expected);
            assert_eq!(sampler.pick(&mut logits.clone(), None, &[], position as u64), *expected);
        }
        let mut other = Sampler::new(&sampling, 43);
        let others: Vec<_> =
            (0..50).map(|position| other.pick(&mut logits.clone(), None, &[], position)).collect();
        assert_ne!(forward, others, "another seed gives another text");
    }
}

#[test]
fn the_draws_of_a_seed_do_not_change_between_versions() {
    // A stored run is carried on by a later build: these values may never change.
    let mut sampler = Sampler::new(&FREE, 2026);
    let logits = [0.0; 1000];
    let picks: Vec<_> =
        [0, 1, 2, 63, 1 << 40].map(|position| sampler.pick(&mut logits.clone(), None, &[], position)).into();
    assert_eq!(picks, [Some(599), Some(253), Some(42), Some(648), Some(63)]);
}

#[test]
fn a_mask_holds_even_if_all_that_it_allows_is_very_unlikely() {
    let mut mask = vec![0u32; 2];
    mask[1] = 0b101 << 8;
    for sampling in SETTINGS.into_iter().chain([GREEDY]) {
        let mut logits = vec![50.0; 64];
        (logits[40], logits[42]) = (-1e30, -1e30);
        let picked = Sampler::new(&sampling, 1).pick(&mut logits, Some(&mask), &[], 0);
        assert!(matches!(picked, Some(40 | 42)), "{sampling:?} picked {picked:?}");
        let mut impossible = vec![0.0; 64];
        (impossible[40], impossible[42]) = (f32::NAN, f32::NEG_INFINITY);
        let picked = Sampler::new(&sampling, 1).pick(&mut impossible, Some(&mask), &[], 0);
        assert!(matches!(picked, Some(40 | 42)), "{sampling:?} picked {picked:?}");
    }
}

#[test]
fn a_mask_that_allows_nothing_gives_no_token() {
    for sampling in SETTINGS.into_iter().chain([GREEDY]) {
        let mut sampler = Sampler::new(&sampling, 1);
        assert_eq!(sampler.pick(&mut row(70, 1), Some(&[0, 0, 0]), &[], 0), None);
        assert_eq!(sampler.pick(&mut row(70, 1), Some(&[]), &[], 0), None);
        assert_eq!(sampler.pick(&mut [], None, &[], 0), None);
        // Bits beyond the row allow nothing in it.
        assert_eq!(sampler.pick(&mut row(3, 1), Some(&[0b11000]), &[], 0), None);
    }
}

#[test]
fn the_penalty_counts_each_token_once_and_looks_at_the_sign() {
    let mut sampler = Sampler::new(&Sampling { repetition_penalty: 2.0, ..GREEDY }, 1);
    assert!(!sampler.is_greedy());
    let mut logits = [4.0, -1.0, 1.5, -3.0];
    assert_eq!(sampler.pick(&mut logits, None, &[0, 0, 0, 1, 9], 0), Some(0));
    assert_eq!(logits, [2.0, -2.0, 1.5, -3.0]);
    let mut logits = [2.9, 1.5];
    assert_eq!(sampler.pick(&mut logits, None, &[0, 0], 0), Some(1));
}

#[test]
fn a_greedy_answer_with_a_penalty_leaves_a_token_that_it_has_said_too_often() {
    let logits = [3.0, 2.9, 1.0];
    let penalty = Sampling { frequency_penalty: 0.06, ..GREEDY };
    let mut sampler = Sampler::new(&penalty, 1).after_prompt(3);
    assert!(!sampler.is_greedy());
    let mut history = vec![0, 0, 0];
    for position in 0..4 {
        history.push(sampler.pick(&mut logits.clone(), None, &history, position).expect("a token"));
    }
    // The prompt's three don't count: it takes two of the answer's own to fall behind.
    assert_eq!(history[3..], [0, 0, 1, 0]);
    let presence = Sampling { presence_penalty: 0.2, ..GREEDY };
    assert_eq!(Sampler::new(&presence, 1).pick(&mut logits.clone(), None, &[0, 0], 2), Some(1));
    assert_eq!(Sampler::new(&presence, 1).pick(&mut logits.clone(), None, &[0, 1], 2), Some(0));
}

#[test]
fn the_smallest_temperatures_pick_the_best_token_and_make_no_weight_that_is_no_number() {
    // 1 / temperature is infinite here, and infinity times the best token's 0 would be NaN.
    for temperature in [f32::from_bits(1), 1e-40, f32::MIN_POSITIVE, 1e-30] {
        for setting in SETTINGS {
            let sampling = Sampling { temperature, ..setting };
            for row in [[1.0, 3.0, 2.0], [f32::MAX, f32::INFINITY, f32::MIN], [f32::MIN, -1e30, f32::NAN]] {
                let picked = Sampler::new(&sampling, 5).pick(&mut { row }, None, &[], 9);
                let best = if row[0] == f32::MAX { 0 } else { 1 };
                assert!(
                    picked == Some(best) || (best == 0 && picked == Some(1)),
                    "{sampling:?} {row:?}: {picked:?}"
                );
            }
        }
    }
}

#[test]
fn log_probabilities_are_those_of_the_raw_row() {
    let logits = row(300, 9);
    let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    let exact = |token: u32| (f64::from(logits[token as usize]).exp() / total).ln();
    let found = log_softmax_top(&logits, 17, 5);
    assert!((f64::from(found.picked) - exact(17)).abs() < 1e-5);
    let mut sorted: Vec<u32> = (0..300).collect();
    sorted.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    let tokens: Vec<u32> = found.top.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, sorted[..5]);
    assert!(found.top.iter().all(|(token, log)| (f64::from(*log) - exact(*token)).abs() < 1e-5));
}

#[test]
fn log_probabilities_stay_finite_for_impossible_tokens() {
    let found = log_softmax_top(&[1.0, f32::NAN, f32::NEG_INFINITY, 0.0], 1, 20);
    assert!(found.picked.is_finite() && found.picked < -1e30);
    assert_eq!(found.top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 3, 2]);
    assert!(found.top.iter().all(|(_, log)| log.is_finite()));
    assert!(log_softmax_top(&[1.0], 7, 0).top.is_empty());
    assert!(log_softmax_top(&[], 0, 3).picked.is_finite());
}
