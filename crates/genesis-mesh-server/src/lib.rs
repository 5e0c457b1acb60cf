//! Charter: the Genesis Mesh server: agents of a mesh over WebSocket and HTTP, and the command line.
//!
//! Owns: the surfaces (bytes to commands, updates to frames), the tasks, start and stop.
//! Never: runs an agent itself or reaches below `genesis-mesh`; every surface calls the mesh's waist.
//! Flow: `Serve::serve_on` accepts; `routes` finds; `ws` upgrades; a socket decodes, starts a run, sends updates.
#![forbid(unsafe_code)]

mod clock;
mod keys;
mod options;
mod tasks;
mod escape;
mod presence;
mod telemetry;
mod http;
mod access;
mod app;
mod served;
mod ws;
mod chat;
mod runs;
mod observe;
mod pages;
mod routes;
pub mod config;
mod serve;
pub mod testing;

pub use http::TlsError;
pub use keys::{ApiKey, Scope};
pub use options::{Limits, LogFormat, ServeOptions, TelemetryOptions, TlsFiles};
pub use serve::{Serve, ServeError};
pub use telemetry::TelemetryError;
