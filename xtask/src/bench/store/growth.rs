//! Growth: how large a long thread is on disk, and how long it takes to read its state anywhere.
//!
//! Owns: the thread, and the two limits: that of the size is for the thread, which another store would keep, too.
//! Never: leaves out what SQLite has not yet moved from its write-ahead log.

use crate::bench::desk::Desk;
use crate::bench::error::BenchError;
use crate::bench::line::{Line, Outcome, Unit};
use crate::bench::program::{self, ask_all, number};
use crate::bench::series::Series;

const STEPS: usize = 500;
const BYTES: usize = 1_024;
const DATABASE_MB_LIMIT: f64 = 1.5;
const READ_MS_LIMIT: f64 = 5.0;
const BYTES_PER_MB: f64 = 1e6;

/// The size of the database, and the slowest read of all checkpoints.
pub(super) fn run(desk: &Desk) -> Result<Vec<Line>, BenchError> {
    let mut ours = program::example(&desk.root, &desk.children, "genesis-mesh", "durable_speed")?;
    let (mut threads, mut sizes, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        let path = desk.data()?.join("growth.db");
        let answer = ask_all(&mut ours, &format!("growth sqlite:{} {STEPS} {BYTES}", path.display()))?;
        let (thread, size) = (number(&answer, "thread_bytes")?, number(&answer, "database_bytes")?);
        let read = number(&answer, "read_ms_max")?;
        let gave = format!("{thread:.0} bytes, {size:.0} with the log, slowest read {read:.2} ms");
        desk.tell("growth", round, &gave);
        threads.push(thread / BYTES_PER_MB);
        sizes.push(size / BYTES_PER_MB);
        reads.push(read);
    }
    let limited = |ours, limit| Outcome::Limited { ours: Series::new(ours), limit };
    let what = format!("{STEPS} steps that each append 1 KiB to a list");
    Ok(vec![
        Line {
            what: format!("{what}: database with the thread"),
            unit: Unit::Megabytes,
            outcome: limited(threads, DATABASE_MB_LIMIT),
        },
        Line {
            what: format!("{what}: the same with the run's log, which tells each item and then the list"),
            unit: Unit::Megabytes,
            outcome: Outcome::Told { ours: Series::new(sizes) },
        },
        Line {
            what: format!("{what}: the slowest read of a state, of all {} checkpoints", STEPS + 2),
            unit: Unit::Milliseconds,
            outcome: limited(reads, READ_MS_LIMIT),
        },
    ])
}
