//! Paths of tasks: why a task runs. Writes of a step are applied in the order of these paths.
//!
//! Owns: the order, and the JSON form that clients know (`["__pregel_push", 0]`).
//! Never: holds ids; the node's name stands here because the order is by name.
//! Source: pulls before pushes, pulls by name, pushes by index; a handler right after the task that failed.

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// Why a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TaskPath {
    /// It is no task of a step: a state update from outside, with its place among several.
    Outside(u32),
    /// An edge, a branch or a join led to the node of this name.
    Pull(Arc<str>),
    /// The handler of a task that was pulled.
    PullHandler(Arc<str>),
    /// A `Send`, with its place among those of the step.
    Push(u32),
    /// The handler of a task that was sent.
    PushHandler(u32),
    /// A call from within a task: the caller, and its place among the caller's calls.
    Call(Arc<TaskPath>, u32),
}

impl Ord for TaskPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for TaskPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TaskPath {
    /// What the order is by: the kind, the caller, the name, the number, and a handler after what it handles.
    fn place(&self) -> (u8, Option<&Self>, &str, u32, bool) {
        match self {
            Self::Outside(index) => (0, None, "", *index, false),
            Self::Pull(name) => (1, None, name, 0, false),
            Self::PullHandler(name) => (1, None, name, 0, true),
            Self::Push(index) => (2, None, "", *index, false),
            Self::PushHandler(index) => (2, None, "", *index, true),
            Self::Call(caller, index) => (3, Some(caller), "", *index, false),
        }
    }

    /// The path of the handler of the task with this path.
    #[must_use]
    pub fn handler(&self) -> Self {
        match self {
            Self::Pull(node) => Self::PullHandler(Arc::clone(node)),
            Self::Push(index) => Self::PushHandler(*index),
            other => other.clone(),
        }
    }

    /// Whether it was called from within another task, which tells of it.
    #[must_use]
    pub fn is_call(&self) -> bool {
        matches!(self, Self::Call(..))
    }

    /// Whether it handles the failure of another task.
    #[must_use]
    pub fn is_handler(&self) -> bool {
        matches!(self, Self::PullHandler(_) | Self::PushHandler(_))
    }

    pub(super) fn hash_into(&self, place: &mut Vec<u8>) {
        let (kind, index) = match self {
            Self::Outside(index) => (0, *index),
            Self::Pull(_) => (1, 0),
            Self::PullHandler(_) => (2, 0),
            Self::Push(index) => (3, *index),
            Self::PushHandler(index) => (4, *index),
            Self::Call(caller, index) => {
                caller.hash_into(place);
                (5, *index)
            }
        };
        place.push(kind);
        place.extend_from_slice(&index.to_be_bytes());
        if let Self::Pull(name) | Self::PullHandler(name) = self {
            place.extend_from_slice(name.as_bytes());
        }
    }

    fn parse(value: &Value) -> Option<Self> {
        let parts = value.as_array()?;
        let index = |place: usize| parts.get(place)?.as_u64().and_then(|index| u32::try_from(index).ok());
        let is_handler = parts.iter().skip(2).any(|part| part.as_str() == Some(HANDLER));
        match parts.first()?.as_str()? {
            OUTSIDE => Some(Self::Outside(index(1)?)),
            PULL => {
                let node = Arc::from(parts.get(1)?.as_str()?);
                Some(if is_handler { Self::PullHandler(node) } else { Self::Pull(node) })
            }
            PUSH => match parts.get(1)? {
                caller @ Value::Array(_) => Some(Self::Call(Arc::new(Self::parse(caller)?), index(2)?)),
                _ if is_handler => Some(Self::PushHandler(index(1)?)),
                _ => Some(Self::Push(index(1)?)),
            },
            _ => None,
        }
    }
}

const OUTSIDE: &str = "__interrupt__";
const PULL: &str = "__pregel_pull";
const PUSH: &str = "__pregel_push";
const HANDLER: &str = "node_error_handler";

impl Serialize for TaskPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_seq(None)?;
        match self {
            Self::Outside(index) => {
                parts.serialize_element(OUTSIDE)?;
                parts.serialize_element(index)?;
            }
            Self::Pull(node) | Self::PullHandler(node) => {
                parts.serialize_element(PULL)?;
                parts.serialize_element(&**node)?;
            }
            Self::Push(index) | Self::PushHandler(index) => {
                parts.serialize_element(PUSH)?;
                parts.serialize_element(index)?;
                parts.serialize_element(&false)?;
            }
            Self::Call(caller, index) => {
                parts.serialize_element(PUSH)?;
                parts.serialize_element(&**caller)?;
                parts.serialize_element(index)?;
                parts.serialize_element(&true)?;
            }
        }
        if self.is_handler() {
            parts.serialize_element(HANDLER)?;
            parts.serialize_element(&false)?;
        }
        parts.end()
    }
}

impl<'de> Deserialize<'de> for TaskPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(&value).ok_or_else(|| serde::de::Error::custom(format!("{value} is no path of a task")))
    }
}
