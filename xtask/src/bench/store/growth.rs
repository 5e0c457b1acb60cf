//! Growth: how large a long thread is on disk, and how long it takes to read its state anywhere.
//!
//! Owns: the thread, and the two limits.
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
    let (mut sizes, mut reads) = (Vec::new(), Vec::new());
    for round in 0..desk.rounds {
        let path = desk.data()?.join("growth.db");
        let answer = ask_all(&mut ours, &format!("growth sqlite:{} {STEPS} {BYTES}", path.display()))?;
        let (size, read) = (number(&answer, "database_bytes")?, number(&answer, "read_ms_max")?);
        desk.tell("growth", round, &format!("{size:.0} bytes, slowest read {read:.2} ms"));
        sizes.push(size / BYTES_PER_MB);
        reads.push(read);
    }
    let limited = |ours, limit| Outcome::Limited { ours: Series::new(ours), limit };
    let what = format!("{STEPS} steps that each append 1 KiB to a list");
    Ok(vec![
        Line {
            what: format!("{what}: database with the run's log"),
            unit: Unit::Megabytes,
            outcome: limited(sizes, DATABASE_MB_LIMIT),
        },
        Line {
            what: format!("{what}: the slowest read of a state, of all {} checkpoints", STEPS + 2),
            unit: Unit::Milliseconds,
            outcome: limited(reads, READ_MS_LIMIT),
        },
    ])
}
