//! Cost: how many tokens a CPU second of the server streams, with the log and without.
//!
//! Owns: the two sides.
//! Never: has a load of its own: it is that of `serve`.

use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Bound, Line, Outcome, Unit};
use crate::bench::series::Series;
use crate::bench::serve::process::pin_self;
use crate::bench::serve::saturated::{CLIENTS, WORK, load};
use crate::bench::serve::target::Target;
use crate::bench::serve::{LOAD_CORE, block_on};

/// Tokens a CPU second, and how long the first one takes.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    pin_self(LOAD_CORE)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        without.push(block_on(load(&Target::ours(desk, WORK)?))?);
        with.push(block_on(load(&Target::ours(desk, WORK)?.logged()))?);
        if let (Some(with), Some(without)) = (with.last(), without.last()) {
            let (with, without) = (with.tokens_per_cpu_s, without.tokens_per_cpu_s);
            desk.tell("cost", round, &format!("log {with:.0}, no log {without:.0} tok/CPU s"));
        }
    }
    let what = format!("{CLIENTS} clients, {} tokens a request, no delay", WORK.tokens);
    let line = |of: &str, unit, value: fn(&_) -> f64| Line {
        what: format!("{what}: {of}"),
        unit,
        outcome: Outcome::Compared {
            ours: Series::new(with.iter().map(value)),
            other: Series::new(without.iter().map(value)),
            beside: "without the log".to_owned(),
            bound: Bound::None,
        },
    };
    Ok(vec![
        line("streamed tokens", Unit::TokensPerCpuSecond, |round| round.tokens_per_cpu_s),
        line("TTFT p99", Unit::Milliseconds, |round| round.first_p99_ms),
    ])
}
