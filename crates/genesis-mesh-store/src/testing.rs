//! Real services for tests: a PostgreSQL cluster and a NATS server of one's own.
//!
//! Owns: their processes and folders; nothing of them is left when the test's process has ended, however it ended.
//! Never: part of a running program; uses a server that was there before, or a fixed port.
//! Flow: `start` picks a free port, starts the program and waits until it answers; `kill` and `start_again` are chaos.

mod keeper;
mod program;
mod postgres;
mod nats;
#[cfg(test)]
mod tests;

pub use nats::NatsServer;
pub use postgres::PostgresCluster;

/// Why a service for tests can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// A program is not installed.
    #[error("no {program} was found: {advice}")]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// What to install.
        advice: &'static str,
    },
    /// A program did not do what it was started for.
    #[error("{program} {problem}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What happened, with what the program said.
        problem: String,
    },
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The refusal.
        source: std::io::Error,
    },
}
