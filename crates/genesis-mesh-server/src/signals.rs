//! Signals: the first asks for an orderly stop, the second ends at once.
//!
//! Owns: SIGTERM and SIGINT (Ctrl-C elsewhere).
//! Never: stops anything itself.

use std::io;
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal and resolves at the second.
pub(crate) async fn second(stop: &CancellationToken) {
    for _ in 0..2 {
        if let Err(error) = next().await {
            tracing::error!(%error, "signals can't be received; stop this program by force");
            return std::future::pending().await;
        }
        if stop.is_cancelled() {
            return;
        }
        stop.cancel();
    }
}

#[cfg(unix)]
async fn next() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn next() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
