//! Replay: a long log for a new reader, of a server that has never seen the run.
//!
//! Owns: the log, and the limit of the first byte.
//! Never: reads what a server has in memory: it is started anew.

use super::cursor::Cursor;
use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Line, Outcome, Unit};
use crate::bench::series::Series;
use crate::bench::serve::block_on;
use crate::bench::serve::target::{Target, Work};
use std::time::Instant;

const EVENTS: u32 = 10_000;
const WORK: Work = Work { tokens: EVENTS, delay_ms: 0 };
const FIRST_MS_LIMIT: f64 = 20.0;

/// The time to the first byte, and to the last.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let (mut firsts, mut alls) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        let data = desk.data()?;
        let cursor = {
            let target = Target::kept(desk, WORK, &["--data-dir", &data.to_string_lossy()])?;
            block_on(async {
                let (mut cursor, mut socket) = Cursor::begin(&target).await?;
                cursor.finish(&mut socket).await?;
                Ok(cursor)
            })?
        };
        if cursor.seq < u64::from(EVENTS) {
            return Err(BenchError::program("the server", format!("told {} events only", cursor.seq)));
        }
        let target = Target::kept(desk, WORK, &["--data-dir", &data.to_string_lossy()])?;
        let (first, all) = block_on(async {
            let mut cursor = cursor.rewound();
            let begun = Instant::now();
            let mut socket = cursor.resume(&target).await?;
            cursor.read(&mut socket).await?;
            let first = begun.elapsed();
            cursor.finish(&mut socket).await?;
            Ok((first.as_secs_f64() * 1e3, begun.elapsed().as_secs_f64() * 1e3))
        })?;
        desk.tell("replay", round, &format!("first byte {first:.2} ms, all {} in {all:.2} ms", cursor.seq));
        firsts.push(first);
        alls.push(all);
    }
    let what = format!("a log of {EVENTS} events, for a new reader of a new process");
    Ok(vec![
        Line {
            what: format!("{what}: hand-shake and first byte"),
            unit: Unit::Milliseconds,
            outcome: Outcome::Limited { ours: Series::new(firsts), limit: FIRST_MS_LIMIT },
        },
        Line {
            what: format!("{what}: all of it"),
            unit: Unit::Milliseconds,
            outcome: Outcome::Told { ours: Series::new(alls) },
        },
    ])
}
