//! Why a log can't be read or a run can't be stopped.
//!
//! Owns: `LogError`.
//! Never: is about what a run does.

use genesis_mesh_core::log::Seq;
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

/// Why what was asked of a run's log was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// There is no such run: it never was, or it was deleted.
    #[error("there is no run {run}: it never was, or it was deleted")]
    UnknownRun {
        /// The run.
        run: RunId,
    },
    /// The cursor is after the end of the log.
    #[error("the cursor {after} is after the last event of the run {run}, {last_seq}")]
    CursorAhead {
        /// The run.
        run: RunId,
        /// The cursor.
        after: Seq,
        /// The number of the last event.
        last_seq: Seq,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LogError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRun { .. } => "run_not_found",
            Self::CursorAhead { .. } => "cursor_ahead",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::UnknownRun { .. } | Self::CursorAhead { .. } => false,
            Self::Store(error) => error.is_retryable(),
        }
    }
}
