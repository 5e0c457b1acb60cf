//! Idle: what a socket that says nothing costs in memory.
//!
//! Owns: the sockets, and the resident memory before and after.
//! Never: counts the kernel's own buffers, which are the same for every server.

use super::block_on;
use super::target::{Target, Work};
use super::wire::Socket;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Line, Outcome, Unit};
use crate::bench::series::Series;
use crate::bench::start::resident_bytes;

const SOCKETS: usize = 5_000;
/// Opened first, so that the server has what it makes once.
const WARM_UP: usize = 100;
const LIMIT_KB: f64 = 5.0;
const WORK: Work = Work { tokens: 1, delay_ms: 0 };

/// Resident memory a socket, beside FastAPI for information.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        ours.push(block_on(load(&Target::ours(desk, WORK)?))?);
        other.push(block_on(load(&Target::peer(desk, WORK)?))?);
        let gave = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
        let (ours, other) = (gave(&ours), gave(&other));
        desk.tell("idle", round, &format!("{ours:.2} kB a socket, FastAPI {other:.2} kB"));
    }
    let limited = Outcome::Limited { ours: Series::new(ours), limit: LIMIT_KB };
    let told = Outcome::Told { ours: Series::new(other) };
    let what = format!("{SOCKETS} idle sockets: resident memory of each");
    Ok(vec![
        Line { what: what.clone(), unit: Unit::Kilobytes, outcome: limited },
        Line { what: format!("FastAPI, {what}"), unit: Unit::Kilobytes, outcome: told },
    ])
}

async fn load(target: &Target) -> Result<f64, BenchError> {
    let resident = || {
        let unknown = || BenchError::program("/proc", "does not say how much memory the server has");
        resident_bytes(target.process.id).ok_or_else(unknown)
    };
    let mut sockets = Vec::new();
    for _ in 0..WARM_UP {
        sockets.push(Socket::open(target, 256).await?);
    }
    let before = resident()?;
    for _ in 0..SOCKETS {
        sockets.push(Socket::open(target, 256).await?);
    }
    Ok((resident()? - before) / SOCKETS as f64 / 1e3)
}
