//! Through: chat completions that the server passes to a provider, beside asking that provider itself.
//!
//! Owns: the added time of a whole answer and of its first token, and the rate.
//! Never: counts the mock's time as the server's: both ways pay it.

use super::block_on;
use super::http::Connection;
use super::mock::Mock;
use super::process::cpu_seconds;
use super::target::Target;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Line, Outcome, Unit};
use crate::bench::series::{self, Series};
use futures_util::future::try_join_all;
use std::time::{Duration, Instant};

/// Requests of one series, after as many that warm up.
const REQUESTS: usize = 2_000;
const CLIENTS: usize = 32;
const WINDOW: Duration = Duration::from_secs(3);
const ADDED_MS_LIMIT: f64 = 0.3;
const FIRST_MS_LIMIT: f64 = 1.0;
const RATE_FLOOR: f64 = 4_000.0;

struct Round {
    added_ms: f64,
    added_first_ms: f64,
    rate: f64,
}

/// The added times, and requests a second on a core.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let mut rounds = Vec::new();
    for round in 0..desk.rounds {
        let measured = block_on(measure(desk))?;
        let Round { added_ms, added_first_ms, rate } = measured;
        let gave = format!("added {added_ms:.3} ms, first {added_first_ms:.3} ms, {rate:.0} requests/CPU s");
        desk.tell("through", round, &gave);
        rounds.push(measured);
    }
    let series = |value: fn(&Round) -> f64| Series::new(rounds.iter().map(value));
    let limited = |value, limit| Outcome::Limited { ours: series(value), limit };
    let line =
        |what: &str, unit, outcome| Line { what: format!("chat completions through: {what}"), unit, outcome };
    Ok(vec![
        line("added p50", Unit::Milliseconds, limited(|round| round.added_ms, ADDED_MS_LIMIT)),
        line("added TTFT p50", Unit::Milliseconds, limited(|round| round.added_first_ms, FIRST_MS_LIMIT)),
        line(
            "requests a CPU second of the server",
            Unit::RequestsPerSecond,
            Outcome::Floored { ours: series(|round| round.rate), floor: RATE_FLOOR },
        ),
    ])
}

async fn measure(desk: &Desk) -> Result<Round, BenchError> {
    let mock = Mock::start().await?;
    let config = format!("[models.mock]\nupstream = \"http://{}/v1\"\nmodel = \"mock\"\n", mock.address);
    // The server starts while the mock waits: it is asked for nothing yet.
    let target = Target::configured(desk, &config)?;
    let direct = mock.address.to_string();
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    let (mut first_alone, mut first_through) = (Vec::new(), Vec::new());
    let mut ways = [
        (Connection::open(&direct, false).await?, &mut alone, false),
        (Connection::open(&target.address, false).await?, &mut through, false),
        (Connection::open(&direct, true).await?, &mut first_alone, true),
        (Connection::open(&target.address, true).await?, &mut first_through, true),
    ];
    // In turns, request by request, so that the machine's moods meet all ways.
    for turn in 0..2 * REQUESTS {
        for (connection, times, is_first) in &mut ways {
            let timed = connection.ask().await?;
            if turn >= REQUESTS {
                let time = if *is_first { timed.first } else { timed.end };
                times.push(time.as_secs_f64() * 1e3);
            }
        }
    }
    let p50 = |times: Vec<f64>| series::quantile(times, 0.5);
    let added_ms = p50(through) - p50(alone);
    let added_first_ms = p50(first_through) - p50(first_alone);
    Ok(Round { added_ms, added_first_ms, rate: rate(&target).await? })
}

/// Requests for each CPU second of the server, with many clients at a time.
async fn rate(target: &Target) -> Result<f64, BenchError> {
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(Connection::open(&target.address, false).await?);
    }
    let before = cpu_seconds(target.process.id)?;
    let end = Instant::now() + WINDOW;
    let counts = try_join_all(connections.into_iter().map(|mut connection| async move {
        let mut count = 0u64;
        while Instant::now() < end {
            connection.ask().await?;
            count += 1;
        }
        Ok::<_, BenchError>(count)
    }))
    .await?;
    let cpu_s = cpu_seconds(target.process.id)? - before;
    Ok(counts.iter().sum::<u64>() as f64 / cpu_s)
}
