//! The busy neighbour: a process that wants a core for itself.
//!
//! Owns: the loop, the line that says that it has begun, and its end with the bench.
//! Never: outlives the bench: its standard input ends then, however the bench died.

use super::children::{Children, Running};
use super::error::BenchError;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Numbers between two looks at the flag: microseconds.
const STRETCH: u64 = 10_000;

/// The child's side: computes until standard input ends.
pub(crate) fn run() -> Result<(), BenchError> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(io::stdin().read_to_end(&mut Vec::new()));
            is_over.store(true, Ordering::Relaxed);
        });
        let told = writeln!(io::stdout(), "busy");
        let mut number = 1u64;
        while told.is_ok() && !is_over.load(Ordering::Relaxed) {
            for _ in 0..STRETCH {
                number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
        told.map_err(|error| BenchError::io("say that the neighbour is busy", error))
    })
}

/// The bench's side: starts one that is busy already.
pub(crate) fn spawn(children: &Children) -> Result<Running, BenchError> {
    let program = std::env::current_exe().map_err(|error| BenchError::io("find this program", error))?;
    let mut running = children.spawn(Command::new(program).args(["bench", "busy"]), Stdio::inherit())?;
    running.expect_line()?;
    Ok(running)
}
