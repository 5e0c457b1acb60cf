//! A run that was claimed, as its work sees it.
//!
//! Owns: what the work has around it, the wish that it stop, and the forms of its events and its end.
//! Never: does the work: `answer.rs` and `graph.rs` do.

use super::hub::{Driven, Hub};
use super::observed::Observed;
use super::spec::own_thread;
use super::writer::RunWriter;
use crate::update::Update;
use genesis_mesh_core::log::{CancelKind, EventClass, NewEvent, Run, RunEnd};
use std::sync::Arc;
use tokio::sync::watch;

/// What the work of a claimed run has around it.
pub(super) struct Job<'a> {
    pub(super) hub: &'a Arc<Hub>,
    pub(super) run: &'a Run,
    pub(super) writer: Arc<RunWriter>,
    pub(super) seed: u64,
    pub(super) driven: &'a Driven,
    pub(super) observed: &'a Observed,
}

/// How a run ends: its last events, and what its row says.
pub(super) struct Ended {
    pub(super) events: Vec<NewEvent>,
    pub(super) end: RunEnd,
}

impl Job<'_> {
    /// Which attempt this is, from 1.
    pub(super) fn attempt(&self) -> u32 {
        u32::try_from(self.run.epoch).unwrap_or(u32::MAX)
    }

    /// Whether the run was claimed before.
    pub(super) fn is_again(&self) -> bool {
        self.run.epoch > 1
    }

    /// The thread that a graph keeps its steps in: the run's own if it was given none.
    pub(super) fn thread(&self) -> String {
        self.run.thread.clone().unwrap_or_else(|| own_thread(self.run.id))
    }

    pub(super) fn cancel(&self) -> Stop {
        Stop { wish: self.driven.cancel.subscribe(), is_seen: false }
    }
}

/// The wish that a run stop.
pub(super) struct Stop {
    wish: watch::Receiver<Option<CancelKind>>,
    /// It was told.
    pub(super) is_seen: bool,
}

impl Stop {
    /// Returns when the run is to stop.
    pub(super) async fn asked(&mut self) {
        if self.wish.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.is_seen = true;
    }
}

/// An update as an event.
pub(super) fn event(update: &Update, class: EventClass, memo: Option<String>) -> NewEvent {
    // An update is made of strings, numbers and JSON.
    NewEvent { class, data: serde_json::to_string(update).unwrap_or_default(), memo }
}

/// The last event of a log.
pub(super) fn last_event(update: &Update) -> NewEvent {
    event(update, EventClass::End, None)
}
