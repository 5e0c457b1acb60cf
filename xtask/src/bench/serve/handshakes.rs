//! Hand-shakes: how many sockets a CPU second of the server opens and closes.
//!
//! Owns: clients that open a socket and leave, again and again.
//! Never: asks for anything.

use super::block_on;
use super::process::cpu_seconds;
use super::target::{Target, Work};
use super::wire::Socket;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Bound, Line, Outcome, Unit};
use crate::bench::series::Series;
use futures_util::future::try_join_all;
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const WINDOW: Duration = Duration::from_secs(3);
const FLOOR: Bound = Bound::AtLeast(6.0);
const WORK: Work = Work { tokens: 1, delay_ms: 0 };

/// Hand-shakes a CPU second, beside FastAPI.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        other.push(block_on(load(&Target::peer(desk, WORK)?))?);
        ours.push(block_on(load(&Target::ours(desk, WORK)?))?);
        let gave = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
        let (ours, other) = (gave(&ours), gave(&other));
        desk.tell("handshakes", round, &format!("{ours:.0} a CPU second, FastAPI {other:.0}"));
    }
    let (ours, other) = (Series::new(ours), Series::new(other));
    let outcome = Outcome::Compared { ours, other, beside: "FastAPI".to_owned(), bound: FLOOR };
    let what = "sockets opened and closed".to_owned();
    Ok(vec![Line { what, unit: Unit::HandshakesPerCpuSecond, outcome }])
}

async fn load(target: &Target) -> Result<f64, BenchError> {
    // The first of each take what is made once.
    for _ in 0..CLIENTS {
        drop(Socket::open(target, 512).await?);
    }
    let before = cpu_seconds(target.process.id)?;
    let end = Instant::now() + WINDOW;
    let client = || async {
        let mut count = 0u64;
        while Instant::now() < end {
            drop(Socket::open(target, 512).await?);
            count += 1;
        }
        Ok::<_, BenchError>(count)
    };
    let counts = try_join_all((0..CLIENTS).map(|_| client())).await?;
    let cpu_s = cpu_seconds(target.process.id)? - before;
    Ok(counts.iter().sum::<u64>() as f64 / cpu_s)
}
