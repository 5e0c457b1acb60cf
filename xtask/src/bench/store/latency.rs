//! Latency: how old a token is when a client has it, with the log and without.
//!
//! Owns: the streams, and what old means: from the model's saying it to the client's reading it, by one machine's clock.
//! Never: counts the first second; sleeps while it loads, which would be counted as the server's work.

use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Bound, Line, Outcome, Unit};
use crate::bench::series::{Series, quantile};
use crate::bench::serve::block_on;
use crate::bench::serve::process::{cpu_seconds, pin_self, pinned};
use crate::bench::serve::target::Target;
use crate::bench::serve::wire::Socket;
use crate::bench::serve::{LOAD_CORE, SERVER_CORE};
use futures_util::future::try_join_all;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const STREAMS: usize = 64;
const INTERVAL: Duration = Duration::from_millis(20);
/// 6 s of words; the first second is not counted.
const WORDS: &str = "300";
const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(4);
const P50_MS_LIMIT: f64 = 1.0;
const P99_MS_LIMIT: f64 = 5.0;
/// The digits of nanoseconds since 1970, until the year 2286.
const STAMP: usize = 19;
const TEXT: &[u8] = br#""text":""#;

#[derive(Clone, Copy)]
struct Round {
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
}

/// What the log adds to a token's age, and what a token costs.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    pin_self(LOAD_CORE)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        for (name, path, rounds) in
            [("no log", "/ws/bench?log=false", &mut without), ("log", "/ws/bench", &mut with)]
        {
            let clock =
                std::env::current_exe().map_err(|error| BenchError::io("find this program", error))?;
            let mut command = pinned(SERVER_CORE, &clock.with_file_name("examples").join("clock"));
            command.arg(desk.data()?).args([WORDS, &INTERVAL.as_millis().to_string()]);
            let target = Target::start(desk, &mut command, path)?;
            let measured = block_on(load(&target))?;
            let Round { p50_ms, p99_ms, cpu_us } = measured;
            let gave = format!("{name}: p50 {p50_ms:.3} ms, p99 {p99_ms:.3} ms, {cpu_us:.1} µs a token");
            desk.tell("latency", round, &gave);
            rounds.push(measured);
        }
    }
    let series = |rounds: &[Round], value: fn(&Round) -> f64| Series::new(rounds.iter().map(value));
    let added = |value: fn(&Round) -> f64, limit| {
        let pairs = with.iter().zip(&without).map(|(with, without)| value(with) - value(without));
        Outcome::Limited { ours: Series::new(pairs), limit }
    };
    let what = format!("{STREAMS} streams of 50 tokens/s");
    let line = |of: &str, unit, outcome| Line { what: format!("{what}: {of}"), unit, outcome };
    Ok(vec![
        line("added by the log, p50", Unit::Milliseconds, added(|round| round.p50_ms, P50_MS_LIMIT)),
        line("added by the log, p99", Unit::Milliseconds, added(|round| round.p99_ms, P99_MS_LIMIT)),
        line(
            "age of a token with the log, p99",
            Unit::Milliseconds,
            Outcome::Told { ours: series(&with, |round| round.p99_ms) },
        ),
        line(
            "CPU time a token",
            Unit::Microseconds,
            Outcome::Compared {
                ours: series(&with, |round| round.cpu_us),
                other: series(&without, |round| round.cpu_us),
                beside: "without the log".to_owned(),
                bound: Bound::None,
            },
        ),
    ])
}

async fn load(target: &Target) -> Result<Round, BenchError> {
    let mut sockets = Vec::new();
    for _ in 0..STREAMS {
        sockets.push(Socket::reader(target).await?);
    }
    let start = Instant::now();
    let (begin, end) = (start + WARM_UP, start + WARM_UP + WINDOW);
    let clients = sockets.into_iter().zip(0_u32..).map(|(socket, place)| {
        // Not in step.
        let at = start + INTERVAL * place / u32::try_from(STREAMS).unwrap_or(1);
        client(socket, at, begin, end)
    });
    let cpu = async {
        tokio::time::sleep_until(begin.into()).await;
        let before = cpu_seconds(target.process.id)?;
        tokio::time::sleep_until(end.into()).await;
        Ok(cpu_seconds(target.process.id)? - before)
    };
    let awake = async || -> std::convert::Infallible {
        loop {
            tokio::task::yield_now().await;
        }
    };
    let loaded = async { tokio::try_join!(try_join_all(clients), cpu) };
    let (clients, cpu_s) = tokio::select! {
        loaded = loaded => loaded?,
        never = awake() => match never {},
    };
    let ages: Vec<f64> = clients.concat();
    let cpu_us = cpu_s * 1e6 / ages.len() as f64;
    Ok(Round { p50_ms: quantile(ages.clone(), 0.5), p99_ms: quantile(ages, 0.99), cpu_us })
}

/// The ages, in milliseconds, of the words that came between `begin` and `end`.
async fn client(
    mut socket: Socket,
    at: Instant,
    begin: Instant,
    end: Instant,
) -> Result<Vec<f64>, BenchError> {
    tokio::time::sleep_until(at.into()).await;
    socket.ask(r#"{"prompt":"go"}"#).await?;
    let mut ages = Vec::new();
    loop {
        let mut stamps = Vec::new();
        socket
            .each(|message| {
                stamps.extend(stamps_of(message));
                Ok(())
            })
            .await?;
        let now = Instant::now();
        if now >= end {
            return Ok(ages);
        }
        if now >= begin {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            ages.extend(stamps.iter().map(|stamp| now.saturating_sub(*stamp) as f64 / 1e6));
        }
    }
}

/// When the words of a message were said; words that had to wait are joined to one text.
fn stamps_of(message: &[u8]) -> Vec<u128> {
    let Some(at) = message.windows(TEXT.len()).position(|bytes| bytes == TEXT) else { return Vec::new() };
    let text = message.get(at + TEXT.len()..).unwrap_or_default();
    let words = text.chunks(STAMP).map_while(|word| std::str::from_utf8(word).ok()?.parse().ok());
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_words_have_a_stamp_each() {
        let message = br#"{"type":"delta","text":"17644000000000000001764400000000000001","seq":7}"#;
        assert_eq!(stamps_of(message), [1_764_400_000_000_000_000, 1_764_400_000_000_000_001]);
        assert_eq!(stamps_of(br#"{"type":"run","run_id":"x","seq":1}"#), [0_u128; 0]);
    }
}
