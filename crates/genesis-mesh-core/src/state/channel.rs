//! Channels: one named part of a state, how it takes writes, and its operations without its type.
//!
//! Owns: the kinds of channels, and the contract `ChannelOps` between the machine and a field of some type.
//! Never: holds a value; values live in a `StateCell`.

use super::value::{AnyState, BoxValue};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The place of a channel in its shape.
pub type ChannelId = u32;

/// How a channel takes the writes of a step, and how long it keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// The last value; two writes in one step are an error.
    Last,
    /// As `Last`, but the value is seen only when nothing else can run.
    AfterFinish,
    /// The last of several writes wins, and the value is gone after a step without a write.
    Any,
    /// Writes are folded into the value by the reducer.
    Reduce,
    /// A list of what was published; it is emptied before each step, unless it accumulates.
    Topic {
        /// Whether it keeps what earlier steps published.
        accumulate: bool,
    },
    /// A value for the next step alone.
    Ephemeral {
        /// Whether two writes in one step are an error; else the last one wins.
        guard: bool,
    },
    /// The last value, never written to a store.
    Untracked {
        /// Whether two writes in one step are an error; else the last one wins.
        guard: bool,
    },
    /// What the run itself says: tasks read it, nobody writes it, and no checkpoint has it.
    Managed(Managed),
}

/// A value that tells a task where its run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed {
    /// Whether the run may take no step after this one and the look at what is left: a boolean.
    IsLastStep,
    /// How many steps may come after this one: an integer.
    RemainingSteps,
}

impl ChannelKind {
    /// Whether a second write in one step is an error.
    #[must_use]
    pub fn takes_one_write(self) -> bool {
        matches!(
            self,
            Self::Last
                | Self::AfterFinish
                | Self::Ephemeral { guard: true }
                | Self::Untracked { guard: true }
        )
    }

    /// Whether the value goes away in a step that doesn't write it.
    #[must_use]
    pub fn lives_one_step(self) -> bool {
        matches!(self, Self::Any | Self::Topic { accumulate: false } | Self::Ephemeral { .. })
    }

    /// Whether it has a value before anything is written.
    #[must_use]
    pub fn has_initial(self) -> bool {
        self == Self::Reduce
    }
}

/// The operations on one channel of a state whose type the caller does not know.
pub trait ChannelOps: Send + Sync {
    /// Turns `value` into what `fold` takes: a value of the right type as it is, JSON by parsing it.
    ///
    /// # Errors
    /// The JSON does not fit the channel's type.
    fn accept(&self, value: BoxValue, is_overwrite: bool) -> Result<BoxValue, ValueError>;

    /// Folds an accepted value into the state: through the reducer, or in place of it.
    ///
    /// # Errors
    /// The reducer refuses it, or the value has another type.
    fn fold(&self, state: &mut AnyState, value: BoxValue, is_overwrite: bool) -> Result<(), ReduceError>;

    /// Puts the default in place of the value.
    fn clear(&self, state: &mut AnyState);

    /// A copy of the value.
    fn read(&self, state: &AnyState) -> Option<BoxValue>;

    /// The value as JSON.
    ///
    /// # Errors
    /// What the type's `Serialize` says.
    fn json(&self, state: &AnyState) -> Result<Value, serde_json::Error>;

    /// Gives ids to the parts of an accepted value that need one and have none.
    fn assign_ids(&self, value: &mut BoxValue, next_id: &mut dyn FnMut() -> String);

    /// Whether its value is a conversation, whose new messages the stream `messages` shows.
    fn is_conversation(&self) -> bool {
        false
    }

    /// Whether a channel that reduces has a value before anything is written: the empty one of its type.
    fn has_initial(&self) -> bool {
        true
    }

    /// The JSON schema of the value.
    fn schema(&self) -> Value;

    /// The JSON schema of what a write carries.
    fn update_schema(&self) -> Value {
        self.schema()
    }
}

/// One named part of a state.
#[derive(Clone)]
pub struct Channel {
    /// The field's name, which is its key in JSON.
    pub name: Arc<str>,
    /// How it takes writes.
    pub kind: ChannelKind,
    /// Its operations.
    pub ops: Arc<dyn ChannelOps>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A value that does not have the type of its channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{channel}` does not take this value: {reason}")]
pub struct ValueError {
    /// The channel's name.
    pub channel: String,
    /// What does not fit.
    pub reason: String,
}

/// A write that a reducer refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ReduceError {
    /// Why.
    pub reason: String,
}

impl ReduceError {
    /// A refusal for `reason`, a lower-case sentence.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
