//! Our engine beside llama.cpp, by its Python package.
//!
//! Owns: how its driver in scripts/bench is called, and the floors for one sequence.
//! Never: installs it; `make bench` does.

use super::against;
use super::context::Context;
use super::engine;
use super::error::BenchError;
use super::line::{Bound, Line};
use genesis_mesh_local::measure::Probe;
use serde_json::Value;
use std::process::{Command, Stdio};

const DECODE_FLOOR: Bound = Bound::AtLeast(2.2);
const PREFILL_FLOOR: Bound = Bound::AtLeast(6.0);

/// Decode and prefill of one sequence.
pub(crate) fn run(context: &Context) -> Result<Vec<Line>, BenchError> {
    let what = "decode and prefill beside llama-cpp-python";
    if !context.python.exists() {
        let why = "no Python that has it; `make bench` makes one, or give `--python PATH`";
        return Ok(vec![Line::not_measured(what, why)]);
    }
    let mut command = Command::new(&context.python);
    command.arg(&context.driver).arg(&context.model);
    let numbers = [context.threads, engine::PROMPT_TOKENS, engine::ANSWER_TOKENS];
    let mut driver =
        context.children.spawn(command.args(numbers.map(|number| number.to_string())), Stdio::inherit())?;
    let hello: Value = serde_json::from_str(&driver.expect_line()?).unwrap_or_default();
    let version = hello.get("version").and_then(Value::as_str).unwrap_or("of unknown version");

    let mut probe = Probe::load(&context.model, &context.options(None))?;
    let turns = engine::in_turns(
        context,
        &format!("llama-cpp-python {version}"),
        1,
        &mut |sequences| Ok(engine::run(&mut probe, sequences)),
        &mut |_| {
            driver.ask()?;
            let line = driver.expect_line()?;
            against::speed(&line)
                .ok_or_else(|| BenchError::program("the driver of llama.cpp", format!("printed {line:?}")))
        },
    )?;
    Ok(vec![turns.decode(DECODE_FLOOR), turns.prefill(PREFILL_FLOOR)])
}
