//! Programs that measure on demand: a request a line on standard input, a line of JSON as its answer.
//!
//! Owns: how they are started and asked.
//! Never: measures, or judges what they say.

use super::children::{Children, Running};
use super::error::BenchError;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is compared with, if it is there.
pub(crate) enum Peer {
    There { process: Running, version: String },
    Missing { why: String },
}

impl Peer {
    /// Starts a Python program, which first says its `version`.
    pub(crate) fn start(python: &Path, script: &Path, children: &Children) -> Result<Self, BenchError> {
        if !python.exists() {
            let why = format!("there is no {}; `make` with the bench's name makes it", python.display());
            return Ok(Self::Missing { why });
        }
        let mut process = children.spawn(Command::new(python).arg(script), Stdio::inherit())?;
        let hello: Value = serde_json::from_str(&process.expect_line()?).unwrap_or_default();
        let version = hello.get("version").and_then(Value::as_str).unwrap_or("of unknown version").to_owned();
        Ok(Self::There { process, version })
    }
}

/// Builds an example, and starts it.
pub(crate) fn example(
    root: &Path,
    children: &Children,
    package: &str,
    name: &str,
) -> Result<Running, BenchError> {
    children.spawn(&mut cargo(root, "run", package, name), Stdio::inherit())
}

/// Builds an example, which then stands in `examples` beside this program.
pub(crate) fn build_example(
    root: &Path,
    children: &Children,
    package: &str,
    name: &str,
) -> Result<(), BenchError> {
    let mut build = children.spawn(&mut cargo(root, "build", package, name), Stdio::inherit())?;
    // It says nothing, and its output ends when it does.
    while build.read_line()?.is_some() {}
    Ok(())
}

fn cargo(root: &Path, what: &str, package: &str, example: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args([what, "--quiet", "--release", "--locked"]);
    command.args(["--package", package, "--example", example]);
    command
}

/// What a program says of a request: the number at `key`.
pub(crate) fn ask(process: &mut Running, request: &str, key: &str) -> Result<f64, BenchError> {
    let answer = ask_all(process, request)?;
    number(&answer, key)
}

/// The whole answer.
pub(crate) fn ask_all(process: &mut Running, request: &str) -> Result<Value, BenchError> {
    process.say(request)?;
    let line = process.expect_line()?;
    let bad =
        || BenchError::program("a program of this bench", format!("answered {request:?} with {line:?}"));
    serde_json::from_str(&line).map_err(|_| bad())
}

/// The number at `key` of an answer.
pub(crate) fn number(answer: &Value, key: &str) -> Result<f64, BenchError> {
    let value = answer.get(key).and_then(Value::as_f64);
    value.ok_or_else(|| BenchError::program("a program of this bench", format!("says no {key}: {answer}")))
}
