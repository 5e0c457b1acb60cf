//! Recovery: how long a run stands still when `kill -9` ends its server.
//!
//! Owns: the two ways to go on: the same server started again, and another one on the same store.
//! Never: counts an event that was in the log before the kill.

use super::cursor::Cursor;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Line, Outcome, Unit};
use crate::bench::series::Series;
use crate::bench::serve::block_on;
use crate::bench::serve::target::{Target, Work};
use genesis_mesh_store::testing::PostgresCluster;
use std::time::Instant;

/// A minute of tokens: longer than any recovery.
const WORK: Work = Work { tokens: 3_000, delay_ms: 20 };
const TOLD_BEFORE: u64 = 50;
const RESTART_S_LIMIT: f64 = 1.0;
/// The lease that servers have by default, and a second.
const TAKEOVER_S_LIMIT: f64 = 11.0;

/// The time from the kill to the next token.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let (mut restarts, mut takeovers) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        restarts.push(restart(desk)?);
        takeovers.push(block_on(takeover(desk))?);
        let last = |times: &[f64]| times.last().copied().unwrap_or(f64::NAN);
        let (restart, takeover) = (last(&restarts), last(&takeovers));
        desk.tell("recovery", round, &format!("restart {restart:.3} s, takeover {takeover:.3} s"));
    }
    let limited = |ours, limit| Outcome::Limited { ours: Series::new(ours), limit };
    Ok(vec![
        Line {
            what: "SQLite: from the start after `kill -9` to the run's next token".to_owned(),
            unit: Unit::Seconds,
            outcome: limited(restarts, RESTART_S_LIMIT),
        },
        Line {
            what: "PostgreSQL, two servers: from `kill -9` of the run's one to its next token by the other"
                .to_owned(),
            unit: Unit::Seconds,
            outcome: limited(takeovers, TAKEOVER_S_LIMIT),
        },
    ])
}

/// Gives a run that has told something by a server that is dead by now, and since when.
async fn killed(target: Target) -> Result<(Cursor, Instant), BenchError> {
    let (mut cursor, mut socket) = Cursor::begin(&target).await?;
    cursor.pass(&mut socket, TOLD_BEFORE).await?;
    let killed_at = Instant::now();
    drop(target);
    // What was on its way has been told, too.
    while cursor.read(&mut socket).await.is_ok() {}
    Ok((cursor, killed_at))
}

fn restart(desk: &Desk) -> Result<f64, BenchError> {
    let data = desk.data()?;
    let data = data.to_string_lossy();
    let start = || Target::kept(desk, WORK, &["--data-dir", &data]);
    let target = start()?;
    let (mut cursor, _) = block_on(killed(target))?;
    let seq = cursor.seq;
    let begun = Instant::now();
    let target = start()?;
    block_on(async {
        let mut socket = cursor.resume(&target).await?;
        cursor.pass(&mut socket, seq).await
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

async fn takeover(desk: &Desk) -> Result<f64, BenchError> {
    let cluster = PostgresCluster::start().await?;
    let start = || Target::kept(desk, WORK, &["--store", &cluster.url()]);
    let (owner, other) = (start()?, start()?);
    let (mut cursor, killed_at) = killed(owner).await?;
    let seq = cursor.seq;
    let mut socket = cursor.resume(&other).await?;
    cursor.pass(&mut socket, seq).await?;
    Ok(killed_at.elapsed().as_secs_f64())
}
