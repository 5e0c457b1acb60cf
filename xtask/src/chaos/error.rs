//! Why chaos can't be made, or was not survived.
//!
//! Owns: `ChaosError`.
//! Never: is a breach; those are counted first and become one error at the end.

use std::io;

/// Why `cargo xtask chaos` fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChaosError {
    #[error("can't {doing}")]
    Io { doing: &'static str, source: io::Error },
    #[error(transparent)]
    Service(#[from] genesis_mesh_store::testing::ServiceError),
    #[error("the server under test can't be built")]
    Build,
    #[error("replica {replica} does not start; see {log}")]
    Start { replica: usize, log: String },
    #[error("a server did not answer {path} with JSON: {problem}")]
    Answer { path: String, problem: String },
    #[error("{breaches} breaches in {seeds} seeds")]
    Broken { breaches: usize, seeds: usize },
    #[error("without fencing nothing was found: the checker is blind, or the faults are too tame")]
    Blind,
    #[error("{0}")]
    Text(String),
}

impl ChaosError {
    /// An error of the system.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
