//! The `Bus` contract: hints between processes that share a store.
//!
//! Owns: the hints and the trait.
//! Never: carries what must not be lost. A hint may come late, twice, in another order or not at all: it says where to
//! look, and the store is looked at now and then without one. Without a bus everything works, later.
//! Flow: an owner publishes after a commit; readers subscribe, wait until that is confirmed, read the log, then follow.

use crate::log::Seq;
use crate::model::BoxFuture;
use crate::run::RunId;
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::pin::Pin;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "hint", rename_all = "snake_case")]
pub enum Hint {
    /// The log of a run has come to this number.
    Appended {
        /// The run.
        run: RunId,
        /// The number of its last event.
        seq: Seq,
    },
    /// A run is to stop: its owner should look.
    Cancelled {
        /// The run.
        run: RunId,
    },
    /// A run may be there to claim.
    Queued,
    /// Hints may have been lost: look at everything that is followed.
    Missed,
}

/// What hints are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The log of one run: `Appended`.
    Run(RunId),
    /// What runners must know: `Cancelled`, `Queued`.
    Work,
}

impl Hint {
    /// What it is about; `None` for [`Hint::Missed`], which every subscriber may get.
    #[must_use]
    pub fn topic(&self) -> Option<Topic> {
        match self {
            Self::Appended { run, .. } => Some(Topic::Run(*run)),
            Self::Cancelled { .. } | Self::Queued => Some(Topic::Work),
            Self::Missed => None,
        }
    }
}

/// The hints of a topic; ends when the bus is closed. Dropping it ends the subscription.
pub type Hints = Pin<Box<dyn Stream<Item = Hint> + Send>>;

/// Carries hints to all processes that share a store, the sender included.
pub trait Bus: Send + Sync + fmt::Debug {
    /// Tells a hint to whoever has subscribed. Never waits: what can't be sent now is dropped.
    fn publish(&self, hint: Hint);

    /// Subscribes to a topic. When it returns the subscription is confirmed: a hint that is published from then on is
    /// told, unless it is lost.
    ///
    /// # Errors
    /// The bus can't be reached.
    fn subscribe(&self, topic: Topic) -> BoxFuture<'_, Result<Hints, BusError>>;
}

/// Why a bus did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// It can't be reached; hints are missing until it can.
    #[error("the bus can't be reached: {message}")]
    Unavailable {
        /// What happened.
        message: String,
    },
}

impl BusError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "bus_unavailable",
        }
    }
}
