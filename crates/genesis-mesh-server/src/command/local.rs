//! A mesh in this process, for commands that need no server.
//!
//! Owns: setting it up from the settings, and giving that up on a signal.
//! Never: listens.

use crate::loading;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signals::Signals;
use genesis_mesh::{BusSource, Mesh, StoreSource};
use std::error::Error;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// The mesh that `serve` would serve; the inner error is the outcome of a program that was stopped meanwhile.
///
/// # Errors
/// All mistakes of the settings at once.
pub(super) async fn mesh(
    settings: &Settings,
    signals: &mut Signals,
) -> Result<Result<Mesh, Outcome>, Box<dyn Error + Send + Sync>> {
    let config = settings.load()?;
    let stop = CancellationToken::new();
    tokio::select! {
        // A run of the command line is logged by nobody, and the store may be a server's.
        mesh = loading::mesh(&config, &stop).store(StoreSource::Memory).bus(BusSource::Local).setup() => Ok(Ok(mesh?)),
        () = signals.next() => {
            stop.cancel();
            Ok(Err(Ok(ExitCode::FAILURE)))
        }
    }
}
