//! What the log of a run says of earlier attempts, so that the next one goes on where they were cut.
//!
//! Owns: the memos of events, their JSON, and what is read out of a log.
//! Never: writes.

use super::pages::PAGE;
use crate::update::Update;
use genesis_mesh_core::log::{LogEvent, RunStore, Seq};
use genesis_mesh_core::run::RunId;
use genesis_mesh_core::store::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// What an event's memo says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memo {
    /// The tokens behind the answer's pieces up to this event, since the last event that had some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tokens: Vec<u32>,
    /// The task of a graph that told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<String>,
    /// With this the task had ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_ended: bool,
}

impl Memo {
    pub(super) fn to_json(&self) -> Option<String> {
        // Strings and numbers alone: it can't fail.
        (*self != Self::default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }
}

/// What earlier attempts have told.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The answer's text that stands.
    pub(super) text: String,
    /// Its tokens, if the model told them.
    pub(super) tokens: Vec<u32>,
    /// Whether anything of an answer was told that stands.
    pub(super) has_spoken: bool,
    /// Tasks whose end was told.
    pub(super) ended: HashSet<String>,
    /// Messages of tasks whose end was not.
    pub(super) open: HashMap<String, Vec<String>>,
}

impl History {
    /// Reads the log of a run up to `last`.
    pub(super) async fn read(store: &dyn RunStore, run: RunId, last: Seq) -> Result<Self, StoreError> {
        let mut history = Self::default();
        // The first event is the run's acceptance.
        let mut cursor = 1;
        while cursor < last {
            let events = store.events(run, cursor, PAGE).await?;
            let Some(end) = events.last() else { break };
            cursor = end.seq;
            for event in &events {
                history.take(event)?;
            }
        }
        Ok(history)
    }

    fn take(&mut self, event: &LogEvent) -> Result<(), StoreError> {
        let corrupt = |error: serde_json::Error| StoreError::Corrupt {
            message: format!("the event {} of a run's log can't be read: {error}", event.seq),
        };
        let memo: Memo = match &event.memo {
            Some(memo) => serde_json::from_str(memo).map_err(corrupt)?,
            None => Memo::default(),
        };
        // An error is the last event, and no update; of a run that goes on there is none.
        let Ok(update) = serde_json::from_str::<Update>(&event.data) else { return Ok(()) };
        self.tokens.extend(memo.tokens);
        match (update, memo.task) {
            (Update::Reset { message: None, .. }, _) => {
                self.text.clear();
                self.tokens.clear();
                self.has_spoken = false;
            }
            (Update::Reset { message: Some(gone), .. }, _) => {
                self.open.values_mut().for_each(|messages| messages.retain(|message| *message != gone));
            }
            (Update::Delta { message: Some(message), .. }, Some(task)) => {
                let messages = self.open.entry(task).or_default();
                if !messages.contains(&message) {
                    messages.push(message);
                }
            }
            (Update::Delta { text, .. }, None) => {
                self.text.push_str(&text);
                self.has_spoken = true;
            }
            (Update::ToolCall(_) | Update::ToolCallDelta(_), None) => self.has_spoken = true,
            (_, Some(task)) if memo.has_ended => {
                self.open.remove(&task);
                self.ended.insert(task);
            }
            _ => {}
        }
        Ok(())
    }
}
