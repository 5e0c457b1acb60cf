//! Leases: who works on a run, and until when nobody else may.
//!
//! Owns: what a claim asks for and gives.
//! Never: knows the time.

use super::row::Run;
use super::status::CancelKind;
use crate::run::RunId;

/// The right to work on a run. The epoch fences: a commit under an older one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// How often the run had been claimed when this lease was given.
    pub epoch: u64,
}

/// Who wants to work, and for how long before the first heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The process, in words for people.
    pub owner: String,
    /// The length of the lease, in milliseconds from now by the store's clock.
    pub lease_ms: u64,
    /// Only runs of these agents.
    pub agents: Vec<String>,
    /// At most so many runs.
    pub limit: usize,
}

/// A run that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The run as it now is.
    pub run: Run,
    /// The right to work on it.
    pub lease: Lease,
}

/// What a heartbeat says of one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It is held, and the run is to stop if that was asked for.
    Held(Option<CancelKind>),
    /// It is not: another owner has the run, or the run has ended.
    Lost,
}
