//! Paced: streams of 50 tokens a second, as a model makes them: what a token costs, and how late it comes.
//!
//! Owns: the two sizes, and what late means: the time beyond 20 ms that lies between two tokens of a stream, kept
//! up to the schedule that its first token began.
//! Never: lets streams begin in step: they are spread over one interval. Never sleeps while it loads: waking the load
//! at each token would be counted as work of the side that sends it.

use super::block_on;
use super::process::cpu_seconds;
use super::target::{Target, Work};
use super::wire::Socket;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Bound, Line, Outcome, Unit};
use crate::bench::series::{self, Series};
use futures_util::future::try_join_all;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(20);
/// 6 s of tokens; the first second is not counted.
const WORK: Work = Work { tokens: 300, delay_ms: 20 };
const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(4);
const FEW: usize = 200;
const MANY: usize = 2_500;
/// What FastAPI carries on one core.
const MANY_FOR_PEER: usize = 800;
const COST_LIMIT: Bound = Bound::AtMost(0.4);
const LATE_MS_LIMIT: f64 = 10.0;

struct Round {
    cpu_us_per_token: f64,
    late_p99_ms: f64,
}

/// CPU time a token beside FastAPI, and how late tokens are with many streams.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let (mut ours, mut other, mut many, mut peer) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        let cases = [
            ("FastAPI", FEW, &mut other),
            ("server", FEW, &mut ours),
            ("FastAPI", MANY_FOR_PEER, &mut peer),
            ("server", MANY, &mut many),
        ];
        for (name, streams, rounds) in cases {
            let target = match name {
                "server" => Target::ours(desk, WORK)?,
                _ => Target::peer(desk, WORK)?,
            };
            let measured = block_on(load(&target, streams))?;
            let (cost, late) = (measured.cpu_us_per_token, measured.late_p99_ms);
            let gave = format!("{name}, {streams} streams: {cost:.2} µs a token, p99 {late:.2} ms late");
            desk.tell("paced", round, &gave);
            rounds.push(measured);
        }
    }
    let series = |rounds: &[Round], value: fn(&Round) -> f64| Series::new(rounds.iter().map(value));
    let cost = Outcome::Compared {
        ours: series(&ours, |round| round.cpu_us_per_token),
        other: series(&other, |round| round.cpu_us_per_token),
        beside: "FastAPI".to_owned(),
        bound: COST_LIMIT,
    };
    let late = |rounds: &[Round]| series(rounds, |round| round.late_p99_ms);
    Ok(vec![
        Line {
            what: format!("{FEW} streams of 50 tokens/s: CPU time a token"),
            unit: Unit::Microseconds,
            outcome: cost,
        },
        Line {
            what: format!("{MANY} streams of 50 tokens/s: p99 late"),
            unit: Unit::Milliseconds,
            outcome: Outcome::Limited { ours: late(&many), limit: LATE_MS_LIMIT },
        },
        Line {
            what: format!("FastAPI with {MANY_FOR_PEER} such streams: p99 late"),
            unit: Unit::Milliseconds,
            outcome: Outcome::Told { ours: late(&peer) },
        },
    ])
}

async fn load(target: &Target, streams: usize) -> Result<Round, BenchError> {
    let mut sockets = Vec::new();
    for _ in 0..streams {
        // A frame a time: a small buffer does.
        sockets.push(Socket::open(target, 4096).await?);
    }
    let start = Instant::now();
    let (begin, end) = (start + WARM_UP, start + WARM_UP + WINDOW);
    let spread = INTERVAL.as_secs_f64() / streams as f64;
    let clients = sockets.into_iter().enumerate().map(|(place, socket)| {
        let at = start + Duration::from_secs_f64(spread * place as f64);
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
    let late: Vec<f64> = clients.into_iter().flatten().collect();
    let cpu_us_per_token = cpu_s * 1e6 / late.len() as f64;
    Ok(Round { cpu_us_per_token, late_p99_ms: series::quantile(late, 0.99) })
}

/// How late each token of the window came, in milliseconds.
async fn client(
    mut socket: Socket,
    at: Instant,
    begin: Instant,
    end: Instant,
) -> Result<Vec<f64>, BenchError> {
    tokio::time::sleep_until(at.into()).await;
    socket.ask(r#"{"prompt":"go"}"#).await?;
    let mut late = Vec::new();
    let mut due: Option<Instant> = None;
    loop {
        let read = socket.read().await?;
        let now = Instant::now();
        if now >= end || read.is_end {
            return Ok(late);
        }
        for _ in 0..read.tokens {
            let expected = due.unwrap_or(now);
            if now >= begin {
                late.push(now.saturating_duration_since(expected).as_secs_f64() * 1e3);
            }
            due = Some(expected + INTERVAL);
        }
    }
}
