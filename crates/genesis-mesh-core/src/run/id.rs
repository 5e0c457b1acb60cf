//! Ids: of checkpoints, tasks and interrupts, and the namespaces of nested graphs.
//!
//! Owns: how a task's id follows from where it stands, so that a resumed run finds its writes again.
//! Never: draws an id; those of checkpoints come from the runner's clock.
//! Source: namespaces are `node:task|inner:task`, as LangGraph's clients read them; ids are written as in RFC 9562.

use super::path::TaskPath;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use twox_hash::XxHash3_128;

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 hexadecimal digits, with or without the hyphens of a UUID")]
pub struct InvalidId;

/// The places of the hyphens in a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// The number that a text of 32 hexadecimal digits is, with all hyphens of a UUID or none.
fn uuid_of(text: &str) -> Option<u128> {
    let is_one = match text.len() {
        32 => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        36 => text.bytes().enumerate().all(|(at, byte)| match HYPHENS.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    };
    is_one.then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok())?
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let id = self.0;
                write!(
                    f,
                    "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                    (id >> 96) as u32,
                    (id >> 80) as u16,
                    (id >> 64) as u16,
                    (id >> 48) as u16,
                    id & 0xffff_ffff_ffff
                )
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                uuid_of(text).map(Self).ok_or(InvalidId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id! {
    /// A place in a thread's history. Later ids are greater: they begin with the time.
    CheckpointId
}
uuid_id! {
    /// One run of an agent. Later ids are greater: they begin with the time.
    RunId
}
uuid_id! {
    /// One task of one step; zero stands for what comes from outside: input, answers, commands.
    TaskId
}

impl TaskId {
    /// Whoever is no task: the caller of the run.
    pub const OUTSIDE: Self = Self(0);

    /// An id that follows from this one: of the message that the task makes as its `index`-th, for example.
    #[must_use]
    pub fn derive(self, index: u64) -> String {
        let mut place = [0; 24];
        let (head, tail) = place.split_at_mut(16);
        head.copy_from_slice(&self.0.to_be_bytes());
        tail.copy_from_slice(&index.to_be_bytes());
        Self(XxHash3_128::oneshot(&place)).to_string()
    }
}

/// Where a graph runs: empty for the outermost, else `node:task` for each graph around it, joined by `|`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Namespace(Option<Arc<str>>);

impl Namespace {
    /// The namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether it is that of the outermost graph.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// The namespace of what runs within a task.
    #[must_use]
    pub fn child(&self, node: &str, task: TaskId) -> Self {
        self.join(&format!("{node}:{task}"))
    }

    /// The namespace of a subgraph with a history of its own, which is the same for every task.
    #[must_use]
    pub fn stable_child(&self, node: &str) -> Self {
        self.join(node)
    }

    /// The namespace of the `count`-th graph that one task runs, from 1 for the second.
    #[must_use]
    pub fn numbered(&self, count: u32) -> Self {
        self.join(&count.to_string())
    }

    fn join(&self, last: &str) -> Self {
        Self(Some(match &self.0 {
            Some(outer) => Arc::from(format!("{outer}|{last}")),
            None => Arc::from(last),
        }))
    }

    /// Its parts, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|text| text.split('|'))
    }
}

impl From<String> for Namespace {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Namespace> for String {
    fn from(ns: Namespace) -> Self {
        ns.as_str().to_owned()
    }
}

impl From<&str> for Namespace {
    fn from(text: &str) -> Self {
        Self((!text.is_empty()).then(|| Arc::from(text)))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a task: the same for the same place, so that what it did before a crash is found again.
pub(super) fn task_id(checkpoint: CheckpointId, ns: &Namespace, node: &str, path: &TaskPath) -> TaskId {
    let mut place = Vec::with_capacity(96);
    place.extend_from_slice(&checkpoint.0.to_be_bytes());
    place.extend_from_slice(ns.as_str().as_bytes());
    place.push(0);
    place.extend_from_slice(node.as_bytes());
    place.push(0);
    path.hash_into(&mut place);
    TaskId(XxHash3_128::oneshot(&place).max(1))
}

/// The id of a question that a task asks: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InterruptId(pub String);

impl InterruptId {
    /// The id of the question that a task asks after `answered` answers.
    #[must_use]
    pub fn of(task_ns: &Namespace, answered: usize) -> Self {
        let place = match answered {
            0 => task_ns.as_str().to_owned(),
            _ => format!("{task_ns}|{answered}"),
        };
        Self(format!("{:032x}", XxHash3_128::oneshot(place.as_bytes())))
    }

    /// Whether a text has the form of such an id.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl fmt::Display for InterruptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_with_all_hyphens_of_a_uuid_or_none() {
        let id = RunId(0x0192_f0c1_2b3c_7d4e_8f90_1234_5678_9abc);
        for text in [
            "0192f0c1-2b3c-7d4e-8f90-123456789abc",
            "0192F0C1-2B3C-7D4E-8F90-123456789ABC",
            "0192f0c12b3c7d4e8f90123456789abc",
        ] {
            assert_eq!(text.parse(), Ok(id), "{text}");
        }
    }

    #[test]
    fn a_text_of_another_form_is_no_id() {
        for text in [
            "",
            "abc",
            "+192f0c12b3c7d4e8f90123456789abc",
            "0192f0c12b3c7d4e8f90123456789abcd",
            "0192f0c-12b3c-7d4e-8f90-123456789abc",
            "0192f0c1-2b3c-7d4e-8f90123456789-abc",
            "0192f0c1+2b3c-7d4e-8f90-123456789abc",
            "0192f0c1-2b3c-7d4e-8f90-123456789abg",
            "------------------------------------",
            "ä192f0c1-2b3c-7d4e-8f90-123456789ab",
        ] {
            assert_eq!(text.parse::<RunId>(), Err(InvalidId), "{text}");
            assert_eq!(text.parse::<CheckpointId>(), Err(InvalidId), "{text}");
        }
    }
}
