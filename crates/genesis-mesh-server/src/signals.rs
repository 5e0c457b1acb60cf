//! Signals: the first asks for an orderly stop, the second ends at once.
//!
//! Owns: SIGTERM and SIGINT (Ctrl-C elsewhere).
//! Never: stops anything itself.

use std::io;
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal and resolves at the second.
pub(crate) async fn second(stop: &CancellationToken) {
    if let Err(error) = watch(stop).await {
        tracing::error!(%error, "signals can't be received; stop this program by force");
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn watch(stop: &CancellationToken) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // Kept over both rounds, so that no signal falls between them.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        stop.cancel();
    }
}

#[cfg(not(unix))]
async fn watch(stop: &CancellationToken) -> io::Result<()> {
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    tokio::signal::ctrl_c().await
}
