//! The AVX2 path beside the AVX-512 path.
//!
//! Owns: the names of both, and the floor.
//! Never: measures where a machine has only one.

use super::context::Context;
use super::engine;
use super::error::BenchError;
use super::line::{Bound, Line};
use genesis_mesh_local::LoadError;
use genesis_mesh_local::measure::Probe;

/// Half the width, and a better fill of it.
const FLOOR: Bound = Bound::AtLeast(0.6);

/// Decode of 1 and of 8 sequences, and prefill, for AVX2 with and without VNNI.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let mut lines = Vec::new();
    for name in ["avx2-vnni", "avx2"] {
        match beside_avx512(context, name) {
            Err(BenchError::Load(error @ LoadError::Kernel { .. })) => {
                lines.push(Line::not_measured("AVX2 beside AVX-512", error.to_string()));
            }
            measured => lines.extend(measured?),
        }
    }
    Ok(lines)
}

fn beside_avx512(context: &Context, name: &str) -> Result<Vec<Line>, BenchError> {
    let load = |name| Probe::load(&context.model, &context.options(Some(name)));
    let (mut narrow, mut wide) = (load(name)?, load("avx512-vnni")?);
    let mut lines = Vec::new();
    for sequences in [1, 8] {
        let turns = engine::in_turns(
            context,
            "AVX-512",
            sequences,
            &mut |sequences| Ok(engine::run(&mut narrow, sequences)),
            &mut |sequences| Ok(engine::run(&mut wide, sequences)),
        )?;
        lines.push(turns.decode(FLOOR));
        if sequences == 1 {
            lines.push(turns.prefill(FLOOR));
        }
    }
    for line in &mut lines {
        line.what = format!("{name}: {}", line.what);
    }
    Ok(lines)
}
