//! The interpreter of the differential test: reads a case a line, writes what our engine makes of it.
//!
//! Owns: nothing but the loop; `tests/differential/README.md` defines cases and outcomes.
//! Never: compares: `tests/differential/test_differential.py` holds the outcome against LangGraph's.
//! Flow: `graphs.rs` builds the case's graph, `scenario.rs` plays its steps, `outcome.rs` writes what was seen.

mod world;
mod expression;
mod operations;
mod graphs;
mod outcome;
mod scenario;

use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write};

/// Why a case has no outcome: a mistake in it, or in this program.
type Fault = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Fault> {
    // One thread: which of two tasks goes on is then the same in every run, as it is in Python's loop.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let outcome = runtime.block_on(scenario::play(&case));
        let outcome = outcome.unwrap_or_else(|fault| json!({"unsupported": fault.to_string()}));
        writeln!(output, "{outcome}")?;
        output.flush()?;
    }
    Ok(())
}
