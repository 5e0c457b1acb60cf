//! Logs: what the program says while it runs, on stderr.
//!
//! Owns: the subscriber of this process, and the form of a line: text for people, JSON for machines.
//! Never: writes to stdout, which belongs to scripts.

use genesis_mesh_server::{LogFormat, TelemetryOptions};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts the logs: `RUST_LOG` chooses what, `info` without it.
pub(crate) fn start(options: &TelemetryOptions) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if is_for_people(options) {
        logs.with_target(false).with_ansi(io::stderr().is_terminal()).init();
    } else {
        // The span that a line is in carries the request's id; the spans around it add nothing.
        logs.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
}

/// Whether a person reads stderr.
pub(crate) fn is_for_people(options: &TelemetryOptions) -> bool {
    match options.log_format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    }
}
