//! A run of a graph as a logged run.
//!
//! Owns: how a graph goes on after a crash, and which of its events are logged: each end of a task once.
//! Never: keeps anything but through the run's writer.

use super::history::{History, Memo};
use super::job::{Ended, Job, event, last_event};
use super::leased::LeasedStore;
use super::writer::RunWriter;
use crate::graph::Log;
use crate::graph_agent::{Begin, GraphAgent, Place};
use crate::graph_speech::{GraphSpeech, Said};
use crate::update::{RunError, Update};
use genesis_mesh_core::BoxFuture;
use genesis_mesh_core::log::{EventClass, NewEvent, RunEnd, RunStatus};
use genesis_mesh_core::store::{Appended, Entry, StoreError, ThreadKey};
use genesis_mesh_core::stream::Event;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs a graph on its thread and logs what is told.
pub(super) async fn run(
    job: &Job<'_>,
    graph: &Arc<dyn GraphAgent>,
    begin: Begin,
    is_chat: bool,
    history: History,
) -> Result<Ended, RunError> {
    let voice = Voice { speech: GraphSpeech::new(is_chat), history, attempt: job.attempt() };
    let (writer, is_again) = (Arc::clone(&job.writer), job.is_again());
    let log = Arc::new(RunLog { writer, is_again, voice: Mutex::new(voice) });
    let store = LeasedStore { store: Arc::clone(&job.hub.store), writer: Arc::clone(&job.writer) };
    let place = Place {
        store: Arc::new(store),
        thread: job.thread(),
        run: job.run.id.to_string(),
        log: Arc::clone(&log) as Arc<dyn Log>,
    };
    // Of an earlier attempt there may be nothing but its claim.
    let has_begun = job.is_again() && graph.has_begun(&place).await?;
    let mut stop = job.cancel();
    let ended = tokio::select! {
        ended = graph.run_logged(begin, has_begun, place) => Some(ended?),
        _ = stop.asked() => None,
    };
    let mut voice = log.voice();
    let (updates, status) = match ended {
        Some(end) => {
            let status = if end.is_done { RunStatus::Succeeded } else { RunStatus::Interrupted };
            (voice.speech.end(end), status)
        }
        None => (vec![voice.speech.cancelled()], RunStatus::Cancelled),
    };
    let mut events: Vec<NewEvent> =
        updates.iter().map(|update| event(update, EventClass::Fact, None)).collect();
    if let (Some(event), Some(update)) = (events.last_mut(), updates.last()) {
        *event = last_event(update);
    }
    Ok(Ended { events, end: RunEnd { status, error: None, rolls_back: false } })
}

/// The log of a run of a graph.
struct RunLog {
    writer: Arc<RunWriter>,
    is_again: bool,
    voice: Mutex<Voice>,
}

impl RunLog {
    fn voice(&self) -> MutexGuard<'_, Voice> {
        self.voice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for RunLog {
    fn take(&self, event: Event) {
        // Under one lock, so that no two tasks change places between voice and writer.
        let mut voice = self.voice();
        self.writer.push(voice.events(event));
    }

    fn keep(&self, key: &ThreadKey, entries: Vec<Entry>) -> Appended {
        self.writer.keep_unasked(key, entries)
    }

    fn is_again(&self) -> bool {
        self.is_again
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.writer.room())
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.writer.settled())
    }
}

/// What a run of a graph says, with what earlier attempts have said.
#[derive(Debug)]
struct Voice {
    speech: GraphSpeech,
    history: History,
    attempt: u32,
}

impl Voice {
    fn events(&mut self, told: Event) -> Vec<NewEvent> {
        let Some(Said { update, task, has_ended, is_kept }) = self.speech.event(told) else {
            return Vec::new();
        };
        let task = task.to_string();
        if has_ended && !self.history.ended.insert(task.clone()) {
            // An earlier attempt has told it.
            return Vec::new();
        }
        let mut events = Vec::new();
        // A task that was cut runs again: what it had told is void. One that had ended is not.
        for message in self.history.open.remove(&task).filter(|_| !is_kept).into_iter().flatten() {
            let reset = Update::Reset { message: Some(message), attempt: self.attempt };
            events.push(event(&reset, EventClass::Fact, None));
        }
        let class = match update {
            Update::Delta { .. } | Update::ToolCallDelta(_) | Update::Custom { .. } => EventClass::Delta,
            _ => EventClass::Fact,
        };
        let memo = Memo { task: Some(task), has_ended, ..Memo::default() };
        events.push(event(&update, class, memo.to_json()));
        events
    }
}
