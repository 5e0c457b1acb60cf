//! Where a run stands, and how it is stopped and ends.
//!
//! Owns: the closed lists of these, with their names.
//! Never: decides what comes next; the store's transactions and the runner do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It waits to be claimed.
    Queued,
    /// It was claimed, and has not ended.
    Running,
    /// It came to its end.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It ended with open questions, or at a breakpoint; another run of its thread answers them, or goes on.
    Interrupted,
    /// It was stopped.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Interrupted, Self::Cancelled];

    /// Whether nothing follows.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Its name, as stores and clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// How a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelKind {
    /// What it did is kept.
    Interrupt,
    /// What it did to its thread is undone.
    Rollback,
}

impl CancelKind {
    /// Its name, as stores and clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Rollback => "rollback",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Interrupt, Self::Rollback].into_iter().find(|kind| kind.name() == name)
    }
}

/// What becomes of a new run whose thread has one that has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfBusy {
    /// It is refused.
    Reject,
    /// It waits.
    #[default]
    Enqueue,
    /// The others are stopped, what they did is kept; then it runs.
    Interrupt,
    /// The others are stopped, what they did to the thread is undone; then it runs.
    Rollback,
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// One of the statuses that are an end.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<Value>,
    /// Whether what it did to its thread is undone; it is in any case if that was wished before the end was kept.
    pub rolls_back: bool,
}
