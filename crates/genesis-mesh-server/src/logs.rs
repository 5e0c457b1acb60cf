//! Logs: what the program says while it runs, on stderr.
//!
//! Owns: the subscriber of this process.
//! Never: writes to stdout, which belongs to scripts.

use genesis_mesh_server::TelemetryOptions;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts the logs: `RUST_LOG` chooses what, `info` without it.
pub(crate) fn start(_options: &TelemetryOptions) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    logs.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).init();
}
