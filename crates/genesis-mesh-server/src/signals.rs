//! Signals: the first asks for an orderly stop, the second ends at once.
//!
//! Owns: SIGTERM and SIGINT (Ctrl-C elsewhere).
//! Never: stops anything itself.

use std::io;

/// The signals that stop this program; from [`Signals::install`] on none is lost.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes the signals over from the system, which would end the program.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn install() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind as Kind, signal};
            let (terminate, interrupt) = (signal(Kind::terminate())?, signal(Kind::interrupt())?);
            Ok(Self { terminate, interrupt })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    /// A signal that comes while nobody waits is kept for the next call.
    pub(crate) async fn next(&mut self) {
        self.next_kind().await;
    }

    /// Waits for the next signal, and says which it is.
    ///
    /// # Cancel safety
    /// As [`Signals::next`].
    pub(crate) async fn next_kind(&mut self) -> SignalKind {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::Terminate,
            _ = self.interrupt.recv() => SignalKind::Interrupt,
        }
        #[cfg(not(unix))]
        {
            if let Err(error) = tokio::signal::ctrl_c().await {
                tracing::error!(%error, "signals can't be received; stop this program by force");
                std::future::pending::<()>().await;
            }
            SignalKind::Interrupt
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalKind {
    /// SIGTERM: the program should end.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only unix has this signal"))]
    Terminate,
    /// SIGINT, Ctrl-C: a person wants what goes on to stop.
    Interrupt,
}
