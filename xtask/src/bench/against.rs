//! Our engine beside a program that the user names.
//!
//! Owns: how that program is called, and the floor for each number of sequences.
//! Never: knows what it is; a JSON line with two speeds is all that is asked of it.

use super::context::Context;
use super::engine::{self, Speed};
use super::error::BenchError;
use super::line::{Bound, Line};
use genesis_mesh_local::measure::Probe;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

const SEQUENCES: [usize; 5] = [1, 4, 8, 16, 32];
/// Never slower than what it replaces.
const FLOOR: Bound = Bound::AtLeast(1.0);

/// Decode at each number of sequences, and prefill.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let Some(program) = &context.against else {
        return Ok(vec![Line::not_measured(
            "decode and prefill beside another program",
            "no `--against PATH`",
        )]);
    };
    let mut probe = Probe::load(&context.model, &context.options(None))?;
    let mut lines = Vec::new();
    for sequences in SEQUENCES {
        let turns = engine::in_turns(
            context,
            "`--against`",
            sequences,
            &mut |sequences| Ok(engine::run(&mut probe, sequences)),
            &mut |sequences| ask(context, program, sequences),
        )?;
        lines.push(turns.decode(FLOOR));
        if sequences == 1 {
            lines.push(turns.prefill(FLOOR));
        }
    }
    Ok(lines)
}

/// Runs the program once; of two repetitions the second counts, as our engine is warm as well.
fn ask(context: &Context, program: &Path, sequences: usize) -> Result<Speed, BenchError> {
    let mut command = Command::new(program);
    command.arg(&context.model).args(["bench", "--reps", "2"]);
    command.args(["--np", &sequences.to_string(), "--threads", &context.threads.to_string()]);
    let mut running = context.children.spawn(&mut command, Stdio::inherit())?;
    let mut last = running.expect_line()?;
    while let Some(line) = running.read_line()? {
        last = line;
    }
    speed(&last)
        .ok_or_else(|| BenchError::program(program.display().to_string(), format!("printed {last:?}")))
}

/// The speeds in a line of JSON.
pub(crate) fn speed(line: &str) -> Option<Speed> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| value.get(name)?.as_f64();
    Some(Speed { prefill: number("prefill_tok_s")?, decode: number("decode_tok_s")? })
}
