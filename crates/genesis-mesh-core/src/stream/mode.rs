//! Stream modes: which view of a run a client asks for.
//!
//! Owns: the modes, their names, and sets of them.
//! Never: knows what is in an event.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One view of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum StreamMode {
    /// The whole state after each step that changed it.
    Values,
    /// What each node wrote, when it has ended.
    Updates,
    /// Pieces of messages while models make them.
    Messages,
    /// What nodes write to the stream by themselves.
    Custom,
    /// Tasks when they begin and when they end.
    Tasks,
    /// Checkpoints when they are made.
    Checkpoints,
    /// Tasks and checkpoints with their step and time.
    Debug,
    /// Every event as it is.
    Events,
}

impl StreamMode {
    /// All modes.
    pub const ALL: [Self; 8] = [
        Self::Values,
        Self::Updates,
        Self::Messages,
        Self::Custom,
        Self::Tasks,
        Self::Checkpoints,
        Self::Debug,
        Self::Events,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Updates => "updates",
            Self::Messages => "messages",
            Self::Custom => "custom",
            Self::Tasks => "tasks",
            Self::Checkpoints => "checkpoints",
            Self::Debug => "debug",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for StreamMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StreamMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| text.to_owned())
    }
}

/// Some modes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamModes(u8);

impl StreamModes {
    /// Whether the mode is one of them.
    #[must_use]
    pub fn has(self, mode: StreamMode) -> bool {
        self.0 & (1 << mode as u8) != 0
    }

    /// Whether any of these modes is one of them.
    #[must_use]
    pub fn has_any(self, modes: &[StreamMode]) -> bool {
        modes.iter().any(|mode| self.has(*mode))
    }
}

impl FromIterator<StreamMode> for StreamModes {
    fn from_iter<I: IntoIterator<Item = StreamMode>>(modes: I) -> Self {
        Self(modes.into_iter().fold(0, |bits, mode| bits | (1 << mode as u8)))
    }
}
