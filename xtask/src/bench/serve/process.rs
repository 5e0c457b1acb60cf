//! Processes as the system sees them: their core and their CPU time.
//!
//! Owns: pinning by `taskset`, and reading /proc.
//! Never: starts a server.

use crate::bench::error::BenchError;
use std::process::Command;

/// Clock ticks a second in /proc: USER_HZ, 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Lets all threads of this program run on `core` alone; its children must be pinned anew.
pub(crate) fn pin_self(core: &str) -> Result<(), BenchError> {
    let id = std::process::id().to_string();
    let output = Command::new("taskset").args(["-acp", core, &id]).output();
    let output = output.map_err(|error| BenchError::io("run taskset (Debian: util-linux)", error))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(BenchError::program("taskset", String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// A command that runs `program` on `core` alone.
pub(crate) fn pinned(core: &str, program: &std::path::Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core).arg(program);
    command
}

/// The CPU seconds that a process has taken so far, user and system, all threads.
pub(crate) fn cpu_seconds(id: u32) -> Result<f64, BenchError> {
    let path = format!("/proc/{id}/stat");
    let stat =
        std::fs::read_to_string(&path).map_err(|error| BenchError::io(format!("read {path}"), error))?;
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
    // After the name: fields 14 and 15 of proc(5), which are 11 and 12 after the state.
    let ticks: Vec<f64> =
        fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).collect();
    match ticks.as_slice() {
        [user, system] => Ok((user + system) / TICKS_PER_SECOND),
        _ => Err(BenchError::program(path, "has no times")),
    }
}
