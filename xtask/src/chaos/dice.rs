//! Dice: everything that is left to chance, drawn from the seed.
//!
//! Owns: the random streams, one for each actor, so that one actor's draws do not shift another's.
//! Never: reads the system's random source.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;

/// A source of draws.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The draws of the actor of this number.
    pub(crate) fn new(seed: u64, actor: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        draws.set_stream(actor);
        Self(draws)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// Yes, in one of `n` draws.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `items`; `None` if there are none.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(items.len()).unwrap_or(u64::MAX));
        items.get(usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// A time of `least_ms` to `most_ms` milliseconds.
    pub(crate) fn time(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let span = most_ms.saturating_sub(least_ms).saturating_add(1);
        Duration::from_millis(least_ms.saturating_add(self.below(span)))
    }
}
