//! The engine with two busy processes beside it.
//!
//! Owns: how many neighbours, and the floor.
//! Never: measures while a neighbour only starts.

use super::busy;
use super::context::Context;
use super::engine;
use super::error::BenchError;
use super::line::{Bound, Line};
use genesis_mesh_local::measure::Probe;

const SEQUENCES: usize = 8;
const NEIGHBOURS: usize = 2;
/// Half of the machine is theirs, on two cores.
const FLOOR: Bound = Bound::AtLeast(0.5);

/// Decode of 8 sequences, disturbed beside undisturbed.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let load = || Probe::load(&context.model, &context.options(None));
    // One engine each, as one that is disturbed for long has learned to live with it.
    let (mut disturbed, mut quiet) = (load()?, load()?);
    let turns = engine::in_turns(
        context,
        "no neighbours",
        SEQUENCES,
        &mut |sequences| {
            let neighbours: Result<Vec<_>, _> =
                (0..NEIGHBOURS).map(|_| busy::spawn(&context.children)).collect();
            let speed = engine::run(&mut disturbed, sequences);
            drop(neighbours?);
            Ok(speed)
        },
        &mut |sequences| Ok(engine::run(&mut quiet, sequences)),
    )?;
    let mut line = turns.decode(FLOOR);
    line.what = format!("{NEIGHBOURS} busy processes: {}", line.what);
    Ok(vec![line])
}
