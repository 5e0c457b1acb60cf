//! Why a log can't be read, a run can't be stopped, or a runner ends one.
//!
//! Owns: `LogError` and `DriveError`.
//! Never: is about what an agent does.

use crate::update::RunError;
use genesis_mesh_core::log::Seq;
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;

/// Why a runner ends a run that its agent did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DriveError {
    /// The run ended its process, or was cut, again and again.
    #[error(
        "the run was begun {attempts} times and came no further; see the log of the server for what ended it"
    )]
    Poisoned {
        /// How often it was begun.
        attempts: u32,
    },
    /// Its log is at its limit.
    #[error("the run has told more than {bytes_max} bytes, the limit of its log")]
    LogTooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// What it does has panicked.
    #[error("the run failed by a mistake of this program; its log says more")]
    Internal,
}

impl DriveError {
    fn code(&self) -> &'static str {
        match self {
            Self::Poisoned { .. } => "run_poisoned",
            Self::LogTooLong { .. } => "log_too_long",
            Self::Internal => "internal",
        }
    }
}

impl From<DriveError> for RunError {
    fn from(error: DriveError) -> Self {
        Self::Logged { code: error.code().to_owned(), message: error.to_string(), param: None }
    }
}

/// A mesh was to work a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this mesh works already, or has worked: a mesh does that once; set up another one")]
pub struct WorksOnce;

impl WorksOnce {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "mesh_works_once"
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

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
    /// The mesh works no more, so that nobody follows the log here; the run goes on elsewhere.
    #[error(
        "this mesh has stopped, and does not follow the run {run} any more: read on from the same cursor elsewhere"
    )]
    Stopped {
        /// The run.
        run: RunId,
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
            Self::Stopped { .. } => "mesh_stopped",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::UnknownRun { .. } | Self::CursorAhead { .. } => false,
            Self::Stopped { .. } => true,
            Self::Store(error) => error.is_retryable(),
        }
    }
}
