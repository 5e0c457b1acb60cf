//! Changes: how a conversation goes on, is corrected and is cut.
//!
//! Owns: `MessageChange`, and the one way to apply changes, to messages of any form.
//! Never: gives ids; who applies changes has given them before.
//! Source: the rules are those of LangGraph's `add_messages`.

use super::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// For this many changes ids are compared one by one; for more, all ids of the conversation go into a table first,
/// which costs about as much as four walks.
const FEW: usize = 4;

/// A change to a list of messages, in whatever form both are.
pub(crate) trait Change {
    /// The messages.
    type Message;

    /// The id of the message that it puts or removes.
    fn id(&self) -> Option<&str>;

    /// Whether it takes a message out.
    fn is_removal(&self) -> bool;

    /// The message that it puts.
    fn into_put(self) -> Option<Self::Message>;

    /// The id of a message.
    fn id_of(message: &Self::Message) -> Option<&str>;
}

/// One change to a conversation: what the reducer `messages` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MessageChange {
    /// Takes the message of this id out.
    Remove {
        /// Always `remove`.
        r#type: RemoveTag,
        /// The id of the message, or `__remove_all__` for all before this change.
        id: String,
    },
    /// Puts a message at the end, or in the place of the one with its id.
    Put(Message),
}

/// The word `remove`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemoveTag {
    /// The word.
    Remove,
}

impl MessageChange {
    /// The id that stands for all messages.
    pub const ALL: &str = "__remove_all__";

    /// Takes the message of this id out.
    #[must_use]
    pub fn remove(id: impl Into<String>) -> Self {
        Self::Remove { r#type: RemoveTag::Remove, id: id.into() }
    }

    /// Takes all messages out that came before this change.
    #[must_use]
    pub fn remove_all() -> Self {
        Self::remove(Self::ALL)
    }

    /// Applies `changes` to `messages`, in order.
    ///
    /// # Errors
    /// The id of a removal that no message has; `messages` is then as it was.
    pub fn apply_all(messages: &mut Vec<Message>, changes: Vec<Self>) -> Result<(), String> {
        apply_all(messages, changes)
    }
}

impl Change for MessageChange {
    type Message = Message;

    fn id(&self) -> Option<&str> {
        match self {
            Self::Put(message) => message.id.as_deref(),
            Self::Remove { id, .. } => Some(id),
        }
    }

    fn is_removal(&self) -> bool {
        matches!(self, Self::Remove { .. })
    }

    fn into_put(self) -> Option<Message> {
        match self {
            Self::Put(message) => Some(message),
            Self::Remove { .. } => None,
        }
    }

    fn id_of(message: &Message) -> Option<&str> {
        message.id.as_deref()
    }
}

impl From<Message> for MessageChange {
    fn from(message: Message) -> Self {
        Self::Put(message)
    }
}

/// Applies `changes` to `messages`: what was before the last removal of all goes, then each change has its effect.
///
/// # Errors
/// The id of a removal that no message has; `messages` is then as it was.
pub(crate) fn apply_all<C: Change>(
    messages: &mut Vec<C::Message>,
    mut changes: Vec<C>,
) -> Result<(), String> {
    let clears = |change: &C| change.is_removal() && change.id() == Some(MessageChange::ALL);
    let clear = changes.iter().rposition(clears);
    changes.drain(..clear.map_or(0, |last| last + 1));
    let places = places(if clear.is_some() { &[] } else { messages }, &changes)?;
    if clear.is_some() {
        messages.clear();
    }
    let mut removed = BTreeSet::new();
    for (change, place) in changes.into_iter().zip(places) {
        let Some(message) = change.into_put() else {
            removed.insert(place);
            continue;
        };
        removed.remove(&place);
        match messages.get_mut(place) {
            Some(old) => *old = message,
            None => messages.push(message),
        }
    }
    if !removed.is_empty() {
        let mut places = 0..;
        messages.retain(|_| places.next().is_none_or(|place| !removed.contains(&place)));
    }
    Ok(())
}

/// Where each change goes: the place of the message with its id, or the next one at the end.
fn places<C: Change>(messages: &[C::Message], changes: &[C]) -> Result<Vec<usize>, String> {
    let named = messages.iter().enumerate().filter_map(|(place, message)| Some((C::id_of(message)?, place)));
    let mut known: HashMap<&str, usize> = if changes.len() > FEW { named.collect() } else { HashMap::new() };
    let mut end = messages.len();
    let mut places = Vec::with_capacity(changes.len());
    for change in changes {
        let id = change.id();
        let place = id.and_then(|id| match known.get(id) {
            None if changes.len() <= FEW => {
                messages.iter().rposition(|message| C::id_of(message) == Some(id))
            }
            place => place.copied(),
        });
        let place = match place {
            None if change.is_removal() => return Err(id.unwrap_or_default().to_owned()),
            None => {
                known.extend(id.map(|id| (id, end)));
                end += 1;
                end - 1
            }
            Some(place) => place,
        };
        places.push(place);
    }
    Ok(places)
}
