//! Saturated: how many tokens a CPU second of the server streams when all clients want more.
//!
//! Owns: the clients that ask again and again, and the two bounds.
//! Never: counts what the load's core could not take: the server's CPU time is the measure.

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

pub(crate) const CLIENTS: usize = 32;
pub(crate) const WORK: Work = Work { tokens: 256, delay_ms: 0 };
const WARM_UP: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_secs(3);
const FLOOR: Bound = Bound::AtLeast(75.0);
const FIRST_LIMIT: Bound = Bound::AtMost(0.05);

/// What one side did in one round.
pub(crate) struct Round {
    pub(crate) tokens_per_cpu_s: f64,
    pub(crate) first_p99_ms: f64,
}

/// Tokens a CPU second and the time to the first token, beside FastAPI.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        for (name, rounds) in [("FastAPI", &mut other), ("server", &mut ours)] {
            let target = match name {
                "server" => Target::ours(desk, WORK)?,
                _ => Target::peer(desk, WORK)?,
            };
            let measured = block_on(load(&target))?;
            let (speed, first) = (measured.tokens_per_cpu_s, measured.first_p99_ms);
            desk.tell("saturated", round, &format!("{name} {speed:.0} tok/CPU s, TTFT p99 {first:.2} ms"));
            rounds.push(measured);
        }
    }
    let series = |rounds: &[Round], value: fn(&Round) -> f64| Series::new(rounds.iter().map(value));
    let compared = |value: fn(&Round) -> f64, bound| Outcome::Compared {
        ours: series(&ours, value),
        other: series(&other, value),
        beside: "FastAPI".to_owned(),
        bound,
    };
    let what = format!("{CLIENTS} clients, {} tokens a request, no delay", WORK.tokens);
    let speed = compared(|round| round.tokens_per_cpu_s, FLOOR);
    let first = compared(|round| round.first_p99_ms, FIRST_LIMIT);
    Ok(vec![
        Line { what: format!("{what}: streamed tokens"), unit: Unit::TokensPerCpuSecond, outcome: speed },
        Line { what: format!("{what}: TTFT p99"), unit: Unit::Milliseconds, outcome: first },
    ])
}

/// Asks as all clients do, for the length of a round.
pub(crate) async fn load(target: &Target) -> Result<Round, BenchError> {
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS {
        sockets.push(Socket::reader(target).await?);
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + WINDOW;
    let clients = try_join_all(sockets.into_iter().map(|socket| client(socket, begin, end)));
    let cpu = async {
        tokio::time::sleep_until(begin.into()).await;
        let before = cpu_seconds(target.process.id)?;
        tokio::time::sleep_until(end.into()).await;
        Ok(cpu_seconds(target.process.id)? - before)
    };
    let (clients, cpu_s) = tokio::try_join!(clients, cpu)?;
    let tokens: u64 = clients.iter().map(|(tokens, _)| tokens).sum();
    let firsts: Vec<f64> = clients.into_iter().flat_map(|(_, firsts)| firsts).collect();
    Ok(Round { tokens_per_cpu_s: tokens as f64 / cpu_s, first_p99_ms: series::quantile(firsts, 0.99) })
}

/// The tokens that one client took between `begin` and `end`, and the times to first tokens in milliseconds.
async fn client(mut socket: Socket, begin: Instant, end: Instant) -> Result<(u64, Vec<f64>), BenchError> {
    let (mut tokens, mut firsts) = (0, Vec::new());
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok((tokens, firsts));
        }
        socket.ask(r#"{"prompt":"go"}"#).await?;
        let mut is_first = true;
        loop {
            let read = socket.read().await?;
            let now = Instant::now();
            if now >= begin && now < end {
                tokens += read.tokens;
                if is_first && read.tokens > 0 {
                    firsts.push((now - asked).as_secs_f64() * 1e3);
                }
            }
            is_first &= read.tokens == 0;
            if read.is_end {
                break;
            }
        }
    }
}
