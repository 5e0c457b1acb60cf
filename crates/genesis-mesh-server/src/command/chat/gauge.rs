//! How quick an answer was.
//!
//! Owns: the clock of one answer.
//! Never: decides anything: a person reads it.

use std::time::{Duration, Instant};

pub(super) struct Gauge {
    asked: Instant,
    first: Option<Instant>,
}

impl Gauge {
    pub(super) fn start() -> Self {
        Self { asked: Instant::now(), first: None }
    }

    /// A piece of the answer is here.
    pub(super) fn piece(&mut self) {
        self.first.get_or_insert_with(Instant::now);
    }

    /// The answer is at its end: `12 tokens, 85.3 tokens/s, first after 41 ms`.
    pub(super) fn read(&self, output_tokens: u64) -> String {
        let Some(first) = self.first else { return format!("{output_tokens} tokens") };
        words(output_tokens, first - self.asked, first.elapsed())
    }
}

fn words(output_tokens: u64, to_first: Duration, after: Duration) -> String {
    let first = format!("first after {:.0} ms", to_first.as_secs_f64() * 1e3);
    // The first token's time is the prompt's; the speed is that of the others.
    match output_tokens.saturating_sub(1) {
        0 => format!("{output_tokens} tokens, {first}"),
        others => {
            let speed = others as f64 / after.as_secs_f64().max(f64::EPSILON);
            format!("{output_tokens} tokens, {speed:.1} tokens/s, {first}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_tokens_after_the_first() {
        let (first, after) = (Duration::from_millis(40), Duration::from_secs(2));
        assert_eq!(words(21, first, after), "21 tokens, 10.0 tokens/s, first after 40 ms");
        assert_eq!(words(1, first, Duration::ZERO), "1 tokens, first after 40 ms");
    }
}
