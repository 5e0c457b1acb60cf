//! Events of a run's log, as clients read them.
//!
//! Owns: the few fields that clients and the checker look at.
//! Never: judges.

use serde_json::{Map, Value};

/// One event with its number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    /// All of it but its number.
    pub(crate) data: Map<String, Value>,
}

impl Event {
    /// Reads an event; `None` if this is none: it has no number.
    pub(crate) fn of(value: Value) -> Option<Self> {
        let Value::Object(mut data) = value else { return None };
        let seq = data.remove("seq")?.as_u64()?;
        Some(Self { seq, data })
    }

    pub(crate) fn text_of(&self, field: &str) -> Option<&str> {
        self.data.get(field)?.as_str()
    }

    /// What its `type` says.
    pub(crate) fn kind(&self) -> &str {
        self.text_of("type").unwrap_or_default()
    }

    pub(crate) fn is_end(&self) -> bool {
        matches!(self.kind(), "done" | "error")
    }

    /// The text of a delta that says nothing else: only such may share a frame.
    pub(crate) fn plain_text(&self) -> Option<&str> {
        let is_plain = self.kind() == "delta" && self.data.len() == 2;
        is_plain.then(|| self.text_of("text")).flatten()
    }

    /// The stable name of the error that this is.
    pub(crate) fn error_code(&self) -> Option<&str> {
        self.data.get("error")?.get("code")?.as_str()
    }
}
